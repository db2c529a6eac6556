import type { Bug } from './bug.ts'
import { lateWrites } from './tempt.ts'

export const unconditionalWrite: Bug = {
  name: 'unconditional-write',
  what: 'the authority replaces records without comparing them with what was read',
  violates: 'S1',
  tempt: lateWrites,
  plant(region) {
    for (const authority of region.fakes) authority.kind = { ...authority.kind, guarantee: 'atomic' }
  },
}
