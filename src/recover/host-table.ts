/**
 * What is known of each host: a struct of arrays, one index a host, so that a million of them are a few
 * arrays and no objects. Times are ticks of a tenth of a second in 32 bits: 13 years of them.
 */
import { assert } from '../base/assert.ts'

/** Tenths of a second on the caller's clock. */
export type Tick = number
export const tickMs = 100
const ticksMax = 2 ** 32 - 1

/** Not later than `ms`: for what was seen. */
export const tickBefore = (ms: number): Tick => Math.floor(ms / tickMs)
/** Not earlier than `ms`: for what ends, so that nothing ends early. */
export const tickAfter = (ms: number): Tick => Math.ceil(ms / tickMs)

export const unknown = 0
/** Reported, has no lease, waits for one. */
export const needed = 1
/** The operation that grants it a lease was started. */
export const inFlight = 2
export const leased = 3
/** Its lease ran out and has not been taken away: expiry is suspended, or at its speed limit. */
export const grace = 4
/** Its lease was taken away. */
export const expired = 5

export class HostTable {
  readonly size: number
  readonly state: Uint8Array
  readonly klass: Uint8Array
  readonly site: Uint16Array
  /** Of the last grant; the next one is written with a greater. */
  readonly epoch: Uint32Array
  readonly expiry: Uint32Array
  readonly lastSeen: Uint32Array
  /** When its next report is expected, and three times that wait after `lastSeen`: silent. */
  readonly due: Uint32Array
  /** Since when it waits, or when its lease was last granted or renewed. */
  readonly since: Uint32Array
  /** Hosts in each state. Read only: `become` keeps it. */
  readonly count = new Uint32Array(6)
  /** Hosts that hold a lease, by site. Read only. */
  readonly leasedAt: Uint32Array
  /** Hosts ever seen, by site. Read only. */
  readonly knownAt: Uint32Array

  constructor(size: number, sites: number) {
    assert(size >= 1 && size < 2 ** 31, `expected 1 to 2^31 hosts, found ${size}`)
    assert(sites >= 1 && sites <= 2 ** 16, `expected 1 to 65,536 sites, found ${sites}`)
    this.size = size
    this.state = new Uint8Array(size)
    this.klass = new Uint8Array(size)
    this.site = new Uint16Array(size)
    this.epoch = new Uint32Array(size)
    this.expiry = new Uint32Array(size)
    this.lastSeen = new Uint32Array(size)
    this.due = new Uint32Array(size)
    this.since = new Uint32Array(size)
    this.leasedAt = new Uint32Array(sites)
    this.knownAt = new Uint32Array(sites)
    this.count[unknown] = size
  }

  get bytes(): number {
    const { state, klass, site, epoch, expiry, lastSeen, due, since } = this
    return [state, klass, site, epoch, expiry, lastSeen, due, since].reduce((sum, one) => sum + one.byteLength, 0)
  }

  holdsLease(host: number): boolean {
    const state = this.state[host] as number
    return state === leased || state === grace
  }

  become(host: number, state: number): void {
    const before = this.state[host] as number
    const site = this.site[host] as number
    const held = before === leased || before === grace
    const holds = state === leased || state === grace
    if (before === unknown) this.knownAt[site] = (this.knownAt[site] as number) + 1
    if (state === unknown) this.knownAt[site] = (this.knownAt[site] as number) - 1
    if (held !== holds) this.leasedAt[site] = (this.leasedAt[site] as number) + (holds ? 1 : -1)
    this.count[before] = (this.count[before] as number) - 1
    this.count[state] = (this.count[state] as number) + 1
    this.state[host] = state
  }

  /** A host that moves takes its place in the counts along. */
  moveTo(host: number, site: number): void {
    const before = this.site[host] as number
    if (before === site) return
    const state = this.state[host] as number
    if (state !== unknown) {
      this.knownAt[before] = (this.knownAt[before] as number) - 1
      this.knownAt[site] = (this.knownAt[site] as number) + 1
    }
    if (this.holdsLease(host)) {
      this.leasedAt[before] = (this.leasedAt[before] as number) - 1
      this.leasedAt[site] = (this.leasedAt[site] as number) + 1
    }
    this.site[host] = site
  }
}

/** The caller's clock must be one that fits: milliseconds since some start, not since 1970. */
export function assertInRange(now: number): void {
  assert(
    now >= 0 && now / tickMs < ticksMax,
    `expected milliseconds on a monotonic clock, below ${ticksMax * tickMs}, found ${now}`,
  )
}
