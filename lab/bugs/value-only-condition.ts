import type { Bug } from './bug.ts'

/** A compare-and-swap on values alone has the ABA hole: what stands there again is taken for what still stands there. */
export const valueOnlyCondition: Bug = {
  name: 'value-only-condition',
  what: 'a write compares the records, and not the marker with its generation',
  violates: 'S1',
  plant(region) {
    for (const authority of region.authorities)
      authority.kind = { ...authority.kind, ignoresMarker: true, comparesTtl: false }
  },
}
