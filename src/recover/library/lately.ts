/** How long runs take, as far as anybody knows: a mean that forgets when nothing is learned for a while. */

const forgetMs = 2_000
const weight = 1 / 16

export class Lately {
  #meanMs = 0
  #at = Number.NEGATIVE_INFINITY

  add(ms: number, now: number): void {
    this.#meanMs = now - this.#at > forgetMs ? ms : this.#meanMs + (ms - this.#meanMs) * weight
    this.#at = now
  }

  /** 0 if nobody knows: then somebody must be let through to find out. */
  meanMs(now: number): number {
    return now - this.#at > forgetMs ? 0 : this.#meanMs
  }
}
