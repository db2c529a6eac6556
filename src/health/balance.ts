/**
 * What a pool answers: its policy, its state in the last plan and the verdicts of now give its next
 * state. Weights follow from the state alone (`weightsOf`), so equal states mean equal answers.
 *
 * - Unknown health changes nothing. A pool answers nothing new before its targets have been judged, or
 *   the grace is over; then it fails open.
 * - Under `failOpenUnder` of healthy capacity the checks are not believed: every target answers that
 *   no operator drained, until `failOpenUntil` is reached.
 * - What leaves passes the gates of `velocity.ts`; what returns grows in steps.
 */
import { assert } from '../base/assert.ts'
import type { PoolState, Reason, Removal, TargetState } from '../model/plan.ts'
import type { Pool, Target } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import type { Verdict } from './detector.ts'
import { admitRemovals, type Candidate, floorAllows, ledgerAt, type Member } from './velocity.ts'
import { shareOf } from './weights.ts'

/** An operator's instruction to take a target out. */
export interface Drain {
  readonly by: string
  readonly reason: string
  /** The instruction says that it may go under the floor. Never to nothing. */
  readonly underFloor: boolean
}

export interface BalanceInput {
  readonly pool: Pool
  /** Of the last plan; undefined for a pool that is in no plan yet. */
  readonly previous: PoolState | undefined
  /** For every target of the pool. */
  readonly verdicts: ReadonlyMap<string, Verdict>
  /** By target. */
  readonly drains: ReadonlyMap<string, Drain>
  /** Since when the pool is known in this form: the grace for its first verdicts begins here. */
  readonly since: EpochMs
  readonly now: EpochMs
}

export type Balance =
  /** Not enough is known to say anything new: what is published stays. */
  | { readonly kind: 'wait'; readonly reasons: readonly Reason[]; readonly nextAt: EpochMs }
  | {
      readonly kind: 'state'
      readonly state: PoolState
      /** Capacity leaves, an operator spoke, or the checks are no longer believed: do not wait for company. */
      readonly urgent: boolean
      /** One for each target that does not simply serve, and for the pool where its checks are not believed. */
      readonly reasons: readonly Reason[]
      /** When this changes again without news; null: only with news. */
      readonly nextAt: EpochMs | null
    }

/** How long a pool's first verdicts may take before it answers without them. */
export const graceMs = (pool: Pick<Pool, 'fall' | 'intervalMs'>): number => 2 * pool.fall * pool.intervalMs

/** The steps in which a returning target grows, in percent; the last one is `serving`. */
const steps = [10, 25, 50, 75, 100] as const

export function balance(input: BalanceInput): Balance {
  const { pool, previous, now } = input
  const ids = new Set(pool.targets.map(({ id }) => id))
  const before = new Map(pool.targets.map(({ id }) => [id, previous?.targets[id]]))
  const isMember = (target: Target) => (before.get(target.id)?.kind ?? 'new') !== 'new'
  const beginning = !pool.targets.some(isMember)
  const graceEnds = (Math.min(input.since, now) + graceMs(pool)) as EpochMs
  const unjudged = pool.targets.filter(
    (target) => !isMember(target) && !input.drains.has(target.id) && verdictOf(input, target.id).kind === 'unknown',
  )
  // Where the operator exchanged targets, the old ones answer until the new ones can carry their part.
  const exchanged = previous !== undefined && Object.keys(previous.targets).some((id) => !ids.has(id))
  const carrying = pool.targets.reduce((sum, { id, capacity }) => sum + capacity * shareOf(before.get(id)), 0)
  const short = carrying < pool.limits.floor * pool.targets.reduce((sum, { capacity }) => sum + capacity, 0)
  if ((beginning || (exchanged && short)) && unjudged.length > 0 && now < graceEnds) {
    const names = unjudged.slice(0, 3).map(({ id }) => id)
    const text = `waits for the first verdict on ${names.join(', ')}${unjudged.length > 3 ? ' and others' : ''}`
    return { kind: 'wait', reasons: [{ subject: pool.id, text }], nextAt: graceEnds }
  }
  return settle(input, before, beginning)
}

function verdictOf(input: BalanceInput, target: string): Verdict {
  const verdict = input.verdicts.get(target)
  assert(verdict !== undefined, `expected a verdict on ${input.pool.id}/${target}, found none`)
  return verdict
}

type States = Map<string, TargetState>

function settle(
  input: BalanceInput,
  before: ReadonlyMap<string, TargetState | undefined>,
  beginning: boolean,
): Balance {
  const { pool, previous, drains, now } = input
  const wasOpen = (previous?.failOpenSince ?? null) !== null
  const states: States = new Map()
  for (const { id } of pool.targets) {
    const state = before.get(id) ?? { kind: 'new', since: now }
    states.set(id, state.since > now ? { ...state, since: now } : state)
  }

  const good = new Set<string>()
  const bad = new Set<string>()
  for (const { id } of pool.targets) {
    const verdict = verdictOf(input, id).kind
    const state = states.get(id) as TargetState
    const counts = state.kind !== 'new' || beginning
    if (verdict === 'up') good.add(id)
    else if (counts && (verdict === 'down' || beginning || wasOut(state))) bad.add(id)
  }

  const free = pool.targets.filter(({ id }) => !drains.has(id))
  const counted = free.filter(({ id }) => good.has(id) || bad.has(id) || states.get(id)?.kind !== 'new')
  const healthy =
    1 - capacityOf(counted.filter(({ id }) => bad.has(id))) / Math.max(capacityOf(counted), Number.MIN_VALUE)
  const open = healthy < (wasOpen ? pool.limits.failOpenUntil : pool.limits.failOpenUnder) - 1e-9

  if (open)
    for (const { id } of counted)
      states.set(id, bad.has(id) ? held(states, id, 'fail-open', now) : serving(states, id, now))
  else {
    join(input, states, good, wasOpen || beginning)
    if (beginning) for (const id of bad) if (!drains.has(id)) states.set(id, outAtFirst(verdictOf(input, id), now))
  }
  const drained = applyDrains(input, states)
  const gates = new Map<string, EpochMs | null>()
  const ledger = [...ledgerAt(previous?.ledger ?? [], pool.limits.windowMs, now)]
  const removals = open ? [] : removeBad(input, states, gates, ledger)
  ledger.push(...removals)
  const rescued = neverEmpty(input, states, good)

  const opened = open ? (wasOpen ? Math.min(previous?.failOpenSince ?? now, now) : now) : null
  const members = membersOf(pool, states)
  const total = members.reduce((sum, { capacity }) => sum + capacity, 0)
  const answering = members.reduce((sum, member) => sum + member.capacity * member.answering, 0)
  const state: PoolState = {
    targets: Object.fromEntries(states),
    failOpenSince: opened as EpochMs | null,
    ledger,
    capacity: answering / total,
  }
  return {
    kind: 'state',
    state,
    urgent: removals.length > 0 || drained || rescued || (open && !wasOpen),
    reasons: reasonsFor(input, state, healthy),
    nextAt: nextChange(input, states, good, gates),
  }
}

/** Targets that were judged bad and have not been judged otherwise since. */
const wasOut = (state: TargetState): boolean =>
  state.kind === 'removed' || state.kind === 'drained' || (state.kind === 'held' && state.by !== 'drain')

const capacityOf = (targets: readonly Target[]): number => targets.reduce((sum, { capacity }) => sum + capacity, 0)

function serving(states: States, id: string, now: EpochMs): TargetState {
  const state = states.get(id)
  return state?.kind === 'serving' ? state : { kind: 'serving', since: now }
}

function held(states: States, id: string, by: string, now: EpochMs): TargetState {
  const state = states.get(id)
  return { kind: 'held', since: state?.kind === 'held' ? state.since : now, by }
}

const outAtFirst = (verdict: Verdict, now: EpochMs): TargetState =>
  verdict.kind === 'down' ? { kind: 'removed', since: now, reason: verdict.text } : { kind: 'new', since: now }

/** Additions are free. They ramp, unless that would leave too much of the pool at a part of its weight. */
function join(input: BalanceInput, states: States, good: ReadonlySet<string>, atOnce: boolean): void {
  const { pool, drains, now } = input
  const joining: Target[] = []
  const growing: Target[] = []
  for (const target of pool.targets) {
    const state = states.get(target.id) as TargetState
    if (drains.has(target.id)) continue
    if (!good.has(target.id)) {
      if (state.kind === 'drained')
        states.set(target.id, { kind: 'removed', since: now, reason: 'no longer drained, but not seen passing yet' })
      else if (state.kind === 'held' && state.by === 'drain' && verdictOf(input, target.id).kind !== 'down')
        states.set(target.id, { kind: 'serving', since: now })
    } else if (state.kind === 'ramping') growing.push(target)
    else if (state.kind === 'held') states.set(target.id, { kind: 'serving', since: now })
    else if (state.kind !== 'serving') joining.push(target)
  }
  const total = capacityOf(pool.targets.filter(({ id }) => states.get(id)?.kind !== 'new' || good.has(id)))
  const many = joining.length + growing.length > 1 && capacityOf([...joining, ...growing]) > total / 4
  for (const { id } of joining)
    states.set(
      id,
      atOnce || many || pool.rampMs === 0
        ? { kind: 'serving', since: now }
        : { kind: 'ramping', since: now, percent: steps[0] },
    )
  for (const { id } of growing) {
    const state = states.get(id) as TargetState & { kind: 'ramping' }
    const percent = Math.max(state.percent, percentAfter(now - state.since, pool.rampMs))
    states.set(id, percent >= 100 || atOnce ? { kind: 'serving', since: now } : { ...state, percent })
  }
}

const percentAfter = (elapsedMs: number, rampMs: number): number =>
  elapsedMs >= rampMs ? 100 : (steps[Math.floor((elapsedMs / rampMs) * (steps.length - 1))] ?? 100)

/** True if a target went out or was let go by an operator. */
function applyDrains(input: BalanceInput, states: States): boolean {
  const { pool, previous, drains, now } = input
  for (const { id } of pool.targets) {
    const drain = drains.get(id)
    const state = states.get(id) as TargetState
    if (drain === undefined || state.kind === 'drained' || state.kind === 'new') continue
    const floor = drain.underFloor ? 0 : pool.limits.floor
    if (shareOf(state) === 0 || floorAllows(membersOf(pool, states), id, floor))
      states.set(id, { kind: 'drained', since: now, by: drain.by, reason: drain.reason })
    else if (state.kind !== 'ramping') states.set(id, held(states, id, 'drain', now))
  }
  return pool.targets.some(
    ({ id }) => (states.get(id)?.kind === 'drained') !== (previous?.targets[id]?.kind === 'drained'),
  )
}

function removeBad(
  input: BalanceInput,
  states: States,
  gates: Map<string, EpochMs | null>,
  ledger: readonly Removal[],
): readonly Removal[] {
  const { pool, drains, now } = input
  const candidates: Candidate[] = []
  for (const { id } of pool.targets) {
    const verdict = verdictOf(input, id)
    const heldByDrain = drains.has(id) && states.get(id)?.kind === 'held'
    if (verdict.kind === 'down' && !heldByDrain) candidates.push({ target: id, failures: verdict.failures })
  }
  const members = membersOf(pool, states)
  const outcome = admitRemovals({ limits: pool.limits, members, candidates, ledger, now })
  for (const { target, by, until } of outcome.held) {
    gates.set(target, until)
    // A ramping target that fails stays at the weight that it has.
    if (states.get(target)?.kind !== 'ramping') states.set(target, held(states, target, by, now))
  }
  for (const { target } of outcome.removals)
    states.set(target, { kind: 'removed', since: now, reason: verdictOf(input, target).text })
  return outcome.removals
}

/** Whatever was asked for: somebody answers. True if this had to step in. */
function neverEmpty(input: BalanceInput, states: States, good: ReadonlySet<string>): boolean {
  const { pool, drains, now } = input
  if ([...states.values()].some((state) => shareOf(state) > 0)) return false
  const free = pool.targets.filter(({ id }) => !drains.has(id))
  const choices = [
    free.filter(({ id }) => states.get(id)?.kind !== 'new'),
    free,
    pool.targets.filter(({ id }) => good.has(id)),
    pool.targets,
  ]
  const last = choices.find((targets) => targets.length > 0) ?? pool.targets
  for (const { id } of last) states.set(id, held(states, id, drains.has(id) ? 'drain' : 'last', now))
  return true
}

function membersOf(pool: Pool, states: States): readonly Member[] {
  return pool.targets
    .filter(({ id }) => states.get(id)?.kind !== 'new')
    .map(({ id, site, capacity }) => ({ target: id, site, capacity, answering: shareOf(states.get(id)) }))
}

function nextChange(
  input: BalanceInput,
  states: States,
  good: ReadonlySet<string>,
  gates: ReadonlyMap<string, EpochMs | null>,
): EpochMs | null {
  const { rampMs } = input.pool
  const times: number[] = [...gates.values()].filter((until) => until !== null)
  for (const [id, state] of states) {
    // One that an operator wants out, and that cannot go, does not grow meanwhile.
    if (state.kind !== 'ramping' || !good.has(id) || input.drains.has(id)) continue
    const step = steps.findIndex((percent) => percent > state.percent)
    times.push(state.since + Math.ceil((rampMs * step) / (steps.length - 1)))
  }
  const next = Math.min(...times)
  return Number.isFinite(next) ? (Math.max(next, input.now) as EpochMs) : null
}

const gateText: Readonly<Record<string, string>> = {
  'fail-open': 'the checks of this pool are not believed now',
  floor: 'without it too little capacity would answer',
  'pool-budget': 'as much of the pool as may leave in one window has left',
  'site-budget': 'as much of its site as may leave in one window has left',
  drain: 'an operator wants it out, but without it too little capacity would answer',
  'drain-last': 'an operator wants it out, but nobody else answers, and no instruction empties a name (S2)',
  last: 'nobody else could answer',
}

function reasonsFor(input: BalanceInput, state: PoolState, healthy: number): readonly Reason[] {
  const { pool } = input
  const reasons: Reason[] = []
  if (state.failOpenSince !== null)
    reasons.push({
      subject: pool.id,
      text: `fails open: ${percent(healthy)} of its capacity passes, and the checks are believed again from ${percent(pool.limits.failOpenUntil)}`,
    })
  for (const { id } of pool.targets) {
    const target = state.targets[id] as TargetState
    const verdict = verdictOf(input, id)
    const add = (text: string) => reasons.push({ subject: `${pool.id}/${id}`, text })
    if (target.kind === 'held') {
      const alone = Object.entries(state.targets).every(([other, its]) => other === id || shareOf(its) === 0)
      const gate = target.by === 'drain' && alone ? 'drain-last' : target.by
      add(`held: ${gateText[gate] ?? gate}; ${verdict.text}`)
    } else if (target.kind === 'removed') add(`removed: ${target.reason}; now ${verdict.text}`)
    else if (target.kind === 'drained') add(`drained by ${target.by}: ${target.reason}`)
    else if (target.kind === 'ramping') add(`ramping: ${target.percent} % of its weight; ${verdict.text}`)
    else if (target.kind === 'new') add(`new: has not passed its checks yet; ${verdict.text}`)
  }
  return reasons
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

/** Whether two states differ in anything but what still counts in the ledger. */
export function sameState(a: PoolState, b: PoolState): boolean {
  return a.failOpenSince === b.failOpenSince && JSON.stringify(a.targets) === JSON.stringify(b.targets)
}
