/**
 * How fast a recovery can be at all, whoever governs it, and whether a configuration can work. Each bound
 * is a time that no policy beats; the recovery takes at least the largest.
 */
import { type Problem, problem } from '../base/problem.ts'
import { reportsPerLease } from './polling.ts'

export interface Recovery {
  readonly hosts: number
  /** Work of one lease. */
  readonly unitsPerLease: number
  /** Units a second at the knee, at a time (s) after the start. */
  readonly capacity: (seconds: number) => number
  /** Renewals that cost the dependency something; undefined if they stay in memory. */
  readonly renewals?: { readonly everySeconds: number; readonly units: number } | undefined
  /** Messages of a host until it holds a lease, and the front door's requests a second. */
  readonly messagesPerHost: number
  readonly frontDoorPerSecond: number
  /** Until it is noticed that the dependency is back, and one report, both in seconds. */
  readonly noticedAfterSeconds: number
}

export interface Bounds {
  /** All leases, one after the other, at full capacity. */
  readonly drain: number
  /** The same, while those already granted are renewed. */
  readonly withRenewals: number
  readonly frontDoor: number
  readonly noticing: number
  /** The largest. Infinity if it can never end. */
  readonly bound: number
}

const stepSeconds = 0.05
const secondsMax = 24 * 3600

export function lowerBounds(recovery: Recovery): Bounds {
  const { hosts, messagesPerHost, frontDoorPerSecond, renewals } = recovery
  const drain = drainSeconds(recovery, undefined)
  const withRenewals = renewals === undefined ? drain : drainSeconds(recovery, renewals)
  const frontDoor = (hosts * messagesPerHost) / frontDoorPerSecond
  const noticing = recovery.noticedAfterSeconds
  return { drain, withRenewals, frontDoor, noticing, bound: Math.max(drain, withRenewals, frontDoor, noticing) }
}

/**
 * By steps of 50 ms: the capacity of the step, less one renewal for each lease that was granted a whole
 * number of renewal intervals ago. What a step is short of, the next one owes.
 */
function drainSeconds(recovery: Recovery, renewals: Recovery['renewals']): number {
  const all = recovery.hosts * recovery.unitsPerLease
  const stepsPerRenewal = renewals === undefined ? 0 : Math.max(1, Math.round(renewals.everySeconds / stepSeconds))
  /** Leases to renew, by step modulo the interval: those granted in all earlier rounds together. */
  const granted = new Float64Array(stepsPerRenewal)
  let done = 0
  let owed = 0
  for (let step = 0; step * stepSeconds < secondsMax; step++) {
    const at = stepsPerRenewal === 0 ? 0 : step % stepsPerRenewal
    if (renewals !== undefined) owed += ((granted[at] as number) * renewals.units) / recovery.unitsPerLease
    // The middle of the step, so that ramps come out right.
    const able = recovery.capacity((step + 0.5) * stepSeconds) * stepSeconds
    const renewed = Math.min(owed, able)
    owed -= renewed
    const left = able - renewed
    if (left > 0 && done + left >= all) return step * stepSeconds + ((all - done) / left) * stepSeconds
    done += left
    if (renewals !== undefined) granted[at] = (granted[at] as number) + left
  }
  return Number.POSITIVE_INFINITY
}

/** The most hosts that can hold leases at once, when each renewal costs the dependency. */
export function ceiling(capacity: number, renewals: { readonly everySeconds: number; readonly units: number }): number {
  return (capacity * renewals.everySeconds) / renewals.units
}

/** Undefined if the fleet fits; otherwise which formula says that it does not. */
export function cannotWork(plan: {
  readonly hosts: number
  readonly ttlSeconds: number
  /** Units a second; 0 if nobody knows. */
  readonly capacity: number
  readonly renewalUnits: number
  readonly frontDoorPerSecond: number
}): Problem | undefined {
  const { hosts, ttlSeconds, capacity, renewalUnits, frontDoorPerSecond } = plan
  const everySeconds = ttlSeconds / reportsPerLease
  const reports = hosts / everySeconds
  if (reports > frontDoorPerSecond)
    return problem(
      'leases',
      `at most ${whole(frontDoorPerSecond)} reports/s, which the front door answers`,
      `${whole(hosts)} hosts that report every ${round(everySeconds)} s (a third of ${round(ttlSeconds)} s): ${whole(reports)} reports/s`,
      `raise the time to live to ${whole((hosts * reportsPerLease) / frontDoorPerSecond)} s or more, or let racks report together`,
    )
  if (capacity <= 0 || renewalUnits <= 0) return undefined
  const most = ceiling(capacity, { everySeconds, units: renewalUnits })
  if (hosts < most) return undefined
  return problem(
    'leases',
    `fewer than ${whole(most)} hosts: capacity x interval / work of a renewal = ${round(capacity)}/s x ${round(everySeconds)} s / ${renewalUnits}`,
    `${whole(hosts)} hosts`,
    `raise the time to live above ${whole((hosts * reportsPerLease * renewalUnits) / capacity)} s, or keep renewals in memory`,
  )
}

const whole = (value: number): string => Math.ceil(value).toLocaleString('en')
const round = (value: number): string => String(Math.round(value * 100) / 100)
