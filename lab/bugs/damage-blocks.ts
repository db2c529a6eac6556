import { parseMarker } from '../../src/model/marker.ts'
import type { Bug } from './bug.ts'
import { showing, substitute } from './wrap.ts'

export const damageBlocks: Bug = {
  name: 'damage-blocks',
  what: 'a name whose marker is damaged is not written any more',
  violates: 'L1',
  plant(region) {
    substitute(region, {
      provider: (provider) =>
        showing(provider, (published) =>
          published.marker.some((strings) => parseMarker(strings) === undefined)
            ? { kind: 'unreadable', reason: 'the marker is damaged' }
            : { kind: 'published', published },
        ),
    })
  },
}
