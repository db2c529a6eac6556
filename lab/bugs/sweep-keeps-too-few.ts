import type { Bug } from './bug.ts'
import { policyFor } from './wrap.ts'

export const sweepKeepsTooFew: Bug = {
  name: 'sweep-keeps-too-few',
  what: 'the sweep keeps one ancestor of head, whatever was asked for',
  violates: 'S4',
  plant(region) {
    policyFor(region, 'sweeper', (policy) => ({ ...policy, keepPlans: 1 }))
  },
}
