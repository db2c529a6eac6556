import type { Bug } from './bug.ts'
import { every, slowAuthority, tempted } from './tempt.ts'

/** A compare-and-swap on values alone has the ABA hole: what stands there again is taken for what still stands there. */
export const valueOnlyCondition: Bug = {
  name: 'value-only-condition',
  what: 'a write compares the records, and not the marker with its generation',
  violates: 'S1',
  tempt: (story) =>
    tempted(story, { enactors: 3, planners: 1, coalesceMs: 0 }, [
      ...every(5_000, 2_500, 60_000, slowAuthority(0)),
      ...every(5_000, 2_500, 60_000, slowAuthority(1)),
      ...every(600, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    for (const authority of region.fakes)
      authority.kind = { ...authority.kind, ignoresMarker: true, comparesTtl: false }
  },
}
