import type { Bug } from './bug.ts'
import { policyFor, withLimits } from './wrap.ts'

export const failOpenOff: Bug = {
  name: 'fail-open-off',
  what: 'checks are believed even when nearly everything fails them',
  violates: 'S5',
  plant(region) {
    policyFor(region, 'planner', (policy) => withLimits(policy, { failOpenUnder: 0, failOpenUntil: 0 }))
  },
}
