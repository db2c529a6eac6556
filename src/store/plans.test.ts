import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../test/support/memory-store.ts'
import { type Digest, digestOf, utf8 } from '../base/bytes.ts'
import type { Generation } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import type { Name } from '../model/name.ts'
import { type PlanHead, shardOf, shardText } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { ancestors, newestIntact, planGenerations, readEntry, readHead, readPlan, readShards } from './plans.ts'
import type { Store } from './store.ts'

const names = Array.from({ length: 8 }, (_, i) => `n${i}.example.test.` as Name)

/** Puts a plan there, as the planner would, with one line for each name. */
async function put(store: Store, generation: number, parent: number): Promise<PlanHead> {
  const texts = [0, 1].map((index) =>
    shardText(
      names
        .filter((name) => shardOf(name, 2) === index)
        .map((name) => `${name} ${generation} 1 5 addresses 192.0.2.1*100`),
    ),
  )
  const plan: PlanHead = {
    generation: generation as Generation,
    parent: parent as Generation,
    at: 0 as EpochMs,
    author: 'test',
    policy: digestOf('policy'),
    shards: texts.map((text) => digestOf(text)),
    pools: {},
    blast: { namesChanged: 0, namesAdded: 3, namesRetired: 0, namesTotal: 3, capacityRemoved: 0, ttlMax: 0 },
    reasons: [],
  }
  const document = keys.plan.encode(plan)
  await store.commit(
    [],
    [
      { kind: 'put', key: keys.plan.key(plan.generation), value: document },
      {
        kind: 'put',
        key: keys.head.key(),
        value: keys.head.encode({ generation: plan.generation, digest: digestOf(document) }),
      },
    ],
  )
  for (const text of new Set(texts))
    await store.commit([], [{ kind: 'put', key: keys.shard.key(digestOf(text)), value: utf8(text) }])
  return plan
}

const replace = (store: Store, key: string, text: string | null) =>
  store.commit([], [text === null ? { kind: 'delete', key } : { kind: 'put', key, value: utf8(text) }])

describe('a plan', () => {
  test('is read back whole', async () => {
    const store = memoryStore()
    const plan = await put(store, 3, 0)
    const head = await readHead(store)
    if (head.kind !== 'head') throw new Error(head.kind)
    const reading = await readPlan(store, head.head.generation, head.head.digest)
    expect(reading).toMatchObject({ kind: 'plan', plan, digest: head.head.digest })
    for (const name of names)
      expect(await readEntry(store, plan, name)).toMatchObject({ entry: { name, since: 3, born: 1 } })
    expect(await readEntry(store, plan, 'example.test.' as Name)).toEqual({ kind: 'absent' })
    const text = await readShards(store, plan)
    if (text.kind !== 'text') throw new Error(text.kind)
    expect(digestOf(text.text.shard(1))).toBe(plan.shards[1])
  })

  test('is not believed when it is not the one that the head names', async () => {
    const store = memoryStore()
    const plan = await put(store, 3, 0)
    expect(await readPlan(store, plan.generation, digestOf('another'))).toMatchObject({ kind: 'damaged' })
    expect(await readPlan(store, 4 as Generation)).toMatchObject({ kind: 'missing' })
  })

  test.each([
    ['no JSON', '{'],
    ['another generation', JSON.stringify({ generation: 4 })],
    [
      'no shards',
      JSON.stringify({
        generation: 3,
        parent: 0,
        at: 0,
        author: 'x',
        policy: 'x',
        shards: [],
        pools: {},
        blast: {},
        reasons: [],
      }),
    ],
  ])('is damaged with %s', async (_, document) => {
    const store = memoryStore()
    const plan = await put(store, 3, 0)
    await replace(store, keys.plan.key(plan.generation), document)
    expect(await readPlan(store, plan.generation)).toMatchObject({ kind: 'damaged' })
  })

  test('has shards that are missing or damaged, and says which', async () => {
    const store = memoryStore()
    const plan = await put(store, 3, 0)
    const key = keys.shard.key(plan.shards[0] as Digest)
    await replace(store, key, 'torn')
    expect(await readShards(store, plan)).toMatchObject({ kind: 'damaged', problem: { at: `shard ${plan.shards[0]}` } })
    expect((await readShards(store, plan, [1])).kind).toBe('text')
    await replace(store, key, null)
    expect(await readShards(store, plan)).toMatchObject({ kind: 'missing' })
    const absent = names.find((name) => shardOf(name, 2) === 0) as Name
    expect(await readEntry(store, plan, absent)).toMatchObject({ kind: 'missing' })
  })
})

test('a head is read, missing, or damaged', async () => {
  const store = memoryStore()
  expect(await readHead(store)).toEqual({ kind: 'none', revision: 0 })
  await replace(store, keys.head.key(), '{"generation":-1}')
  expect(await readHead(store)).toMatchObject({ kind: 'damaged', revision: 1 })
})

describe('a history', () => {
  test('goes from parent to parent as far as it can be read', async () => {
    const store = memoryStore()
    await put(store, 1, 0)
    await put(store, 2, 1)
    await put(store, 7, 2)
    const newest = await put(store, 8, 7)
    const generations = async (limit: number) =>
      (await ancestors(store, newest, limit)).map(({ generation }) => generation)
    expect(await generations(10)).toEqual([7, 2, 1])
    expect(await generations(2)).toEqual([7, 2])
    await replace(store, keys.plan.key(2 as Generation), null)
    expect(await generations(10)).toEqual([7])
    expect(await planGenerations(store)).toEqual([1, 7, 8])
  })

  test('has a newest plan that is whole', async () => {
    const store = memoryStore()
    const old = await put(store, 1, 0)
    const newer = await put(store, 2, 1)
    expect((await newestIntact(store, await planGenerations(store)))?.head).toEqual(newer)
    await replace(store, keys.shard.key(newer.shards[1] as Digest), 'torn')
    expect((await newestIntact(store, await planGenerations(store)))?.head).toEqual(old)
    await replace(store, keys.plan.key(old.generation), '{}')
    expect(await newestIntact(store, await planGenerations(store))).toBeUndefined()
  })
})
