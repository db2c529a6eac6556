import { fromUtf8 } from '../../src/base/bytes.ts'
import { sweeper } from '../../src/enact/sweep.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import { shardLines } from '../../src/model/plan.ts'
import type { PolicySource } from '../../src/model/policy.ts'
import { type Store, StoreOutage } from '../../src/store/store.ts'
import type { World } from '../../src/world/world.ts'
import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

/** What automations did whose source answered with half a list. */
export const vanishedIsRetired: Bug = {
  name: 'vanished-is-retired',
  what: 'a name that the configuration no longer lists is given up without being asked for by name',
  violates: 'S2',
  plant(region) {
    substitute(region, {
      sweeper: async (world, ports) => (await Promise.all([sweeper(world, ports), janitor(world, ports)])) as never,
    })
  },
}

async function janitor(world: World, { store, policy }: { readonly store: Store; readonly policy: PolicySource }) {
  for (;;) {
    await world.clock.sleep(2_000)
    const reading = await policy.read()
    if (reading.kind !== 'policy') continue
    try {
      for (const name of await planned(store)) {
        if (reading.policy.endpoints.has(name)) continue
        const action = { kind: 'retire', name } as const
        const at = world.clock.wall()
        const value = keys.override.encode({ action, author: 'janitor', reason: '', at, expires: null, breaks: [] })
        await store.commit([], [{ kind: 'put', key: keys.override.key(action), value }])
      }
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
  }
}

async function planned(store: Store): Promise<readonly Name[]> {
  const { entries } = await store.range(keys.shard.prefix)
  return entries
    .flatMap(({ value }) => shardLines(fromUtf8(value)))
    .filter((line) => !line.endsWith(' retired'))
    .map((line) => line.slice(0, line.indexOf(' ')) as Name)
}
