/** Who competes on the real database: the limiters of the laboratory, behind a line of requests. */
import type { Protocol } from '../../lab/recover/fleet.ts'
import { aimd, fixed, gradient2, type Limiter, tokenBucket, vegas } from '../../lab/recover/limiters.ts'
import type { LineRules } from '../../lab/recover/line.ts'

export interface RealPolicy {
  readonly name: string
  readonly protocol: Protocol
  /** The governor knows the knee of better times: it keeps that in the store. */
  readonly hint?: boolean
  /** Undefined: the governor. */
  readonly rules?: (perSecond: number, knee: number) => LineRules
}

const patient: Omit<LineRules, 'limiter'> = {
  waitingMax: 500,
  renewalsFirst: true,
  dropsAbandoned: true,
  adaptiveLifo: false,
}

const limited = (
  name: string,
  limiter: (perSecond: number, knee: number) => Limiter,
  rules: Partial<LineRules> = {},
): RealPolicy => ({
  name,
  protocol: { retries: 'with backoff' },
  rules: (perSecond, knee) => ({ ...patient, ...rules, limiter: limiter(perSecond, knee) }),
})

export const governor: RealPolicy = { name: 'governor', protocol: 'polling', hint: true }
/** On its first day. */
export const unhinted: RealPolicy = { name: 'governor without a hint', protocol: 'polling' }

/** As the services are that collapsed: as many at once as there are connections, and an endless line. */
export const naive: RealPolicy = {
  name: 'naive FIFO',
  protocol: { retries: 'at once' },
  rules: () => ({
    limiter: fixed(500),
    waitingMax: Number.POSITIVE_INFINITY,
    renewalsFirst: false,
    dropsAbandoned: false,
    adaptiveLifo: false,
  }),
}

/** `perSecond` and `knee` were measured: who is given them knows more than a service does. */
export const policies: readonly RealPolicy[] = [
  governor,
  unhinted,
  naive,
  limited('fixed pool 64', () => fixed(64)),
  limited('fixed pool 500', () => fixed(500)),
  limited('token bucket 0.8', (perSecond) => tokenBucket(0.8 * perSecond)),
  limited('AIMD', () => aimd()),
  limited('Gradient2', () => gradient2()),
  limited('Vegas', () => vegas()),
  limited('LIFO + CoDel', (_, knee) => fixed(knee), { waitingMax: Number.POSITIVE_INFINITY, adaptiveLifo: true }),
]
