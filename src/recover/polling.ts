/**
 * How often hosts report, and for how long a lease is good: both follow from what the front door and the
 * dependency can bear, so that the load is the same with a thousand hosts as with a million.
 */

export interface Bearing {
  /** Requests a second that the front door can answer. */
  readonly frontDoorPerSecond: number
  /** Units a second that the dependency does; 0 if nobody knows yet. */
  readonly throughput: number
  /** It does so now, as far as anybody knows. */
  readonly isDraining?: boolean
}

/** Of the front door, for hosts that wait and for hosts that hold a lease, each. */
const frontDoorShare = 0.3
/**
 * Reports of waiting hosts for each lease that is granted: the fewest with which a host is asked to come
 * back before the drain ends, since the longest wait is half as long again as the mean. Nothing is lost if
 * it comes less often: the need-set remembers it.
 */
const reportsPerGrant = 1.5
/** Of the last to come back, few wait, and the budget would have them report all the time. */
const waitMs = { least: 1_700, most: 300_000 }
/** A drain that ends within `before` is waited for, and then so long that not all come back at once; in ms. */
const endOfDrain = { before: 2_000, least: 400, spread: 300 }

const ttlLeastMs = 60_000
/** Of the dependency, for renewals. */
const renewalShare = 0.1
/** A lease is renewed so many times before it would end. */
export const reportsPerLease = 3

/** Reports a second that the waiting hosts may make together. */
export function reportBudget({ frontDoorPerSecond, throughput }: Bearing): number {
  const most = frontDoorShare * frontDoorPerSecond
  return throughput > 0 ? Math.min(most, reportsPerGrant * throughput) : most
}

/**
 * When a host that waits is to report again, in ms. `chance`: 0 <= chance < 1. In the last seconds of a drain that is
 * when it is over: sooner would mostly be in vain, and every later moment is one in which it has a lease and does
 * not know it.
 */
export function waitingPollMs(waiting: number, bearing: Bearing, chance: number): number {
  const even = (waiting / reportBudget(bearing)) * 1000
  const { throughput, isDraining = false } = bearing
  const drain = isDraining && throughput > 0 ? (waiting / throughput) * 1000 : Number.POSITIVE_INFINITY
  if (drain < endOfDrain.before) return Math.max(endOfDrain.least, drain, even) + chance * endOfDrain.spread
  return Math.min(waitMs.most, Math.max(waitMs.least, even)) * (0.5 + chance)
}

/**
 * When a host is to report again whose lease was granted or renewed `ageMs` ago: a third of its time to
 * live after that. Grants are spread over the drain already, so there is less to spread.
 */
export const leasedPollMs = (ttlMs: number, ageMs: number, chance: number): number =>
  Math.max(waitMs.least, (ttlMs / reportsPerLease) * (0.75 + chance / 2) - ageMs)

/**
 * How long a lease is good, so that all renewals together take at most a tenth of the dependency
 * (`renewalUnits` each, 0 if they stay in memory) and three tenths of the front door.
 */
export function ttlMs(hosts: number, renewalUnits: number, { frontDoorPerSecond, throughput }: Bearing): number {
  const reports = reportsPerLease * hosts * 1000
  const byDependency = throughput > 0 ? (reports * renewalUnits) / (renewalShare * throughput) : 0
  return Math.max(ttlLeastMs, byDependency, reports / (frontDoorShare * frontDoorPerSecond))
}
