/**
 * One production program alone, whose every await is an operation that somebody else answers.
 *
 * A program runs until all it waits for are operations; an answer is handed over, and it runs on to its
 * next ones. Programs are deterministic, so what a program is, is what it has been told, and when.
 */

/** Equal texts, equal operations; what comes after the first line is not for people. */
export interface Operation {
  readonly text: string
  /** What is asked: of earlier answers to the same question a program at rest remembers the last. */
  readonly topic: string
  /** Whether time ends it if nothing else does. */
  readonly isTimed: boolean
  /** For the world that answers it. */
  readonly data: unknown
}

/** What a program is given. */
export interface Self {
  readonly id: string
  /** Milliseconds: a second for each time that time has passed. */
  now(): number
  wait<T>(operation: Operation): Promise<T>
  /** Something that happened inside: a hint about what the program remembers. */
  note(topic: string, text: string): void
  /** It will do nothing any more. */
  end(): void
}

export type Program = (self: Self) => Promise<unknown>

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

export const tickMs = 1_000

export class Run {
  readonly #waiting: { readonly operation: Operation; readonly resolve: (value: unknown) => void }[] = []
  #tick: number
  #failure: unknown = null
  hasEnded = false
  /** Since the last answer. */
  notes: (readonly [topic: string, text: string])[] = []

  constructor(id: string, program: Program, tick: number) {
    this.#tick = tick
    const self: Self = {
      id,
      now: () => this.#tick * tickMs,
      wait: <T>(operation: Operation) =>
        new Promise<T>((resolve) => {
          this.#waiting.push({ operation, resolve: resolve as (value: unknown) => void })
        }),
      note: (topic, text) => this.notes.push([topic, text]),
      end: () => {
        this.hasEnded = true
      },
    }
    program(self).catch((error: unknown) => {
      this.#failure ??= error
    })
  }

  get operations(): readonly Operation[] {
    return this.#waiting.map(({ operation }) => operation)
  }

  async settle(): Promise<void> {
    await settled()
    if (this.#failure !== null) throw this.#failure
  }

  async answer(index: number, value: unknown, tick: number): Promise<void> {
    const [waiting] = this.#waiting.splice(index, 1)
    if (waiting === undefined) throw new Error(`expected operation ${index}, found ${this.#waiting.length}`)
    this.#tick = tick
    this.notes = []
    waiting.resolve(value)
    await this.settle()
  }
}
