import type { Bug } from './bug.ts'
import { rewriteOldObservations } from './observations.ts'

export const missingIsUp: Bug = {
  name: 'missing-is-up',
  what: 'a target of which nothing is heard counts as healthy',
  violates: 'S8',
  plant(region) {
    rewriteOldObservations(region, (seen) => ({ ...seen, history: `${seen.history}pp`.slice(-32) }))
  },
}
