/**
 * What one enactor remembers of one zone: what it has seen published, so that an unchanged endpoint
 * costs nothing. It is only a hint about where to look; whether to write is decided on what stands at
 * the authority. Lost on a restart, and then everything is looked at once.
 */
import type { Generation } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry, PlanHead } from '../model/plan.ts'
import type { Blocked, EnactorProgress } from '../model/progress.ts'
import type { EpochMs } from '../world/world.ts'
import type { Settled } from './batch.ts'

/** Names to look at again beside what changed. More are found again by the verification that goes round. */
const mostRechecks = 10_000
/** `EnactorProgress.blocked` holds this many. */
const mostBlocked = 1_000

export interface Obstacle {
  readonly why: string
  readonly foreign: boolean
  /** As in `Settled`. */
  readonly ours: boolean
}

export interface ZoneMemory {
  /** Every endpoint of this plan has been seen in it or in a newer one, save the blocked ones. */
  floor: PlanHead | null
  /** Endpoints seen since, under the `since` that they were seen in: they need no second look. */
  readonly seen: Map<Name, Generation>
  readonly blocked: Map<Name, Obstacle>
  /** Endpoints that had not changed and were found different. */
  readonly recheck: Set<Name>
  /** Counts verifications, so that each time another part is read in full. */
  verifications: number
  /** The highest marker that the newest plan could not replace, and that plan. */
  outrun: { readonly by: Generation; readonly plan: Generation } | null
}

export function zoneMemory(): ZoneMemory {
  return { floor: null, seen: new Map(), blocked: new Map(), recheck: new Set(), verifications: 0, outrun: null }
}

/** Start again: look at everything once. */
export function forgetSeen(memory: ZoneMemory): void {
  memory.floor = null
  memory.seen.clear()
  memory.recheck.clear()
}

/**
 * True when the plans' numbers have gone back, or one number stands for two plans: the store has lost
 * history. What was seen under the old numbers says nothing about the new ones.
 */
export function isOtherHistory(floor: PlanHead, plan: PlanHead): boolean {
  if (plan.generation !== floor.generation) return plan.generation < floor.generation
  return (
    plan.shards.length !== floor.shards.length || plan.shards.some((digest, index) => digest !== floor.shards[index])
  )
}

/** True when nothing in this shard changed since all of it was seen: it need not even be read. */
export function isSeenShard({ floor }: ZoneMemory, plan: PlanHead, index: number): boolean {
  return floor !== null && floor.shards.length === plan.shards.length && floor.shards[index] === plan.shards[index]
}

/** True when this endpoint has been seen as the plan has it. */
export function isSeen({ floor, seen }: ZoneMemory, { name, since }: PlanEntry): boolean {
  return (floor !== null && since <= floor.generation) || seen.get(name) === since
}

/** Whether this enactor itself knows the endpoint to be published by Holdfast. */
export function isOursBy({ floor, seen, blocked }: ZoneMemory, { name, born }: PlanEntry): boolean {
  const obstacle = blocked.get(name)
  if (obstacle !== undefined) return obstacle.ours
  return seen.has(name) || (floor !== null && floor.generation >= born)
}

export interface Noted {
  /** Blocked for the first time, or for another reason. */
  readonly blocked: readonly Blocked[]
  readonly unblocked: readonly Name[]
}

export function note(memory: ZoneMemory, settled: readonly Settled[]): Noted {
  const noted = { blocked: [] as Blocked[], unblocked: [] as Name[] }
  for (const item of settled) {
    const { name, since } = item.entry
    if (item.kind === 'waiting') {
      if (isSeen(memory, item.entry) && memory.recheck.size < mostRechecks) memory.recheck.add(name)
      continue
    }
    memory.recheck.delete(name)
    if (memory.floor === null || since > memory.floor.generation) memory.seen.set(name, since)
    if (item.kind === 'blocked') {
      if (memory.blocked.get(name)?.why !== item.why) noted.blocked.push({ name, why: item.why })
      memory.blocked.set(name, { why: item.why, foreign: item.foreign, ours: item.ours })
    } else if (memory.blocked.delete(name)) noted.unblocked.push(name)
  }
  return noted
}

/** As others may read it. */
export const asBlocked = (name: Name, { why, ours }: Pick<Obstacle, 'why' | 'ours'>): Blocked =>
  ours ? { name, why, ours } : { name, why }

/** The store has lost its history, and with it what made these names ours. */
export function forgetOwnership({ blocked }: ZoneMemory): void {
  for (const [name, obstacle] of blocked) blocked.set(name, { ...obstacle, ours: false })
}

/** Everything in `plan` was seen, save what is blocked. */
export function completed(memory: ZoneMemory, plan: PlanHead): void {
  memory.floor = plan
  memory.seen.clear()
}

export interface Counts {
  applied: number
  repaired: number
  conflicts: number
  fenced: number
}

/**
 * The progress that these memories justify, after `before`, this enactor's last document.
 *
 * A name that is not listed as blocked counts as ours once `enacted` has reached it. So `enacted`, the
 * lowest floor of all zones, stays where it was while more names are blocked than the document can
 * list, and names listed before keep their place: those that lose it are too new to be counted.
 */
export function progressOf(
  memories: readonly ZoneMemory[],
  unreachable: readonly Blocked[],
  working: Generation,
  before: Pick<EnactorProgress, 'enacted' | 'blocked'>,
  counts: Counts,
  at: EpochMs,
): EnactorProgress {
  const listed = new Set(before.blocked.map(({ name }) => name))
  const blocked = [
    ...memories.flatMap((memory) => [...memory.blocked].map(([name, obstacle]) => asBlocked(name, obstacle))),
    ...unreachable,
  ].sort((a, b) => Number(listed.has(b.name)) - Number(listed.has(a.name)) || (a.name < b.name ? -1 : 1))
  const floors = memories.map(({ floor }) => floor?.generation ?? 0)
  const lowest = Math.min(working, ...floors) as Generation
  const ahead = Math.max(0, ...memories.map(({ outrun }) => (outrun?.plan === working ? outrun.by : 0))) as Generation
  return {
    at,
    working,
    enacted: blocked.length > mostBlocked || lowest < before.enacted ? before.enacted : lowest,
    blocked: blocked.slice(0, mostBlocked),
    ahead: ahead === 0 ? null : ahead,
    ...counts,
  }
}
