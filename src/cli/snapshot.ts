/** Everything that `status`, the live view and the metrics of `up` tell, read at once and judged. */

import type { Config } from '../config/config.ts'
import type { Observation } from '../model/observation.ts'
import type { Override } from '../model/override.ts'
import { inForce } from '../model/override.ts'
import type { PlanHead } from '../model/plan.ts'
import type { EnactorProgress, RoleStatus } from '../model/progress.ts'
import type { Store } from '../store/store.ts'
import type { EpochMs } from '../world/world.ts'
import { staleMs } from './effect.ts'
import { readHeadPlan, readObservations, readOverrides, readProgress, readStatuses } from './read.ts'
import { agoText, count, percentText } from './text.ts'

export interface Snapshot {
  readonly at: number
  readonly head: PlanHead | undefined
  readonly progress: readonly (readonly [enactor: string, EnactorProgress])[]
  readonly statuses: readonly RoleStatus[]
  readonly overrides: readonly Override[]
  readonly observations: readonly Observation[]
}

/** @throws StoreOutage */
export async function takeSnapshot(store: Store): Promise<Snapshot> {
  const [head, progress, statuses, overrides, observations] = await Promise.all([
    readHeadPlan(store),
    readProgress(store),
    readStatuses(store),
    readOverrides(store),
    readObservations(store),
  ])
  const at = Date.now()
  return {
    at,
    head,
    progress,
    statuses,
    overrides: overrides.filter((one) => inForce(one, at as EpochMs)),
    observations,
  }
}

/** S8: what has not reported lately is not shown as well, whatever it said last. */
export const isFresh = (at: number, now: number): boolean => now - at <= staleMs

type Deployment = Pick<Config, 'policy' | 'haproxy' | 'leases'>

/** What is not as it should be, in one sentence each; empty when all is well. */
export function ailments(snapshot: Snapshot, { policy, haproxy, leases }: Deployment): string[] {
  const { at: now, head, progress, statuses, observations } = snapshot
  const found = ownAilments(statuses.filter((status) => isFresh(status.at, now)))
  const probed = [...policy.pools.values()].filter(({ check }) => check.kind !== 'none')
  // Who only looks after leases has no names, and needs nobody who plans.
  const names = policy.endpoints.size > 0 || head !== undefined
  const needed: readonly (readonly [RoleStatus['role'], boolean])[] = [
    ['planner', names],
    ['enactor', names],
    ['prober', probed.length > 0],
    ['balancer', haproxy !== null],
    ['leases', leases !== null],
  ]
  for (const [role, isNeeded] of needed)
    if (isNeeded && !statuses.some((status) => status.role === role && isFresh(status.at, now)))
      found.push(`no ${role === 'leases' ? 'lease manager' : role} runs${lastSeen(statuses, role, now)}`)
  if (names && head === undefined) found.push('no plan has been published yet')
  for (const pool of probed) {
    const newest = observations.filter((one) => one.pool === pool.id).reduce((last, { at }) => Math.max(last, at), 0)
    const limit = Math.max(staleMs, 5 * pool.intervalMs)
    if (now - newest > limit)
      found.push(
        newest === 0
          ? `pool ${pool.id} has never been observed: its health is unknown`
          : `pool ${pool.id} was last observed ${agoText(newest, now)}: its health is unknown`,
      )
    const state = head?.pools[pool.id]
    if (state?.failOpenSince != null)
      found.push(
        `pool ${pool.id} is fail-open: too few targets pass their checks to be believed, so all of them answer`,
      )
    else if (state !== undefined && state.capacity < 0.999)
      found.push(`pool ${pool.id} answers with ${percentText(state.capacity)} of its capacity`)
  }
  const freshProgress = progress.filter(([, document]) => isFresh(document.at, now))
  const blocked = new Map(
    freshProgress.flatMap(([, document]) => document.blocked.map((one) => [one.name, one.why] as const)),
  )
  if (blocked.size > 0) {
    const [name, why] = [...blocked][0] ?? ['', '']
    found.push(`${count(blocked.size, 'name')} cannot be written, such as ${name.replace(/\.$/, '')}: ${why}`)
  }
  if (head !== undefined && now - head.at > staleMs && freshProgress.length > 0) {
    const furthest = freshProgress.reduce((most, [, document]) => Math.max(most, document.enacted), 0)
    if (furthest < head.generation)
      found.push(`generation ${head.generation} is published and not enacted: enactors have reached ${furthest}`)
  }
  return found
}

/** What the programs say of themselves; what several say is said once. */
function ownAilments(statuses: readonly RoleStatus[]): string[] {
  const tellers = new Map<string, string[]>()
  for (const { id, ails } of statuses)
    for (const text of ails ?? []) tellers.set(text, [...(tellers.get(text) ?? []), id])
  return [...tellers].map(([text, ids]) => `${text} (${ids.join(', ')})`)
}

function lastSeen(statuses: readonly RoleStatus[], role: RoleStatus['role'], now: number): string {
  const newest = statuses.filter((status) => status.role === role).reduce((last, { at }) => Math.max(last, at), 0)
  return newest === 0 ? ' and none ever has' : `: the last one reported ${agoText(newest, now)}`
}
