/**
 * The first half of deciding, without the body of any plan: what the pools would answer now, which
 * instructions are in force, and so which shards have to be looked at.
 */
import { type Balance, balance, type Drain, sameState } from '../health/balance.ts'
import { judge } from '../health/detector.ts'
import { weightsOf } from '../health/weights.ts'
import type { Generation } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import type { Observation } from '../model/observation.ts'
import { inForce, type Override, subjectOf } from '../model/override.ts'
import { type PlanHead, type PlanText, type PoolState, type Reason, shardCountFor, shardOf } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import type { Compiled } from './compile.ts'

/** All that a plan is made of, save the body of the last one. */
export interface Situation {
  readonly compiled: Compiled
  /** By pool, from all its probers. */
  readonly observations: ReadonlyMap<string, readonly Observation[]>
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
  /** When the first of those in force expires. */
  readonly expires: EpochMs | null
}

export interface Assessment {
  readonly instructions: Instructions
  /** For each pool of the policy. Empty under a rollback, which takes no notice of health. */
  readonly balances: ReadonlyMap<string, Balance>
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
    if (action.kind !== 'drain') reasons.push({ subject: subjectOf(action), text })
    else if (!isTarget(situation.compiled, action.pool, action.target))
      reasons.push({ subject: subjectOf(action), text: 'has no effect: the policy has no such target' })
  }
  const ends = valid.map(({ expires }) => expires).filter((expires) => expires !== null)
  return { freeze, rollback, pinned, retire, reasons, expires: earliest(ends) }
}

/** The old plan is at hand, or the last plan repeats it already. */
const canRepeat = ({ rollback, previous }: Situation, to: Generation): boolean =>
  rollback?.head.generation === to || previous?.head.rolledBackTo === to

const isTarget = ({ policy }: Compiled, pool: string, target: string): boolean =>
  policy.pools.get(pool)?.targets.some(({ id }) => id === target) === true

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
  const balances = rollback === undefined ? balancesOf(situation) : new Map<string, Balance>()
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

function balancesOf({
  compiled,
  observations,
  overrides,
  refused,
  previous,
  since,
  now,
}: Situation): Map<string, Balance> {
  const drains = new Map<string, Map<string, Drain>>()
  for (const override of overrides) {
    const { action, author, reason } = override
    if (action.kind !== 'drain' || !inForce(override, now) || refused.has(subjectOf(action))) continue
    const ofPool = drains.get(action.pool) ?? new Map<string, Drain>()
    drains.set(action.pool, ofPool)
    ofPool.set(action.target, { by: author, reason, underFloor: override.breaks.includes('S5') })
  }
  const results = new Map<string, Balance>()
  for (const pool of compiled.policy.pools.values()) {
    const seen = observations.get(pool.id) ?? []
    results.set(
      pool.id,
      balance({
        pool,
        previous: previous?.head.pools[pool.id],
        verdicts: new Map(pool.targets.map(({ id }) => [id, judge(pool, id, seen, now)])),
        drains: drains.get(pool.id) ?? new Map(),
        since,
        now,
      }),
    )
  }
  return results
}

const sameTargets = (a: PoolState, b: PoolState): boolean =>
  Object.keys(a.targets).sort().join() === Object.keys(b.targets).sort().join()

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
