import type { Bug } from './bug.ts'
import { lateWrites } from './tempt.ts'

/** A compare-and-swap on values alone has the ABA hole: what stands there again is taken for what still stands there. */
export const valueOnlyCondition: Bug = {
  name: 'value-only-condition',
  what: 'a write compares the records, and not the marker with its generation',
  violates: 'S1',
  tempt: lateWrites,
  plant(region) {
    for (const authority of region.fakes)
      authority.kind = { ...authority.kind, ignoresMarker: true, comparesTtl: false }
  },
}
