import { generationAt } from '../checks/check.ts'
import type { Bug } from './bug.ts'
import { authorityFor, substitute } from './wrap.ts'

export const deleteThenCreate: Bug = {
  name: 'delete-then-create',
  what: 'old records are deleted first, and the new ones made afterwards',
  violates: 'S2',
  plant(region) {
    substitute(region, {
      provider: (provider, self, zone) => ({
        ...provider,
        async write(apex, changes) {
          const nothing = { addresses: [], alias: null, ttl: null }
          const emptied = []
          for (const change of changes) {
            const { name, expected } = change
            const isNew = generationAt(expected) === null
            if (!isNew) await authorityFor(region, zone).put(self, name, nothing)
            emptied.push(isNew ? change : { ...change, expected: { ...expected, ...nothing } })
          }
          return await provider.write(apex, emptied)
        },
      }),
    })
  },
}
