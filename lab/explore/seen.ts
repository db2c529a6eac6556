/**
 * The states that were seen, as 64 bits of each: two independent 32-bit hashes. Two different states
 * share both with odds of about n^2 / 2^65 for n states: one in 10^4 for a hundred million.
 */
import type { State } from './world.ts'

const loadMost = 0.7
export const bytesPerState = 8 / (loadMost / 2)

export class Seen {
  #low = new Int32Array(1 << 16)
  #high = new Int32Array(1 << 16)
  size = 0
  hashLow = 0
  hashHigh = 0

  get bytes(): number {
    return this.#low.byteLength * 2
  }

  /** Bytes that are in use at once while the table doubles, next time. */
  get bytesToGrow(): number {
    return this.bytes * 3
  }

  get isAboutToGrow(): boolean {
    return this.size + 1 > this.#low.length * loadMost
  }

  /** True if it was not there before. */
  add(state: State): boolean {
    let a = 0x9e3779b9 | 0
    let b = 0x85ebca6b | 0
    for (let index = 0; index < state.length; index++) {
      const value = state[index] as number
      a = Math.imul(a ^ value, 0x85ebca77)
      a ^= a >>> 15
      b = Math.imul(b ^ value, 0xc2b2ae3d) + 0x27d4eb2f
      b ^= b >>> 13
    }
    a = Math.imul(a ^ (a >>> 16), 0x7feb352d)
    a ^= a >>> 15
    b = Math.imul(b ^ (b >>> 15), 0x846ca68b)
    b ^= b >>> 16
    // Zero stands for an empty place.
    if (a === 0 && b === 0) b = 1
    this.hashLow = a
    this.hashHigh = b
    if (this.isAboutToGrow) this.#grow()
    return this.#put(a, b)
  }

  #put(a: number, b: number): boolean {
    const mask = this.#low.length - 1
    for (let place = a & mask; ; place = (place + 1) & mask) {
      const low = this.#low[place] as number
      const high = this.#high[place] as number
      if (low === 0 && high === 0) {
        this.#low[place] = a
        this.#high[place] = b
        this.size += 1
        return true
      }
      if (low === a && high === b) return false
    }
  }

  #grow(): void {
    const [low, high] = [this.#low, this.#high]
    this.#low = new Int32Array(low.length * 2)
    this.#high = new Int32Array(low.length * 2)
    this.size = 0
    for (let place = 0; place < low.length; place++)
      if (low[place] !== 0 || high[place] !== 0) this.#put(low[place] as number, high[place] as number)
  }
}
