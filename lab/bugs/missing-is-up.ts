import type { Bug } from './bug.ts'
import { rewriteOldObservations } from './observations.ts'
import { once, tempted, without } from './tempt.ts'

export const missingIsUp: Bug = {
  name: 'missing-is-up',
  what: 'a target of which nothing is heard counts as healthy',
  violates: 'S8',
  tempt: (story) =>
    tempted(without(story, 'clock', 'damage', 'pause', 'target', 'pool'), { probers: 1, pools: [4] }, [
      once(3_000, { kind: 'target', pool: 0, target: 1, up: false }),
      once(10_000, { kind: 'crash', process: 'prober-1', forMs: 40_000 }),
    ]),
  plant(region) {
    rewriteOldObservations(region, (seen) => ({ ...seen, history: `${seen.history}pp`.slice(-32) }))
  },
}
