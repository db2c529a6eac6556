import type { Bug } from './bug.ts'
import { rewriteOldObservations } from './observations.ts'
import { once, tempted, without } from './tempt.ts'

export const missingIsDown: Bug = {
  name: 'missing-is-down',
  what: 'a target of which nothing is heard counts as down',
  violates: 'S8',
  tempt: (story) =>
    tempted(without(story, 'clock', 'damage', 'pause'), { probers: 1 }, [
      once(6_000, { kind: 'crash', process: 'prober-1', forMs: 40_000 }),
    ]),
  plant(region) {
    rewriteOldObservations(region, (seen) => ({ ...seen, history: `${seen.history}fff`.slice(-32) }))
  },
}
