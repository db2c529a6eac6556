/** Who competes: the governor, and what services do without one. */
import type { Protocol } from './fleet.ts'
import { aimd, fixed, gradient2, type Limiter, tokenBucket, vegas } from './limiters.ts'
import type { LineRules } from './line.ts'

export type Policy = {
  readonly name: string
  readonly told: string
  readonly protocol: Protocol
  /** An operation is cancelled after it. */
  readonly operationTimeoutSeconds: number
} & (
  | { readonly kind: 'governor' }
  | { readonly kind: 'line'; readonly rules: (unitsPerSecond: number, knee: number) => LineRules }
)

const operationTimeoutSeconds = 2

const patient: LineRules = {
  limiter: fixed(64),
  waitingMax: 500,
  renewalsFirst: true,
  dropsAbandoned: true,
  adaptiveLifo: false,
}

/** With every other remedy: a short line, refusals, backoff, renewals first, what was given up is dropped. */
function limited(
  name: string,
  told: string,
  limiter: (unitsPerSecond: number, knee: number) => Limiter,
  rules: Partial<LineRules> = {},
): Policy {
  return {
    kind: 'line',
    name,
    told,
    protocol: { retries: 'with backoff' },
    operationTimeoutSeconds,
    rules: (unitsPerSecond, knee) => ({ ...patient, ...rules, limiter: limiter(unitsPerSecond, knee) }),
  }
}

export const governor: Policy = {
  kind: 'governor',
  name: 'governor',
  told: 'need-set, knee seeker, rate-scaled polling',
  protocol: 'polling',
  operationTimeoutSeconds,
}

/** As the services are that collapsed. */
export const naive: Policy = {
  kind: 'line',
  name: 'naive FIFO',
  told: 'first come, first served, 2,000 at once, callers try again at once after 10 s',
  protocol: { retries: 'at once' },
  operationTimeoutSeconds: Number.POSITIVE_INFINITY,
  rules: () => ({
    limiter: fixed(2000),
    waitingMax: Number.POSITIVE_INFINITY,
    renewalsFirst: false,
    dropsAbandoned: false,
    adaptiveLifo: false,
  }),
}

export const policies: readonly Policy[] = [
  governor,
  naive,
  {
    kind: 'line',
    name: 'oracle FIFO',
    told: 'exactly the knee at once, callers back off; the line is endless',
    protocol: { retries: 'with backoff' },
    operationTimeoutSeconds,
    rules: (_, knee) => ({
      ...patient,
      limiter: fixed(knee),
      waitingMax: Number.POSITIVE_INFINITY,
      dropsAbandoned: false,
    }),
  },
  limited('fixed pool 64', '64 at once, a line of 500, then refusals', () => fixed(64)),
  limited('fixed pool 500', '500 at once, a line of 500, then refusals', () => fixed(500)),
  limited('token bucket 0.8', '80 % of the nominal capacity a second', (units) => tokenBucket(0.8 * units)),
  limited('token bucket 1.1', '110 % of the nominal capacity a second', (units) => tokenBucket(1.1 * units)),
  limited('AIMD', 'one more a success, a tenth less a failure, 20 to 200', () => aimd()),
  limited('Gradient2', 'latency of now against that of long ago, 20 to 200', () => gradient2()),
  limited('Vegas', 'the queue that latency betrays, up to 1,000', () => vegas()),
  limited('LIFO + CoDel', 'exactly the knee at once; newest first when congested', (_, knee) => fixed(knee), {
    waitingMax: Number.POSITIVE_INFINITY,
    adaptiveLifo: true,
  }),
]
