import { SimulatedDisk } from '../sim/disk.ts'
import { Journal } from '../sim/journal.ts'
import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'

export const copyInMemory: Bug = {
  name: 'copy-in-memory',
  what: 'a server that starts again begins from its settings, and waits for the enactors',
  violates: 'L4',
  authority: 'server',
  tempt: (story) =>
    tempted(story, {}, every(5_000, 6_000, 60_000, { kind: 'crash', process: 'server-z0', forMs: 300 })),
  plant(region) {
    const { kernel } = region
    for (const server of region.servers)
      server.substitutes = {
        store: () => new Journal(new SimulatedDisk(kernel, 'memory'), kernel.seed, 'memory').open(server.process),
      }
  },
}
