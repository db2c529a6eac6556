import type { Name } from '../../src/model/name.ts'
import { StoreOutage } from '../../src/store/store.ts'
import type { Bug } from './bug.ts'
import { authorityFor, substitute } from './wrap.ts'

const patienceMs = 6_000

export const expiresWhenBlind: Bug = {
  name: 'expires-when-blind',
  what: 'records that nobody has renewed for some seconds are withdrawn',
  violates: 'L4',
  plant(region) {
    const withdraw = new Map<string, () => Promise<void>>()
    substitute(region, {
      store(store, role, self) {
        if (role !== 'enactor') return store
        let lostAt: number | undefined
        return {
          ...store,
          async get(key) {
            try {
              const entry = await store.get(key)
              lostAt = undefined
              return entry
            } catch (error) {
              lostAt ??= region.kernel.now / 1000
              if (error instanceof StoreOutage && region.kernel.now / 1000 - lostAt > patienceMs)
                await withdraw.get(self.id)?.()
              throw error
            }
          },
        }
      },
      provider(provider, self, zone) {
        const mine = new Set<Name>()
        withdraw.set(self.id, async () => {
          const nothing = { addresses: [], alias: null, ttl: null }
          for (const name of mine) await authorityFor(region, zone).put(self, name, nothing)
        })
        return {
          ...provider,
          async read(apex, names) {
            for (const name of names) mine.add(name)
            return await provider.read(apex, names)
          },
        }
      },
    })
  },
}
