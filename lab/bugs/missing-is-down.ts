import type { Bug } from './bug.ts'
import { rewriteOldObservations } from './observations.ts'
import { once, tempted, without } from './tempt.ts'
import { policyFor, withLimits } from './wrap.ts'

export const missingIsDown: Bug = {
  name: 'missing-is-down',
  what: 'a target of which nothing is heard counts as down, however many those are',
  violates: 'S8',
  tempt: (story) =>
    tempted(without(story, 'clock', 'damage', 'pause'), { probers: 1 }, [
      once(6_000, { kind: 'crash', process: 'prober-1', forMs: 40_000 }),
    ]),
  plant(region) {
    policyFor(region, 'planner', (policy) => withLimits(policy, { failOpenUnder: 0, failOpenUntil: 0 }))
    rewriteOldObservations(region, (seen) => ({ ...seen, history: `${seen.history}fff`.slice(-32) }))
  },
}
