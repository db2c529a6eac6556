import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { storeFor } from './wrap.ts'

/** The lost update: a slow planner puts its old plan over what others have published since. */
export const publishUnconditionally: Bug = {
  name: 'publish-unconditionally',
  what: 'a plan is published without comparing head with what was read',
  violates: 'S1',
  plant(region) {
    storeFor(region, 'planner', (store) => ({
      ...store,
      commit: (compares, writes) =>
        store.commit(writes.some(({ key }) => key === keys.head.key()) ? [] : compares, writes),
    }))
  },
}
