import { keys } from '../../src/model/keys.ts'
import type { Entry, Store } from '../../src/store/store.ts'
import type { Bug } from './bug.ts'
import { storeFor } from './wrap.ts'

export const headOnce: Bug = {
  name: 'head-once',
  what: 'an enactor asks which plan is the newest when it starts, and never again',
  violates: 'L1',
  plant(region) {
    storeFor(region, 'enactor', askedOnce)
  },
}

/** A store that tells the head that it had when it was asked first. */
export function askedOnce(store: Store): Store {
  let known: Entry | undefined
  return {
    ...store,
    async get(key) {
      if (key !== keys.head.key()) return await store.get(key)
      known ??= await store.get(key)
      return known
    },
  }
}
