/**
 * Reading plans back from the store. Everything is proved whole before it is believed: the head names
 * the digest of the plan document, the plan names the digests of its shards. What is missing or damaged
 * is a returned value, because the reader has to go on: with an older plan, or with a newer one.
 */
import { assert } from '../base/assert.ts'
import { type Digest, digestOf, fromUtf8 } from '../base/bytes.ts'
import { type Problem, problem } from '../base/problem.ts'
import { type Generation, genesis, toGeneration } from '../model/generation.ts'
import { generationOfPlanKey, type Head, keys } from '../model/keys.ts'
import type { Name } from '../model/name.ts'
import { lineOf, type PlanEntry, type PlanHead, type PlanText, parseEntryLine, shardOf } from '../model/plan.ts'
import { never, type Revision, type Store } from './store.ts'

export type HeadReading =
  | { readonly kind: 'head'; readonly head: Head; readonly revision: Revision }
  /** No plan was ever published, or the head is lost. */
  | { readonly kind: 'none'; readonly revision: Revision }
  | { readonly kind: 'damaged'; readonly problem: Problem; readonly revision: Revision }

export type Unreadable =
  | { readonly kind: 'missing'; readonly problem: Problem }
  | { readonly kind: 'damaged'; readonly problem: Problem }

export type PlanReading = { readonly kind: 'plan'; readonly plan: PlanHead; readonly digest: Digest } | Unreadable
export type ShardReading = { readonly kind: 'shard'; readonly text: string } | Unreadable
export type TextReading = { readonly kind: 'text'; readonly text: PlanText } | Unreadable
export type EntryReading =
  | { readonly kind: 'entry'; readonly entry: PlanEntry }
  /** The plan is whole and has no such name. */
  | { readonly kind: 'absent' }
  | Unreadable

const republish = 'the planner publishes a new plan above it by itself; look at the disk that holds the store'

const isDigest = (value: unknown): value is Digest => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
const isGeneration = (value: unknown): value is Generation =>
  typeof value === 'number' && toGeneration(value) !== undefined
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** @throws StoreOutage */
export async function readHead(store: Store): Promise<HeadReading> {
  const entry = await store.get(keys.head.key())
  if (entry === undefined) return { kind: 'none', revision: never }
  const head: Partial<Head> | undefined = keys.head.decode(entry.value)
  if (head !== undefined && isGeneration(head.generation) && isDigest(head.digest))
    return {
      kind: 'head',
      head: { generation: head.generation, digest: head.digest },
      revision: entry.revision,
    }
  return {
    kind: 'damaged',
    problem: problem(
      'store head',
      'a generation and a digest',
      `${entry.value.length} bytes of something else`,
      republish,
    ),
    revision: entry.revision,
  }
}

/** `digest`, where the caller knows it from the head, proves that it is that very document. @throws StoreOutage */
export async function readPlan(store: Store, generation: Generation, digest?: Digest): Promise<PlanReading> {
  const entry = await store.get(keys.plan.key(generation))
  const at = `plan ${generation}`
  if (entry === undefined)
    return { kind: 'missing', problem: problem(at, 'a plan in the store', 'nothing (swept, or lost)', republish) }
  const found = digestOf(entry.value)
  if (digest !== undefined && found !== digest)
    return { kind: 'damaged', problem: problem(at, `digest ${digest}`, `digest ${found}`, republish) }
  const plan = keys.plan.decode(entry.value)
  if (plan === undefined || !isPlanHead(plan) || plan.generation !== generation)
    return {
      kind: 'damaged',
      problem: problem(at, 'a plan document', `${entry.value.length} bytes of something else`, republish),
    }
  return { kind: 'plan', plan, digest: found }
}

function isPlanHead(plan: Partial<PlanHead>): plan is PlanHead {
  return (
    isGeneration(plan.generation) &&
    isGeneration(plan.parent) &&
    plan.parent < plan.generation &&
    typeof plan.at === 'number' &&
    typeof plan.author === 'string' &&
    typeof plan.policy === 'string' &&
    Array.isArray(plan.shards) &&
    plan.shards.length > 0 &&
    (plan.shards.length & (plan.shards.length - 1)) === 0 &&
    plan.shards.every(isDigest) &&
    isObject(plan.pools) &&
    Object.values(plan.pools).every((pool) => isObject(pool) && isObject(pool.targets) && Array.isArray(pool.ledger)) &&
    isObject(plan.blast) &&
    Array.isArray(plan.reasons)
  )
}

/** @throws StoreOutage */
export async function readShard(store: Store, digest: Digest): Promise<ShardReading> {
  const entry = await store.get(keys.shard.key(digest))
  const at = `shard ${digest}`
  if (entry === undefined)
    return { kind: 'missing', problem: problem(at, 'a shard in the store', 'nothing (swept, or lost)', republish) }
  const found = digestOf(entry.value)
  if (found !== digest)
    return { kind: 'damaged', problem: problem(at, `digest ${digest}`, `digest ${found}`, republish) }
  return { kind: 'shard', text: fromUtf8(entry.value) }
}

const readsAtOnce = 64

/**
 * The shards of a plan, all or only those of `indexes`, or the first of them that could not be read.
 * `have` gives texts that the caller holds already (proved by their digests before).
 * @throws StoreOutage
 */
export async function readShards(
  store: Store,
  plan: PlanHead,
  indexes: Iterable<number> = plan.shards.keys(),
  have?: (digest: Digest) => string | undefined,
): Promise<TextReading> {
  const texts = new Map<number, string>()
  const wanted = [...new Set(indexes)]
  for (let start = 0; start < wanted.length; start += readsAtOnce) {
    const readings = await Promise.all(
      wanted.slice(start, start + readsAtOnce).map(async (index) => {
        const digest = plan.shards[index]
        assert(digest !== undefined, `expected a shard index below ${plan.shards.length}, found ${index}`)
        const text = have?.(digest)
        return {
          index,
          reading: text === undefined ? await readShard(store, digest) : ({ kind: 'shard', text } as const),
        }
      }),
    )
    for (const { index, reading } of readings) {
      if (reading.kind !== 'shard') return reading
      texts.set(index, reading.text)
    }
  }
  return {
    kind: 'text',
    text: {
      head: plan,
      shard(index) {
        const text = texts.get(index)
        assert(text !== undefined, `expected shard ${index} of plan ${plan.generation} to be loaded, found it is not`)
        return text
      },
    },
  }
}

/** What a plan says of one name. @throws StoreOutage */
export async function readEntry(store: Store, plan: PlanHead, name: Name): Promise<EntryReading> {
  const digest = plan.shards[shardOf(name, plan.shards.length)]
  assert(digest !== undefined, `expected plan ${plan.generation} to have a shard for ${name}, found none`)
  const reading = await readShard(store, digest)
  if (reading.kind !== 'shard') return reading
  const line = lineOf(reading.text, name)
  if (line === undefined) return { kind: 'absent' }
  const entry = parseEntryLine(line)
  if (entry !== undefined) return { kind: 'entry', entry }
  const at = `shard ${digest}, ${name}`
  return { kind: 'damaged', problem: problem(at, 'an endpoint line', JSON.stringify(line), republish) }
}

/**
 * The parents of a plan, nearest first, at most `limit`, as far back as they can be read. Ends early,
 * without an error, where the chain ends: at the first plan, or at one that was swept or lost.
 * @throws StoreOutage
 */
export async function ancestors(store: Store, plan: PlanHead, limit: number): Promise<readonly PlanHead[]> {
  const found: PlanHead[] = []
  for (let parent = plan.parent; parent !== genesis && found.length < limit; ) {
    const reading = await readPlan(store, parent)
    if (reading.kind !== 'plan') break
    found.push(reading.plan)
    parent = reading.plan.parent
  }
  return found
}

/** The generations of all plan documents that exist, whole or not, lowest first. @throws StoreOutage */
export async function planGenerations(store: Store): Promise<readonly Generation[]> {
  const found: Generation[] = []
  for (let after: string | undefined; ; ) {
    const range = await store.range(keys.plan.prefix, after === undefined ? { limit: 100 } : { after, limit: 100 })
    for (const { key } of range.entries) {
      const generation = generationOfPlanKey(key)
      if (generation !== undefined) found.push(generation)
    }
    after = range.entries.at(-1)?.key
    if (!range.more || after === undefined) return found
  }
}

/** The newest plan of `generations` (lowest first) whose document and shards are all whole. @throws StoreOutage */
export async function newestIntact(store: Store, generations: readonly Generation[]): Promise<PlanText | undefined> {
  for (const generation of generations.toReversed()) {
    const reading = await readPlan(store, generation)
    if (reading.kind !== 'plan') continue
    const text = await readShards(store, reading.plan)
    if (text.kind === 'text') return text.text
  }
  return undefined
}
