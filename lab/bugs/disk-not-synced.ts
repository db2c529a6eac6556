import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'

export const diskNotSynced: Bug = {
  name: 'disk-not-synced',
  what: 'a server says "done" before its disk has it',
  violates: 'L4',
  authority: 'server',
  tempt: (story) =>
    tempted(story, {}, [
      ...every(4_000, 5_000, 60_000, { kind: 'power', zone: 0, forMs: 500 }),
      ...every(1_500, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    for (const { disk } of region.servers) disk.syncs = false
  },
}
