/**
 * What one recovery leaves to the next: where the knee was. Only a hint: the climb begins at a quarter of
 * it, so a wrong one costs little. Small and JSON, to be kept wherever there is a place.
 */
import { type Problem, problem } from '../base/problem.ts'

export interface Hint {
  /** Units a second, when it last was good. */
  readonly throughput: number
  /** Operations in flight then. */
  readonly limit: number
  /** How long an operation took with few at once, in ms: where it takes longer now, more are needed for as much. */
  readonly aloneMs?: number
}

/** Undefined for "nothing kept"; a problem for what is no hint, which the caller may report and do without. */
export function readHint(kept: unknown): Hint | undefined | Problem {
  if (kept === undefined || kept === null) return undefined
  const { throughput, limit, aloneMs } = kept as Partial<Hint>
  const isGood = (value: unknown): value is number =>
    typeof value === 'number' && Number.isFinite(value) && value > 0 && value < 1e9
  const isKnown = aloneMs === undefined || isGood(aloneMs)
  if (isGood(throughput) && isGood(limit) && limit >= 1 && isKnown)
    return aloneMs === undefined ? { throughput, limit } : { throughput, limit, aloneMs }
  return problem(
    'hint of an earlier recovery',
    '{ throughput, limit, aloneMs }, positive numbers, limit at least 1; without aloneMs if it is not known',
    JSON.stringify(kept).slice(0, 80),
    'delete it: the governor starts without one',
  )
}
