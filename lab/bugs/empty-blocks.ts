import { parseMarker } from '../../src/model/marker.ts'
import type { Bug } from './bug.ts'
import { showing, substitute } from './wrap.ts'

/** The state in which the automation of October 2025 was left: it could not start from what it had made. */
export const emptyBlocks: Bug = {
  name: 'empty-blocks',
  what: 'an update needs records to replace: a name that has become empty stays so',
  violates: 'L1',
  plant(region) {
    substitute(region, {
      provider: (provider) =>
        showing(provider, (published) => {
          const marker = parseMarker(published.marker[0] ?? [])
          const isEmpty = published.addresses.length === 0 && published.alias === null
          return isEmpty && marker?.retired === false
            ? { kind: 'unreadable', reason: 'there are no records to replace' }
            : { kind: 'published', published }
        }),
    })
  },
}
