/** Many seeds at once: runs them in worker threads and counts what happened in them. */
import { Worker } from 'node:worker_threads'
import { knownEvents } from '../src/telemetry/events.ts'
import type { Outcome } from './run.ts'

/** Every `step`-th seed, so that workers share a range evenly and the same seeds are run however many there are. */
export interface Share {
  readonly from: number
  readonly step: number
  readonly count: number
}

export interface SeedReport extends Pick<Outcome, 'seed' | 'violation' | 'events' | 'simulatedMs'> {
  readonly reached: readonly (readonly [string, number])[]
  readonly happened: readonly (readonly [string, number])[]
}

export interface Soaked {
  seeds: number
  events: number
  simulatedMs: number
  /** Machine time, milliseconds. */
  elapsedMs: number
  /** Faults and work, by kind. */
  readonly happened: Map<string, number>
  /** Trace events, and in how many seeds each was reached. */
  readonly reached: Map<string, number>
  readonly violations: { readonly seed: number; readonly violation: NonNullable<Outcome['violation']> }[]
}

export interface SoakOptions {
  readonly from: number
  readonly seeds: number
  readonly jobs: number
  /** Ends by itself after this time; undefined: when all seeds were run. */
  readonly forMs?: number | undefined
  /** Ends earlier when asked. */
  readonly signal?: AbortSignal
  readonly onSeed?: (soaked: Soaked) => void
}

/** After so many violations the rest of the seeds will not tell anything new. */
const violationsMax = 10

export async function soak({ from, seeds, jobs, forMs, signal, onSeed }: SoakOptions): Promise<Soaked> {
  const started = performance.now()
  const soaked: Soaked = {
    seeds: 0,
    events: 0,
    simulatedMs: 0,
    elapsedMs: 0,
    happened: new Map(),
    reached: new Map(),
    violations: [],
  }
  const workers: Worker[] = []
  const stop = () => {
    for (const worker of workers) worker.postMessage('stop')
  }
  signal?.addEventListener('abort', stop)
  const timer = forMs === undefined ? undefined : setTimeout(stop, forMs)
  const take = (report: SeedReport) => {
    soaked.seeds += 1
    soaked.events += report.events
    soaked.simulatedMs += Math.round(report.simulatedMs)
    soaked.elapsedMs = performance.now() - started
    for (const [kind, count] of report.happened) add(soaked.happened, kind, count)
    for (const [event] of report.reached) add(soaked.reached, event, 1)
    if (report.violation !== null) soaked.violations.push({ seed: report.seed, violation: report.violation })
    if (soaked.violations.length >= violationsMax) stop()
    onSeed?.(soaked)
  }
  try {
    await Promise.all(
      Array.from({ length: Math.min(jobs, seeds) }, (_, index) => {
        const share: Share = { from: from + index, step: jobs, count: Math.ceil((seeds - index) / jobs) }
        const worker = new Worker(new URL('./soak-worker.ts', import.meta.url), { workerData: share })
        workers.push(worker)
        return ended(worker, take)
      }),
    )
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  soaked.elapsedMs = performance.now() - started
  return soaked
}

const add = (map: Map<string, number>, key: string, count: number) => map.set(key, (map.get(key) ?? 0) + count)

function ended(worker: Worker, take: (report: SeedReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', take)
    worker.once('error', reject)
    worker.once('exit', () => resolve())
  })
}

/**
 * What comes only of what a region does not have: sockets of its own, transfers to other servers, bugs, settings
 * that change under a server that runs, a second server on one disk.
 */
const elsewhere: ReadonlySet<string> = new Set([
  'serve.socket_failed',
  'serve.transferred',
  'serve.failed',
  'serve.stopped',
  'serve.settings_applied',
  'serve.settings_refused',
  'serve.zone_unused',
  'serve.fenced',
])

/** What the programs of a region can come to: a soak that never got there has not shown much. */
const branches = [...knownEvents].filter(
  (event) => /^(plan|enact|sweep|health|serve)\./.test(event) && !elsewhere.has(event),
)

/** Fewer seeds need not get everywhere. */
export const enoughSeeds = 1_000

/** Branches that should have been reached and were not. */
export function unreached({ seeds, reached }: Soaked): readonly string[] {
  return seeds < enoughSeeds ? [] : branches.filter((event) => !reached.has(event))
}
