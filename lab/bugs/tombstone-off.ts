import type { WriteOutcome } from '../../src/providers/provider.ts'
import type { Bug } from './bug.ts'
import { every, slowAuthority, tempted } from './tempt.ts'
import { authorityFor, substitute } from './wrap.ts'

export const tombstoneOff: Bug = {
  name: 'tombstone-off',
  what: 'a retired name loses its marker together with its records, so nothing fences an old plan',
  violates: 'S1',
  // Names are given up one after the other, while every write is under way for long.
  tempt: (story) =>
    tempted(story, { enactors: 3, fixed: 2, endpointsPerPool: 3, coalesceMs: 0 }, [
      ...Array.from({ length: story.shape.zones }, (_, zone) =>
        every(5_000, 1_000, story.troubleMs, slowAuthority(zone)),
      ).flat(),
      ...every(4_000, 3_000, story.troubleMs, { kind: 'policy', what: 'remove' }),
      ...every(4_000, 3_700, story.troubleMs, { kind: 'policy', what: 'ttl' }),
      ...every(1_300, 4_900, story.troubleMs, { kind: 'override', what: 'retire', subject: 1 }),
    ]),
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
