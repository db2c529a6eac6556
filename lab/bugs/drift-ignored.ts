import { parseMarker } from '../../src/model/marker.ts'
import type { Bug } from './bug.ts'
import { published, showing, substitute } from './wrap.ts'

export const driftIgnored: Bug = {
  name: 'drift-ignored',
  what: 'a name counts as published when its marker says so, whatever its records are',
  violates: 'L1',
  plant(region) {
    substitute(region, {
      provider: (provider) =>
        showing(provider, (found) => {
          const marker = parseMarker(found.marker[0] ?? [])
          if (marker === undefined || marker.weights.length === 0) return published(found)
          const addresses = marker.weights.map(({ address }) => address)
          return published({ ...found, addresses, alias: null, ttl: region.wishes.ttl })
        }),
    })
  },
}
