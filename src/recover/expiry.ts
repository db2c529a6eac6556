/**
 * When leases may be taken away: never while the dependency is not up or hosts cannot be heard, and then
 * only so fast. What runs out faster than that is an alarm, not an action.
 */
import type { Dependency } from './dependency.ts'

/** Of a site's hosts, in a minute. */
const siteShare = 0.02
const minuteMs = 60_000
/** Of the throughput: leases that end in a second must be fewer than can be granted again. */
const drainShare = 0.75

export const mayExpire = (dependency: Dependency, isBlind: boolean): boolean => dependency.state === 'up' && !isBlind

/**
 * Over how long the leases end that were kept alive by a suspension, beyond their time to live: they all
 * would end at once. `throughput` in leases a second, 0 if unknown.
 */
export function spreadMs(leases: number, ttlMs: number, throughput: number): number {
  return throughput > 0 ? Math.max(ttlMs, (leases / (drainShare * throughput)) * 1000) : ttlMs
}

/** When to look again at a lease that ran out beyond the speed limit: within a minute, in random order. */
export const lookAgainMs = (chance: number): number => minuteMs * chance

/** How many may expire at each site now: a bucket of one minute's worth, full at first. */
export class ExpiryAllowance {
  readonly #left: Float64Array
  readonly #at: Float64Array

  constructor(sites: number, now: number) {
    this.#left = new Float64Array(sites).fill(Number.POSITIVE_INFINITY)
    this.#at = new Float64Array(sites).fill(now)
  }

  /** Takes one if there is one. `hosts`: those known at the site. */
  take(site: number, hosts: number, now: number): boolean {
    const most = Math.max(1, siteShare * hosts)
    const passed = Math.max(0, now - (this.#at[site] as number))
    const left = Math.min(most, (this.#left[site] as number) + (passed / minuteMs) * most)
    this.#at[site] = now
    const mayGo = left >= 1
    this.#left[site] = mayGo ? left - 1 : left
    return mayGo
  }
}
