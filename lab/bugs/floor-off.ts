import type { Bug } from './bug.ts'
import { policyFor, withLimits } from './wrap.ts'

export const floorOff: Bug = {
  name: 'floor-off',
  what: 'capacity may fall under the floor',
  violates: 'S5',
  plant(region) {
    policyFor(region, 'planner', (policy) => withLimits(policy, { floor: 0 }))
  },
}
