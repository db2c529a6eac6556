import type { Store } from '../../src/store/store.ts'
import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'

/** What the copy does to be sure of what it read is one write of a zone's own record; here it is said to be done. */
const sure = (store: Store): Store => ({
  ...store,
  async commit(compares, writes) {
    const [write, other] = writes
    const entry = write?.key.startsWith('zone/') && other === undefined ? await store.get(write.key) : undefined
    return entry === undefined ? await store.commit(compares, writes) : { kind: 'committed', revision: entry.revision }
  },
})

export const readBackUnkept: Bug = {
  name: 'read-back-unkept',
  what: 'a server shows what it reads after a write that failed, whether or not the disk keeps that',
  violates: 'S1',
  authority: 'server',
  tempt: (story) =>
    tempted(story, {}, [
      ...every(6_000, 3_000, 60_000, { kind: 'disk', zone: 0, what: 'failing', forMs: 5_500 }),
      ...every(2_100, 4_000, 60_000, { kind: 'power', zone: 0, forMs: 300 }),
      ...every(900, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    for (const server of region.servers) server.substitutes = { store: sure }
  },
}
