/**
 * The first half of deciding, without the body of any plan: what the pools would answer now, which
 * instructions are in force, and so which shards have to be looked at.
 */
import type { SiteOrder } from '../health/sites.ts'
import { type Drain, type Step, sameState, step } from '../health/step.ts'
import { weightsOf } from '../health/weights.ts'
import type { Generation } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import type { Observation } from '../model/observation.ts'
import { inForce, isOpenWindow, type Override, subjectOf } from '../model/override.ts'
import { type PlanHead, type PlanText, type PoolState, type Reason, shardCountFor, shardOf } from '../model/plan.ts'
import type { Demand, Report } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import type { Compiled } from './compile.ts'

/** All that a plan is made of, save the body of the last one. */
export interface Situation {
  readonly compiled: Compiled
  /** By pool, from all its probers. */
  readonly observations: ReadonlyMap<string, readonly Observation[]>
  /** By pool, from all intakes. */
  readonly reports: ReadonlyMap<string, readonly Report[]>
  /** By pool, from whoever asks for it. */
  readonly demands: ReadonlyMap<string, readonly Demand[]>
  /** Well-formed ones; those past their expiry are ignored. */
  readonly overrides: readonly Override[]
  /** Instructions that were found impossible, by `subjectOf`, with the reason: they have no effect. */
  readonly refused: ReadonlyMap<string, string>
  /** The plan to go on from, or null if there is none that is whole. */
  readonly previous: { readonly head: PlanHead } | null
  /** The highest generation that was ever seen published or stored here; the new one goes above it. */
  readonly above: Generation
  /** Null, or why every entry has to be issued anew (history was lost, or a marker is ahead). */
  readonly rebase: string | null
  /** The plan that a rollback in force names, whole, or null. Not needed once a plan repeats it. */
  readonly rollback: PlanText | null
  /** Since when this policy is known to whoever asks. */
  readonly since: EpochMs
  /** Since when a change that can wait has been waiting, or null. */
  readonly noticed: EpochMs | null
  readonly now: EpochMs
}

export interface Instructions {
  readonly freeze: Override | undefined
  readonly rollback: (Override & { readonly action: { readonly kind: 'rollback' } }) | undefined
  readonly pinned: ReadonlySet<Name>
  readonly retire: ReadonlySet<Name>
  readonly reasons: readonly Reason[]
  /** When the first of those in force expires, or a window begins or ends. */
  readonly expires: EpochMs | null
}

export interface Assessment {
  readonly instructions: Instructions
  /** For each pool of the policy. Empty under a rollback, which takes no notice of health. */
  readonly balances: ReadonlyMap<string, Step>
  /** What the next plan says of its pools; under a rollback only what is carried over. */
  readonly pools: Readonly<Record<string, PoolState>>
  /** Everything is built anew; otherwise only `rebuild`. */
  readonly full: boolean
  readonly rebuild: readonly number[]
  /** Shards to have at hand: those, or all. */
  readonly needed: readonly number[]
  readonly shardCount: number
  readonly urgent: boolean
  /** The pools or the frame of the plan differ from the last one, whatever the entries say. */
  readonly differs: boolean
}

export function instructionsOf(situation: Situation): Instructions {
  const { now, refused, previous } = situation
  const valid = situation.overrides.filter((override) => inForce(override, now))
  const active = valid.filter(({ action }) => !refused.has(subjectOf(action)))
  const pinned = new Set<Name>()
  const retire = new Set<Name>()
  let freeze: Override | undefined
  let rollback: Instructions['rollback']
  for (const override of active) {
    const { action } = override
    if (action.kind === 'freeze') freeze = override
    else if (action.kind === 'pin') pinned.add(action.name)
    else if (action.kind === 'retire') retire.add(action.name)
    else if (action.kind === 'rollback' && canRepeat(situation, action.to)) rollback = { ...override, action }
  }
  // Whether a name may go is judged by what was last published; without that, nothing goes.
  if (rollback !== undefined || previous === null) retire.clear()
  const reasons: Reason[] = []
  for (const [subject, text] of refused) reasons.push({ subject, text: `refused: ${text}` })
  for (const { action, author, reason } of active) {
    const missing = action.kind === 'rollback' && rollback === undefined
    const text = missing ? `refused: plan ${action.to} is not in the store, or not whole` : `by ${author}: ${reason}`
    const subject = subjectOf(action)
    if (action.kind === 'drain') {
      if (!isTarget(situation.compiled, action.pool, action.target))
        reasons.push({ subject, text: 'has no effect: the policy has no such target' })
    } else if (action.kind === 'evacuate' || action.kind === 'maintenance') {
      if (!isSite(situation.compiled, action.site, action.kind === 'evacuate' ? action.pool : null))
        reasons.push({ subject, text: 'has no effect: the policy has no such site' })
    } else reasons.push({ subject, text })
  }
  const ends = valid.map(({ expires }) => expires)
  const windows = active.flatMap(({ action }) =>
    action.kind === 'maintenance' ? [action.from, action.until].filter((at) => at > now) : [],
  )
  return { freeze, rollback, pinned, retire, reasons, expires: earliest([...ends, ...windows]) }
}

/** The old plan is at hand, or the last plan repeats it already. */
const canRepeat = ({ rollback, previous }: Situation, to: Generation): boolean =>
  rollback?.head.generation === to || previous?.head.rolledBackTo === to

const isTarget = ({ policy }: Compiled, pool: string, target: string): boolean =>
  policy.pools.get(pool)?.targets.some(({ id }) => id === target) === true

const isSite = ({ policy }: Compiled, site: string, pool: string | null): boolean =>
  [...policy.pools.values()].some(({ id, targets }) => (pool ?? id) === id && targets.some((one) => one.site === site))

export function assess(situation: Situation): Assessment {
  const { compiled, previous } = situation
  const instructions = instructionsOf(situation)
  const { rollback, pinned, retire } = instructions
  const shardCount =
    (rollback === undefined ? undefined : previous?.head.shards.length) ??
    shardCountOf(compiled, previous?.head ?? null)
  const all = () => Array.from({ length: previous?.head.shards.length ?? 0 }, (_, index) => index)

  const head = previous?.head
  const pinnedBefore = new Set(head?.pinned)
  const pinsDiffer = new Set([...pinned, ...pinnedBefore].filter((name) => pinned.has(name) !== pinnedBefore.has(name)))
  const balances = rollback === undefined ? balancesOf(situation) : new Map<string, Step>()
  const pools: Record<string, PoolState> = {}
  const rebuild = new Set<number>()
  const add = (names: Iterable<Name>) => {
    for (const name of names) rebuild.add(shardOf(name, shardCount))
  }
  const policyDiffers = head?.policy !== compiled.policy.digest
  let ready = false
  let poolsDiffer = false
  let urgent = situation.rebase !== null || head === undefined || pinsDiffer.size > 0 || retire.size > 0
  for (const pool of compiled.policy.pools.values()) {
    const before = head?.pools[pool.id]
    const result = balances.get(pool.id)
    if (result?.kind !== 'state') {
      if (before !== undefined) pools[pool.id] = before
      continue
    }
    const same = before !== undefined && sameState(before, result.state)
    pools[pool.id] = same && !policyDiffers ? before : result.state
    if (same) continue
    poolsDiffer = true
    if (result.urgent) urgent = true
    // Names that had to wait for this pool, and aliases of them, stand in no index: look everywhere.
    if (before === undefined || !sameTargets(before, result.state)) ready = true
    else if (JSON.stringify(weightsOf(pool, before)) !== JSON.stringify(weightsOf(pool, result.state)))
      add(compiled.byPool(pool.id).map(({ name }) => name))
  }
  add(pinsDiffer)
  add(retire)
  const rollbackDiffers = head?.rolledBackTo !== rollback?.action.to
  if (rollbackDiffers) urgent = true
  // A rollback stays where it is, whatever the policy and the health of its pools do meanwhile.
  const moved = rollback === undefined && (policyDiffers || ready || shardCount !== head?.shards.length)
  const full = head === undefined || situation.rebase !== null || rollbackDiffers || moved
  return {
    instructions,
    balances,
    pools,
    full,
    rebuild: full ? Array.from({ length: shardCount }, (_, index) => index) : [...rebuild].sort((a, b) => a - b),
    needed: full || retire.size > 0 || pinsDiffer.size > 0 ? all() : [...rebuild],
    shardCount,
    urgent,
    differs: head === undefined || poolsDiffer || moved || rollbackDiffers || pinsDiffer.size > 0,
  }
}

function balancesOf(situation: Situation): Map<string, Step> {
  const { compiled, observations, reports, demands, previous, since, now } = situation
  const orders = ordersOf(situation)
  const results = new Map<string, Step>()
  for (const pool of compiled.policy.pools.values()) {
    const { drains, evacuations } = orders(pool.id)
    results.set(
      pool.id,
      step({
        pool,
        previous: previous?.head.pools[pool.id],
        observations: observations.get(pool.id) ?? [],
        reports: reports.get(pool.id) ?? [],
        demands: demands.get(pool.id) ?? [],
        drains,
        evacuations,
        since,
        now,
      }),
    )
  }
  return results
}

/** What operators want out, by pool. */
export function ordersOf({ overrides, refused, now }: Pick<Situation, 'overrides' | 'refused' | 'now'>) {
  const drains = new Map<string, Map<string, Drain>>()
  const everywhere = new Map<string, SiteOrder>()
  const inPools = new Map<string, Map<string, SiteOrder>>()
  const of = <T>(pools: Map<string, Map<string, T>>, pool: string): Map<string, T> => {
    const found = pools.get(pool) ?? new Map<string, T>()
    pools.set(pool, found)
    return found
  }
  for (const override of overrides) {
    const { action, author: by, reason, breaks } = override
    if (!inForce(override, now) || refused.has(subjectOf(action))) continue
    const order = { by, reason, underFloor: breaks.includes('S5') }
    if (action.kind === 'drain') of(drains, action.pool).set(action.target, order)
    else if (action.kind === 'maintenance') {
      if (isOpenWindow(action, now)) everywhere.set(action.site, order)
    } else if (action.kind === 'evacuate')
      (action.pool === null ? everywhere : of(inPools, action.pool)).set(action.site, order)
  }
  return (pool: string) => ({
    drains: drains.get(pool) ?? new Map<string, Drain>(),
    evacuations: new Map([...everywhere, ...(inPools.get(pool) ?? [])]),
  })
}

function sameTargets(a: PoolState, b: PoolState): boolean {
  if (a.targets === b.targets) return true
  const ids = Object.keys(a.targets)
  return ids.length === Object.keys(b.targets).length && ids.every((id) => Object.hasOwn(b.targets, id))
}

/** Grows at once, shrinks late: a change of the count rewrites every shard, though no answer. */
function shardCountOf(compiled: Compiled, previous: PlanHead | null): number {
  const { size } = compiled.policy.endpoints
  if (previous === null) return shardCountFor(size)
  const count = shardCountFor(Math.max(size, previous.blast.namesTotal))
  return count > previous.shards.length || count * 4 <= previous.shards.length ? count : previous.shards.length
}

/**
 * Which shards of the previous plan `decide` will read, so that the caller has them ready. None means
 * that the bodies do not matter now.
 */
export function affectedShards(situation: Situation): readonly number[] {
  const { instructions, needed } = assess(situation)
  return instructions.freeze === undefined ? needed : []
}

export function earliest(times: Iterable<EpochMs | null>): EpochMs | null {
  let first: EpochMs | null = null
  for (const time of times) if (time !== null && (first === null || time < first)) first = time
  return first
}
