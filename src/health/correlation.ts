/**
 * Many targets that go down at the same moment have one cause, and it is seldom the targets. Where so many
 * do (in the pool, or in one site), removals stop for a while and the recent ones are taken back.
 */
import type { PoolState, TargetState } from '../model/plan.ts'
import type { Limits } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { lastDown } from './detector.ts'
import type { Layout } from './layout.ts'

/** Fewer are no coincidence to speak of. */
export const together = 3

/** The name of the whole pool among scopes; a site has its own. */
export const wholePool = ''

export type Freezes = Readonly<Record<string, EpochMs>>

/** A freeze that has just begun, or has just been prolonged. */
export interface Correlated {
  readonly scope: string
  readonly down: number
  readonly of: number
}

/**
 * The freezes in force at `now`, each with when the last of its targets went down. `counts`: 1 for
 * targets that are part of shares.
 */
export function freezesAt(
  layout: Layout,
  limits: Limits,
  previous: PoolState | undefined,
  states: readonly TargetState[],
  counts: Uint8Array,
  now: EpochMs,
): { readonly freezes: Freezes; readonly correlated: readonly Correlated[] } {
  const sites = layout.sites.length
  const members = new Uint32Array(sites + 1)
  const downs = new Uint32Array(sites + 1)
  const latest = new Float64Array(sites + 1)
  for (let i = 0; i < layout.count; i++) {
    if (counts[i] === 0) continue
    const site = layout.siteOf[i] as number
    members[site] = (members[site] as number) + 1
    members[sites] = (members[sites] as number) + 1
    const at = lastDown(states[i] as TargetState)
    if (at === null || at > now || now - at >= limits.correlationWindowMs) continue
    for (const scope of [site, sites]) {
      downs[scope] = (downs[scope] as number) + 1
      latest[scope] = Math.max(latest[scope] as number, at)
    }
  }
  const freezes: Record<string, EpochMs> = {}
  for (const [scope, at] of Object.entries(previous?.freezes ?? {}))
    if (now - at < limits.undoMs && at <= now) freezes[scope] = at
  const correlated: Correlated[] = []
  for (let scope = 0; scope <= sites; scope++) {
    const [down, of] = [downs[scope] as number, members[scope] as number]
    if (down < Math.max(together, limits.correlation * of)) continue
    const name = scope === sites ? wholePool : (layout.sites[scope] as string)
    const at = latest[scope] as EpochMs
    if ((freezes[name] ?? Number.NEGATIVE_INFINITY) >= at) continue
    freezes[name] = at
    correlated.push({ scope: name, down, of })
  }
  return { freezes, correlated }
}

/** Until when nobody is removed from that site; null: it is not frozen. */
export function frozenUntil(freezes: Freezes, site: string, { undoMs }: Limits): EpochMs | null {
  const latest = Math.max(freezes[wholePool] ?? Number.NEGATIVE_INFINITY, freezes[site] ?? Number.NEGATIVE_INFINITY)
  return latest === Number.NEGATIVE_INFINITY ? null : ((latest + undoMs) as EpochMs)
}
