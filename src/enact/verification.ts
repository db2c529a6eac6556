/**
 * The part of a plan that is looked at again although nothing changed, because somebody else may have
 * changed the records: whole shards in turn, about `verifiedNames` endpoints at a time.
 */
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Blocked } from '../model/progress.ts'
import { rotated } from './order.ts'
import type { PlanView } from './shards.ts'

export const verifiedNames = 2_000
const mostUnreachable = 1_000
const withoutZone = 'its zone is not in the configuration: add the zone, or retire the name'

export interface Slice {
  /** Live endpoints, by zone. */
  readonly live: ReadonlyMap<Name, readonly PlanEntry[]>
  readonly retired: readonly PlanEntry[]
  /** Endpoints found so far that no zone of the configuration holds, at most 1,000. */
  readonly unreachable: readonly Blocked[]
  /** How far round it is. */
  readonly cursor: number
}

/** Redundant enactors begin at different places, so that together they come round sooner. @throws PlanVanished, StoreOutage */
export async function verification(view: PlanView, before: Slice | undefined, worker: string): Promise<Slice> {
  const order = rotated([...view.plan.shards.keys()], worker)
  const live = new Map<Name, PlanEntry[]>()
  const retired: PlanEntry[] = []
  const unreachable = new Map((before?.unreachable ?? []).map((item) => [item.name, item]))
  let cursor = before?.cursor ?? 0
  let names = 0
  for (let visited = 0; visited < order.length && names < verifiedNames; visited++) {
    const entries = await view.shard(order[cursor % order.length] as number)
    cursor = (cursor + 1) % order.length
    for (const [zone, list] of entries) {
      names += list.length
      if (zone === null) {
        for (const { name } of list)
          if (unreachable.size < mostUnreachable) unreachable.set(name, { name, why: withoutZone })
        continue
      }
      const known = live.get(zone) ?? []
      live.set(zone, known)
      for (const entry of list) {
        if (entry.answer.kind === 'retired') retired.push(entry)
        else known.push(entry)
      }
    }
  }
  return { live, retired, unreachable: [...unreachable.values()], cursor }
}
