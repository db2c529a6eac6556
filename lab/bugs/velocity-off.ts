import type { Bug } from './bug.ts'
import { once, tempted, without } from './tempt.ts'
import { policyFor, withLimits } from './wrap.ts'

export const velocityOff: Bug = {
  name: 'velocity-off',
  what: 'any number of targets may leave at once',
  violates: 'S5',
  tempt: (story) =>
    tempted(without(story, 'clock', 'damage'), { pools: [6] }, [
      ...[0, 1, 2].map((target) => once(4_000, { kind: 'target', pool: 0, target, up: false })),
    ]),
  plant(region) {
    policyFor(region, 'planner', (policy) => withLimits(policy, { poolBudget: 1, siteBudget: 1 }))
  },
}
