import { owner } from '../wishes.ts'
import type { Bug } from './bug.ts'
import { published, showing, substitute } from './wrap.ts'

export const ownerIgnored: Bug = {
  name: 'owner-ignored',
  what: 'the marker of another deployment counts as an old one of ours',
  violates: 'S6',
  plant(region) {
    substitute(region, {
      provider: (provider) =>
        showing(provider, (found) => {
          const marker = found.marker.map((strings) =>
            strings.includes('o=other')
              ? strings.map((text) => (text === 'o=other' ? `o=${owner}` : text.replace(/^g=.*/, 'g=0')))
              : strings,
          )
          return published({ ...found, marker })
        }),
    })
  },
}
