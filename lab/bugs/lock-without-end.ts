import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'
import { substitute } from './wrap.ts'

export const lockWithoutEnd: Bug = {
  name: 'lock-without-end',
  what: 'writers take a lock on the zone, which nobody takes from a writer that died',
  violates: 'L2',
  tempt: (story) =>
    tempted(story, {}, [
      ...every(3_000, 3_000, 60_000, { kind: 'crash', process: 'enactor-1', forMs: 500 }),
      ...every(1_000, 2_600, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    const holders = new Map<string, string>()
    substitute(region, {
      provider: (provider, self) => ({
        ...provider,
        async write(zone, changes) {
          const holder = holders.get(zone)
          if (holder !== undefined) return changes.map(() => ({ kind: 'unknown', reason: `${holder} holds the lock` }))
          holders.set(zone, self.id)
          const outcomes = await provider.write(zone, changes)
          holders.delete(zone)
          return outcomes
        },
      }),
    })
  },
}
