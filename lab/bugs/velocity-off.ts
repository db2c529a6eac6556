import type { Bug } from './bug.ts'
import { policyFor, withLimits } from './wrap.ts'

export const velocityOff: Bug = {
  name: 'velocity-off',
  what: 'any number of targets may leave at once',
  violates: 'S5',
  plant(region) {
    policyFor(region, 'planner', (policy) => withLimits(policy, { poolBudget: 1, siteBudget: 1 }))
  },
}
