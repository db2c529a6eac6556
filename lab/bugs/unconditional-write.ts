import type { Bug } from './bug.ts'

export const unconditionalWrite: Bug = {
  name: 'unconditional-write',
  what: 'the authority replaces records without comparing them with what was read',
  violates: 'S1',
  plant(region) {
    for (const authority of region.authorities) authority.kind = { ...authority.kind, guarantee: 'atomic' }
  },
}
