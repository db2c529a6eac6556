/** The one page of `up` for machines: all programs' metrics merged, and whether the whole is ready. */

import type { Problem } from '../base/problem.ts'
import type { Config } from '../config/config.ts'
import { type Health, serveTelemetry, type TelemetryServer } from '../telemetry/http.ts'
import { mergeMetrics } from '../telemetry/merge.ts'
import type { ProgramView } from './supervisor.ts'
import { version } from './version.ts'

const timeoutMs = 800
const pageBytesMax = 8 * 1024 * 1024

export async function serveWhole(
  config: Config,
  programs: () => readonly ProgramView[],
  started: number,
): Promise<TelemetryServer | Problem | null> {
  if (config.http === null) return null
  const watched = () => programs().filter(({ kind }) => kind !== 'companion')
  return await serveTelemetry(config.http, {
    async metrics() {
      const running = watched().flatMap(({ http }) => (http === null ? [] : [http]))
      const pages = await Promise.all(running.map((url) => fetchText(`${url}/metrics`)))
      return mergeMetrics([ownMetrics(watched()), ...pages.flatMap((page) => page?.body ?? [])])
    },
    health: () => ({
      ok: true,
      program: 'up',
      pid: process.pid,
      version,
      started: new Date(started).toISOString(),
      config: config.path,
      programs: programs().map(({ name, pid, state, restarts, ended }) => ({ name, pid, state, restarts, ended })),
    }),
    async ready() {
      const states = await Promise.all(watched().map(readiness))
      return { ok: states.every(({ ready }) => ready), programs: states }
    },
  })
}

async function readiness(program: ProgramView): Promise<{ name: string; ready: boolean; why: string | null }> {
  const { name, state, http } = program
  if (state !== 'running') return { name, ready: false, why: program.ended ?? state }
  if (http === null) return { name, ready: true, why: null }
  const page = await fetchText(`${http}/readyz`)
  if (page === undefined) return { name, ready: false, why: `${http}/readyz does not answer within ${timeoutMs} ms` }
  try {
    const health = JSON.parse(page.body) as Health
    return { name, ready: page.ok, why: typeof health.why === 'string' ? health.why : null }
  } catch {
    return { name, ready: false, why: `${http}/readyz answers something else than JSON` }
  }
}

function ownMetrics(programs: readonly ProgramView[]): string {
  const lines = (name: string, type: string, help: string, value: (program: ProgramView) => number) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...programs.map((program) => `${name}{program="${program.name}"} ${value(program)}`),
  ]
  return [
    ...lines('holdfast_program_up', 'gauge', 'Whether up sees this program run.', ({ state }) =>
      state === 'running' ? 1 : 0,
    ),
    ...lines(
      'holdfast_program_restarts_total',
      'counter',
      'Times that up has started this program again.',
      ({ restarts }) => restarts,
    ),
  ].join('\n')
}

/** Undefined on any failure: a program that does not answer must not take the page with it. */
async function fetchText(url: string): Promise<{ readonly ok: boolean; readonly body: string } | undefined> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' })
    if (Number(reply.headers.get('content-length') ?? 0) > pageBytesMax) return undefined
    return { ok: reply.ok, body: (await reply.text()).slice(0, pageBytesMax) }
  } catch {
    return undefined
  }
}
