import type { Bug } from './bug.ts'
import { once, tempted, without } from './tempt.ts'
import { policyFor, withLimits } from './wrap.ts'

export const floorOff: Bug = {
  name: 'floor-off',
  what: 'capacity may fall under the floor',
  violates: 'S5',
  tempt: (story) =>
    tempted(without(story, 'clock', 'damage'), { pools: [6], rampMs: 0 }, [
      once(3_000, { kind: 'override', what: 'drain', subject: 0 }),
      once(3_100, { kind: 'override', what: 'drain', subject: 1 }),
      ...[2, 3, 4].map((target) => once(6_000 + target, { kind: 'target', pool: 0, target, up: false })),
    ]),
  plant(region) {
    policyFor(region, 'planner', (policy) => withLimits(policy, { floor: 0 }))
  },
}
