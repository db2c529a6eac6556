/**
 * Whether an alias may be pointed at a name: only at what stands in DNS now, as this plan or a newer
 * one has it. Nothing is remembered: what stood there a while ago may have been emptied since, and an
 * alias must not be led from something to nothing.
 */
import type { Name } from '../model/name.ts'
import type { Provider } from '../providers/provider.ts'
import type { Target } from './batch.ts'
import { fence, isLive } from './fence.ts'
import type { ZoneMemory } from './memory.ts'
import type { PlanView } from './shards.ts'

/** Where the target is written; undefined if no zone of the configuration holds it. */
export interface TargetZone {
  readonly name: Name
  readonly provider: Provider
  readonly memory: ZoneMemory
}

/** Resolvers give up on longer chains of aliases. */
const mostHops = 16

/**
 * Looks along the whole chain: an alias that stands may lead to what was emptied. `zoneOf`: undefined for a
 * name outside of the configuration. @throws PlanVanished, StoreOutage
 */
export async function targetOf(
  view: PlanView,
  first: Name,
  zoneOf: (name: Name) => TargetZone | undefined,
  owner: string,
): Promise<Target> {
  let name = first
  for (let hops = 0; hops < mostHops; hops++) {
    const found = await linkOf(view, name, zoneOf(name), owner)
    if (typeof found !== 'string') return found
    name = found
  }
  return { kind: 'blocked', why: `more than ${mostHops} aliases lead on from it` }
}

/** What is to be said of this name, or, where an alias stands as planned, the name that it leads to. */
async function linkOf(view: PlanView, name: Name, zone: TargetZone | undefined, owner: string): Promise<Target | Name> {
  const entry = await view.entry(name)
  if (entry === undefined) return { kind: 'blocked', why: 'it is not in the plan' }
  if (entry.answer.kind === 'retired') return { kind: 'blocked', why: 'it is retired' }
  if (zone === undefined) return { kind: 'blocked', why: 'its zone is not in the configuration' }
  const [reading] = await zone.provider.read(zone.name, [name])
  if (reading?.kind !== 'published') return { kind: 'missing', why: reading?.reason ?? 'it was not read' }
  const verdict = fence(entry, reading.published, { owner, ours: false, adopt: false })
  if (verdict.kind === 'current') return entry.answer.kind === 'alias' ? entry.answer.target : { kind: 'stands' }
  if (verdict.kind === 'superseded' && isLive(reading.published)) return { kind: 'stands' }
  const blocked = zone.memory.blocked.get(name)
  if (blocked !== undefined) return { kind: 'blocked', why: blocked.why }
  zone.memory.recheck.add(name)
  return { kind: 'missing', why: 'it is not published yet' }
}
