import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

export const lockWithoutEnd: Bug = {
  name: 'lock-without-end',
  what: 'writers take a lock on the zone, which nobody takes from a writer that died',
  violates: 'L2',
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
