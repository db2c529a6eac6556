import { markerStrings } from '../../src/model/marker.ts'
import type { Bug } from './bug.ts'
import { authorityFor, substitute } from './wrap.ts'

export const twoTransactions: Bug = {
  name: 'two-transactions',
  what: 'the marker is written in one transaction, and the records in another',
  violates: 'S3',
  plant(region) {
    substitute(region, {
      provider: (provider, self, zone) => ({
        ...provider,
        async write(apex, changes) {
          const marked = []
          for (const change of changes) {
            const marker = [markerStrings(change.marker)]
            await authorityFor(region, zone).put(self, change.name, { marker })
            marked.push({ ...change, expected: { ...change.expected, marker } })
          }
          return await provider.write(apex, marked)
        },
      }),
    })
  },
}
