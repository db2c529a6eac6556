/**
 * Whether a prober can trust itself. Its canary has to answer after every round, or nothing of that round
 * counts; and while its event loop lags, it gives its targets twice the time and says so in what it writes.
 */
import type { Instant, World } from '../world/world.ts'
import type { Checker, Look } from './checker.ts'
import { trace } from './events.ts'

/** A canary is near: it answers at once or not at all. */
const canaryMs = 500
/** A loop that is later than this makes time-outs of answers that came in time. */
const lateMs = 100
/** So long after the last delay it is trusted again. */
const calmMs = 3_000

export class Senses {
  readonly #world: World
  readonly #checker: Checker
  readonly #loopDelay: () => number
  #late: { readonly at: Instant; readonly ms: number } | undefined
  #blind: string | undefined
  #looking: Promise<Look> | undefined
  #nextLook: Promise<Look> | undefined

  /** `loopDelay`: how late the event loop usually was since about the last call, in milliseconds. */
  constructor(world: World, checker: Checker, loopDelay: () => number) {
    this.#world = world
    this.#checker = checker
    this.#loopDelay = loopDelay
  }

  /** True while the event loop lags. */
  get strained(): boolean {
    return this.#late !== undefined
  }

  /** What is wrong with this prober, in sentences. */
  get ails(): readonly string[] {
    return [
      ...(this.#blind === undefined ? [] : [`judges nobody: ${this.#blind}`]),
      ...(this.#late === undefined ? [] : [`is overloaded: its event loop was ${Math.round(this.#late.ms)} ms late`]),
    ]
  }

  /** To be called about once a second. */
  feel(): void {
    const now = this.#world.clock.now()
    const ms = this.#loopDelay()
    if (ms > lateMs) {
      if (this.#late === undefined) trace(this.#world, { event: 'health.strained', lateMs: Math.round(ms) })
      this.#late = { at: now, ms }
    } else if (this.#late !== undefined && now - this.#late.at >= calmMs) {
      this.#late = undefined
      trace(this.#world, { event: 'health.relieved' })
    }
  }

  /** Looks at the canary, not sooner than now; those who ask meanwhile share a look. */
  async sees(): Promise<Look> {
    if (this.#looking === undefined) return await this.#look()
    this.#nextLook ??= this.#looking.then(() => {
      this.#nextLook = undefined
      return this.#look()
    })
    return await this.#nextLook
  }

  async #look(): Promise<Look> {
    this.#looking = this.#checker.canary(canaryMs)
    const look = await this.#looking
    this.#looking = undefined
    if (look.kind === 'pass') {
      if (this.#blind !== undefined) trace(this.#world, { event: 'health.canary_found' })
      this.#blind = undefined
      return look
    }
    const why = look.kind === 'fail' ? look.detail : look.why
    if (this.#blind === undefined) trace(this.#world, { event: 'health.canary_lost', why })
    this.#blind = why
    return look
  }
}
