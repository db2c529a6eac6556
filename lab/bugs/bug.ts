/**
 * A planted bug: one safety mechanism taken away, from outside. The lab must then find that the named
 * invariant is violated; a checker that never fails proves nothing.
 */
import type { Invariant } from '../checks/check.ts'
import type { Region } from '../region.ts'

export interface Bug {
  /** As typed: lower case and `-`. */
  readonly name: string
  /** What is switched off, or done instead, in one line. */
  readonly what: string
  readonly violates: Invariant
  /** Into a region that has not started yet. */
  plant(region: Region): void
}
