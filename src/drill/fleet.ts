/**
 * Hosts that report, as the protocol says: each when it was told to, all of them over and over until they
 * hold a lease. Pure: time is an argument, in ms from the start of the drill, and who is due is returned.
 */
import { letGo, TimingWheel } from '../recover/timing-wheel.ts'

export type Standing = 'leased' | 'pending' | 'moved' | 'later' | 'lost'

const tickMs = 10
/** All hosts have reported once by then. */
export const arrivalMs = 10_000
const backoffMs = { least: 1_000, most: 60_000 }
const unheard = 0
const waiting = 1
const holding = 2

export class DrillFleet {
  readonly size: number
  messages = 0
  lost = 0
  leased = 0
  readonly #random: () => number
  readonly #wheel: TimingWheel
  readonly #dueTick: Uint32Array
  readonly #state: Uint8Array
  readonly #losses: Uint8Array
  #due: number[] = []

  constructor(hosts: number, random: () => number) {
    this.size = hosts
    this.#random = random
    this.#dueTick = new Uint32Array(hosts)
    this.#state = new Uint8Array(hosts)
    this.#losses = new Uint8Array(hosts)
    this.#wheel = new TimingWheel(hosts, (host, tick) => {
      const due = this.#dueTick[host] as number
      if (due > tick) return due
      this.#due.push(host)
      return letGo
    })
    for (let host = 0; host < hosts; host++) this.#place(host, random() * arrivalMs)
  }

  /** Who reports now. Each of them is to be `answered`. */
  step(now: number): readonly number[] {
    this.#due = []
    this.#wheel.advance(Math.floor(now / tickMs))
    this.messages += this.#due.length
    return this.#due
  }

  isLeased(host: number): boolean {
    return this.#state[host] === holding
  }

  /**
   * `lost`: no answer, or none that can be used; then it backs off by itself, with full jitter. `moved`: it is to
   * ask somebody else, and nothing is known of its lease. `later`: turned away until then, and comes
   * within half as long again, so that they do not all come at once.
   */
  answered(host: number, standing: Standing, pollAfterMs: number, now: number): void {
    if (standing === 'lost') {
      this.lost++
      const losses = this.#losses[host] as number
      this.#losses[host] = Math.min(10, losses + 1)
      this.#place(host, now + Math.max(50, this.#random() * Math.min(backoffMs.most, backoffMs.least * 2 ** losses)))
      return
    }
    this.#losses[host] = 0
    if (standing === 'moved') {
      this.#place(host, now + pollAfterMs)
      return
    }
    if (standing === 'later') {
      this.lost++
      this.#place(host, now + pollAfterMs * (1 + this.#random() / 2))
      return
    }
    const before = this.#state[host]
    this.#state[host] = standing === 'leased' ? holding : before === unheard ? waiting : (before as number)
    if (standing === 'leased' && before !== holding) this.leased++
    // Without a lease anew: it was taken away, or another manager does not know of it.
    if (standing === 'pending' && before === holding) {
      this.#state[host] = waiting
      this.leased--
    }
    this.#place(host, now + pollAfterMs)
  }

  #place(host: number, at: number): void {
    const tick = Math.max(1, Math.ceil(at / tickMs))
    this.#dueTick[host] = tick
    this.#wheel.place(host, tick)
  }
}
