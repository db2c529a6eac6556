import type { Bug } from './bug.ts'
import { policyFor } from './wrap.ts'

export const adoptEverything: Bug = {
  name: 'adopt-everything',
  what: 'records without a marker are taken over without leave',
  violates: 'S6',
  plant(region) {
    policyFor(region, 'enactor', (policy) => ({
      ...policy,
      endpoints: new Map([...policy.endpoints].map(([name, endpoint]) => [name, { ...endpoint, adopt: true }])),
    }))
  },
}
