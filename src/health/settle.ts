/**
 * One step of one pool that has begun: from what is seen to the next state of every target, gate by gate.
 * No stage looks further than the arrays of its pool, so a step is linear in the number of targets, and in
 * the calm it changes nothing.
 */
import type { PoolState, Removal, SiteState, TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { type Belief, beliefIn } from './believing.ts'
import { type Correlated, type Freezes, freezesAt } from './correlation.ts'
import { type Needed, neededOf } from './demand.ts'
import { drainAll, goDown, neverEmpty, removeBad } from './leaving.ts'
import { reasonsFor, type Settled } from './reasons.ts'
import { failOpen, join, moveSites, undo } from './returning.ts'
import { type Sites, sitesAt } from './sites.ts'
import type { Step } from './step.ts'
import { keptMs, ledgerAt } from './velocity.ts'
import { viewsOf } from './view.ts'
import { shareOf, weightsAt } from './weights.ts'
import type { Work } from './work.ts'

export function settle(work: Work): Step & { readonly kind: 'state' } {
  const { layout, evidence, states, input, beginning } = work
  const { pool, previous, demands, now } = input
  const { limits } = pool
  goDown(work)
  work.classify()
  const blind = evidence.fresh < limits.blindUnder * layout.count
  const evidenceAt = (Math.min(input.since, now) + pool.fall * pool.intervalMs) as EpochMs
  const needed = neededOf(pool, demands, now)
  const decided = decideSites(work, needed.demand, !blind && now >= evidenceAt)
  moveSites(work, decided.sites)
  const healthy = work.healthy()
  const belief = beliefIn(limits, previous, healthy, blind && !beginning, now)
  const open = belief.failOpenSince !== null
  const sites = open ? orderedOnly(work, decided.sites) : decided.sites
  const { freezes, correlated } = freezesAt(layout, limits, previous, states, work.counting(), now)
  const ledger = [...ledgerAt(previous?.ledger ?? [], keptMs(limits), now)]
  const undone = undo(work, correlated, ledger)
  if (open) failOpen(work)
  else join(work, sites, (previous?.failOpenSince ?? null) !== null || beginning)
  const drained = drainAll(work, needed.demand)
  const removals = removeBad(work, { open, blind, belief, evidenceAt, freezes, sites, ledger, demand: needed.demand })
  ledger.push(...removals)
  const rescued = neverEmpty(work)
  tell(work, { correlated, undone, blind, belief, healthy, needed, decided })
  const state = stateOf(work, belief, ledger, freezes, sites, decided.evacuatedAt)
  const settled: Settled = { work, state, sites: decided, belief, needed, healthy, blind }
  const moved = decided.events.some(({ kind }) => kind === 'evacuated')
  return {
    kind: 'state',
    state,
    weights: () => weightsAt(pool, state, now),
    events: work.events,
    urgent: removals.length > 0 || drained || rescued || moved || correlated.length > 0 || (belief.changed && open),
    reasons: reasonsFor(settled),
    nextAt: nextAt(work, belief, decided),
    targets: () => viewsOf(settled),
  }
}

function decideSites(work: Work, demand: number | null, trusted: boolean): Sites {
  const { input, layout, states, good, bad, evidence } = work
  const { pool, previous, evacuations: orders, now } = input
  const members = new Uint8Array(layout.count)
  for (let i = 0; i < members.length; i++) if (states[i]?.kind !== 'new' && work.drained[i] === 0) members[i] = 1
  return sitesAt({ pool, layout, previous, states, members, good, bad, evidence, orders, demand, trusted, now })
}

/** Where the checks are not believed, only what an operator ordered keeps a site out. */
function orderedOnly(work: Work, sites: Readonly<Record<string, SiteState>>): Readonly<Record<string, SiteState>> {
  const isOrdered = ([site, { kind }]: [string, SiteState]) => kind === 'evacuated' && work.input.evacuations.has(site)
  return Object.fromEntries(Object.entries(sites).filter(isOrdered))
}

function tell(
  { events, evidence, layout }: Work,
  what: {
    readonly correlated: readonly Correlated[]
    readonly undone: readonly string[]
    readonly blind: boolean
    readonly belief: Belief
    readonly healthy: number
    readonly needed: Needed
    readonly decided: Sites
  },
): void {
  const { belief, healthy, undone } = what
  for (const one of evidence.muted) if (one.failing >= worthTelling) events.push({ kind: 'muted', ...one })
  if (what.blind) events.push({ kind: 'blind', fresh: evidence.fresh, of: layout.count })
  for (const one of what.correlated) events.push({ kind: 'correlated', ...one, undone })
  if (belief.changed) events.push({ kind: belief.failOpenSince === null ? 'believed' : 'fail-open', healthy })
  for (const text of what.needed.ignored) events.push({ kind: 'demand-ignored', text })
  events.push(...what.decided.events)
}

/** A prober that alone sees one or two fail pages nobody. */
const worthTelling = 3

function stateOf(
  { input, layout, states }: Work,
  belief: Belief,
  ledger: readonly Removal[],
  freezes: Freezes,
  sites: Readonly<Record<string, SiteState>>,
  evacuatedAt: EpochMs | undefined,
): PoolState {
  let total = 0
  let answering = 0
  for (const [i, state] of states.entries()) {
    if (state.kind === 'new') continue
    total += layout.capacity[i] as number
    answering += (layout.capacity[i] as number) * shareOf(state)
  }
  return {
    targets: targetsOf(layout.ids, states, input.previous),
    failOpenSince: belief.failOpenSince,
    ...(belief.believedSince === undefined ? {} : { believedSince: belief.believedSince }),
    ledger,
    ...(isEmpty(freezes) ? {} : { freezes }),
    ...(isEmpty(sites) ? {} : { sites }),
    ...(evacuatedAt === undefined ? {} : { evacuatedAt }),
    capacity: answering / total,
  }
}

/** The very record of before where no target changed. */
function targetsOf(
  ids: readonly string[],
  states: readonly TargetState[],
  previous: PoolState | undefined,
): Readonly<Record<string, TargetState>> {
  if (previous !== undefined && Object.keys(previous.targets).length === ids.length) {
    let same = true
    for (let i = 0; i < ids.length && same; i++) same = previous.targets[ids[i] as string] === states[i]
    if (same) return previous.targets
  }
  const targets: Record<string, TargetState> = {}
  for (let i = 0; i < ids.length; i++) targets[ids[i] as string] = states[i] as TargetState
  return targets
}

function nextAt({ times, input }: Work, belief: Belief, sites: Sites): EpochMs | null {
  let next = belief.dwellsUntil ?? Number.POSITIVE_INFINITY
  for (const time of times) next = Math.min(next, time)
  for (const time of sites.nextAt) next = Math.min(next, time)
  return Number.isFinite(next) ? (Math.max(next, input.now) as EpochMs) : null
}

const isEmpty = (record: object): boolean => {
  for (const _ in record) return false
  return true
}
