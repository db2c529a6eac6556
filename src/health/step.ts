/**
 * The reducer of health and balancing: the state of a pool in the last plan, what is seen and said now,
 * and the time, give its next state, the weights that follow, and what happened. It remembers nothing:
 * the state travels in the plan, so planners that restart, or stand beside each other, go on alike.
 *
 * Each target passes three layers: what is seen of it (`evidence.ts`), what that would have it do
 * (`detector.ts`), and the gates between that and its weight (`correlation.ts`, `believing.ts`,
 * `sites.ts`, `velocity.ts`). What an operator says comes before all of them.
 *
 * - Unknown health changes nothing. A pool answers nothing new before its targets have been judged, or
 *   its patience is over; then it fails open.
 * - What leaves passes every gate; what returns grows in steps.
 */
import type { Observation } from '../model/observation.ts'
import type { PoolState, Reason, TargetState } from '../model/plan.ts'
import type { Pool } from '../model/policy.ts'
import type { Demand, Report } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { notAhead } from './detector.ts'
import { gather } from './evidence.ts'
import { entryOf, layoutOf } from './layout.ts'
import { unknown } from './quorum.ts'
import type { Event } from './reasons.ts'
import { settle } from './settle.ts'
import type { SiteOrder } from './sites.ts'
import { shareOf } from './weights.ts'
import { Work } from './work.ts'

/** An operator's instruction to take a target out. */
export interface Drain {
  readonly by: string
  readonly reason: string
  /** The instruction says that it may go under the floor. Never to nothing. */
  readonly underFloor: boolean
}

export interface StepInput {
  readonly pool: Pool
  /** Of the last plan; undefined for a pool that is in no plan yet. */
  readonly previous: PoolState | undefined
  /** Of this pool, from all probers. */
  readonly observations: readonly Observation[]
  /** Of this pool, from all intakes. */
  readonly reports: readonly Report[]
  readonly demands: readonly Demand[]
  /** By target. */
  readonly drains: ReadonlyMap<string, Drain>
  /** By site: those that an operator wants out. */
  readonly evacuations: ReadonlyMap<string, SiteOrder>
  /** Since when the pool is known in this form to whoever asks: the patience for its first verdicts, and the window of evidence, begin here. */
  readonly since: EpochMs
  readonly now: EpochMs
}

export type Step =
  /** Not enough is known to say anything new: what is published stays. */
  | { readonly kind: 'wait'; readonly reasons: readonly Reason[]; readonly nextAt: EpochMs }
  | {
      readonly kind: 'state'
      readonly state: PoolState
      /** Share of its full weight, 0 to 1, of each target at `now`. */
      weights(): ReadonlyMap<string, number>
      /** What happened, and what is remarkable about what is seen: the latter again in each step. */
      readonly events: readonly Event[]
      /** Capacity leaves or is taken back, an operator spoke, or the checks are no longer believed: do not wait for company. */
      readonly urgent: boolean
      /** One for each target that does not simply serve, and for what the gates do in the pool. At most 1,000. */
      readonly reasons: readonly Reason[]
      /** When this changes again without news; null: only with news. */
      readonly nextAt: EpochMs | null
      /** For whoever wants to see more than the state: each target as the detector and the gates have it. */
      targets(): ReadonlyMap<string, TargetView>
    }

/** One target, as operators see it. */
export interface TargetView {
  readonly state: 'new' | 'healthy' | 'suspect' | 'down' | 'removed' | 'ramp' | 'admin' | 'evacuated'
  readonly share: number
  /** What is seen of it, in words. */
  readonly seen: string
  /** The gate that holds back what its health would have it do, and until when; null: none, or nobody knows. */
  readonly gate: string | null
  readonly until: EpochMs | null
  /** It stays down until then, however well it passes. */
  readonly heldDownUntil: EpochMs | null
}

/** How long a pool's first verdicts may take before it answers without them. */
export const patienceMs = (pool: Pick<Pool, 'fall' | 'intervalMs'>): number => 2 * pool.fall * pool.intervalMs

export function step(input: StepInput): Step {
  const { pool, previous, now, drains } = input
  const layout = layoutOf(pool)
  const evidence = gather(pool, input.observations, input.reports, now)
  const states: TargetState[] = []
  let beginning = true
  let carrying = 0
  let whole = 0
  for (let i = 0; i < layout.count; i++) {
    const before = previous === undefined ? undefined : entryOf(previous.targets, layout.ids[i] as string)
    const state: TargetState = before ?? { kind: 'new', since: now }
    states.push(notAhead(state, now))
    if (state.kind !== 'new') beginning = false
    carrying += (layout.capacity[i] as number) * shareOf(before)
    whole += layout.capacity[i] as number
  }
  // Where the operator exchanged targets, the old ones answer until the new ones can carry their part.
  const mayWait = beginning || (carrying < pool.limits.floor * whole && wereExchanged(previous, layout.index))
  const patient = (Math.min(input.since, now) + patienceMs(pool)) as EpochMs
  if (mayWait && now < patient) {
    const unjudged = layout.ids.filter(
      (id, i) =>
        states[i]?.kind === 'new' && !drains.has(id) && evidence.verdicts[i] === unknown && evidence.pending[i] === 0,
    )
    if (unjudged.length > 0) {
      const names = unjudged.slice(0, 3).join(', ')
      const text = `waits for the first verdict on ${names}${unjudged.length > 3 ? ' and others' : ''}`
      return { kind: 'wait', reasons: [{ subject: pool.id, text }], nextAt: patient }
    }
  }
  return settle(new Work(input, layout, evidence, states, beginning))
}

function wereExchanged(previous: PoolState | undefined, now: ReadonlyMap<string, number>): boolean {
  if (previous === undefined) return false
  for (const id of Object.keys(previous.targets)) if (!now.has(id)) return true
  return false
}

/** Whether two states differ in anything but what still counts in the ledger, or is frozen. */
export function sameState(a: PoolState, b: PoolState): boolean {
  if (a === b) return true
  if (a.failOpenSince !== b.failOpenSince || a.believedSince !== b.believedSince) return false
  if (JSON.stringify(a.sites ?? {}) !== JSON.stringify(b.sites ?? {})) return false
  if (a.targets === b.targets) return true
  const ids = Object.keys(a.targets)
  if (ids.length !== Object.keys(b.targets).length) return false
  for (const id of ids) {
    const [one, other] = [entryOf(a.targets, id), entryOf(b.targets, id)]
    if (one !== other && JSON.stringify(one) !== JSON.stringify(other)) return false
  }
  return true
}
