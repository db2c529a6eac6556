import type { Bug } from './bug.ts'
import { lateWrites } from './tempt.ts'
import { substitute } from './wrap.ts'

export const leaseOff: Bug = {
  name: 'lease-off',
  what: 'all enactors write to an authority that takes no conditions',
  violates: 'S1',
  authority: 'atomic',
  tempt: lateWrites,
  plant(region) {
    substitute(region, { provider: (provider) => ({ ...provider, guarantee: 'atomic-conditional' }) })
  },
}
