/** Programs beside a planner that make something of observations which have become old. */
import { sweeper } from '../../src/enact/sweep.ts'
import { keys } from '../../src/model/keys.ts'
import type { Observation, TargetSeen } from '../../src/model/observation.ts'
import { type Store, StoreOutage } from '../../src/store/store.ts'
import type { EpochMs, World } from '../../src/world/world.ts'
import type { Region } from '../region.ts'
import { substitute } from './wrap.ts'

const oldAfterMs = 3_000

export function rewriteOldObservations(region: Region, rewrite: (seen: TargetSeen) => TargetSeen): void {
  substitute(region, {
    sweeper: async (world, ports) =>
      (await Promise.all([sweeper(world, ports), rewriting(world, ports.store, rewrite)])) as never,
  })
}

async function rewriting(world: World, store: Store, rewrite: (seen: TargetSeen) => TargetSeen): Promise<never> {
  for (;;) {
    await world.clock.sleep(1_000)
    try {
      for (const { key, value } of (await store.range(keys.observation.prefix)).entries) {
        const seen = keys.observation.decode(value)
        const at = world.clock.wall()
        if (seen === undefined || at - seen.at < oldAfterMs) continue
        await store.commit([], [{ kind: 'put', key, value: keys.observation.encode(renewed(seen, at, rewrite)) }])
      }
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
  }
}

function renewed(seen: Observation, at: EpochMs, rewrite: (seen: TargetSeen) => TargetSeen): Observation {
  const targets = Object.entries(seen.targets).map(([id, target]) => [id, { ...rewrite(target), at }])
  return { ...seen, at, targets: Object.fromEntries(targets) }
}
