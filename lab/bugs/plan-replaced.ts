import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { storeFor } from './wrap.ts'

export const planReplaced: Bug = {
  name: 'plan-replaced',
  what: 'two planners that publish the same number both succeed, and one plan replaces the other',
  violates: 'S3',
  plant(region) {
    storeFor(region, 'planner', (store) => ({
      ...store,
      commit: (compares, writes) =>
        store.commit(writes.some(({ key }) => key === keys.head.key()) ? [] : compares, writes),
    }))
  },
}
