import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { storeFor } from './wrap.ts'

export const tornPublish: Bug = {
  name: 'torn-publish',
  what: 'head is moved in one commit, and the plan that it names follows in another',
  violates: 'S4',
  plant(region) {
    storeFor(region, 'planner', (store) => ({
      ...store,
      async commit(compares, writes) {
        const head = writes.filter(({ key }) => key === keys.head.key())
        if (head.length === 0) return await store.commit(compares, writes)
        const first = await store.commit(compares, head)
        if (first.kind !== 'committed') return first
        return await store.commit(
          [],
          writes.filter(({ key }) => key !== keys.head.key()),
        )
      },
    }))
  },
}
