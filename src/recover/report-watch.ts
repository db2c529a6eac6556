/**
 * Do hosts report as they were asked to? If fewer than half do, it is we who cannot hear: a partition, a
 * front door that is shut. Then silence is no evidence against anybody. Those who are really gone promise
 * nothing new, so the expectation sinks to who is left, and the blindness ends by itself; but not while
 * nobody at all can be heard.
 */

const seconds = 1024
const windowSeconds = 10
/** Below it, half is a matter of chance. */
const expectedLeast = 20

export class ReportWatch {
  /** By second, modulo: reports promised for it, and reports that came in it. */
  readonly #promised = new Uint32Array(seconds)
  readonly #came = new Uint32Array(seconds)
  #second = 0
  #isBlind = false

  constructor(now: number) {
    this.#second = Math.floor(now / 1000)
  }

  get isBlind(): boolean {
    return this.#isBlind
  }

  /** A host reports now, and is asked to report again after `nextMs`. */
  reported(now: number, nextMs: number): void {
    const came = Math.floor(now / 1000) % seconds
    this.#came[came] = (this.#came[came] as number) + 1
    const ahead = Math.min(Math.floor(nextMs / 1000), seconds - windowSeconds - 1)
    const due = (Math.floor(now / 1000) + ahead) % seconds
    this.#promised[due] = (this.#promised[due] as number) + 1
  }

  tick(now: number): void {
    const second = Math.floor(now / 1000)
    if (second <= this.#second) return
    let expected = 0
    let came = 0
    for (let back = 1; back <= windowSeconds; back++) {
      const at = (second - back + seconds) % seconds
      expected += this.#promised[at] as number
      came += this.#came[at] as number
    }
    // Who hears nobody at all stays blind, whatever is still expected.
    this.#isBlind = expected >= expectedLeast ? came < expected / 2 : this.#isBlind && came === 0
    // Forget what falls out of the window; after a long silence of our own, everything.
    for (let past = Math.max(this.#second, second - seconds) - windowSeconds; past < second - windowSeconds; past++) {
      const at = (past + seconds) % seconds
      this.#promised[at] = 0
      this.#came[at] = 0
    }
    this.#second = second
  }
}
