/** What is counted while a recovery runs, and the figures that are made of it. */
import { type Kind, lease } from './database.ts'
import { renewalUnits, sites, type Terms } from './scenario.ts'

export interface Figures {
  /** Seconds until so many percent of the live hosts held a lease; Infinity if they never did. */
  readonly t50: number
  readonly t99: number
  readonly t100: number
  readonly bound: number
  /** Of the live hosts, at most, at any time; and at the end. */
  readonly leasedShare: number
  /** Sent by hosts that do as they are told, until they hold a lease. */
  readonly messagesPerHost: number
  /** Leases of live hosts that were lost. */
  readonly expiries: number
  readonly waitingMost: number
  /** Useful work in the worst 5 s, as a share of what the dependency could have done; from 5 s after it came (back) until t99. */
  readonly worstWindow: number
  /** Of leases over the sites when half of the fleet holds one: 1 if all sites do alike. */
  readonly fairness: number
  readonly operations: number
  readonly operationTimeouts: number
  /** Operations that were done for nobody. */
  readonly wasted: number
  /** Useful units in each second. */
  readonly goodput: readonly number[]
  /** What the dependency could do in each second. */
  readonly able: readonly number[]
  /** Share of live hosts with a lease at the end of each second. */
  readonly leases: readonly number[]
}

const windowSeconds = 5

export class Record {
  operations = 0
  timeouts = 0
  waitingMost = 0
  readonly #terms: Terms
  #messages = 0
  #wasted = 0
  #expiries = 0
  #leased = 0
  #leasedMost = 0
  readonly #leasedAt = new Float64Array(sites)
  #fairness = Number.NaN
  #t50 = Number.POSITIVE_INFINITY
  #t99 = Number.POSITIVE_INFINITY
  #t100 = Number.POSITIVE_INFINITY
  readonly #goodput: number[] = []
  readonly #able: number[] = []
  readonly #leases: number[] = []

  constructor(terms: Terms) {
    this.#terms = terms
  }

  get isDone(): boolean {
    return this.#t100 < Number.POSITIVE_INFINITY
  }

  message(): void {
    this.#messages++
  }

  wasted(): void {
    this.#wasted++
  }

  granted(kind: Kind, now: number): void {
    const second = Math.floor(now)
    this.#goodput[second] = (this.#goodput[second] ?? 0) + (kind === lease ? 1 : renewalUnits)
  }

  leased(site: number, now: number): void {
    this.#leasedAt[site] = (this.#leasedAt[site] as number) + 1
    this.#leased++
    this.#leasedMost = Math.max(this.#leasedMost, this.#leased)
    const { live } = this.#terms
    if (this.#t50 > now && this.#leased >= 0.5 * live) {
      this.#t50 = now
      this.#fairness = jain(this.#leasedAt)
    }
    if (this.#t99 > now && this.#leased >= 0.99 * live) this.#t99 = now
    if (this.#t100 > now && this.#leased >= live) this.#t100 = now
  }

  expired(site: number, _now: number): void {
    this.#leasedAt[site] = (this.#leasedAt[site] as number) - 1
    this.#leased--
    this.#expiries++
  }

  /** At the end of each second. `able`: units that the dependency could have done in it. */
  second(index: number, able: number): void {
    this.#goodput[index] ??= 0
    this.#able[index] = able
    this.#leases[index] = this.#leased / this.#terms.live
  }

  figures(): Figures {
    return {
      t50: this.#t50,
      t99: this.#t99,
      t100: this.#t100,
      bound: this.#terms.bound,
      leasedShare: this.#leasedMost / this.#terms.live,
      messagesPerHost: this.#messages / this.#terms.live,
      expiries: this.#expiries,
      waitingMost: this.waitingMost,
      worstWindow: this.#worst(),
      fairness: this.#fairness,
      operations: this.operations,
      operationTimeouts: this.timeouts,
      wasted: this.#wasted,
      goodput: this.#goodput,
      able: this.#able,
      leases: this.#leases,
    }
  }

  #worst(): number {
    let worst = Number.POSITIVE_INFINITY
    const end = Math.min(this.#able.length, Math.floor(this.#t99))
    /** Seconds of capacity in a row, up to here. */
    let since = 0
    for (let from = 0; from + windowSeconds <= end; from++) {
      since = (this.#able[from] as number) > 0 ? since + 1 : 0
      if (since <= windowSeconds) continue
      const able = sum(this.#able, from)
      const isWhole = this.#able.slice(from, from + windowSeconds).every((one) => one > 0)
      if (isWhole) worst = Math.min(worst, sum(this.#goodput, from) / able)
    }
    return worst
  }
}

const sum = (of: readonly number[], from: number): number =>
  of.slice(from, from + windowSeconds).reduce((total, one) => total + one, 0)

/** Jain's index: 1 if all are equal, 1/n if one has everything. */
export function jain(shares: ArrayLike<number>): number {
  let total = 0
  let squares = 0
  for (let i = 0; i < shares.length; i++) {
    total += shares[i] as number
    squares += (shares[i] as number) ** 2
  }
  return squares === 0 ? 1 : total ** 2 / (shares.length * squares)
}
