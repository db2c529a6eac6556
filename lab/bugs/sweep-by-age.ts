import { keys } from '../../src/model/keys.ts'
import { readHead } from '../../src/store/plans.ts'
import { type Store, StoreOutage, type Write } from '../../src/store/store.ts'
import type { World } from '../../src/world/world.ts'
import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

const oldAfterMs = 10_000

/** The clean-up of October 2025: what is many generations older than the one just published cannot be in use. */
export const sweepByAge: Bug = {
  name: 'sweep-by-age',
  what: 'plans are deleted because they are old',
  violates: 'S4',
  plant(region) {
    substitute(region, { sweeper: (world, { store }) => cleanUp(world, store) })
  },
}

async function cleanUp(world: World, store: Store): Promise<never> {
  for (;;) {
    await world.clock.sleep(3_000)
    try {
      const head = await readHead(store)
      if (head.kind !== 'head') continue
      const plans = (await store.range(keys.plan.prefix)).entries.map(({ value }) => keys.plan.decode(value))
      const used = new Set(plans.find((plan) => plan?.generation === head.head.generation)?.shards)
      const writes: Write[] = []
      for (const plan of plans) {
        if (plan === undefined || plan.generation === head.head.generation) continue
        if (world.clock.wall() - plan.at < oldAfterMs) continue
        writes.push({ kind: 'delete', key: keys.plan.key(plan.generation) })
        for (const digest of plan.shards)
          if (!used.has(digest)) {
            used.add(digest)
            writes.push({ kind: 'delete', key: keys.shard.key(digest) })
          }
      }
      if (writes.length > 0) await store.commit([], writes)
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
  }
}
