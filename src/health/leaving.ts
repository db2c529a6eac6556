/** Targets that should answer no more: who goes down, what operators drain, and what the gates let leave. */
import type { Removal, SiteState, TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import type { Belief } from './believing.ts'
import { type Freezes, frozenUntil } from './correlation.ts'
import { leastFor } from './demand.ts'
import { downAgain, isDown, withDowns } from './detector.ts'
import { type Answering, admitRemovals, type Candidate } from './velocity.ts'
import { shareOf } from './weights.ts'
import type { Gated, Work } from './work.ts'

/** What stands in the way of removals before any budget does. */
export interface Gates {
  readonly open: boolean
  readonly blind: boolean
  readonly belief: Belief
  readonly evidenceAt: EpochMs
  readonly freezes: Freezes
  readonly sites: Readonly<Record<string, SiteState>>
}

/** Targets that answer and that enough probers see fail are down from now on, whatever the gates say. */
export function goDown(work: Work): void {
  const { now } = work.input
  if (work.beginning) return
  for (let i = 0; i < work.states.length; i++) {
    if (!work.isSeenDown(i)) continue
    const state = work.states[i] as TargetState
    if (state.kind === 'new') giveUp(work, i, state.since)
    else if (state.kind === 'serving') work.set(i, { kind: 'held', since: now, by: '', downs: downAgain(state, now) })
    else if (state.kind === 'ramping' && !isDown(state)) work.set(i, { ...state, downs: downAgain(state, now) })
  }
}

/** One that passed, but never often enough, and whose grace is over, counts as failing like any other. */
function giveUp(work: Work, i: number, since: EpochMs): void {
  const { pool, now } = work.input
  const { passed, pending } = work.evidence
  if (passed[i] === 0 || pending[i] === 1 || now - since < pool.graceMs) return
  work.set(i, { kind: 'removed', since: now, reason: work.evidence.text(i), unanswered: true })
}

/** True if a target went out or was let go by an operator. */
export function drainAll(work: Work, demand: number | null): boolean {
  const { pool, drains, now } = work.input
  let answering: Answering | undefined
  for (let i = 0; i < work.states.length; i++) {
    const state = work.states[i] as TargetState
    const drain = work.drained[i] === 1 ? drains.get(work.layout.ids[i] as string) : undefined
    if (drain === undefined || state.kind === 'drained' || state.kind === 'new') continue
    answering ??= work.answering()
    const share = shareOf(state)
    const floor = drain.underFloor ? 0 : pool.limits.floor
    const least = drain.underFloor ? 0 : leastFor(demand, pool.limits.utilization)
    const gate = share === 0 ? undefined : answering.floorGate(i, floor, least)
    if (gate === undefined) {
      answering.remove(i)
      work.set(i, { kind: 'drained', since: now, by: drain.by, reason: drain.reason, ...withDowns(state, now) })
    } else {
      if (state.kind !== 'ramping') work.hold(i, 'drain')
      work.gates.set(i, { by: 'drain', until: null })
    }
  }
  if (drains.size === 0 && !work.before.some(({ kind }) => kind === 'drained')) return false
  return work.states.some(({ kind }, i) => (kind === 'drained') !== (work.before[i]?.kind === 'drained'))
}

export function removeBad(
  work: Work,
  at: Gates & { readonly ledger: readonly Removal[]; readonly demand: number | null },
): readonly Removal[] {
  const { pool, now } = work.input
  const candidates: Candidate[] = []
  if (at.open) return []
  for (let i = 0; i < work.states.length; i++) {
    const state = work.states[i] as TargetState
    if (shareOf(state) === 0 || !work.isSeenDown(i)) continue
    if (work.drained[i] === 1 && state.kind === 'held') continue
    const gate = closed(work, i, at)
    if (gate !== undefined) keep(work, i, gate)
    else candidates.push({ target: i, failures: work.evidence.badRuns[i] as number })
  }
  // Those that passed in between, but are still held down, wait for nothing but time.
  if (candidates.length === 0) return []
  const outcome = admitRemovals({
    layout: work.layout,
    limits: pool.limits,
    answering: work.answering(),
    candidates,
    ledger: at.ledger,
    least: leastFor(at.demand, pool.limits.utilization),
    now,
  })
  for (const { target, by, until } of outcome.held) keep(work, target, { by, until })
  for (const { target } of outcome.removals) {
    const i = work.layout.index.get(target) as number
    const state = work.states[i] as TargetState
    work.set(i, { kind: 'removed', since: now, reason: work.evidence.text(i), ...withDowns(state, now) })
    work.events.push({ kind: 'removed', target, reason: work.evidence.text(i) })
  }
  return outcome.removals
}

/** The gate before which budgets do not matter, or undefined. */
function closed(work: Work, i: number, at: Gates): Gated | undefined {
  const { pool, now } = work.input
  if (at.belief.dwellsUntil !== null) return { by: 'dwell', until: at.belief.dwellsUntil }
  if (at.blind) return { by: 'blind', until: null }
  if (now < at.evidenceAt) return { by: 'evidence', until: at.evidenceAt }
  const site = work.siteOf(i)
  if (at.sites[site]?.kind === 'open') return { by: 'site-open', until: null }
  const until = frozenUntil(at.freezes, site, pool.limits)
  return until !== null && now < until ? { by: 'correlation', until } : undefined
}

/** A returning target that fails stays at the weight that it has; any other answers in full. */
function keep(work: Work, i: number, gate: Gated): void {
  work.gates.set(i, gate)
  if (gate.until !== null) work.times.push(gate.until)
  if (work.states[i]?.kind !== 'ramping') work.hold(i, gate.by)
}

/** Whatever was asked for: somebody answers. True if this had to step in. */
export function neverEmpty(work: Work): boolean {
  const { drains } = work.input
  if (work.states.some((state) => shareOf(state) > 0)) return false
  const all = [...work.states.keys()]
  const free = all.filter((i) => work.drained[i] === 0 && !work.isOrderedOut(i))
  const choices = [free.filter((i) => work.states[i]?.kind !== 'new'), free, all.filter((i) => work.good[i] === 1), all]
  const last = choices.find((targets) => targets.length > 0) ?? all
  for (const i of last) {
    const by = drains.has(work.layout.ids[i] as string) ? 'drain' : 'last'
    const before = work.before[i]
    if (before?.kind === 'held' && before.by === by) work.set(i, before)
    else work.hold(i, by)
  }
  return true
}
