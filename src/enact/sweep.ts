/**
 * The sweep: deletes old plans from the store. Records in DNS are published by value and refer to no
 * plan, so whatever is deleted here, no answer changes; nor does this program hold any credentials to
 * change one. An enactor that finds its plan gone takes it as superseded.
 */
import type { Digest } from '../base/bytes.ts'
import { describeProblem } from '../base/problem.ts'
import type { Generation } from '../model/generation.ts'
import { generationOfPlanKey, keys } from '../model/keys.ts'
import type { PolicySource } from '../model/policy.ts'
import { readHead, readPlan } from '../store/plans.ts'
import { type Compare, type Store, StoreOutage, type Write } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { trace } from './events.ts'
import { type Roots, type StoredPlan, type Sweepable, sweepable } from './sweepable.ts'

export interface SweepPorts {
  readonly store: Store
  readonly policy: PolicySource
}

const periodMs = 10_000
/** Deletions in one commit. */
const batch = 256

/** Never returns. Several may run; they only find less to do. */
export async function sweeper(world: World, { store, policy }: SweepPorts): Promise<never> {
  for (let keepPlans: number | undefined; ; ) {
    const reading = await policy.read()
    if (reading.kind === 'policy') keepPlans = reading.policy.keepPlans
    try {
      if (keepPlans !== undefined) await sweepOnce(world, store, keepPlans)
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
      trace(world, { event: 'sweep.failed', reason: error.message })
    }
    await world.clock.sleep(periodMs / 2 + world.random.below(periodMs))
  }
}

/** One look and its deletions. @throws StoreOutage */
export async function sweepOnce(world: World, store: Store, keepPlans: number): Promise<Sweepable | null> {
  // Head first: whatever is claimed or published after this was read moves head, and then nothing is deleted.
  const head = await readHead(store)
  if (head.kind !== 'head') return null
  const roots: Roots = {
    head: head.head.generation,
    keepPlans,
    claims: await generationsOf(store, keys.claim.prefix, (value) => keys.claim.decode(value)?.generation),
    enacted: await generationsOf(store, keys.progress.prefix, (value) => keys.progress.decode(value)?.enacted),
  }
  const plans = await storedPlans(store)
  // What a damaged plan referred to can only be found by looking at every shard.
  const strays = plans.some(({ body }) => body === null) ? await storedShards(store) : []
  const found = sweepable(plans, roots, strays)
  const condition: Compare = { key: keys.head.key(), revision: head.revision }
  return (await deleteAll(world, store, condition, found)) ? found : null
}

/** Shards before the plans that name them: a sweep that is cut short finds the rest again. */
async function deleteAll(world: World, store: Store, condition: Compare, found: Sweepable): Promise<boolean> {
  const doomed = [
    ...found.shards.map((digest) => keys.shard.key(digest)),
    ...found.plans.map((generation) => keys.plan.key(generation)),
  ]
  for (let at = 0; at < doomed.length; at += batch) {
    const writes = doomed.slice(at, at + batch).map((key): Write => ({ kind: 'delete', key }))
    const commit = await store.commit([condition], writes)
    if (commit.kind === 'committed') continue
    if (commit.kind === 'conflict') trace(world, { event: 'sweep.conflicted' })
    else
      trace(world, {
        event: 'sweep.failed',
        reason: commit.kind === 'refused' ? describeProblem(commit.problem) : commit.reason,
      })
    return false
  }
  if (doomed.length > 0)
    trace(world, {
      event: 'sweep.deleted',
      plans: found.plans.length,
      shards: found.shards.length,
      oldestKept: found.oldestKept,
    })
  return true
}

async function generationsOf(
  store: Store,
  prefix: string,
  read: (value: Uint8Array) => Generation | undefined,
): Promise<Generation[]> {
  const found: Generation[] = []
  for await (const { value } of all(store, prefix, 1_000)) {
    const generation = read(value)
    if (typeof generation === 'number') found.push(generation)
  }
  return found
}

async function storedPlans(store: Store): Promise<StoredPlan[]> {
  const found: StoredPlan[] = []
  for await (const { key } of all(store, keys.plan.prefix, 50)) {
    const generation = generationOfPlanKey(key)
    if (generation === undefined) continue
    const reading = await readPlan(store, generation)
    found.push({ generation, body: reading.kind === 'plan' ? reading.plan : null })
  }
  return found
}

async function storedShards(store: Store): Promise<Digest[]> {
  const found: Digest[] = []
  for await (const { key } of all(store, keys.shard.prefix, 16))
    found.push(key.slice(keys.shard.prefix.length) as Digest)
  return found
}

async function* all(store: Store, prefix: string, limit: number) {
  for (let after: string | undefined; ; ) {
    const range = await store.range(prefix, after === undefined ? { limit } : { after, limit })
    yield* range.entries
    after = range.entries.at(-1)?.key
    if (!range.more || after === undefined) return
  }
}
