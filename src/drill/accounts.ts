/** What one lease manager did during a drill, from the counters that it shows now and then. Pure. */
import type { Work } from './report.ts'

/** Since the manager's start. */
export interface Counted {
  readonly limit: number
  readonly operations: number
  readonly timeouts: number
  readonly failures: number
}

/** Of what a manager shows beside its invitation; undefined: it does not say. */
export function readCounted(value: unknown): Counted | undefined {
  if (!isTable(value) || !isTable(value.operations)) return undefined
  const { limit, operations } = value
  const { done, refused, failed, timeout } = operations
  if (!isCount(limit) || !isCount(done) || !isCount(refused) || !isCount(failed) || !isCount(timeout)) return undefined
  return { limit, operations: done + refused + failed + timeout, timeouts: timeout, failures: refused + failed }
}

export class Accounts {
  #last: Counted | undefined
  #work: Work | null = null

  /** A manager that does not answer has done nothing that is known; one that started anew counts from nothing. */
  take(counted: Counted | undefined): void {
    if (counted === undefined) return
    const before = this.#last
    const since = (of: keyof Work) =>
      before === undefined ? 0 : counted[of] - (counted.operations < before.operations ? 0 : before[of])
    const { operations, timeouts, failures } = this.#work ?? { operations: 0, timeouts: 0, failures: 0 }
    this.#work = {
      operations: operations + since('operations'),
      timeouts: timeouts + since('timeouts'),
      failures: failures + since('failures'),
    }
    this.#last = counted
  }

  /** Allowed in flight, when it said so last. */
  get limit(): number | undefined {
    return this.#last?.limit
  }

  /** Null: it never said. */
  get work(): Work | null {
    return this.#work
  }
}

type Table = Readonly<Record<string, unknown>>
const isTable = (value: unknown): value is Table => typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
