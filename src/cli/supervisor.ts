/**
 * Runs Holdfast's programs as processes of their own, so that no crash takes another with it.
 *
 * - Roles (planner, enactors, prober) live and die with the supervisor: they leave when its channel closes.
 * - The DNS server and companions are detached: they outlive the supervisor, whatever becomes of it, and a
 *   later supervisor adopts them from their run records.
 * - A role or server that ends is started again, after a pause that doubles from 250 ms to 10 s while it
 *   keeps failing. A companion is not: it stands for something that Holdfast does not control.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { describeProblem, isProblem, type Problem } from '../base/problem.ts'
import { type RunRecord, removeRecord, runningRecord, startMarkOf, writeRecord } from './processes.ts'

export interface ProgramSpec {
  /** Unique, such as `enactor-2`, `server` or a companion's name. */
  readonly name: string
  readonly kind: 'role' | 'server' | 'companion'
  readonly command: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** Detached programs: where their output goes, and where they are written down. */
  readonly detached: { readonly log: string; readonly record: string; readonly fingerprint: string } | null
}

export interface ProgramView {
  readonly name: string
  readonly kind: ProgramSpec['kind']
  /** Null while it does not run. */
  readonly pid: number | null
  /** `gone`: ended, and not to be started again. */
  readonly state: 'starting' | 'running' | 'waiting' | 'gone'
  /** Milliseconds since 1970. */
  readonly since: number
  readonly restarts: number
  readonly adopted: boolean
  /** How it ended last, with the problem that it named, if any. */
  readonly ended: string | null
  /** While waiting: when it is started again. */
  readonly retryAt: number | null
  readonly http: string | null
}

export interface SupervisorEvents {
  /** A program's state changed. */
  changed(program: ProgramView, what: string): void
  /** A line that a role wrote to its standard error. */
  line(program: string, text: string): void
  /** A program could not start, and said why, before it ever ran. */
  refused(program: ProgramView, problem: Problem): void
}

export interface Supervisor {
  programs(): readonly ProgramView[]
  /** Ends what it started or adopted; with `keep`, all but the programs it names true for. */
  stop(keep: (program: ProgramView) => boolean): Promise<void>
}

/** How long to wait before the `failures`-th start in a row: 250 ms, doubling, at most 10 s. */
export const backoffMs = (failures: number): number =>
  Math.min(10_000, 250 * 2 ** Math.min(10, Math.max(0, failures - 1)))

/** After this long a start counts as good, and the pauses begin small again. */
const goodRunMs = 10_000
const stopWithinMs = 4000
const adoptedCheckMs = 250
const logMaxBytes = 16 * 1024 * 1024

export function superviseAll(specs: readonly ProgramSpec[], events: SupervisorEvents): Supervisor {
  const programs = specs.map((spec) => superviseOne(spec, events))
  return {
    programs: () => programs.map((program) => program.view()),
    async stop(keep) {
      await Promise.all(programs.map((program) => program.stop(keep(program.view()))))
    },
  }
}

interface Supervised {
  view(): ProgramView
  stop(keep: boolean): Promise<void>
}

function superviseOne(spec: ProgramSpec, events: SupervisorEvents): Supervised {
  let child: ChildProcess | undefined
  let adopted: RunRecord | undefined
  let state: ProgramView['state'] = 'starting'
  let since = Date.now()
  let starts = 0
  let failures = 0
  let everReady = false
  let ended: string | null = null
  let retryAt: number | null = null
  let http: string | null = null
  let told: Problem | undefined
  let stopping = false
  let timer: NodeJS.Timeout | undefined

  const pid = () => (state === 'waiting' || state === 'gone' ? null : (child?.pid ?? adopted?.pid ?? null))
  const view = (): ProgramView => ({
    name: spec.name,
    kind: spec.kind,
    pid: pid(),
    state,
    since,
    restarts: Math.max(0, starts - 1),
    adopted: adopted !== undefined,
    ended,
    retryAt,
    http,
  })
  const enter = (next: ProgramView['state'], what: string) => {
    state = next
    since = Date.now()
    events.changed(view(), what)
  }

  const over = (how: string) => {
    if (timer !== undefined) clearInterval(timer)
    child = undefined
    adopted = undefined
    http = null
    ended = told === undefined ? how : `${how}: ${describeProblem(told)}`
    if (spec.detached !== null) removeRecord(spec.detached.record)
    if (stopping) return
    if (spec.kind === 'companion') return enter('gone', `ended (${ended})`)
    if (told !== undefined && !everReady) events.refused(view(), told)
    failures = Date.now() - since >= goodRunMs ? 1 : failures + 1
    const pause = backoffMs(failures)
    retryAt = Date.now() + pause
    enter('waiting', `ended (${ended}); starts again in ${pause} ms`)
    timer = setTimeout(start, pause)
  }

  const adopt = (record: RunRecord) => {
    adopted = record
    http = record.http
    everReady = true
    starts = 1
    enter('running', `goes on running as process ${record.pid}`)
    timer = setInterval(() => {
      if (startMarkOf(record.pid) !== record.mark) over('ended while not watched by its parent')
    }, adoptedCheckMs)
  }

  const start = () => {
    retryAt = null
    told = undefined
    starts += 1
    const [file, ...args] = spec.command
    const log = spec.detached === null ? null : openLog(spec.detached.log)
    const ipc = spec.kind !== 'companion'
    const output = log ?? 'pipe'
    const started = spawn(file, args, {
      cwd: spec.cwd,
      env: spec.env,
      detached: spec.detached !== null,
      stdio: ['ignore', log ?? 'ignore', output, ...(ipc ? (['ipc'] as const) : [])],
    })
    child = started
    if (log !== null) closeSync(log)
    enter('starting', `started as process ${started.pid ?? '?'}`)
    started.on('error', (error) => {
      if (child === started && started.pid === undefined) over(`could not be started: ${error.message}`)
    })
    started.on('exit', (code, signal) => {
      if (child === started) over(signal === null ? `exit code ${code}` : `signal ${signal}`)
    })
    if (started.stderr !== null)
      createInterface({ input: started.stderr }).on('line', (text) => events.line(spec.name, text.slice(0, 10_000)))
    if (spec.kind === 'companion') {
      if (started.pid !== undefined && spec.detached !== null) {
        const mark = startMarkOf(started.pid)
        if (mark !== undefined)
          writeRecord(spec.detached.record, {
            name: spec.name,
            pid: started.pid,
            mark,
            fingerprint: spec.detached.fingerprint,
            http: null,
            started: Date.now(),
          })
      }
      enter('running', 'runs')
      return
    }
    started.on('message', (message: unknown) => {
      if (child !== started || typeof message !== 'object' || message === null) return
      if ('ready' in message) {
        everReady = true
        http = 'http' in message && typeof message.http === 'string' ? message.http : null
        enter('running', 'runs')
      } else if ('problem' in message && isProblem(message.problem)) told = message.problem
    })
  }

  const record = spec.detached === null ? undefined : runningRecord(spec.detached.record)
  if (record !== undefined && record.fingerprint === spec.detached?.fingerprint) adopt(record)
  else if (record !== undefined) {
    events.changed(view(), `process ${record.pid} was started with another configuration or version: it is replaced`)
    void endProcess(record.pid, record.mark, false).then(() => {
      if (!stopping) start()
    })
  } else start()

  return {
    view,
    async stop(keep) {
      stopping = true
      if (state === 'waiting') clearTimeout(timer)
      const running = child
      const id = pid()
      if (keep) {
        if (adopted !== undefined) clearInterval(timer)
        if (running?.connected === true) running.disconnect()
        running?.unref()
        return
      }
      if (id === null) return
      const mark = adopted?.mark ?? startMarkOf(id)
      if (adopted !== undefined) clearInterval(timer)
      if (mark !== undefined) await endProcess(id, mark, spec.kind === 'companion')
      if (spec.detached !== null) removeRecord(spec.detached.record)
    },
  }
}

/** SIGTERM, and SIGKILL if that is not enough in time. */
async function endProcess(pid: number, mark: string, group: boolean): Promise<void> {
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(group ? -pid : pid, name)
    } catch {
      // It has ended already.
    }
  }
  signal('SIGTERM')
  const until = Date.now() + stopWithinMs
  while (startMarkOf(pid) === mark) {
    if (Date.now() > until) {
      signal('SIGKILL')
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Opened for appending; put aside first when it has grown large, so that two files at most are kept. */
function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    if (statSync(path).size > logMaxBytes) renameSync(path, `${path}.1`)
  } catch {
    // There is none yet.
  }
  return openSync(path, 'a', 0o600)
}
