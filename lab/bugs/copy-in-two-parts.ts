import type { Store } from '../../src/store/store.ts'
import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'

/** The zone's own record last, as one would write a file and then its index. */
const inTwoParts = (store: Store): Store => ({
  ...store,
  async commit(compares, writes) {
    const first = writes.filter(({ key }) => key.startsWith('name/'))
    if (first.length === 0 || first.length === writes.length) return await store.commit(compares, writes)
    const commit = await store.commit(compares, first)
    if (commit.kind !== 'committed') return commit
    return await store.commit(
      compares.filter(({ key }) => key === 'session'),
      writes.filter((write) => !first.includes(write)),
    )
  },
})

export const copyInTwoParts: Bug = {
  name: 'copy-in-two-parts',
  what: 'a server writes names and their checksums in two transactions',
  violates: 'L1',
  authority: 'server',
  tempt: (story) =>
    tempted(story, {}, [
      ...every(1_700, 3_000, 60_000, { kind: 'crash', process: 'server-z0', forMs: 200 }),
      ...every(3_000, 2_500, 60_000, { kind: 'disk', zone: 0, what: 'slow', forMs: 2_500 }),
      ...every(500, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    for (const server of region.servers) server.substitutes = { store: inTwoParts }
  },
}
