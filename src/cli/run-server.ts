/** Wires the built-in DNS server: from its settings alone, without a store, so that it starts whatever else is broken. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describeProblem, isProblem, type Problem } from '../base/problem.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { startServer } from '../serve/server.ts'
import { serveTelemetry } from '../telemetry/http.ts'
import { openLog } from '../telemetry/log.ts'
import { metricsOf } from '../telemetry/metrics.ts'
import { serveMetrics } from '../telemetry/serve-metrics.ts'
import type { TraceEvent } from '../world/world.ts'
import type { Cli } from './cli.ts'
import { endBy, endNow } from './end.ts'
import { exit } from './exit.ts'
import { CliFailure, fail } from './io.ts'
import { type RunOptions, tellParent } from './parent.ts'
import { removeRecord, startMarkOf, writeRecord } from './processes.ts'
import { serverFingerprint } from './programs.ts'
import { serverRecordPath } from './server-health.ts'
import { version } from './version.ts'

export async function runServer(cli: Cli, path: string, options: RunOptions): Promise<never> {
  const { config, lastGood } = usableConfig(cli, path, options.lastGood)
  const { server: settings } = config
  if (settings === null)
    fail(
      exit.config,
      path,
      'a "server" section',
      'none',
      'add one, or leave the built-in server out and run the other roles only',
    )
  for (const { key, file } of config.generate)
    fail(
      exit.config,
      file,
      `the secret of the key ${key}`,
      'no such file',
      'run "holdfast up" once, which makes it, or write it yourself',
    )

  const log = openLog(options.id, options.log)
  const metrics = metricsOf({ program: options.id, role: 'server', version })
  const trace = (event: TraceEvent) => {
    metrics.event(event)
    log.event(event)
  }
  if (lastGood !== null) trace({ event: 'program.fell_back', reason: describeProblem(lastGood) })
  const server = await startServer(settings, trace)
  if (isProblem(server)) throw new CliFailure(exit.unreachable, [server])

  const started = Date.now()
  const refresh = serveMetrics(metrics, () => server.stats())
  const address = options.http ?? config.serverHttp
  const http =
    address === null
      ? null
      : await serveTelemetry(address, {
          metrics() {
            refresh()
            return metrics.page()
          },
          health: () => ({
            ok: true,
            role: 'server',
            id: options.id,
            pid: process.pid,
            version,
            state: config.state,
            started: new Date(started).toISOString(),
          }),
          ready: async () => ({ ok: true }),
        })
  if (isProblem(http)) {
    await server.close()
    throw new CliFailure(exit.unreachable, [http])
  }
  const url = http?.url ?? null
  const record = serverRecordPath(config)
  writeRecord(record, {
    name: 'server',
    pid: process.pid,
    mark: startMarkOf(process.pid) ?? '',
    fingerprint: serverFingerprint(config),
    http: url,
    started,
  })
  trace({ event: 'program.started', role: 'server', version, node: process.version, pid: process.pid, http: url ?? '' })
  tellParent({ ready: true, http: url })
  process.on('uncaughtException', (error) => {
    trace({ event: 'program.failed', reason: error.stack ?? error.message })
    endNow()
  })
  return await new Promise<never>(() => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        trace({ event: 'program.stopped', why: signal })
        removeRecord(record)
        setTimeout(endNow, closeWithinMs)
        void server.close().finally(() => endBy(signal))
      })
  })
}

const closeWithinMs = 3000

/**
 * The configuration; or, where it cannot be used now, the last one that could. A server that died while
 * somebody was editing must be able to come back.
 */
function usableConfig(
  cli: Cli,
  path: string,
  copy: string | null,
): { readonly config: Config; readonly lastGood: Problem | null } {
  const loaded = loadConfig(path, cli.io.env, { secrets: true })
  if (loaded.kind === 'config') {
    if (copy !== null) keepCopy(path, copy)
    return { config: loaded.config, lastGood: null }
  }
  const before =
    copy !== null && existsSync(copy)
      ? loadConfig(copy, cli.io.env, { secrets: true, dir: dirname(resolve(path)) })
      : loaded
  if (before.kind === 'config') return { config: before.config, lastGood: loaded.problems[0] }
  throw new CliFailure(exit.config, loaded.problems)
}

function keepCopy(path: string, copy: string): void {
  mkdirSync(dirname(copy), { recursive: true, mode: 0o700 })
  const temporary = `${copy}.${process.pid}`
  copyFileSync(path, temporary)
  chmodSync(temporary, 0o600)
  renameSync(temporary, copy)
}
