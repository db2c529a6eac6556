/**
 * The kernel of the simulator: virtual time, the order of events, and the life of processes.
 *
 * Everything that a program awaits ends in an event here. The kernel takes the earliest event (ties in
 * the order they were scheduled), lets it run, waits until every promise chain that it started has come
 * to rest, and then lets the checks look. Nothing else moves, so one seed gives one history.
 *
 * A crash is silence: the incarnation moves on, and what was promised to the dead never settles. A
 * pause is holding: events of a paused process wait until it goes on. The slow enactor of October 2025
 * was a pause between a check and an act.
 */
import { assert } from '../../src/base/assert.ts'
import { lower, raise } from './guard.ts'
import { type Stream, stream } from './random.ts'

/** Virtual microseconds since the start of the run. */
export type Micros = number

export const ms = (milliseconds: number): Micros => Math.round(milliseconds * 1000)

interface Event {
  at: Micros
  order: number
  readonly process: Process | null
  readonly incarnation: number
  readonly run: () => void
  /** Settles no promise: no program goes on because of it. */
  readonly inert: boolean
  cancelled: boolean
}

/** Something that is to happen, and need not. */
export interface Timer {
  cancelled: boolean
}

export interface Process {
  readonly id: string
  readonly index: number
  /** Counts starts, from 0; what belongs to an earlier one is void. */
  incarnation: number
  state: 'up' | 'down'
  pausedUntil: Micros
  /** Of the wall clock: offset in ms, and how much faster it runs than true time (1e-6 units). */
  wallOffsetMs: number
  driftPpm: number
  /** Drawn anew for each incarnation. */
  random: Stream
}

export type Checker = () => void

export interface KernelOptions {
  readonly seed: number
  /** Called after each event, when everything has come to rest; throws to end the run. */
  readonly afterEvent?: Checker
}

export class Kernel {
  readonly seed: number
  readonly processes: Process[] = []
  #now: Micros = 0
  #order = 0
  #events = 0
  #heap: Event[] = []
  #hashLow = 0x9dc5
  #hashHigh = 0x811c
  #afterEvent: Checker
  #programs = new Map<Process, () => Promise<unknown>>()
  /** Events of paused processes; who holds one as a timer can still cancel it. */
  readonly #held = new Map<Process, Event[]>()
  /** A program that threw: a crash that nobody ordered, so a finding. */
  failure: { readonly process: string; readonly error: unknown } | null = null

  constructor({ seed, afterEvent }: KernelOptions) {
    this.seed = seed
    this.#afterEvent = afterEvent ?? (() => {})
  }

  get now(): Micros {
    return this.#now
  }

  /** Events run so far. */
  get events(): number {
    return this.#events
  }

  /** Of the history so far: equal seeds must give equal hashes, on every machine. */
  get hash(): string {
    return (this.#hashHigh >>> 0).toString(16).padStart(8, '0') + (this.#hashLow >>> 0).toString(16).padStart(8, '0')
  }

  set afterEvent(check: Checker) {
    this.#afterEvent = check
  }

  /** Puts numbers into the hash of the history. */
  note(value: number): void {
    this.#hashLow = Math.imul(this.#hashLow ^ (value | 0), 0x01000193)
    this.#hashHigh = Math.imul(this.#hashHigh ^ (this.#hashLow >>> 15), 0x85ebca6b)
  }

  noteText(text: string): void {
    for (let i = 0; i < text.length; i++) this.note(text.charCodeAt(i))
  }

  /**
   * Runs `run` after `delay`, as `process` if one is named: then only if that incarnation (default: the
   * present one) still lives, and not before it goes on, should it be paused.
   */
  after(delay: Micros, process: Process | null, run: () => void, incarnation = process?.incarnation ?? 0): Timer {
    return this.#schedule(delay, process, run, incarnation, false)
  }

  /** The same for what moves no program by itself: a message that arrives at a port. `run` must settle no promise. */
  arrive(delay: Micros, process: Process | null, run: () => void, incarnation = process?.incarnation ?? 0): Timer {
    return this.#schedule(delay, process, run, incarnation, true)
  }

  #schedule(delay: Micros, process: Process | null, run: () => void, incarnation: number, inert: boolean): Timer {
    assert(delay >= 0, `expected a delay of at least 0, found ${delay}`)
    const at = this.#now + Math.round(delay)
    const event = { at, order: this.#order++, process, incarnation, run, inert, cancelled: false }
    this.#push(event)
    return event
  }

  add(id: string, program: (process: Process) => Promise<unknown>): Process {
    const process: Process = {
      id,
      index: this.processes.length,
      incarnation: 0,
      state: 'down',
      pausedUntil: 0,
      wallOffsetMs: 0,
      driftPpm: 0,
      random: stream(this.seed, `${id}#0`),
    }
    this.processes.push(process)
    this.#programs.set(process, () => program(process))
    return process
  }

  start(process: Process): void {
    if (process.state === 'up') return
    process.state = 'up'
    process.pausedUntil = 0
    process.random = stream(this.seed, `${process.id}#${process.incarnation}`)
    const incarnation = process.incarnation
    this.after(0, process, () => {
      const program = this.#programs.get(process)
      assert(program !== undefined, `expected a program for ${process.id}, found none`)
      program().catch((error: unknown) => {
        if (process.incarnation === incarnation) this.failure ??= { process: process.id, error }
      })
    })
  }

  crash(process: Process): void {
    process.incarnation += 1
    process.state = 'down'
    process.pausedUntil = 0
    this.#held.delete(process)
  }

  pause(process: Process, duration: Micros): void {
    process.pausedUntil = Math.max(process.pausedUntil, this.#now + duration)
    this.after(duration, null, () => this.#release(process))
  }

  resume(process: Process): void {
    process.pausedUntil = Math.min(process.pausedUntil, this.#now)
    this.#release(process)
  }

  /** What came while it was paused happens now, in the order in which it came. */
  #release(process: Process): void {
    if (process.pausedUntil > this.#now) return
    const held = this.#held.get(process) ?? []
    this.#held.delete(process)
    for (const event of held) this.#push(Object.assign(event, { at: this.#now, order: this.#order++ }))
  }

  /** Until virtual time `until`, or until `stop` says so after an event. */
  async run(until: Micros, stop?: () => boolean): Promise<void> {
    // What else is under way in this program comes to rest first: the guard is for simulated code.
    await breath()
    raise()
    try {
      await this.#run(until, stop)
    } finally {
      lower()
    }
  }

  async #run(until: Micros, stop?: () => boolean): Promise<void> {
    for (;;) {
      const event = this.#heap[0]
      if (event === undefined || event.at > until) break
      this.#pop()
      if (event.cancelled) continue
      const { process } = event
      if (process !== null) {
        if (process.incarnation !== event.incarnation || process.state !== 'up') continue
        if (process.pausedUntil > event.at) {
          const held = this.#held.get(process)
          if (held === undefined) this.#held.set(process, [event])
          else held.push(event)
          continue
        }
      }
      this.#now = event.at
      this.#events += 1
      this.note(event.at)
      this.note(process?.index ?? -1)
      event.run()
      if (!event.inert) await atRest()
      if (this.#events % eventsToBreath === 0) {
        lower()
        await breath()
        raise()
      }
      if (this.failure !== null) {
        const { process: id, error } = this.failure
        throw new Error(`${id} threw: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      }
      this.#afterEvent()
      if (stop?.() === true) return
    }
    this.#now = Math.max(this.#now, until)
  }

  #push(event: Event): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!before(event, heap[parent] as Event)) break
      heap[index] = heap[parent] as Event
      index = parent
    }
    heap[index] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child += 1
      if (!before(heap[child] as Event, last)) break
      heap[index] = heap[child] as Event
      index = child
    }
    heap[index] = last
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

// Taken before the guard takes them away.
const immediate = setImmediate
const { nextTick } = process

/** Every promise chain that could go on has gone on: the next tick comes when no microtask is left. */
const atRest = (): Promise<void> => new Promise((resolve) => nextTick(resolve))

/** Ticks alone would starve the real event loop: signals, messages to other processes, garbage collection. */
const eventsToBreath = 4096
const breath = (): Promise<void> => new Promise((resolve) => void immediate(resolve))
