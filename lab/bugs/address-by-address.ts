import { markerStrings } from '../../src/model/marker.ts'
import type { Bug } from './bug.ts'
import { authorityFor, substitute } from './wrap.ts'

export const addressByAddress: Bug = {
  name: 'address-by-address',
  what: 'the addresses of one name are written one after the other',
  violates: 'S3',
  plant(region) {
    substitute(region, {
      provider: (provider, self, zone) => ({
        ...provider,
        async write(apex, changes) {
          const begun = []
          for (const change of changes) {
            const { answer, name, expected } = change
            if (answer.kind !== 'addresses' || answer.addresses.length < 2) begun.push(change)
            else {
              const marker = [markerStrings(change.marker)]
              const first = { marker, addresses: [answer.addresses[0].address], alias: null, ttl: answer.ttl }
              await authorityFor(region, zone).put(self, name, first)
              begun.push({ ...change, expected: { ...expected, ...first } })
            }
          }
          return await provider.write(apex, begun)
        },
      }),
    })
  },
}
