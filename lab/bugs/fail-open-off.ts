import type { Bug } from './bug.ts'
import { once, tempted, without } from './tempt.ts'
import { policyFor, withLimits } from './wrap.ts'

export const failOpenOff: Bug = {
  name: 'fail-open-off',
  what: 'checks are believed even when nearly everything fails them',
  violates: 'S5',
  tempt: (story) =>
    tempted(without(story, 'clock', 'damage', 'pool', 'target', 'pause', 'store-weather'), { pools: [6], rampMs: 0 }, [
      once(3_000, { kind: 'pool', pool: 0, up: false }),
    ]),
  plant(region) {
    policyFor(region, 'planner', (policy) => withLimits(policy, { failOpenUnder: 0, failOpenUntil: 0 }))
  },
}
