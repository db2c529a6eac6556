import { afterEach, describe, expect, test } from 'vitest'
import { type MemoryStore, memoryStore } from '../../test/support/memory-store.ts'
import { alias, fixed, name, observation, override, policy, pool, pooled, target } from '../../test/support/planning.ts'
import { utf8 } from '../base/bytes.ts'
import type { Generation } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import type { Override } from '../model/override.ts'
import type { PlanHead } from '../model/plan.ts'
import type { Policy, PolicyReading } from '../model/policy.ts'
import { ancestors, planGenerations, readEntry, readHead, readPlan } from '../store/plans.ts'
import type { EpochMs, Instant, TraceEvent, World } from '../world/world.ts'
import { planner } from './planner.ts'

// Short, so that a window of evidence and a hold are over soon.
const web = pool('web', [target(0), target(1), target(2)], { intervalMs: 50, timeoutMs: 20, holdMs: 100 })
const source = policy([web], [pooled('db', 'web'), alias('www', 'db'), fixed('static', '198.51.100.1')], {
  coalesceMs: 20,
})

const stops: (() => void)[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})

/** A planner over this store, until the test ends; `events` grows while it runs. */
function start(store: MemoryStore, policies: () => PolicyReading, id = 'planner-1') {
  const events: TraceEvent[] = []
  const own = store.another()
  let stopped = false
  const halt = new Promise<never>(() => {})
  const world: World = {
    id,
    clock: {
      now: () => performance.now() as Instant,
      wall: () => Date.now() as EpochMs,
      sleep: (ms) => (stopped ? halt : new Promise((resolve) => setTimeout(resolve, ms).unref())),
    },
    random: { below: (bound) => Math.floor(bound / 2), bytes: (length) => new Uint8Array(length) },
    net: undefined as never,
    trace: (event) => events.push(event),
  }
  const running = planner(world, { store: own, policy: { read: async () => policies() } })
  const crashed = running.catch((error: unknown) => {
    if (!stopped) throw error
  })
  stops.push(() => {
    stopped = true
    void own.close()
  })
  return { events, crashed }
}

const reading = (of: Policy, modified = 1): PolicyReading => ({
  kind: 'policy',
  policy: of,
  modified: modified as EpochMs,
})

async function see(store: MemoryStore, histories: Record<string, string>): Promise<void> {
  const seen = observation('web', histories, Date.now())
  await store.commit(
    [],
    [{ kind: 'put', key: keys.observation.key('web', 'prober-1'), value: keys.observation.encode(seen) }],
  )
}

async function instruct(store: MemoryStore, given: Override): Promise<void> {
  await store.commit([], [{ kind: 'put', key: keys.override.key(given.action), value: keys.override.encode(given) }])
}

/** Waits for a newest plan of which this holds; the test's own time limit ends it otherwise. */
async function until(store: MemoryStore, holds: (head: PlanHead) => boolean | Promise<boolean>): Promise<PlanHead> {
  for (let revision = 0; ; ) {
    const head = await readHead(store)
    const plan = head.kind === 'head' ? await readPlan(store, head.head.generation, head.head.digest) : undefined
    if (plan?.kind === 'plan' && (await holds(plan.plan))) return plan.plan
    revision = (await store.watch('', revision as never, 1_000)).revision
  }
}

async function answer(store: MemoryStore, of: string, plan: PlanHead) {
  const entry = await readEntry(store, plan, name(of))
  return entry.kind === 'entry' ? entry.entry.answer : entry
}

const isUp = { t0: 'pp', t1: 'pp', t2: 'pp' }
const count = async (store: MemoryStore, of: string, plan: PlanHead): Promise<number> => {
  const found = await answer(store, of, plan)
  return found.kind === 'addresses' ? found.addresses.length : 0
}

describe('a planner', () => {
  test('publishes, takes out what fails, and tells what it does', async () => {
    const store = memoryStore()
    await see(store, isUp)
    const { events } = start(store, () => reading(source))
    const first = await until(store, () => true)
    expect(await count(store, 'db', first)).toBe(3)
    await see(store, { ...isUp, t1: 'fff' })
    const second = await until(store, async (plan) => (await count(store, 'db', plan)) === 2)
    expect(second.generation).toBeGreaterThan(first.generation)
    expect(second.blast.namesChanged).toBe(1)
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['plan.policy_taken', 'plan.published', 'plan.pool_weighed']),
    )
    expect(await store.get(keys.status.key('planner', 'planner-1'))).toBeDefined()
  })

  test('goes on with the last good policy while it cannot be read', async () => {
    const store = memoryStore()
    await see(store, isUp)
    const problem = {
      kind: 'problem',
      at: 'holdfast.yaml',
      expected: 'YAML',
      found: 'nothing',
      todo: 'restore it',
    } as const
    let first = true
    start(store, () => {
      const now = first ? reading(source) : ({ kind: 'unreadable', problems: [problem] } as const)
      first = false
      return now
    })
    await until(store, () => true)
    await see(store, { ...isUp, t0: 'fff' })
    await until(store, async (plan) => (await count(store, 'db', plan)) === 2)
  })

  test('hears agents, and what users need', async () => {
    const store = memoryStore()
    const one: Policy = policy([{ ...web, limits: { ...web.limits, windowMs: 1_000 } }], [pooled('db', 'web')], {
      coalesceMs: 20,
    })
    const rounds = setInterval(() => void see(store, isUp), 100)
    stops.push(() => clearInterval(rounds))
    await see(store, isUp)
    const { events } = start(store, () => reading(one))
    await until(store, () => true)
    const put = async (key: string, document: object) =>
      await store.commit([], [{ kind: 'put', key, value: utf8(JSON.stringify(document)) }])
    const at = () => Date.now()
    const demand = (value: unknown) =>
      put(keys.demand.key('web', 'm'), { pool: 'web', by: 'm', value, at: at(), source: 'x' })
    const report = (state: string) =>
      put(keys.report.key('web', 'i'), {
        pool: 'web',
        intake: 'i',
        at: at(),
        targets: {
          t1: { state, load: null, at: at(), agent: 'a', detail: 'full' },
          t2: { state: 'broken', at: 'never' },
        },
      })
    await demand(200)
    await report('not-ready')
    await until(store, ({ pools }) => {
      const t1 = pools.web?.targets.t1
      return t1?.kind === 'held' && t1.by === 'demand'
    })
    await demand('much')
    await until(store, ({ pools }) => pools.web?.targets.t1?.kind === 'removed')
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'plan.gate',
        gate: 'demand-ignored',
        text: expect.stringContaining('no number'),
      }),
    )
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'plan.gate', text: 't1 was removed: a says not-ready: full' }),
    )
  })

  test('carries a retirement out once, and deletes what has expired', async () => {
    const store = memoryStore()
    await see(store, isUp)
    let current = source
    start(store, () => reading(current, current === source ? 1 : 2))
    await until(store, () => true)
    current = policy([web], [pooled('db', 'web')], { coalesceMs: 20 })
    await until(store, ({ policy }) => policy === current.digest)
    await instruct(store, override({ kind: 'retire', name: name('static') }))
    await instruct(store, override({ kind: 'freeze' }, { expires: 1 as EpochMs }))
    const plan = await until(store, ({ blast }) => blast.namesRetired === 1)
    expect(await answer(store, 'static', plan)).toEqual({ kind: 'retired' })
    expect(await answer(store, 'www', plan)).toMatchObject({ kind: 'alias' })
    expect((await store.range(keys.override.prefix)).entries).toEqual([])
  })

  test('rolls back, through a restart and after the old plan is gone, and forward again', async () => {
    const store = memoryStore()
    await see(store, isUp)
    let current = source
    start(store, () => reading(current, current === source ? 1 : 2))
    const first = await until(store, () => true)
    current = policy([web], [pooled('db', 'web'), fixed('static', '198.51.100.2')], { coalesceMs: 20 })
    await until(store, ({ policy }) => policy === current.digest)
    await instruct(store, override({ kind: 'rollback', to: first.generation }))
    const back = await until(store, ({ rolledBackTo }) => rolledBackTo === first.generation)
    expect(await answer(store, 'static', back)).toMatchObject({ addresses: [{ address: '198.51.100.1' }] })
    for (const stop of stops.splice(0)) stop()
    await store.commit([], [{ kind: 'delete', key: keys.plan.key(first.generation) }])
    const { events } = start(store, () => reading(current, 2), 'planner-2')
    await until(store, async () => (await store.get(keys.status.key('planner', 'planner-2'))) !== undefined)
    expect((await readHead(store)) as unknown).toMatchObject({ head: { generation: back.generation } })
    expect(events.filter(({ event }) => event === 'plan.published')).toEqual([])
    await store.commit([], [{ kind: 'delete', key: keys.override.key({ kind: 'rollback', to: first.generation }) }])
    const forward = await until(store, ({ rolledBackTo }) => rolledBackTo === undefined)
    expect(await answer(store, 'static', forward)).toMatchObject({ addresses: [{ address: '198.51.100.2' }] })
  })

  test('does without a rollback that the check refuses, and says so', async () => {
    const store = memoryStore()
    await see(store, isUp)
    const sudden = policy([{ ...web, rampMs: 0 }], [pooled('db', 'web')], { coalesceMs: 20 })
    const { events } = start(store, () => reading(sudden))
    const drain = override({ kind: 'drain', pool: 'web', target: 't0' })
    await until(store, () => true)
    await instruct(store, drain)
    const drained = await until(store, ({ pools }) => pools.web?.targets.t0?.kind === 'drained')
    await store.commit([], [{ kind: 'delete', key: keys.override.key(drain.action) }])
    await until(store, ({ pools }) => pools.web?.targets.t0?.kind === 'serving')
    await see(store, { ...isUp, t1: 'fff' })
    const before = await until(store, ({ pools }) => pools.web?.targets.t1?.kind === 'removed')
    const rollback = override({ kind: 'rollback', to: drained.generation })
    await instruct(store, rollback)
    await see(store, isUp)
    const next = await until(
      store,
      ({ generation, reasons }) =>
        generation > before.generation && reasons.some(({ subject }) => subject === 'rollback'),
    )
    expect(next.rolledBackTo).toBeUndefined()
    expect(next.reasons).toContainEqual(
      expect.objectContaining({ text: expect.stringMatching(/^refused: S5 .*break S5/) }),
    )
    expect(events).toContainEqual(expect.objectContaining({ event: 'plan.check_failed', rule: 'S5' }))
    await instruct(store, { ...rollback, breaks: ['S5'] })
    await until(store, ({ rolledBackTo }) => rolledBackTo === drained.generation)
  })

  test('reads everything again when the watch could not tell it all', async () => {
    const store = memoryStore({ keepChanges: 3 })
    await see(store, isUp)
    start(store, () => reading(source))
    const first = await until(store, () => true)
    const filler = Array.from({ length: 9 }, (_, i) => ({ kind: 'put' as const, key: `claim/${i}`, value: utf8('{}') }))
    await store.commit([], [{ kind: 'delete', key: keys.head.key() }, ...filler])
    await store.commit([], filler)
    expect((await until(store, ({ generation }) => generation > first.generation)).generation).toBe(2)
  })

  test.each([
    ['a shard is deleted', (head: PlanHead) => keys.shard.key(head.shards[0] as never), undefined],
    ['a shard is damaged', (head: PlanHead) => keys.shard.key(head.shards[0] as never), utf8('rubbish')],
    ['the plan is deleted', (head: PlanHead) => keys.plan.key(head.generation), undefined],
    ['the plan is damaged', (head: PlanHead) => keys.plan.key(head.generation), utf8('{}')],
    ['the head is deleted', () => keys.head.key(), undefined],
    ['the head is damaged', () => keys.head.key(), utf8('[]')],
  ])('issues everything anew when %s', async (_, keyOf, value) => {
    const store = memoryStore()
    await see(store, isUp)
    const { events } = start(store, () => reading(source))
    const first = await until(store, () => true)
    const key = keyOf(first)
    await store.commit([], [value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value }])
    const next = await until(store, ({ generation }) => generation > first.generation)
    expect(await readEntry(store, next, name('static'))).toMatchObject({ entry: { since: next.generation } })
    expect(await count(store, 'db', next)).toBe(3)
    expect(events.map(({ event }) => event)).toContain('plan.damage_found')
  })

  test('goes above a marker that an enactor found ahead, once', async () => {
    const store = memoryStore()
    await see(store, isUp)
    start(store, () => reading(source))
    const first = await until(store, () => true)
    const progress = {
      at: 0 as EpochMs,
      working: first.generation,
      enacted: 0 as Generation,
      blocked: [],
      ahead: 41 as Generation,
      applied: 0,
      repaired: 0,
      conflicts: 0,
      fenced: 0,
    }
    await store.commit([], [{ kind: 'put', key: keys.progress.key('e1'), value: keys.progress.encode(progress) }])
    const next = await until(store, ({ generation }) => generation > 41)
    expect(next.generation).toBe(42)
    await see(store, { ...isUp, t0: 'fff' })
    expect((await until(store, ({ generation }) => generation > 42)).generation).toBe(43)
  })

  test('goes above a generation that a balancer found in HAProxy', async () => {
    const store = memoryStore()
    await see(store, isUp)
    start(store, () => reading(source))
    const first = await until(store, () => true)
    const balancing = {
      at: 0 as EpochMs,
      working: first.generation,
      ahead: 41 as Generation,
      haproxy: '2.6.12',
      pools: {},
    }
    await store.commit([], [{ kind: 'put', key: keys.balancing.key('b1'), value: keys.balancing.encode(balancing) }])
    expect((await until(store, ({ generation }) => generation > 41)).generation).toBe(42)
  })
})

describe('several planners', () => {
  test('make one chain of plans', async () => {
    const store = memoryStore()
    await see(store, isUp)
    const planners = ['a', 'b', 'c'].map((id) => start(store, () => reading(source), id))
    let last = await until(store, () => true)
    for (let round = 0; round < 12; round++) {
      const failing = round % 2 === 0
      await instruct(
        store,
        override({ kind: 'drain', pool: 'web', target: 't0' }, { expires: failing ? null : (1 as EpochMs) }),
      )
      await see(store, isUp)
      last = await until(
        store,
        ({ pools, generation }) =>
          generation > last.generation && (pools.web?.targets.t0?.kind === 'drained') === failing,
      )
    }
    const chain = [last, ...(await ancestors(store, last, 1_000))].map(({ generation }) => generation)
    expect(chain).toEqual((await planGenerations(store)).toReversed())
    expect(chain.length).toBeGreaterThan(12)
    const authors = new Set(
      planners.flatMap(({ events }, i) => (events.some(({ event }) => event === 'plan.published') ? [i] : [])),
    )
    expect(authors.size).toBeGreaterThan(0)
    expect(planners.flatMap(({ events }) => events).filter(({ event }) => event === 'plan.check_failed')).toEqual([])
  })

  test('with different files do not fight: the one saved later is in force', async () => {
    const store = memoryStore()
    await see(store, isUp)
    const other = policy([web], [pooled('db', 'web'), fixed('other', '198.51.100.7')], { coalesceMs: 20 })
    start(store, () => reading(source, 10), 'older')
    await until(store, () => true)
    const { events: newer } = start(store, () => reading(other, 20), 'newer')
    const taken = await until(store, ({ policy }) => policy === other.digest)
    expect(await answer(store, 'other', taken)).toMatchObject({ kind: 'addresses' })
    const { events: late } = start(store, () => reading(source, 5), 'late')
    await see(store, { ...isUp, t2: 'fff' })
    const next = await until(store, ({ generation }) => generation > taken.generation)
    expect(next.policy).toBe(other.digest)
    await until(store, async () => (await store.get(keys.status.key('planner', 'late'))) !== undefined)
    expect(late.map(({ event }) => event)).toContain('plan.stood_by')
    expect(newer.map(({ event }) => event)).not.toContain('plan.stood_by')
  })
})
