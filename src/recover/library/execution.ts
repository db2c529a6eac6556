/** One execution: those who wait for it, and its run once it began. */
import type { ClassName, Run } from './options.ts'

export interface Caller<Output> {
  readonly resolve: (output: Output) => void
  readonly reject: (error: unknown) => void
  /** Takes its timer and its listener away. */
  release(): void
}

export class Execution<Input, Output> implements Run {
  readonly input: Input
  readonly key: string | undefined
  readonly callers: Caller<Output>[] = []
  /** By which the pump knows it. */
  item: number
  class: ClassName
  joinedAt: number
  /** NaN until it runs. */
  startedAt = Number.NaN
  #controller: AbortController | undefined
  #reason: unknown

  constructor(input: Input, key: string | undefined, klass: ClassName, item: number, now: number) {
    this.input = input
    this.key = key
    this.class = klass
    this.item = item
    this.joinedAt = now
  }

  get isRunning(): boolean {
    return !Number.isNaN(this.startedAt)
  }

  get waitedMs(): number {
    return this.startedAt - this.joinedAt
  }

  /** Made when it is asked for: most functions that end at once never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  resolve(output: Output): void {
    for (const caller of this.callers.splice(0)) {
      caller.release()
      caller.resolve(output)
    }
  }

  reject(error: unknown): void {
    for (const caller of this.callers.splice(0)) {
      caller.release()
      caller.reject(error)
    }
  }
}
