/**
 * S5 once more, at the last moment: whether a write that takes addresses out of what is published is
 * accounted for by the plan that orders it. The planner decided, and checked its decision, against the
 * plan before; this looks at what stands in DNS, and believes the plan only as far as it explains itself.
 *
 * It says nothing about names that are pinned, rolled back or no longer in the policy, nor while the
 * enactor's policy is another than the planner's: those changes are an operator's. And it says nothing
 * about what has been out for longer than a window, so that no name waits for ever.
 */
import type { IpAddress } from '../model/address.ts'
import type { PlanEntry, PlanHead, PoolState, TargetState } from '../model/plan.ts'
import type { Policy, Pool, Target } from '../model/policy.ts'
import type { Published } from '../providers/provider.ts'
import type { EpochMs } from '../world/world.ts'

const hair = 1e-6

/** Null, or why this write must not be sent: what it would take away and what speaks against it. */
export function unexplainedRemoval(
  policy: Policy,
  plan: PlanHead,
  { name, answer }: Pick<PlanEntry, 'name' | 'answer'>,
  published: Pick<Published, 'addresses'>,
  now: EpochMs,
): string | null {
  if (answer.kind !== 'addresses' || published.addresses.length === 0) return null
  const kept = new Set<IpAddress>(answer.addresses.map(({ address }) => address))
  if (published.addresses.every((address) => kept.has(address))) return null
  if (policy.digest !== plan.policy || plan.rolledBackTo !== undefined || plan.pinned?.includes(name)) return null
  const from = policy.endpoints.get(name)?.from
  const pool = from?.kind === 'pool' ? policy.pools.get(from.pool) : undefined
  const state = pool === undefined ? undefined : plan.pools[pool.id]
  if (pool === undefined || state === undefined) return null
  const before = new Set(published.addresses)
  const lost = pool.targets.filter(
    ({ addresses }) => addresses.some((one) => before.has(one)) && !addresses.some((one) => kept.has(one)),
  )
  return lost.length === 0 ? null : judge(pool, state, lost, plan.at, now)
}

function judge(pool: Pool, state: PoolState, lost: readonly Target[], at: EpochMs, now: EpochMs): string | null {
  const { windowMs } = pool.limits
  const isRecent = (time: EpochMs) => at - time < windowMs && now - time < windowMs
  const recent: Target[] = []
  for (const target of lost) {
    const found = stateOf(state, target.id)
    if (found !== undefined && answers(found))
      return `expected ${target.id} to stay in the answer, since it is ${found.kind} in the plan, found it left out`
    if (found?.kind === 'removed' && found.unanswered !== true && isRecent(found.since)) recent.push(target)
  }
  if (recent.length === 0) return null
  const unwritten = recent.find(({ id }) => !state.ledger.some(({ target }) => target === id))
  if (unwritten !== undefined) return `expected the removal of ${unwritten.id} in the ledger of the plan, found none`
  return overBudget(pool, state, recent) ?? underFloor(pool, state)
}

/**
 * Of every window that one of these removals falls into, as the ledger dates them. What time it is now has no say:
 * a clock that was put back would make all that ever left look recent, until it is that late again.
 */
function overBudget(pool: Pool, state: PoolState, recent: readonly Target[]): string | null {
  const { poolBudget, windowMs } = pool.limits
  const ledger = state.ledger.filter(({ by }) => by !== 'rollback')
  let whole = 0
  for (const { id, capacity } of pool.targets) if (stateOf(state, id)?.kind !== 'new') whole += capacity
  const allowed = poolBudget * whole
  for (const { at: last } of ledger) {
    const together = ledger.filter(({ at }) => at <= last && last - at < windowMs)
    const gone = together.reduce((sum, { capacity }) => sum + capacity, 0)
    // A single one may always go, however large it is.
    if (together.length < 2 || gone <= allowed + hair) continue
    if (recent.some(({ id }) => together.some(({ target }) => target === id)))
      return `expected at most ${allowed} of the capacity of ${pool.id} to leave in ${windowMs} ms, found ${gone} in the ledger of the plan`
  }
  return null
}

/** Less strict than the planner, which knows more: half always stays, whatever share the floor is. */
function underFloor(pool: Pool, state: PoolState): string | null {
  const { floor, failOpenUnder } = pool.limits
  let whole = 0
  let left = 0
  for (const { id, capacity } of pool.targets) {
    const found = stateOf(state, id)
    if (found === undefined || found.kind === 'new' || found.kind === 'evacuated' || found.kind === 'drained') continue
    whole += capacity
    left += capacity * shareOf(found)
  }
  const least = Math.min(floor, failOpenUnder, 0.5) * whole
  return left >= least - hair ? null : `expected at least ${least} of the capacity of ${pool.id} to stay, found ${left}`
}

/** A target may be called like something that every object has. */
const stateOf = ({ targets }: PoolState, id: string): TargetState | undefined =>
  Object.hasOwn(targets, id) ? targets[id] : undefined

const answers = (state: TargetState): boolean => shareOf(state) > 0

function shareOf(state: TargetState): number {
  if (state.kind === 'ramping') return state.percent / 100
  return state.kind === 'serving' || state.kind === 'held' ? 1 : 0
}
