import type { Bug } from './bug.ts'
import { rewriteOldObservations } from './observations.ts'
import { once, tempted, without } from './tempt.ts'

/** Old input has to hold what is published, and to change nothing. */
export const staleIsFresh: Bug = {
  name: 'stale-is-fresh',
  what: 'the last observation is believed however old it is',
  violates: 'S8',
  tempt: (story) =>
    tempted(without(story, 'clock', 'damage', 'pause', 'target', 'pool', 'override'), { probers: 1, pools: [6] }, [
      ...[0, 1, 2].map((target) => once(4_000, { kind: 'target', pool: 0, target, up: false })),
      once(9_000, { kind: 'crash', process: 'prober-1', forMs: 50_000 }),
    ]),
  plant(region) {
    rewriteOldObservations(region, (seen) => seen)
  },
}
