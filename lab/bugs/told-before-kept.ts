import { never, type Revision, type Store } from '../../src/store/store.ts'
import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'

/** So an update is answered from, and its sender told, whatever the disk says to it afterwards. */
function hasty(store: Store): Store {
  let revision: Revision = never
  let last: Promise<unknown> = Promise.resolve()
  return {
    ...store,
    async commit(compares, writes) {
      const shown = compares.some(({ key }) => key.startsWith('zone/'))
      if (!shown) {
        const commit = await store.commit(compares, writes)
        if (commit.kind === 'committed') revision = commit.revision
        return commit
      }
      // Its compares are about revisions that were made up.
      last = last.then(() => store.commit([], writes))
      revision = (revision + 1) as Revision
      return { kind: 'committed', revision }
    },
  }
}

export const toldBeforeKept: Bug = {
  name: 'told-before-kept',
  what: 'a server answers from an update, and acknowledges it, while its copy is still being written',
  violates: 'S1',
  authority: 'server',
  tempt: (story) =>
    tempted(story, {}, [
      ...every(6_000, 5_000, 60_000, { kind: 'disk', zone: 0, what: 'full', forMs: 4_000 }),
      ...every(6_000, 7_000, 60_000, { kind: 'power', zone: 0, forMs: 500 }),
      ...every(1_500, 2_500, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    for (const server of region.servers) server.substitutes = { store: hasty }
  },
}
