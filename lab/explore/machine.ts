/**
 * A machine without time: programs whose every await is a step that somebody else decides to take.
 *
 * A program runs until all it waits for are steps. A choice takes one step: the operation happens, its
 * result is handed over, and the program runs on to its next steps. Programs are deterministic, so what
 * a program is, is what it has been told: the hash of that history stands for its memory, and two
 * interleavings that told every program the same, and left the same shared state, are one state.
 *
 * Time passes only when nothing else can happen: a choice like any other. A stalled program is one
 * whose steps are not offered for a while, so time can pass it by, as it passed by the slow enactor.
 */
import { assert } from '../../src/base/assert.ts'

export interface Step {
  /** Which kind of operation on what: equal labels, equal operations. */
  readonly label: string
  /** Whether it can be taken now. */
  isReady(): boolean
  /** The operation happens: its result as canonical text, and its delivery. */
  take(): { readonly told: string; deliver(): void }
  /** If not ready before, it is taken when time passes. */
  readonly isTimed: boolean
  /** Nobody else can tell whether it was taken, now or later: taken at once, no choice. */
  readonly isPrivate: boolean
}

export type Choice =
  | { readonly kind: 'step'; readonly program: number; readonly step: number; readonly label: string }
  | { readonly kind: 'crash'; readonly program: number }
  | { readonly kind: 'stall'; readonly program: number }
  | { readonly kind: 'resume'; readonly program: number }
  | { readonly kind: 'time' }

export interface Bounds {
  readonly crashes: number
  readonly stalls: number
  /** How often time may pass. */
  readonly ticks: number
  /** Whether operations that one program has under way together may also end in another order than they began. */
  readonly reorders: boolean
}

interface Running {
  readonly id: string
  readonly start: (self: Self) => void
  readonly isCrashable: boolean
  steps: Step[]
  history: string
  incarnation: number
  stalled: boolean
  ended: boolean
}

/** A program's way to wait for a step. */
export interface Self {
  readonly id: string
  wait<T>(
    label: string,
    take: () => { readonly told: string; readonly value: T },
    kind?: 'shared' | 'private' | 'timed',
    isReady?: () => boolean,
  ): Promise<T>
  done(): void
}

const immediate = setImmediate
const settled = (): Promise<void> => new Promise((resolve) => void immediate(resolve))

/** Private steps in a row, after which the program is taken to be in a circle. */
const privateMax = 10_000

export class Machine {
  readonly #programs: Running[] = []
  readonly #bounds: Bounds
  crashes = 0
  stalls = 0
  ticks = 0
  /** Shared state as canonical text. */
  readonly #shared: () => string
  failure: unknown = null

  constructor(bounds: Bounds, shared: () => string) {
    this.#bounds = bounds
    this.#shared = shared
  }

  /** Milliseconds: a second for each time that time passed. */
  now(): number {
    return this.ticks * 1000
  }

  add(id: string, program: (self: Self) => Promise<unknown>, isCrashable: boolean): void {
    const running: Running = {
      id,
      isCrashable,
      steps: [],
      history: '',
      incarnation: 0,
      stalled: false,
      ended: false,
      start: (self) => {
        program(self).catch((error: unknown) => {
          this.failure ??= error
        })
      },
    }
    this.#programs.push(running)
  }

  async start(): Promise<void> {
    for (const running of this.#programs) this.#begin(running)
    await this.#settle()
  }

  #begin(running: Running): void {
    const { incarnation } = running
    running.start({
      id: running.id,
      wait: (label, take, kind = 'shared', isReady = always) =>
        new Promise((resolve) => {
          // A crashed incarnation goes on in memory, but nobody listens to it any more.
          if (running.incarnation !== incarnation) return
          running.steps.push({
            label,
            isTimed: kind === 'timed',
            isPrivate: kind === 'private',
            isReady,
            take: () => {
              const { told, value } = take()
              return { told, deliver: () => resolve(value) }
            },
          })
        }),
      done: () => {
        if (running.incarnation === incarnation) running.ended = true
      },
    })
  }

  async #settle(): Promise<void> {
    for (let count = 0; ; count++) {
      await settled()
      if (this.failure !== null) throw this.failure
      if (!this.#takePrivate()) return
      assert(count < privateMax, `expected programs to come to a shared step, found ${privateMax} private ones`)
    }
  }

  /** The first private step of any program. */
  #takePrivate(): boolean {
    for (const running of this.#programs) {
      const index = running.steps.findIndex(({ isPrivate }) => isPrivate)
      if (index < 0) continue
      this.#take(running, index)
      return true
    }
    return false
  }

  #take(running: Running, index: number): void {
    const step = running.steps[index]
    assert(step !== undefined, `expected step ${index} of ${running.id}, found ${running.steps.length} steps`)
    const { told, deliver } = step.take()
    running.steps.splice(index, 1)
    running.history = mixed(running.history, `${step.label}=${told}`)
    deliver()
  }

  /** What can happen next; empty when nothing can, for ever. */
  choices(): Choice[] {
    const choices: Choice[] = []
    let isBusy = false
    for (const [program, running] of this.#programs.entries()) {
      if (running.stalled) {
        choices.push({ kind: 'resume', program })
        continue
      }
      let canAct = false
      for (const [step, { label, isReady }] of running.steps.entries()) {
        if (!isReady()) continue
        canAct = true
        choices.push({ kind: 'step', program, step, label })
        if (!this.#bounds.reorders) break
      }
      if (!canAct) continue
      isBusy = true
      if (running.isCrashable && this.crashes < this.#bounds.crashes) choices.push({ kind: 'crash', program })
      if (running.isCrashable && this.stalls < this.#bounds.stalls) choices.push({ kind: 'stall', program })
    }
    if (!isBusy && this.ticks < this.#bounds.ticks) choices.push({ kind: 'time' })
    return choices
  }

  hasEnded(id: string): boolean {
    return this.#programs.some((running) => running.id === id && running.ended)
  }

  idOf(program: number): string {
    return this.#programs[program]?.id ?? '?'
  }

  async apply(choice: Choice): Promise<void> {
    if (choice.kind === 'time') {
      this.ticks += 1
      for (const running of this.#programs) {
        if (running.stalled) continue
        for (let index = running.steps.length - 1; index >= 0; index--)
          if (running.steps[index]?.isTimed === true) this.#take(running, index)
      }
    } else {
      const running = this.#programs[choice.program]
      assert(running !== undefined, `expected program ${choice.program}, found none`)
      if (choice.kind === 'step') {
        const found = running.steps[choice.step]
        assert(
          found?.label === choice.label,
          `expected ${running.id} to wait for ${choice.label}, found ${found?.label}`,
        )
        this.#take(running, choice.step)
      } else if (choice.kind === 'stall') {
        running.stalled = true
        this.stalls += 1
      } else if (choice.kind === 'resume') running.stalled = false
      else {
        this.crashes += 1
        running.incarnation += 1
        running.steps = []
        running.history = 'crashed'
        this.#begin(running)
      }
    }
    await this.#settle()
  }

  /** Equal keys, equal futures. */
  key(): string {
    const programs = this.#programs.map(
      ({ history, steps, stalled, ended }) =>
        `${history}|${stalled ? 's' : ''}${ended ? 'e' : ''}|${steps
          .map(({ label }) => label)
          .sort()
          .join(';')}`,
    )
    return hashed(`${programs.join('\n')}\n${this.crashes} ${this.stalls} ${this.ticks}\n${this.#shared()}`)
  }
}

const always = (): boolean => true

const mixed = (history: string, told: string): string => hashed(`${history}>${told}`)

/** 106 bits of two different 53-bit hashes (cyrb53's construction): a collision among 10^9 states has odds below 10^-13. */
export function hashed(text: string): string {
  return `${half(text, 0x9e3779b9).toString(36)}.${half(text, 0x85ebca6b).toString(36)}`
}

function half(text: string, seed: number): number {
  let a = 0xdeadbeef ^ seed
  let b = 0x41c6ce57 ^ seed
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    a = Math.imul(a ^ c, 2654435761)
    b = Math.imul(b ^ c, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return 4294967296 * (2097151 & b) + (a >>> 0)
}
