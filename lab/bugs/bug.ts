/**
 * A planted bug: one safety mechanism taken away, from outside. The lab must then find that the named
 * invariant is violated; a checker that never fails proves nothing.
 */
import type { Invariant } from '../checks/check.ts'
import type { Region } from '../region.ts'
import type { AuthorityKind, Story } from '../story.ts'

export interface Bug {
  /** As typed: lower case and `-`. */
  readonly name: string
  /** What is switched off, or done instead, in one line. */
  readonly what: string
  readonly violates: Invariant
  /** What answers for all zones, where that is to be another thing than the usual strict fake. */
  readonly authority?: AuthorityKind
  /** Stories in which it has a chance; not given where any story will do. */
  tempt?(story: Story): Story
  /** Into a region that has not started yet. */
  plant(region: Region): void
}
