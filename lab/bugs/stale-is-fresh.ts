import type { Bug } from './bug.ts'
import { rewriteOldObservations } from './observations.ts'

/** Old input has to hold what is published, and to change nothing. */
export const staleIsFresh: Bug = {
  name: 'stale-is-fresh',
  what: 'the last observation is believed however old it is',
  violates: 'S8',
  plant(region) {
    rewriteOldObservations(region, (seen) => seen)
  },
}
