/**
 * What each target answers with, from the state of its pool alone: equal states mean equal answers.
 * DNS takes the steps that stand in the plan; a data plane that can follow takes the slope between them.
 */
import type { WeightedAddress } from '../model/answer.ts'
import type { PoolState, TargetState } from '../model/plan.ts'
import type { Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { isDown, steps } from './detector.ts'
import { entryOf } from './layout.ts'

/** How much of a target's full weight its state answers with, 0 to 1. */
export function shareOf(state: TargetState | undefined): number {
  if (state?.kind === 'serving' || state?.kind === 'held') return 1
  return state?.kind === 'ramping' ? state.percent / 100 : 0
}

/** The record set of a pool: the greatest target weighs 100 at full share, none that answers weighs less than 1. */
export function weightsOf(pool: Pool, state: PoolState): readonly WeightedAddress[] {
  let greatest = 0
  for (const { capacity } of pool.targets) greatest = Math.max(greatest, capacity)
  const weights = new Map<WeightedAddress['address'], number>()
  for (const { id, capacity, addresses } of pool.targets) {
    const share = shareOf(entryOf(state.targets, id))
    if (share === 0) continue
    const full = Math.max(1, Math.round((100 * capacity) / greatest))
    const weight = Math.max(1, Math.round(full * share))
    for (const address of addresses) weights.set(address, Math.max(weight, weights.get(address) ?? 0))
  }
  return [...weights].map(([address, weight]) => ({ address, weight }))
}

/**
 * The share of its full weight, 0 to 1, that each target is to have at `now`, by target id: every target
 * of the pool. A returning one grows evenly, from a tenth to all of it over `rampMs`, but never past the
 * step that the plan would take next: while nobody plans, or the target fails again, it grows no further.
 * One that returns with its site has the part of the site's step.
 */
export function weightsAt(pool: Pool, state: PoolState, now: EpochMs): ReadonlyMap<string, number> {
  const weights = new Map<string, number>()
  for (const { id, site } of pool.targets) {
    const target = entryOf(state.targets, id)
    const grows = target?.kind === 'ramping' && !isDown(target) && state.sites?.[site]?.kind !== 'returning'
    weights.set(id, grows ? grownTo(target, pool.rampMs, now) : shareOf(target))
  }
  return weights
}

function grownTo(
  { since, percent }: { readonly since: EpochMs; readonly percent: number },
  rampMs: number,
  now: EpochMs,
): number {
  const next = steps.find((step) => step > percent) ?? 100
  const share = rampMs === 0 ? 1 : (now - since) / rampMs
  return Math.min(next / 100, Math.max(percent / 100, share))
}
