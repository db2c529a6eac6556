/** The loop against a model of HAProxy and a store in memory, with a clock that runs fifty times as fast. */
import { afterEach, describe, expect, test } from 'vitest'
import { HaproxyModel } from '../../test/support/haproxy-model.ts'
import { memoryStore } from '../../test/support/memory-store.ts'
import { policy, pool, pooled, target } from '../../test/support/planning.ts'
import { digestOf } from '../base/bytes.ts'
import type { Generation } from '../model/generation.ts'
import type { Balancing, Haproxy } from '../model/haproxy.ts'
import { keys } from '../model/keys.ts'
import type { PlanHead, PoolState, TargetState } from '../model/plan.ts'
import type { Policy } from '../model/policy.ts'
import type { RoleStatus } from '../model/progress.ts'
import { type Store, StoreOutage } from '../store/store.ts'
import { nodeWorld } from '../world/node.ts'
import type { EpochMs, Instant, TraceEvent, World } from '../world/world.ts'
import { balancer, type Keep } from './balancer.ts'
import { markerAddress } from './marker.ts'

const speed = 50

interface Running {
  readonly traced: TraceEvent[]
  stop(): void
}

const running: Running[] = []
afterEach(() => {
  for (const one of running.splice(0)) one.stop()
})

function fastWorld(id: string, traced: TraceEvent[], stopped: () => boolean): World {
  const world = nodeWorld({ id, onTrace: (event) => traced.push(event) })
  const { clock } = world
  return {
    ...world,
    clock: {
      now: () => (clock.now() * speed) as Instant,
      wall: () => clock.wall(),
      async sleep(ms) {
        await clock.sleep(ms / speed)
        if (stopped()) await new Promise(() => {})
      },
    },
  }
}

class Scene {
  readonly store = memoryStore()
  readonly model = new HaproxyModel('web', 8)
  readonly files = new Map<string, Uint8Array>()
  storeIsGone = false
  policy: Policy = policy([pool('web', [target(0), target(1), target(2)])], [pooled('www', 'web')])
  readonly haproxy: Haproxy = {
    socket: { kind: 'unix', path: '/run/haproxy.sock' },
    stateFile: null,
    pools: [{ pool: 'web', backend: 'web', port: 80, slots: 8, mode: 'tcp', bind: null }],
  }

  async publish(
    generation: number,
    states: Readonly<Record<string, Exclude<TargetState['kind'], 'evacuated'>>>,
    by = this.policy,
  ) {
    const since = 1 as EpochMs
    const full = {
      new: { kind: 'new', since },
      serving: { kind: 'serving', since },
      ramping: { kind: 'ramping', since, percent: 25 },
      held: { kind: 'held', since, by: 'floor' },
      removed: { kind: 'removed', since, reason: 'refused' },
      drained: { kind: 'drained', since, by: 'me', reason: 'disks' },
    } satisfies Partial<Record<TargetState['kind'], TargetState>>
    const targets = Object.fromEntries(Object.entries(states).map(([id, kind]) => [id, full[kind]]))
    const state: PoolState = { targets, failOpenSince: null, ledger: [], capacity: 1 }
    const plan: PlanHead = {
      generation: generation as Generation,
      parent: (generation - 1) as Generation,
      at: since,
      author: 'test',
      policy: by.digest,
      shards: [digestOf('')],
      pools: { web: state },
      blast: { namesChanged: 0, namesAdded: 0, namesRetired: 0, namesTotal: 0, capacityRemoved: 0, ttlMax: 0 },
      reasons: [],
    }
    const value = keys.plan.encode(plan)
    await this.store.commit(
      [],
      [
        { kind: 'put', key: keys.plan.key(plan.generation), value },
        {
          kind: 'put',
          key: keys.head.key(),
          value: keys.head.encode({ generation: plan.generation, digest: digestOf(value) }),
        },
      ],
    )
  }

  start(id = 'balancer-1'): Running {
    const traced: TraceEvent[] = []
    let stopped = false
    const world = fastWorld(id, traced, () => stopped)
    const guard = <Args extends readonly unknown[], Result>(use: (...args: Args) => Promise<Result>) => {
      return async (...args: Args): Promise<Result> => {
        if (stopped) await new Promise(() => {})
        if (this.storeIsGone)
          throw new StoreOutage({ kind: 'problem', at: 'store', expected: 'it', found: 'nothing', todo: 'wait' })
        return await use(...args)
      }
    }
    const { store } = this
    const guarded: Store = {
      get: guard((key) => store.get(key)),
      range: guard((prefix, options) => store.range(prefix, options)),
      commit: guard((compares, writes) => store.commit(compares, writes)),
      watch: guard((prefix, after, ms) => store.watch(prefix, after, ms / speed)),
      close: async () => {},
    }
    void balancer(world, {
      store: guarded,
      policy: { read: async () => ({ kind: 'policy', policy: this.policy, modified: 1 as EpochMs }) },
      haproxy: this.haproxy,
      socket: {
        connect: async (to, ms) => (stopped ? await new Promise(() => {}) : await this.model.socket.connect(to, ms)),
      },
      memory: this.#keep(`${id}.json`),
      stateFile: this.#keep('haproxy.state'),
    }).catch((error: unknown) => traced.push({ event: 'test.bug', reason: String(error) }))
    const handle: Running = {
      traced,
      stop: () => {
        stopped = true
        this.model.cut()
      },
    }
    running.push(handle)
    return handle
  }

  #keep(name: string): Keep {
    return {
      read: async () => this.files.get(name),
      write: async (bytes) => void this.files.set(name, Uint8Array.from(bytes)),
    }
  }

  serving(): Record<string, number> {
    return Object.fromEntries(this.model.serving('web'))
  }

  async status(id = 'balancer-1'): Promise<RoleStatus | undefined> {
    const entry = await this.store.get(keys.status.key('balancer', id))
    return entry && keys.status.decode(entry.value)
  }

  async balancing(id = 'balancer-1'): Promise<Balancing | undefined> {
    const entry = await this.store.get(keys.balancing.key(id))
    return entry && keys.balancing.decode(entry.value)
  }
}

const until = (look: () => unknown) => expect.poll(look, { timeout: 5_000, interval: 5 })
const allServe = { '192.0.2.1:80': 256, '192.0.2.2:80': 256, '192.0.2.3:80': 256 }

describe('a balancer', () => {
  test('gives HAProxy the weights of the plan, and of each newer one', async () => {
    const scene = new Scene()
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    const { traced } = scene.start()
    await until(() => scene.serving()).toEqual(allServe)
    await scene.publish(2, { t0: 'removed', t1: 'drained', t2: 'held' })
    await until(() => scene.serving()).toEqual({ '192.0.2.3:80': 256 })
    expect([1, 2, 3].map((slot) => scene.model.server('web', `slot${slot}`).state)).toEqual(['ready', 'drain', 'ready'])
    await until(async () => (await scene.status())?.note).toContain('plan 2; HAProxy 2.6.12-1+deb12u4, all weights')
    expect((await scene.balancing())?.pools.web).toMatchObject({ generation: 2, foreign: [], repaired: 0 })
    expect(Buffer.from(scene.files.get('haproxy.state') ?? []).toString()).toContain('192.0.2.3')
    expect(traced.filter(({ event }) => event === 'test.bug')).toEqual([])
  })

  test('pushes every weight every second, whether anything changed or not', async () => {
    const scene = new Scene()
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    scene.start()
    await until(() => scene.serving()).toEqual(allServe)
    const pushes = () =>
      scene.model.obeyed.filter((command) => command.startsWith('set server web/slot8 weight')).length
    const before = pushes()
    await until(() => pushes() - before).toBeGreaterThan(5)
  })

  test('puts right what somebody changed, and says so', async () => {
    const scene = new Scene()
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    const { traced } = scene.start()
    await until(() => scene.serving()).toEqual(allServe)
    scene.model.server('web', 'slot2').state = 'maint'
    await until(() => scene.serving()).toEqual(allServe)
    expect(traced.find(({ event }) => event === 'balance.repaired')).toMatchObject({ pool: 'web', slot: 'slot2' })
    await until(async () => (await scene.balancing())?.pools.web?.repaired).toBe(1)
  })

  test('goes on without the store, and after its own restart without it', async () => {
    const scene = new Scene()
    await scene.publish(3, { t0: 'serving', t1: 'removed', t2: 'serving' })
    const first = scene.start()
    const goal = { '192.0.2.1:80': 256, '192.0.2.3:80': 256 }
    await until(() => scene.serving()).toEqual(goal)
    await until(() => scene.files.has('balancer-1.json')).toBe(true)
    scene.storeIsGone = true
    first.stop()
    // HAProxy has forgotten everything, too.
    for (let slot = 1; slot <= 8; slot++) Object.assign(scene.model.server('web', `slot${slot}`), { state: 'maint' })
    const second = scene.start()
    await until(() => scene.serving()).toEqual(goal)
    expect(second.traced).toContainEqual({ event: 'balance.resumed', generation: 3 })
  })

  test('pushes nothing over a newer generation', async () => {
    const scene = new Scene()
    await scene.publish(5, { t0: 'serving', t1: 'serving', t2: 'serving' })
    scene.model.server('web', 'holdfast-generation').address = markerAddress('test', 9 as Generation)
    const { traced } = scene.start()
    await until(() => traced.some(({ event }) => event === 'balance.fenced')).toBe(true)
    // The head was read after that, so the store has lost what came between: the planner is told.
    await until(async () => (await scene.balancing())?.ahead).toBe(9)
    expect(scene.model.obeyed.filter((command) => command.startsWith('set server'))).toEqual([])
    await scene.publish(10, { t0: 'serving', t1: 'serving', t2: 'removed' })
    await until(() => scene.serving()).toEqual({ '192.0.2.1:80': 256, '192.0.2.2:80': 256 })
    await until(async () => (await scene.balancing())?.ahead).toBe(null)
  })

  test('goes not back with a store that did', async () => {
    const scene = new Scene()
    await scene.publish(8, { t0: 'serving', t1: 'serving', t2: 'serving' })
    scene.start()
    await until(() => scene.serving()).toEqual(allServe)
    await scene.publish(2, { t0: 'serving', t1: 'removed', t2: 'removed' })
    await until(async () => (await scene.balancing())?.ahead).toBe(8)
    expect(scene.serving()).toEqual(allServe)
  })

  test('one pushes, the other stands by and takes over', async () => {
    const scene = new Scene()
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    const first = scene.start('balancer-1')
    await until(() => scene.serving()).toEqual(allServe)
    const second = scene.start('balancer-2')
    await scene.publish(2, { t0: 'serving', t1: 'serving', t2: 'removed' })
    await until(() => Object.keys(scene.serving()).length).toBe(2)
    expect(second.traced.some(({ event }) => event === 'balance.pushed')).toBe(false)
    first.stop()
    await until(() => second.traced.some(({ event }) => event === 'balance.pushed')).toBe(true)
  })

  test('leaves a process that only ends what it has begun', async () => {
    const scene = new Scene()
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    const { traced } = scene.start()
    await until(() => scene.serving()).toEqual(allServe)
    scene.model.stopping = true
    await until(() => traced.some(({ event }) => event === 'balance.haproxy_reloaded')).toBe(true)
    scene.model.stopping = false
    await until(() => traced.filter(({ event }) => event === 'balance.haproxy_found').length).toBeGreaterThan(1)
  })

  test('keeps a file that is newer than the plan from taking targets away', async () => {
    const scene = new Scene()
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    scene.start()
    await until(() => scene.serving()).toEqual(allServe)
    const before = scene.policy
    scene.policy = policy([pool('web', [target(0), target(7)])], [pooled('www', 'web')])
    await scene.publish(2, { t0: 'serving', t1: 'serving', t2: 'serving' }, before)
    await until(async () => (await scene.balancing())?.working).toBe(2)
    expect(scene.serving()).toEqual(allServe)
    await scene.publish(3, { t0: 'serving', t7: 'serving' })
    await until(() => scene.serving()).toEqual({ '192.0.2.1:80': 256, '192.0.2.8:80': 256 })
    expect(scene.model.server('web', 'slot2').state).toBe('maint')
  })

  test('never pushes a vector that serves nobody', async () => {
    const scene = new Scene()
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    const { traced } = scene.start()
    await until(() => scene.serving()).toEqual(allServe)
    await scene.publish(2, { t0: 'removed', t1: 'drained', t2: 'new' })
    await until(() =>
      traced.some(({ event, reason }) => event === 'balance.complained' && String(reason).includes('weight of 0')),
    ).toBe(true)
    expect(scene.serving()).toEqual(allServe)
  })
})

describe('what is in the way is said in words', () => {
  const cases: readonly (readonly [string, (model: HaproxyModel) => void, string])[] = [
    ['an older HAProxy', (model) => (model.version = '2.4.22'), 'expected HAProxy 2.6 or newer, found HAProxy 2.4.22'],
    ['a socket without rights', (model) => (model.level = 'operator'), 'level admin'],
    ['nobody', (model) => (model.gone = true), 'start HAProxy'],
    ['no such backend', (model) => model.backends.clear(), 'no such backend'],
    [
      'a backend that is not ours',
      (model) => model.backends.get('web')?.delete('holdfast-generation'),
      'which says that the slots are Holdfast',
    ],
    [
      'too few slots',
      (model) => [3, 4, 5, 6, 7, 8].map((slot) => model.backends.get('web')?.delete(`slot${slot}`)),
      'a slot for each of 3 targets, found 2',
    ],
    ['checks of its own', (model) => (model.server('web', 'slot1').checked = true), 'without health checks'],
    ['an algorithm that follows no weight', (model) => (model.algorithm = 'static-rr'), 'balance static-rr'],
    [
      'slots that a reload would lose',
      (model) => (model.server('web', 'slot4').named = false),
      'init-addr last,127.0.0.1',
    ],
    [
      'another deployment',
      (model) => (model.server('web', 'holdfast-generation').address = markerAddress('they', 1 as Generation)),
      'the marker of another one',
    ],
  ]
  test.each(cases)('%s', async (_, change, text) => {
    const scene = new Scene()
    change(scene.model)
    await scene.publish(1, { t0: 'serving', t1: 'serving', t2: 'serving' })
    scene.start()
    await until(async () => (await scene.status())?.ails?.join('\n') ?? '').toContain(text)
  })
})
