import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { every, once, tempted } from './tempt.ts'
import { storeFor } from './wrap.ts'

/** The lost update: a slow planner puts its old plan over what others have published since. */
export const publishUnconditionally: Bug = {
  name: 'publish-unconditionally',
  what: 'a plan is published without comparing head with what was read',
  violates: 'S1',
  tempt: (story) =>
    tempted(story, { planners: 2, coalesceMs: 0 }, [
      once(2_500, { kind: 'store-weather', lost: 150, delayMs: 300, forMs: 40_000 }),
      ...every(700, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    storeFor(region, 'planner', (store) => ({
      ...store,
      commit: (compares, writes) =>
        store.commit(writes.some(({ key }) => key === keys.head.key()) ? [] : compares, writes),
    }))
  },
}
