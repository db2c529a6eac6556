/**
 * S5, worked out again from the weights: how much of each pool and site stops answering with this plan,
 * against budgets, floor, demand and ledger. What leaves with its whole site is judged in
 * `check-sites.ts`. Nothing here asks how the plan was decided.
 */

import { isNonEmpty } from '../base/nonempty.ts'
import type { Answer } from '../model/answer.ts'
import type { Name } from '../model/name.ts'
import type { Override } from '../model/override.ts'
import type { PlanHead, PoolState, Removal } from '../model/plan.ts'
import type { Endpoint, Policy, Pool, Target } from '../model/policy.ts'
import type { Demand } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import type { CheckInput, Report } from './check.ts'
import { checkSites } from './check-sites.ts'

/** What one plan changes for a name of a pool. */
export interface CapacityChange {
  readonly pool: string
  readonly name: Name
  readonly before: Answer
  readonly after: Answer
}

const hair = 1e-6
const todo = 'wait for the window, drain less at once, or let the instruction break S5 by name'

/** Full weight of each target: 100 for the greatest. */
function fullWeights(pool: Pool): ReadonlyMap<string, number> {
  let greatest = 0
  for (const { capacity } of pool.targets) greatest = Math.max(greatest, capacity)
  return new Map(pool.targets.map(({ id, capacity }) => [id, Math.max(Math.round((capacity * 100) / greatest), 1)]))
}

function partIn(state: PoolState | undefined, target: string): number {
  const found = state?.targets[target]
  switch (found?.kind) {
    case 'serving':
    case 'held':
      return 1
    case 'ramping':
      return Math.min(1, Math.max(0, found.percent / 100))
    default:
      return 0
  }
}

/** What an endpoint answers when its pool is in that plan's state; undefined for a pool without one. */
export function expectedAnswer(
  { from, ttl }: Pick<Endpoint, 'from' | 'ttl'>,
  policy: Policy,
  head: PlanHead,
): Answer | undefined {
  if (from.kind === 'addresses') return { kind: 'addresses', ttl, addresses: from.addresses }
  if (from.kind === 'alias') return { kind: 'alias', ttl, target: from.of }
  const pool = policy.pools.get(from.pool)
  const state = head.pools[from.pool]
  if (pool === undefined || state === undefined) return undefined
  const full = fullWeights(pool)
  const found = new Map<string, { address: Target['addresses'][0]; weight: number }>()
  for (const { id, addresses } of pool.targets) {
    const part = partIn(state, id)
    if (part === 0) continue
    const weight = Math.max(1, Math.round((full.get(id) ?? 1) * part))
    for (const address of addresses)
      if ((found.get(address)?.weight ?? 0) < weight) found.set(address, { address, weight })
  }
  const addresses = [...found.values()]
  return isNonEmpty(addresses) ? { kind: 'addresses', ttl, addresses } : undefined
}

export function checkCapacity(
  input: CheckInput,
  overrides: readonly Override[],
  changes: readonly CapacityChange[],
  report: Report,
): void {
  const { compiled, previous, next } = input
  const free = overrides.some(({ action, breaks }) => action.kind === 'rollback' && breaks.includes('S5'))
  for (const pool of compiled.policy.pools.values()) {
    const before = previous?.head.pools[pool.id]
    const after = next.head.pools[pool.id]
    if (before === after) continue
    if (after === undefined) {
      if (before !== undefined) report('S5', pool.id, 'the state of the pool carried on', 'none')
      continue
    }
    // In a rollback addresses may answer that the policy has given up; the entries themselves are checked.
    if (next.head.rolledBackTo === undefined && !pool.targets.some(({ id }) => partIn(after, id) > 0))
      report('S2', pool.id, 'a pool in which some target answers', 'one in which none does')
    if (before === undefined) continue
    const ofPool = changes.filter((change) => change.pool === pool.id)
    const demand = demandOf(pool, input.demands.get(pool.id) ?? [], input.now)
    checkPool({ pool, before, after, changes: ofPool, overrides, free, demand, now: input.now }, report)
    if (next.head.rolledBackTo === undefined) checkDwell(pool, before, after, input.now, report)
  }
}

/** What is said by several, and can be true: the most of it counts. Null: nobody knows. */
function demandOf({ targets, demand }: Pool, demands: readonly Demand[], now: EpochMs): number | null {
  const whole = targets.reduce((sum, { capacity }) => sum + capacity, 0)
  const fresh = demands.filter(({ at }) => Math.abs(now - at) <= 60_000).map(({ value }) => value)
  const stated = demand?.kind === 'fixed' ? [demand.value, ...fresh] : fresh
  const credible = stated.filter((value) => value >= 0 && value <= whole)
  return credible.length === 0 ? null : Math.max(...credible)
}

/** Checks are not doubted and believed again in quick turn. */
function checkDwell(pool: Pool, before: PoolState, after: PoolState, now: EpochMs, report: Report): void {
  if ((before.failOpenSince === null) === (after.failOpenSince === null)) return
  const last = before.failOpenSince ?? before.believedSince
  if (last === undefined) return
  const elapsed = now - Math.min(last, now)
  if (elapsed < pool.limits.failOpenDwellMs)
    report('S5', pool.id, `${pool.limits.failOpenDwellMs} ms between believing its checks and not`, `${elapsed} ms`)
}

export interface Loss {
  readonly target: Target
  readonly capacity: number
}

/** One pool of a plan, beside the same pool in the plan before. */
export interface PoolCheck {
  readonly pool: Pool
  readonly before: PoolState
  readonly after: PoolState
  readonly changes: readonly CapacityChange[]
  /** In force, of all pools. */
  readonly overrides: readonly Override[]
  /** A rollback may break S5. */
  readonly free: boolean
  readonly demand: number | null
  readonly now: EpochMs
}

/** What each target answers with, 0 to 1. */
export type Parts = ReadonlyMap<string, { readonly from: number; readonly to: number }>

function checkPool(check: PoolCheck, report: Report): void {
  const { pool, before, after, changes, overrides } = check
  const full = fullWeights(pool)
  const parts = new Map<string, { from: number; to: number }>()
  for (const target of pool.targets) {
    const from = partIn(before, target.id)
    let to = partIn(after, target.id)
    for (const change of changes) {
      const was = Math.min(from, weightIn(change.before, target, full))
      const is = weightIn(change.after, target, full)
      if (is < was) to = Math.min(to, is)
    }
    parts.set(target.id, { from, to })
  }
  const drained = new Map<string, Override>()
  for (const override of overrides)
    if (override.action.kind === 'drain' && override.action.pool === pool.id)
      drained.set(override.action.target, override)
  const losses: Loss[] = []
  const drainLosses: Loss[] = []
  const siteLosses: Loss[] = []
  for (const target of pool.targets) {
    const { from, to } = parts.get(target.id) ?? { from: 0, to: 0 }
    // A weight is a whole number: half a percent of the greatest target's is lost in rounding.
    if (to >= from - 0.5 / (full.get(target.id) ?? 1)) continue
    const loss = { target, capacity: (from - to) * target.capacity }
    const { kind } = after.targets[target.id] ?? { kind: 'new' }
    if (kind === 'drained' && drained.has(target.id)) drainLosses.push(loss)
    else if (kind === 'evacuated' && after.sites?.[target.site]?.kind === 'evacuated') siteLosses.push(loss)
    else losses.push(loss)
  }
  checkLedger(check, losses, report)
  if (check.free) return
  checkBudgets(check, losses, report)
  checkSites(check, siteLosses, parts, report)
  const underFloor = drainLosses.every(({ target }) => drained.get(target.id)?.breaks.includes('S5') === true)
  if (losses.length > 0 || (drainLosses.length > 0 && !underFloor)) checkFloor(check, parts, report)
}

/** The part of its full weight that a target answers with: the most of any of its addresses. */
function weightIn(answer: Answer, { id, addresses }: Target, full: ReadonlyMap<string, number>): number {
  if (answer.kind !== 'addresses') return 0
  let most = 0
  for (const { address, weight } of answer.addresses)
    if (addresses.includes(address)) most = Math.max(most, weight / (full.get(id) ?? 1))
  return Math.min(1, most)
}

const inWindow = (ledger: readonly Removal[], pool: Pool, now: EpochMs): readonly Removal[] =>
  ledger.filter(({ at }) => now - at < pool.limits.windowMs)

/** What this plan takes out is written down, and nothing that still counts was struck out. */
function checkLedger({ pool, before, after, now }: PoolCheck, losses: readonly Loss[], report: Report): void {
  const left = [...after.ledger]
  const take = (at: number, target: string, capacity: number): boolean => {
    const index = left.findIndex(
      (removal) => removal.at === at && removal.target === target && removal.capacity >= capacity * (1 - hair),
    )
    if (index >= 0) left.splice(index, 1)
    return index >= 0
  }
  for (const { at, target, capacity } of inWindow(before.ledger, pool, now))
    if (!take(Math.min(at, now), target, capacity))
      report('S5', `${pool.id}/${target}`, `its removal at ${at} in the ledger`, 'none')
  for (const { target, capacity } of losses)
    if (!take(now, target.id, capacity - pool.targets.length * hair - capacity * 0.01))
      report('S5', `${pool.id}/${target.id}`, `${capacity} of its capacity in the ledger as removed now`, 'nothing')
}

function checkBudgets({ pool, before, after, now }: PoolCheck, losses: readonly Loss[], report: Report): void {
  if (losses.length === 0) return
  const recent = inWindow(before.ledger, pool, now)
  const judge = (at: string, share: number, all: number, past: readonly Removal[], lost: readonly Loss[]) => {
    if (lost.length === 0 || (past.length === 0 && lost.length === 1)) return
    const sum =
      past.reduce((total, { capacity }) => total + capacity, 0) +
      lost.reduce((total, { capacity }) => total + capacity, 0)
    if (sum > share * all + hair)
      report(
        'S5',
        at,
        `at most ${share * all} capacity, or one target, removed in ${pool.limits.windowMs} ms`,
        `${sum}`,
        todo,
      )
  }
  const capacity = (targets: readonly Target[]) => targets.reduce((total, target) => total + target.capacity, 0)
  const known = pool.targets.filter(({ id }) => counts(after, id))
  judge(pool.id, pool.limits.poolBudget, capacity(known), recent, losses)
  for (const site of new Set(losses.map(({ target }) => target.site))) {
    const here = (target: Target) => target.site === site
    judge(
      `${pool.id}, site ${site}`,
      pool.limits.siteBudget,
      capacity(known.filter(here)),
      recent.filter((removal) => removal.site === site),
      losses.filter(({ target }) => here(target)),
    )
  }
}

/** One that never passed its checks is no part of any share; neither is one whose site is out. */
function counts(state: PoolState, target: string): boolean {
  const kind = state.targets[target]?.kind
  return kind !== 'new' && kind !== 'evacuated'
}

function checkFloor({ pool, after, demand }: PoolCheck, parts: Parts, report: Report): void {
  const { floor, utilization } = pool.limits
  let total = 0
  let left = 0
  let short = 0
  for (const { id, capacity } of pool.targets) {
    const to = parts.get(id)?.to ?? 0
    if (!counts(after, id)) continue
    total += capacity
    left += capacity * to
    if (to < 1) short++
  }
  if (left < floor * total - hair && !(short <= 1 && left >= total / 2 - hair))
    report('S5', pool.id, `at least ${floor * total} of ${total} capacity left`, `${left}`, todo)
  // A weight is a whole number: each target may carry half a percent of the greatest less than it should.
  const least = Math.min(total, (demand ?? 0) / utilization)
  if (left < least - total * 0.005)
    report('S5', pool.id, `at least ${least} capacity left, for a demand of ${demand}`, `${left}`, todo)
}
