/**
 * When those who were refused are to come back. A constant brings them all back at once, so: as long as it
 * takes to serve all that were refused before, half as long to half as long again.
 */

const leastMs = 1_000
const mostMs = 60_000

export class RetryAfter {
  readonly #random: () => number
  /** Refused, and not yet expected back. */
  #away = 0
  #at: number

  constructor(now: number, random: () => number) {
    this.#at = now
    this.#random = random
  }

  /** One more is refused. `throughput`: operations a second, 0 if unknown. Whole milliseconds. */
  next(throughput: number, now: number): number {
    const perSecond = Math.max(1, throughput)
    this.#away = Math.max(0, this.#away - (Math.max(0, now - this.#at) / 1000) * perSecond) + 1
    this.#at = now
    const even = Math.min(mostMs, Math.max(leastMs, (this.#away / perSecond) * 1000))
    return Math.round(even * (0.5 + this.#random()))
  }
}
