/**
 * Calls with somebody waiting: admitted only if they can be done in the time they have left, refused at
 * once otherwise. Oldest first while the queue is short; above half of its bound the newest first, since
 * those have the most time left and the old ones are lost anyway.
 */
import { assert } from '../base/assert.ts'
import { turnsFor } from './fair-share.ts'
import type { Parameters } from './parameters.ts'

export interface Load {
  /** Waiting by class. */
  readonly waiting: ArrayLike<number>
  /** Operations a second, and how long one takes in the mean. 0 if nothing is known. */
  readonly operationsPerSecond: number
  readonly meanLatencyMs: number
}

/** A caller's time on the way to and from. */
const marginMs = 50

/** Time until a call that is admitted now is done, in ms. */
export function finishesInMs(load: Load, klass: number): number {
  if (load.operationsPerSecond <= 0) return 2 * load.meanLatencyMs + marginMs
  const { waiting } = load
  const strict = (waiting[0] as number) + (waiting[1] as number)
  const ahead = strict + ((waiting[klass] as number) + 1) * turnsFor(klass, waiting)
  return (ahead / load.operationsPerSecond) * 1000 + 2 * load.meanLatencyMs + marginMs
}

/** Calls that may wait, given the throughput. Before anything was measured, as many as there may ever be. */
export function queueBound({ operationsPerSecond }: Load, parameters: Parameters): number {
  if (operationsPerSecond <= 0) return parameters.interactiveMax
  const byTime = (operationsPerSecond * parameters.interactiveTimeoutMs) / 2000
  return Math.min(parameters.interactiveMax, Math.max(1, Math.floor(byTime)))
}

const nobody = -1

/** A line of calls, each a small number that is used again after `release`. */
export class InteractiveQueue {
  readonly #deadline: Float64Array
  readonly #after: Int32Array
  readonly #before: Int32Array
  readonly #free: Int32Array
  #freeCount: number
  #first = nobody
  #last = nobody
  #waiting = 0

  constructor(capacity: number) {
    this.#deadline = new Float64Array(capacity)
    this.#after = new Int32Array(capacity)
    this.#before = new Int32Array(capacity)
    this.#free = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i)
    this.#freeCount = capacity
  }

  get waiting(): number {
    return this.#waiting
  }

  get hasRoom(): boolean {
    return this.#freeCount > 0
  }

  get bytes(): number {
    return this.#deadline.byteLength + this.#after.byteLength + this.#before.byteLength + this.#free.byteLength
  }

  /** Only if `hasRoom`. */
  add(deadline: number): number {
    assert(this.#freeCount > 0, 'expected room for one more interactive call, found none: ask hasRoom first')
    const call = this.#free[--this.#freeCount] as number
    this.#deadline[call] = deadline
    this.#before[call] = this.#last
    this.#after[call] = nobody
    if (this.#last === nobody) this.#first = call
    else this.#after[this.#last] = call
    this.#last = call
    this.#waiting++
    return call
  }

  deadlineOf(call: number): number {
    return this.#deadline[call] as number
  }

  /** -1 if nobody waits. The number stays taken until `release`. */
  take(bound: number): number {
    const call = this.#waiting > bound / 2 ? this.#last : this.#first
    if (call !== nobody) this.withdraw(call)
    return call
  }

  /** Out of the line: it was taken, or its caller went away. */
  withdraw(call: number): void {
    const before = this.#before[call] as number
    const after = this.#after[call] as number
    if (before === nobody) this.#first = after
    else this.#after[before] = after
    if (after === nobody) this.#last = before
    else this.#before[after] = before
    this.#waiting--
  }

  release(call: number): void {
    this.#free[this.#freeCount++] = call
  }
}
