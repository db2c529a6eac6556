/**
 * Keeps operations in flight: as many as the pump says, started when one ends or somebody comes to need one,
 * and not by the clock. One for each stage.
 */
import type { World } from '../world/world.ts'
import { trace } from './events.ts'
import type { Work, WorkHost, WorkOutcome } from './work.ts'

type Ended = 'ok' | 'refused' | 'failed' | 'timeout'

export interface Stage {
  readonly name: 'leases' | 'downstream'
  /** A host whose operation is to be started, or a negative number. */
  next(now: number): number
  /** What to write for it; undefined: it is not ours any more. */
  begin(host: number): { readonly host: WorkHost; readonly epoch: number } | undefined
  done(host: number, outcome: Ended, latencyMs: number, now: number, epoch: number): void
}

/** Operations that ended so, since the start. */
export type Ends = Record<WorkOutcome['kind'], number>

/** What the dependency says is told once a while, with how often. */
const tellMs = 1_000

export class Runner {
  readonly #world: World
  readonly #stage: Stage
  readonly #work: Work
  readonly #timeoutMs: number
  readonly #mayStart: () => boolean
  #isQueued = false
  #told = Number.NEGATIVE_INFINITY
  readonly ends: Ends = { done: 0, refused: 0, failed: 0, timeout: 0 }
  readonly #untold = new Map<'refused' | 'failed' | 'timeout', { count: number; why: string }>()
  /** Since somebody was done: refusals that nobody was done between are told as an ailment. */
  #refusedInARow = 0
  #why = ''

  constructor(world: World, stage: Stage, work: Work, timeoutMs: number, mayStart: () => boolean) {
    this.#world = world
    this.#stage = stage
    this.#work = work
    this.#timeoutMs = timeoutMs
    this.#mayStart = mayStart
  }

  /** What is wrong with the dependency, as its own answers have it; empty: nothing. */
  get ail(): string {
    return this.#refusedInARow < 20
      ? ''
      : `the dependency refuses every host (${this.#stage.name}, ${this.#refusedInARow} in a row): ${this.#why}`
  }

  /** Somebody may have come to need one: looked at before the next turn of the event loop, once. */
  wake(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    void Promise.resolve().then(() => {
      this.#isQueued = false
      this.pump()
    })
  }

  pump(): void {
    this.#tell()
    if (!this.#mayStart()) return
    for (;;) {
      const now = this.#world.clock.now()
      const host = this.#stage.next(now)
      if (host < 0) return
      const begun = this.#stage.begin(host)
      if (begun === undefined) this.#stage.done(host, 'refused', 0, now, 0)
      else void this.#run(host, begun.host, begun.epoch, now)
    }
  }

  async #run(host: number, to: WorkHost, epoch: number, started: number): Promise<void> {
    const outcome = await this.#work.grant(to, epoch, this.#timeoutMs)
    const now = this.#world.clock.now()
    this.#count(outcome)
    this.#stage.done(host, outcome.kind === 'done' ? 'ok' : outcome.kind, now - started, now, epoch)
    this.wake()
  }

  #count(outcome: WorkOutcome): void {
    this.ends[outcome.kind]++
    if (outcome.kind === 'done') {
      this.#refusedInARow = 0
      return
    }
    if (outcome.kind === 'refused') this.#refusedInARow++
    this.#why = outcome.why
    const untold = this.#untold.get(outcome.kind)
    this.#untold.set(outcome.kind, { count: (untold?.count ?? 0) + 1, why: outcome.why })
  }

  #tell(): void {
    const now = this.#world.clock.now()
    if (this.#untold.size === 0 || now - this.#told < tellMs) return
    this.#told = now
    for (const [kind, { count, why }] of this.#untold)
      trace(this.#world, { event: 'leases.not_done', stage: this.#stage.name, outcome: kind, count, why })
    this.#untold.clear()
  }
}
