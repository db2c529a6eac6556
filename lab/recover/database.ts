/**
 * The dependency of the laboratory: throughput by the universal scalability law (Gunther, 1993), shared
 * evenly by the operations in flight, service times exponential. Contention makes it bend, coherency makes
 * it fall beyond the knee, as real databases do when everything at once waits for the same rows.
 */
import type { Stream } from '../sim/random.ts'

export interface Curve {
  readonly name: string
  /** One operation alone, in seconds. */
  readonly aloneSeconds: number
  readonly contention: number
  readonly coherency: number
}

export type Knee = 8 | 64 | 400 | 'flat'

const contention = 0.05
/** Where throughput that never falls is taken to be full. */
const flatAt = 4096

/** `flat`: it bends and never falls. */
export function curve(knee: Knee, aloneSeconds = 0.005): Curve {
  const coherency = knee === 'flat' ? 0 : (1 - contention) / knee ** 2
  return { name: knee === 'flat' ? 'flat' : `knee ${knee}`, aloneSeconds, contention, coherency }
}

/** Units a second with `n` operations in flight. */
export function throughputAt({ aloneSeconds, contention: a, coherency: b }: Curve, n: number): number {
  return n / aloneSeconds / (1 + a * (n - 1) + b * n * (n - 1))
}

/** The highest throughput, and how many operations in flight it takes. */
export function peak(of: Curve): { readonly at: number; readonly perSecond: number } {
  const at = of.coherency === 0 ? flatAt : Math.round(Math.sqrt((1 - of.contention) / of.coherency))
  return { at, perSecond: throughputAt(of, at) }
}

/** Operations are slots, numbers below `slotsMax`, of one of two kinds that differ in their work. */
export type Kind = 0 | 1
export const lease = 0
export const renewal = 1
export const slotsMax = 16_384

export class Database {
  readonly #curve: Curve
  readonly #units: readonly [number, number]
  readonly #random: Stream
  readonly #members: readonly [Int32Array, Int32Array] = [new Int32Array(slotsMax), new Int32Array(slotsMax)]
  readonly #counts: [number, number] = [0, 0]
  readonly #place = new Int32Array(slotsMax)
  #share = 0
  #rate = 0
  /** Until the next completion, in hazard: exponential with mean 1. */
  #left: number
  #at = 0

  constructor(of: Curve, units: readonly [number, number], random: Stream) {
    this.#curve = of
    this.#units = units
    this.#random = random
    this.#left = this.#draw()
  }

  get inFlight(): number {
    return this.#counts[0] + this.#counts[1]
  }

  /** When the next operation completes if nothing else happens, in seconds. */
  get nextAt(): number {
    return this.#rate > 0 ? this.#at + this.#left / this.#rate : Number.POSITIVE_INFINITY
  }

  setShare(share: number, now: number): void {
    if (share === this.#share) return
    this.#advance(now)
    this.#share = share
    this.#changed()
  }

  start(slot: number, kind: Kind, now: number): void {
    this.#advance(now)
    const count = this.#counts[kind]
    this.#members[kind][count] = slot
    this.#place[slot] = count
    this.#counts[kind] = count + 1
    this.#changed()
  }

  cancel(slot: number, kind: Kind, now: number): void {
    this.#advance(now)
    this.#remove(slot, kind)
    this.#changed()
  }

  /** At `nextAt`: which operation completes. Its kind is the caller's to know. */
  complete(now: number): number {
    this.#advance(now)
    const [leases, renewals] = this.#counts
    const weightOfLeases = leases / this.#units[0]
    const all = weightOfLeases + renewals / this.#units[1]
    const kind: Kind = this.#fraction() * all < weightOfLeases ? lease : renewal
    const slot = this.#members[kind][this.#random.below(this.#counts[kind])] as number
    this.#remove(slot, kind)
    this.#left = this.#draw()
    this.#changed()
    return slot
  }

  #remove(slot: number, kind: Kind): void {
    const members = this.#members[kind]
    const last = --this.#counts[kind]
    const moved = members[last] as number
    const place = this.#place[slot] as number
    members[place] = moved
    this.#place[moved] = place
  }

  #advance(now: number): void {
    this.#left = Math.max(0, this.#left - this.#rate * (now - this.#at))
    this.#at = now
  }

  #changed(): void {
    const [leases, renewals] = this.#counts
    const n = leases + renewals
    const perSlot = n === 0 ? 0 : (this.#share * throughputAt(this.#curve, n)) / n
    this.#rate = perSlot * (leases / this.#units[0] + renewals / this.#units[1])
  }

  #fraction(): number {
    return this.#random.below(2 ** 32) / 2 ** 32
  }

  #draw(): number {
    return -Math.log(1 - this.#fraction())
  }
}
