/** The production code with one of its safety mechanisms taken away, from outside: a watcher that never barks proves nothing. */
import type { Answer } from '../../src/model/answer.ts'
import { keys } from '../../src/model/keys.ts'
import { type Marker, markerStrings } from '../../src/model/marker.ts'
import type { Name } from '../../src/model/name.ts'
import type { Published, Reading } from '../../src/providers/provider.ts'
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
  provider(provider) {
    const believed = new Map<Name, Published>()
    return {
      guarantee: provider.guarantee,
      async read(zone, names) {
        const unknown = names.filter((name) => !believed.has(name))
        const readings = unknown.length === 0 ? [] : await provider.read(zone, unknown)
        const found = new Map(unknown.map((name, index) => [name, readings[index] as Reading]))
        return names.map((name): Reading => {
          const published = believed.get(name)
          return published === undefined ? (found.get(name) as Reading) : { kind: 'published', published }
        })
      },
      async write(zone, changes) {
        const outcomes = await provider.write(zone, changes)
        for (const [index, { name, answer, marker }] of changes.entries()) {
          if (outcomes[index]?.kind === 'accepted') believed.set(name, written(name, answer, marker))
          else believed.delete(name)
        }
        return outcomes
      },
    }
  },
}

function written(name: Name, answer: Answer, marker: Marker): Published {
  return {
    name,
    marker: [markerStrings(marker)],
    addresses: answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address) : [],
    alias: answer.kind === 'alias' ? answer.target : null,
    ttl: answer.kind === 'retired' ? null : answer.ttl,
  }
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
