/** A rollback: the answers of an older plan, and what the pools look like when those are published. */
import { keptMs, ledgerAt } from '../health/velocity.ts'
import { weightsOf } from '../health/weights.ts'
import { type Addresses, parseAnswerText } from '../model/answer.ts'
import type { Generation } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import { lineOf, type PlanText, type PoolState, type Removal, shardOf, type TargetState } from '../model/plan.ts'
import type { Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import type { Situation } from './assess.ts'
import { longestAliasChain } from './compile.ts'
import { answerOf, isRetiredLine, linesByShard, nameOf } from './difference.ts'

/** What a rollback wants of one name. */
export interface WantedAgain {
  readonly name: Name
  readonly answer: string
}

/** The plan whose answers a rollback repeats: the last plan, once that does; or the old one. */
export function repeatedBy(
  { previous, rollback }: { readonly previous: PlanText | null; readonly rollback: PlanText | null },
  to: Generation,
): PlanText | null {
  if (previous?.head.rolledBackTo === to) return previous
  return rollback?.head.generation === to ? rollback : null
}

/** The live entries of the old plan, by shard, sorted by name. What it had retired it says nothing about. */
export function wantedByRollback(old: PlanText, shardCount: number): (index: number) => readonly WantedAgain[] {
  const lines = linesByShard(old, shardCount)
  return (index) =>
    lines(index)
      .filter((line) => !isRetiredLine(line))
      .map((line) => ({ name: nameOf(line), answer: answerOf(line) }))
}

/**
 * The answer to repeat; undefined, so that the present one stays, for an alias whose end has been
 * retired since or would lead in a circle through names that the old plan did not have.
 */
export function answerAgain(old: PlanText, previous: PlanText | null): (wanted: WantedAgain) => string | undefined {
  const lineIn = (plan: PlanText | null, name: Name) =>
    plan === null ? undefined : lineOf(plan.shard(shardOf(name, plan.head.shards.length)), name)
  const known = new Map<Name, boolean>()
  const ends = (name: Name, length: number): boolean => {
    const decided = known.get(name)
    if (decided !== undefined || length > longestAliasChain) return decided ?? false
    const now = lineIn(previous, name)
    const then = lineIn(old, name)
    const line = then === undefined || isRetiredLine(then) ? now : then
    const gone = line === undefined || (now !== undefined && isRetiredLine(now))
    const answer = gone ? undefined : parseAnswerText(answerOf(line))
    const found = answer?.kind === 'alias' ? ends(answer.target, length + 1) : answer?.kind === 'addresses'
    known.set(name, found)
    return found
  }
  return ({ answer }) => {
    const space = answer.lastIndexOf(' ')
    const isAlias = answer.endsWith(' alias', space)
    return isAlias && !ends(answer.slice(space + 1) as Name, 0) ? undefined : answer
  }
}

/**
 * States that say what the old answers do to each pool, so that whoever plans next goes on from there:
 * what is taken out stands in the ledger, what answers beyond its health is held.
 */
export function rolledBackPools(
  { compiled }: Situation,
  old: PlanText,
  previous: Readonly<Record<string, PoolState>>,
  now: EpochMs,
): Readonly<Record<string, PoolState>> {
  const pools: Record<string, PoolState> = {}
  for (const pool of compiled.policy.pools.values()) {
    const before = previous[pool.id]
    if (before === undefined) continue
    const answer = oldAnswerOf(compiled.byPool(pool.id), old)
    pools[pool.id] = answer === undefined ? before : stateOf(pool, before, answer, old, now)
  }
  return pools
}

/** Of the pool's first endpoint that has addresses in the old plan. One that was pinned then may show what the pool had long left behind. */
function oldAnswerOf(endpoints: readonly { readonly name: Name }[], old: PlanText): Addresses | undefined {
  const pinned = new Set(old.head.pinned)
  let stale: Addresses | undefined
  for (const { name } of endpoints) {
    const line = lineOf(old.shard(shardOf(name, old.head.shards.length)), name)
    const answer = line === undefined ? undefined : parseAnswerText(answerOf(line))
    if (answer?.kind !== 'addresses') continue
    if (!pinned.has(name)) return answer
    stale ??= answer
  }
  return stale
}

function stateOf(pool: Pool, before: PoolState, answer: Addresses, old: PlanText, now: EpochMs): PoolState {
  const everyone: PoolState = {
    ...before,
    targets: Object.fromEntries(pool.targets.map(({ id }) => [id, { kind: 'serving', since: now }])),
  }
  const full = new Map(weightsOf(pool, everyone).map(({ address, weight }) => [address, weight]))
  const found = new Map(answer.addresses.map(({ address, weight }) => [address, weight]))
  const targets: Record<string, TargetState> = {}
  const ledger: Removal[] = [...ledgerAt(before.ledger, keptMs(pool.limits), now)]
  let total = 0
  let answering = 0
  for (const { id, site, capacity, addresses } of pool.targets) {
    const share = Math.max(...addresses.map((address) => (found.get(address) ?? 0) / (full.get(address) ?? 1)))
    const state = before.targets[id]
    const percent = Math.min(99, Math.max(10, Math.round(share * 100)))
    const shareNext = share === 0 ? 0 : share >= 1 ? 1 : percent / 100
    const shareBefore = state === undefined ? 0 : partOf(state)
    if (shareNext < shareBefore)
      ledger.push({ at: now, target: id, site, capacity: capacity * (shareBefore - shareNext), by: 'rollback' })
    targets[id] =
      share === 0
        ? state !== undefined && shareBefore === 0
          ? state
          : {
              kind: 'removed',
              since: now,
              reason: `not in plan ${old.head.rolledBackTo ?? old.head.generation}, which a rollback repeats`,
            }
        : share < 1
          ? { kind: 'ramping', since: now, percent }
          : state !== undefined && (state.kind === 'serving' || state.kind === 'held')
            ? state
            : { kind: 'held', since: now, by: 'rollback' }
    if (targets[id]?.kind !== 'new') total += capacity
    answering += capacity * shareNext
  }
  // What a site was doing is over: its targets answer as the old plan has them.
  const { sites: _, ...kept } = before
  return { ...kept, targets, ledger, capacity: total === 0 ? 0 : answering / total }
}

const partOf = (state: TargetState): number =>
  state.kind === 'ramping' ? state.percent / 100 : state.kind === 'serving' || state.kind === 'held' ? 1 : 0
