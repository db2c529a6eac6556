import { expect, test } from 'vitest'
import { memoryStore } from '../../test/support/memory-store.ts'
import { seededRandom } from '../../test/support/schedule.ts'
import { digestOf, utf8 } from '../base/bytes.ts'
import { after, type Generation, genesis } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import type { PlanHead } from '../model/plan.ts'
import { ancestors, planGenerations, readHead, readPlan, readShards } from '../store/plans.ts'
import { never, type Store } from '../store/store.ts'
import type { TraceEvent, World } from '../world/world.ts'
import { sweepOnce } from './sweep.ts'

const events: TraceEvent[] = []
const world = { trace: (event: TraceEvent) => events.push(event) } as unknown as World

/** Writes what a planner writes, in one commit; the shards that head has not got are new. */
async function publishNext(store: Store, texts: readonly string[]): Promise<boolean> {
  const reading = await readHead(store)
  const parent = reading.kind === 'head' ? reading.head.generation : genesis
  const before = parent === genesis ? undefined : await readPlan(store, parent)
  const known = before?.kind === 'plan' ? before.plan.shards : []
  const generation = after(parent)
  const plan: PlanHead = {
    generation,
    parent,
    at: 0 as never,
    author: 'test',
    policy: digestOf('policy'),
    shards: texts.map((text) => digestOf(text)),
    pools: {},
    blast: { namesChanged: 0, namesAdded: 0, namesRetired: 0, namesTotal: 0, capacityRemoved: 0, ttlMax: 0 },
    reasons: [],
  }
  const document = keys.plan.encode(plan)
  const fresh = new Map(texts.map((text) => [digestOf(text), text]))
  const commit = await store.commit(
    [
      { key: keys.head.key(), revision: reading.revision },
      { key: keys.plan.key(generation), revision: never },
    ],
    [
      ...[...fresh]
        .filter(([digest]) => !known.includes(digest))
        .map(([digest, text]) => ({ kind: 'put', key: keys.shard.key(digest), value: utf8(text) }) as const),
      { kind: 'put', key: keys.plan.key(generation), value: document },
      { kind: 'put', key: keys.head.key(), value: keys.head.encode({ generation, digest: digestOf(document) }) },
    ],
  )
  return commit.kind === 'committed'
}

async function say(store: Store, enactor: string, enacted: number, claim: number): Promise<void> {
  const progress = {
    at: 0 as never,
    working: claim as Generation,
    enacted: enacted as Generation,
    blocked: [],
    ahead: null,
    applied: 0,
    repaired: 0,
    conflicts: 0,
    fenced: 0,
  }
  await store.commit(
    [],
    [
      { kind: 'put', key: keys.progress.key(enactor), value: keys.progress.encode(progress) },
      {
        kind: 'put',
        key: keys.claim.key(enactor),
        value: keys.claim.encode({ generation: claim as Generation, at: 0 as never }),
      },
    ],
  )
}

test('deletes what nothing refers to, and keeps claims, the head and its ancestors whole', async () => {
  const store = memoryStore()
  for (let round = 1; round <= 30; round++) await publishNext(store, [`a ${round}\n`, 'shared\n'])
  await say(store, 'enactor-1', 30, 30)
  await say(store, 'enactor-2', 4, 5)
  expect(await sweepOnce(world, store, 3)).toMatchObject({ oldestKept: 5 })
  expect(await planGenerations(store)).toEqual([5, 27, 28, 29, 30])
  for (const generation of [5, 27, 28, 29, 30]) {
    const plan = await readPlan(store, generation as Generation)
    expect(plan.kind === 'plan' && (await readShards(store, plan.plan)).kind).toBe('text')
  }
  expect((await store.range(keys.shard.prefix)).entries).toHaveLength(6)
  expect(await sweepOnce(world, store, 3)).toMatchObject({ plans: [], shards: [] })
})

test('a damaged old plan goes, and the shards that only it knew go with it', async () => {
  const store = memoryStore()
  for (let round = 1; round <= 10; round++) await publishNext(store, [`a ${round}\n`, 'shared\n'])
  await store.commit([], [{ kind: 'put', key: keys.plan.key(2 as Generation), value: utf8('{') }])
  await say(store, 'enactor-1', 10, 10)
  await sweepOnce(world, store, 2)
  expect(await planGenerations(store)).toEqual([8, 9, 10])
  expect((await store.range(keys.shard.prefix)).entries).toHaveLength(4)
})

test('a damaged head: nothing that it may refer to goes', async () => {
  const store = memoryStore()
  for (let round = 1; round <= 10; round++) await publishNext(store, [`a ${round}\n`])
  await store.commit([], [{ kind: 'put', key: keys.plan.key(10 as Generation), value: utf8('{') }])
  await say(store, 'enactor-1', 10, 10)
  await sweepOnce(world, store, 2)
  expect((await store.range(keys.shard.prefix)).entries).toHaveLength(10)
})

test('without a head, or with a store that takes nothing, nothing is deleted and it is said', async () => {
  expect(await sweepOnce(world, memoryStore(), 2)).toBeNull()
  let locked = false
  const store = memoryStore({ onCommit: () => (locked ? { kind: 'unknown', reason: 'no answer' } : undefined) })
  for (let round = 1; round <= 10; round++) await publishNext(store, [`a ${round}\n`])
  await say(store, 'enactor-1', 10, 10)
  locked = true
  expect(await sweepOnce(world, store, 2)).toBeNull()
  expect(events.at(-1)).toEqual({ event: 'sweep.failed', reason: 'no answer' })
  expect(await planGenerations(store)).toHaveLength(10)
})

test('S4: whatever is published while it sweeps, head and its ancestors stay whole', async () => {
  let conflicts = 0
  for (let seed = 1; seed <= 150; seed++) {
    const random = seededRandom(seed)
    const inner = memoryStore()
    /** A shard's text comes back now and then, as a rollback would have it. */
    const texts = () => [`a ${random.below(4)}\n`, `b ${random.below(4)}\n`]
    for (let round = 0; round < 8; round++) await publishNext(inner, texts())
    await say(inner, 'enactor-1', 8, 8)
    events.length = 0
    // Between any two calls of the sweep a planner may publish and an enactor may claim the newest plan.
    const between = async <T>(call: () => Promise<T>): Promise<T> => {
      if (random.below(8) === 0) {
        await publishNext(inner, texts())
        const head = await readHead(inner)
        if (head.kind === 'head' && random.below(2) === 0) await say(inner, 'enactor-2', 0, head.head.generation)
      }
      return await call()
    }
    const store: Store = {
      ...inner,
      get: (key) => between(() => inner.get(key)),
      range: (prefix, options) => between(() => inner.range(prefix, options)),
      commit: (compares, writes) => between(() => inner.commit(compares, writes)),
    }
    for (let round = 0; round < 3; round++) {
      await sweepOnce(world, store, 2)
      const head = await readHead(inner)
      const plan = head.kind === 'head' ? await readPlan(inner, head.head.generation, head.head.digest) : undefined
      if (plan?.kind !== 'plan') throw new Error(`seed ${seed}: head is gone`)
      const line = [plan.plan, ...(await ancestors(inner, plan.plan, 2))]
      expect(line, `seed ${seed}`).toHaveLength(3)
      for (const one of line)
        expect((await readShards(inner, one)).kind, `seed ${seed}, plan ${one.generation}`).toBe('text')
    }
    conflicts += events.filter(({ event }) => event === 'sweep.conflicted').length
  }
  expect(conflicts).toBeGreaterThan(20)
})
