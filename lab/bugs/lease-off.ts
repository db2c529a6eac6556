import type { Bug } from './bug.ts'
import { every, slowAuthority, tempted } from './tempt.ts'
import { substitute } from './wrap.ts'

export const leaseOff: Bug = {
  name: 'lease-off',
  what: 'all enactors write to an authority that takes no conditions',
  violates: 'S1',
  authority: 'atomic',
  tempt: (story) =>
    tempted(story, { enactors: 3, planners: 1, coalesceMs: 0 }, [
      ...every(5_000, 2_500, 60_000, slowAuthority(0)),
      ...every(5_000, 2_500, 60_000, slowAuthority(1)),
      ...every(600, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    substitute(region, { provider: (provider) => ({ ...provider, guarantee: 'atomic-conditional' }) })
  },
}
