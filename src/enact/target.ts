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

/** @throws PlanVanished, StoreOutage */
export async function targetOf(
  view: PlanView,
  name: Name,
  zone: TargetZone | undefined,
  owner: string,
): Promise<Target> {
  const entry = await view.entry(name)
  if (entry === undefined) return { kind: 'blocked', why: 'it is not in the plan' }
  if (entry.answer.kind === 'retired') return { kind: 'blocked', why: 'it is retired' }
  if (zone === undefined) return { kind: 'blocked', why: 'its zone is not in the configuration' }
  const [reading] = await zone.provider.read(zone.name, [name])
  if (reading?.kind !== 'published') return { kind: 'missing', why: reading?.reason ?? 'it was not read' }
  const verdict = fence(entry, reading.published, { owner, ours: false, adopt: false })
  if (verdict.kind === 'current' || (verdict.kind === 'superseded' && isLive(reading.published)))
    return { kind: 'stands' }
  const blocked = zone.memory.blocked.get(name)
  if (blocked !== undefined) return { kind: 'blocked', why: blocked.why }
  zone.memory.recheck.add(name)
  return { kind: 'missing', why: 'it is not published yet' }
}
