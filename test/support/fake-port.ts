/** A clock that moves when told, and timers on it, for the library `holdfast/recover`. */
import type { Port } from '../../src/recover/library/port.ts'

interface Timer {
  readonly at: number
  readonly then: () => void
}

export class FakePort implements Port {
  #now = 0
  #seed: number
  readonly #timers: Timer[] = []

  constructor(seed = 1) {
    this.#seed = seed
  }

  readonly now = (): number => this.#now

  /** mulberry32 */
  readonly random = (): number => {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  readonly after = (ms: number, then: () => void): (() => void) => {
    const timer = { at: this.#now + Math.max(0, ms), then }
    this.#timers.push(timer)
    return () => {
      const at = this.#timers.indexOf(timer)
      if (at >= 0) this.#timers.splice(at, 1)
    }
  }

  get timers(): number {
    return this.#timers.length
  }

  /** So much time passes while the process does not get to its timers. */
  stuck(ms: number): void {
    this.#now += ms
  }

  /** Lets so much time pass; whatever a timer sets off by promises is done before the next one. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settled()
    for (;;) {
      let next: Timer | undefined
      for (const timer of this.#timers)
        if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer
      if (next === undefined) break
      this.#timers.splice(this.#timers.indexOf(next), 1)
      this.#now = Math.max(this.#now, next.at)
      next.then()
      await settled()
    }
    this.#now = until
  }

  /** Resolves when so much time has passed; rejects with the signal's reason if that fires before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = this.after(ms, resolve)
      signal?.addEventListener('abort', () => {
        stop()
        reject(signal.reason)
      })
    })
  }
}

/** All promises that can go on have gone on. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
