import type { Bug } from './bug.ts'
import { rewriteOldObservations } from './observations.ts'

export const missingIsDown: Bug = {
  name: 'missing-is-down',
  what: 'a target of which nothing is heard counts as down',
  violates: 'S8',
  plant(region) {
    rewriteOldObservations(region, (seen) => ({ ...seen, history: `${seen.history}fff`.slice(-32) }))
  },
}
