import { type Entry, type Range, StoreOutage } from '../../src/store/store.ts'
import type { Bug } from './bug.ts'
import { every, once, tempted } from './tempt.ts'
import { storeFor } from './wrap.ts'

export const repairsWithoutStore: Bug = {
  name: 'repairs-without-store',
  what: 'an enactor that has lost the store goes on with what it remembers of it',
  violates: 'L4',
  tempt: (story) =>
    tempted(story, {}, [
      once(5_000, { kind: 'store-down', forMs: 30_000 }),
      ...every(1_000, 6_000, 30_000, { kind: 'hand', name: 1, what: 'edit' }),
    ]),
  plant(region) {
    storeFor(region, 'enactor', (store) => {
      const entries = new Map<string, Entry | undefined>()
      const ranges = new Map<string, Range>()
      const recall = async <T>(kept: Map<string, T>, key: string, ask: () => Promise<T>): Promise<T> => {
        try {
          const found = await ask()
          kept.set(key, found)
          return found
        } catch (error) {
          if (!(error instanceof StoreOutage) || !kept.has(key)) throw error
          return kept.get(key) as T
        }
      }
      return {
        ...store,
        get: (key) => recall(entries, key, () => store.get(key)),
        range: (prefix, options) => recall(ranges, prefix, () => store.range(prefix, options)),
      }
    })
  },
}
