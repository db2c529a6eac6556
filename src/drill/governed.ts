/** The governor in this process, in front of a dependency that has no service yet. */
import type { Work } from '../leases/work.ts'
import { running } from '../recover/classes.ts'
import { Governor } from '../recover/governor.ts'
import { none, type Outcome } from '../recover/pump.ts'
import type { Answered, Service } from './service.ts'

export interface GovernedOptions {
  readonly hosts: number
  readonly work: Work
  readonly timeoutMs: number
  /** Of host 0, 1, …, as the dependency knows them. */
  readonly idOf: (host: number) => string
  /** Every operation writes a greater epoch than this: that of an earlier drill must not be in the way. */
  readonly epochAbove: number
  /** Milliseconds from the start, on a clock that does not go back. */
  readonly now: () => number
  readonly random: () => number
}

const sites = 8
const outcomes: Readonly<Record<'done' | 'refused' | 'failed' | 'timeout', Outcome>> = {
  done: 'ok',
  refused: 'refused',
  failed: 'failed',
  timeout: 'timeout',
}

export function governed(options: GovernedOptions): Service {
  const { hosts, work, timeoutMs, idOf, epochAbove, now, random } = options
  const governor = new Governor({
    hosts,
    sites,
    now: now(),
    random,
    frontDoorPerSecond: 20_000,
    renewals: 'memory',
    parameters: { operationTimeoutMs: timeoutMs, limitMax: work.atOnce },
  })
  const count = { operations: 0, timeouts: 0, failures: 0 }
  const pump = () => {
    for (;;) {
      const host = governor.next(now())
      if (host === none) return
      void run(host)
    }
  }
  const run = async (host: number) => {
    const began = now()
    count.operations++
    const epoch = epochAbove + governor.epochToWrite(host)
    const { kind } = await work.grant({ id: idOf(host), site: `site-${host % sites}` }, epoch, timeoutMs)
    if (kind === 'timeout') count.timeouts++
    else if (kind !== 'done') count.failures++
    governor.done(host, outcomes[kind], now() - began, now())
    pump()
  }
  return {
    async open() {},
    report(due: readonly number[], answered: Answered) {
      for (const host of due) {
        const standing = governor.report(host, running, host % sites, now())
        answered(host, standing, governor.pollAfter(host, now()))
      }
      pump()
    },
    tick() {
      governor.tick(now())
      pump()
    },
    limit: () => governor.snapshot().limit,
    work: () => ({ ...count }),
    close: () => work.close(),
  }
}
