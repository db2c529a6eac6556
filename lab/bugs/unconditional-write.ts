import type { Bug } from './bug.ts'
import { lateWrites } from './tempt.ts'
import { substitute } from './wrap.ts'

export const unconditionalWrite: Bug = {
  name: 'unconditional-write',
  what: 'the authority replaces records without comparing them with what was read',
  violates: 'S1',
  tempt: lateWrites,
  plant(region) {
    // Nobody knows: otherwise a lease would admit one writer (`lease-off`).
    substitute(region, { provider: (provider) => ({ ...provider, guarantee: 'atomic-conditional' }) })
    for (const authority of region.fakes) authority.kind = { ...authority.kind, guarantee: 'atomic' }
  },
}
