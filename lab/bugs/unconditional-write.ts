import type { Bug } from './bug.ts'
import { every, slowAuthority, tempted } from './tempt.ts'

export const unconditionalWrite: Bug = {
  name: 'unconditional-write',
  what: 'the authority replaces records without comparing them with what was read',
  violates: 'S1',
  tempt: (story) =>
    tempted(story, { enactors: 3, planners: 1, coalesceMs: 0 }, [
      ...every(5_000, 2_500, 60_000, slowAuthority(0)),
      ...every(5_000, 2_500, 60_000, slowAuthority(1)),
      ...every(600, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    for (const authority of region.fakes) authority.kind = { ...authority.kind, guarantee: 'atomic' }
  },
}
