/**
 * A deterministic scheduler: programs run on a virtual clock, one step at a time, in an order that one
 * seed decides. A step is whatever goes through `step`: every call to a store or an authority is at
 * least two of them, so the world can change between what a program asked and what it hears, and the
 * program can be paused or crash in between.
 */
import type { EpochMs, Failure, Instant, Random, TraceEvent, World } from '../../src/world/world.ts'

/** Whole numbers below 2^32, from one seed (the generator is "mulberry32"). */
export function seededRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  for (let i = 0; i < 4; i++) next()
  return {
    below: (bound) => Math.floor((next() / 2 ** 32) * bound),
    bytes: (length) => Uint8Array.from({ length }, () => next() & 255),
  }
}

export interface Program {
  readonly id: string
  /** Counts restarts; steps of an earlier life never end. */
  life: number
  /** Not chosen before this many steps of the whole schedule. */
  pausedUntil: number
  start(program: Program): Promise<unknown>
}

interface Parked {
  readonly program: Program
  readonly life: number
  /** Virtual time before which it is not ready. */
  readonly at: number
  readonly wakers: Set<() => void> | null
  awake: boolean
  resume(): void
}

export class Schedule {
  readonly random: Random
  /** Virtual milliseconds. */
  time = 0
  steps = 0
  readonly events: (TraceEvent & { readonly program?: string })[] = []
  readonly programs = new Map<string, Program>()
  #parked: Parked[] = []
  #failure: unknown

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  chance(percent: number): boolean {
    return this.random.below(1000) < percent * 10
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)] as T
  }

  /** Ends when the program is chosen; never, if it has crashed meanwhile. */
  step(program: Program): Promise<void> {
    return this.sleep(program, 0)
  }

  sleep(program: Program, ms: number, wakers: Set<() => void> | null = null): Promise<void> {
    const { life } = program
    return new Promise((resume) => {
      const parked: Parked = { program, life, at: this.time + ms, wakers, awake: false, resume }
      wakers?.add(() => {
        parked.awake = true
      })
      this.#parked.push(parked)
    })
  }

  spawn(id: string, start: (program: Program) => Promise<unknown>): Program {
    const program: Program = { id, life: 0, pausedUntil: 0, start }
    this.programs.set(id, program)
    this.#begin(program)
    return program
  }

  /** The program loses all it had in memory, and begins again. */
  crash(program: Program): void {
    program.life++
    this.#parked = this.#parked.filter((parked) => parked.program !== program)
    this.#begin(program)
  }

  #begin(program: Program): void {
    const { life } = program
    void this.sleep(program, 0)
      .then(() => program.start(program))
      .catch((error: unknown) => {
        if (program.life === life) this.#failure ??= error
      })
  }

  world(program: Program): World {
    const { life } = program
    const own = seededRandom(this.random.below(2 ** 31))
    const noNet = async (): Promise<Failure> => ({ kind: 'failure', reason: 'unreachable', detail: 'no network here' })
    return {
      id: program.id,
      clock: {
        now: () => this.time as Instant,
        wall: () => (1_760_000_000_000 + this.time) as EpochMs,
        sleep: (ms) => this.sleep(program, Math.max(1, ms)),
      },
      random: own,
      net: { ask: noNet, connect: noNet, request: noNet },
      trace: (event) => {
        if (program.life === life) this.events.push({ ...event, program: program.id })
      },
    }
  }

  /** Until `done`, or for so many steps or so much virtual time. `before` runs before each step, `after` after it. */
  async run(limits: {
    readonly steps: number
    readonly untilMs?: number
    readonly done?: () => boolean
    readonly before?: () => void
  }): Promise<void> {
    const last = this.steps + limits.steps
    await settled()
    while (this.steps < last && this.time < (limits.untilMs ?? Number.POSITIVE_INFINITY)) {
      if (this.#failure !== undefined) throw this.#failure
      if (limits.done?.()) return
      limits.before?.()
      this.steps++
      const next = this.#choose()
      if (next === undefined) continue
      next.resume()
      await settled()
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** One of the steps that are ready; now and then time passes although some are. */
  #choose(): Parked | undefined {
    const live = this.#parked.filter(({ program }) => program.pausedUntil <= this.steps)
    let ready = live.filter(({ at, awake }) => at <= this.time || awake)
    if (ready.length === 0 || this.random.below(40) === 0) {
      const later = live.filter(({ at, awake }) => at > this.time && !awake)
      if (later.length > 0) {
        this.time = Math.min(...later.map(({ at }) => at))
        ready = live.filter(({ at, awake }) => at <= this.time || awake)
      }
    }
    if (ready.length === 0) return undefined
    const chosen = this.pick(ready)
    this.#parked.splice(this.#parked.indexOf(chosen), 1)
    return chosen
  }
}

/** Programs run on promises alone, so after this each of them waits for a step. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
