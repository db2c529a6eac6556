/** The production code with one of its safety mechanisms taken away, from outside: a watcher that never barks proves nothing. */
import { believing } from '../../lab/bugs/believing.ts'
import { keys } from '../../src/model/keys.ts'
import { planGenerations, readHead } from '../../src/store/plans.ts'
import type { Sabotage } from './race.ts'

/** What was read at the start decides; the write itself goes through whatever stands there. As in October 2025. */
export const fenceOnlyAtTheStart: Sabotage = {
  provider: (provider) => ({
    ...provider,
    write: async (zone, changes) =>
      await Promise.all(
        changes.map(async (change) => {
          for (;;) {
            const [reading] = await provider.read(zone, [change.name])
            if (reading?.kind !== 'published') return { kind: 'unknown', reason: 'not read' } as const
            const [outcome] = await provider.write(zone, [{ ...change, expected: reading.published }])
            if (outcome !== undefined && outcome.kind !== 'conflict') return outcome
          }
        }),
      ),
  }),
}

/** What the authority said yes to is taken to stand there: nobody looks, until something else is written. */
export const noReadBack: Sabotage = {
  provider: (provider) => believing(provider, ({ kind }) => kind === 'accepted'),
}

/** Whatever is older than the newest plan is old. As in October 2025. */
export const sweepByAge: Sabotage = {
  async sweep(_world, store) {
    const head = await readHead(store)
    if (head.kind !== 'head') return
    for (const generation of await planGenerations(store))
      if (generation < head.head.generation)
        await store.commit([], [{ kind: 'delete', key: keys.plan.key(generation) }])
  },
}

/** Nobody says which plan they work from. */
export const noClaim: Sabotage = {
  store: (store) => ({
    ...store,
    commit: async (compares, writes) =>
      writes.some(({ key }) => key.startsWith(keys.claim.prefix))
        ? { kind: 'committed', revision: 1 as never }
        : await store.commit(compares, writes),
  }),
}
