import type { WriteOutcome } from '../../src/providers/provider.ts'
import type { Bug } from './bug.ts'
import { authorityFor, substitute } from './wrap.ts'

export const tombstoneOff: Bug = {
  name: 'tombstone-off',
  what: 'a retired name loses its marker together with its records, so nothing fences an old plan',
  violates: 'S1',
  plant(region) {
    substitute(region, {
      provider: (provider, self, zone) => ({
        ...provider,
        async write(apex, changes) {
          const outcomes: WriteOutcome[] = []
          for (const change of changes) {
            if (change.answer.kind !== 'retired') outcomes.push(...(await provider.write(apex, [change])))
            else {
              const nothing = { marker: [], addresses: [], alias: null, ttl: null }
              const done = await authorityFor(region, zone).put(self, change.name, nothing)
              outcomes.push(done === 'done' ? { kind: 'accepted' } : { kind: 'unknown', reason: 'no answer' })
            }
          }
          return outcomes
        },
      }),
    })
  },
}
