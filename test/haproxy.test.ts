/** Weights into a real HAProxy: everything that the documentation promises of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { balancer } from '../src/balance/balancer.ts'
import { haproxyConfig } from '../src/balance/haproxy-config.ts'
import { markerAddress } from '../src/balance/marker.ts'
import { fileKeep } from '../src/balance/node-keep.ts'
import { nodeRuntimeSocket } from '../src/balance/node-socket.ts'
import { parseInfo, parseServersState, type Server } from '../src/balance/replies.ts'
import type { RuntimeStream } from '../src/balance/runtime-socket.ts'
import { digestOf } from '../src/base/bytes.ts'
import type { IpAddress } from '../src/model/address.ts'
import type { Generation } from '../src/model/generation.ts'
import type { Haproxy } from '../src/model/haproxy.ts'
import { keys } from '../src/model/keys.ts'
import type { PlanHead, TargetState } from '../src/model/plan.ts'
import { nodeWorld } from '../src/world/node.ts'
import type { EpochMs, TraceEvent } from '../src/world/world.ts'
import { backends, holder, load, type RealHaproxy, type RealHaproxyOptions, realHaproxy } from './support/haproxy.ts'
import { eventually, ran } from './support/holdfast.ts'
import { type MemoryStore, memoryStore } from './support/memory-store.ts'
import { policy, pool, pooled } from './support/planning.ts'
import { describeWith, findProgram } from './support/programs.ts'

type Kind = 'serving' | 'removed' | 'drained'

const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

class Scene {
  readonly store: MemoryStore = memoryStore()
  readonly real: RealHaproxy
  readonly #policy
  constructor(real: RealHaproxy, capacities: readonly number[]) {
    this.real = real
    const targets = capacities.map((capacity, index) => ({
      id: `t${31 + index}`,
      site: `s${index}`,
      addresses: [`127.0.0.${31 + index}` as IpAddress] as const,
      capacity,
    }))
    this.#policy = policy([pool('web', targets)], [pooled('www', 'web')])
  }

  async publish(generation: number, ...kinds: readonly Kind[]): Promise<void> {
    const since = Date.now() as EpochMs
    const states: Record<Kind, TargetState> = {
      serving: { kind: 'serving', since },
      removed: { kind: 'removed', since, reason: 'test' },
      drained: { kind: 'drained', since, by: 'me', reason: 'test' },
    }
    const targets = Object.fromEntries(kinds.map((kind, index) => [`t${31 + index}`, states[kind]]))
    const plan: PlanHead = {
      generation: generation as Generation,
      parent: (generation - 1) as Generation,
      at: since,
      author: 'test',
      policy: this.#policy.digest,
      shards: [digestOf('')],
      pools: { web: { targets, failOpenSince: null, ledger: [], capacity: 1 } },
      blast: { namesChanged: 0, namesAdded: 0, namesRetired: 0, namesTotal: 0, capacityRemoved: 0, ttlMax: 0 },
      reasons: [],
    }
    const value = keys.plan.encode(plan)
    const head = keys.head.encode({ generation: plan.generation, digest: digestOf(value) })
    await this.store.commit(
      [],
      [
        { kind: 'put', key: keys.plan.key(plan.generation), value },
        { kind: 'put', key: keys.head.key(), value: head },
      ],
    )
  }

  /** A balancer, from now on; `stop` ends it with its connection, `freeze` only stops it, as SIGSTOP does. */
  start(id = 'balancer-1') {
    const traced: TraceEvent[] = []
    let stopped = false
    let open: RuntimeStream | undefined
    const world = nodeWorld({ id, onTrace: (event) => traced.push(event) })
    const clock = {
      ...world.clock,
      async sleep(ms: number) {
        await world.clock.sleep(ms)
        if (stopped) await new Promise(() => {})
      },
    }
    void balancer(
      { ...world, clock },
      {
        store: this.store.another(),
        policy: { read: async () => ({ kind: 'policy', policy: this.#policy, modified: 1 as EpochMs }) },
        haproxy: this.real.haproxy,
        socket: {
          async connect(to, ms) {
            if (stopped) await new Promise(() => {})
            const connected = await nodeRuntimeSocket.connect(to, ms)
            if (connected.kind === 'connected') open = connected.stream
            return connected
          },
        },
        memory: fileKeep(`${this.real.folder}/${id}.json`, 0o600),
        stateFile: fileKeep(this.real.haproxy.stateFile ?? '', 0o644),
      },
    )
    const stop = () => {
      stopped = true
      open?.close()
    }
    const freeze = () => {
      stopped = true
    }
    cleanUps.push(stop)
    return { traced, stop, freeze, say: async (text: string) => await open?.write(text) }
  }

  async servers(): Promise<readonly Server[]> {
    return parseServersState(await this.real.command('show servers state web')) ?? []
  }

  /** `address weight state` of the slots in use. */
  async slots(): Promise<readonly string[]> {
    const servers = await this.servers()
    return servers
      .filter(({ name, state }) => name.startsWith('slot') && state !== 'maint')
      .map(({ address, weight, state }) => `${address} ${weight} ${state}`)
  }

  async reaches(...expected: readonly string[]): Promise<void> {
    await eventually(10_000, expected.join(', '), async () => {
      const found = await this.slots()
      return found.join() === expected.join() ? undefined : `${found.join(', ')}\n${this.real.log()}`
    })
  }
}

async function scene(capacities: readonly number[], options: Partial<RealHaproxyOptions> = {}): Promise<Scene> {
  const behind = options.targetPort === undefined ? await backends(capacities.length) : undefined
  if (behind !== undefined) cleanUps.push(() => behind.stop())
  const real = await realHaproxy({ ...options, targetPort: options.targetPort ?? behind?.port ?? 0 })
  cleanUps.push(() => real.stop())
  await real.start()
  return new Scene(real, capacities)
}

describeWith(['haproxy'], 'HAProxy', () => {
  test('takes every configuration that is written for it', async () => {
    const program = findProgram('haproxy') ?? ''
    const pool = { pool: 'web', backend: 'b.1:x', port: 80, slots: 4_000, mode: 'http', bind: null } as const
    const cases: readonly Haproxy[] = [
      { socket: { kind: 'unix', path: '/nowhere/a b.sock' }, stateFile: "/var/lib/it's here/$x #1", pools: [pool] },
      {
        socket: { kind: 'tcp', address: { host: '::1', port: 9999 } },
        stateFile: null,
        pools: [
          { ...pool, backend: 'a', mode: 'tcp', bind: { host: '127.0.0.1', port: 8000 } },
          { ...pool, pool: 'api', backend: 'c', bind: { host: '::', port: 8001 } },
        ],
      },
    ]
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-haproxy-'))
    cleanUps.push(() => rmSync(folder, { recursive: true }))
    for (const one of cases) {
      writeFileSync(join(folder, 'cfg'), haproxyConfig(one, one.pools))
      const { code, stdout, stderr } = await ran(program, ['-c', '-f', join(folder, 'cfg')])
      expect(`${stdout}${stderr}`.replace(/.*Can't open global server state file.*\n/, '')).not.toMatch(/ALERT|WARNING/)
      expect(code).toBe(0)
    }
  })

  test('shares traffic by the weights of the plan, and follows each new one', async () => {
    const it = await scene([100, 50, 25])
    await it.publish(1, 'serving', 'serving', 'serving')
    it.start()
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 128 ready', '127.0.0.33 64 ready')
    const clients = load(it.real.port, 4)
    await eventually(20_000, '700 answers', async () => {
      const sum = [...clients.answers.values()].reduce((total, count) => total + count, 0)
      return sum >= 700 ? undefined : `${sum}`
    })
    await clients.stop()
    const sum = [...clients.answers.values()].reduce((total, count) => total + count, 0)
    const share = (host: number) => (clients.answers.get(`127.0.0.${host}`) ?? 0) / sum
    expect(share(31)).toBeCloseTo(4 / 7, 1)
    expect(share(32)).toBeCloseTo(2 / 7, 1)
    expect(share(33)).toBeCloseTo(1 / 7, 1)
    await it.publish(2, 'removed', 'serving', 'drained')
    await it.reaches('127.0.0.31 0 ready', '127.0.0.32 128 ready', '127.0.0.33 0 drain')
    expect(clients.errors).toEqual([])
  })

  test('loses nothing over a reload under load: no request, no address, no weight, no generation', async () => {
    const it = await scene([100, 50, 25])
    await it.publish(7, 'serving', 'serving', 'drained')
    const { traced } = it.start()
    const goal = ['127.0.0.31 256 ready', '127.0.0.32 128 ready', '127.0.0.33 0 drain']
    await it.reaches(...goal)
    await eventually(5_000, 'a state file', async () => {
      const text = await fileKeep(it.real.haproxy.stateFile ?? '', 0o644).read()
      return Buffer.from(text ?? []).includes('127.0.0.33 2 12') ? undefined : 'another'
    })
    const clients = [load(it.real.port, 3), load(it.real.port, 3, true)]
    const pidOf = async () => parseInfo(await it.real.command('show info'))?.pid
    for (let reload = 1; reload <= 3; reload++) {
      const before = await pidOf()
      process.kill(it.real.pid(), 'SIGUSR2')
      await eventually(10_000, 'a new process', async () => ((await pidOf()) === before ? 'the old one' : undefined))
      // What the new process began with, whoever has spoken to it since.
      expect(await it.slots()).toEqual(goal)
      const marker = (await it.servers()).find(({ name }) => name === 'holdfast-generation')
      expect(marker).toMatchObject({ address: markerAddress('test', 7 as Generation), state: 'maint' })
      await eventually(5_000, 'the balancer to follow', async () =>
        traced.filter(({ event }) => event === 'balance.haproxy_found').length > reload ? undefined : 'the old one',
      )
    }
    for (const one of clients) await one.stop()
    const answers = clients.flatMap(({ answers: its }) => [...its.values()]).reduce((sum, count) => sum + count, 0)
    expect(clients.flatMap(({ errors }) => errors)).toEqual([])
    expect(answers).toBeGreaterThan(300)
    expect(clients.every(({ answers: its }) => !its.has('127.0.0.33'))).toBe(true)
  })

  test('starts with the last weights while everything of Holdfast is gone', async () => {
    const it = await scene([100, 50])
    await it.publish(3, 'serving', 'serving')
    const { traced, stop } = it.start()
    const goal = ['127.0.0.31 256 ready', '127.0.0.32 128 ready']
    await it.reaches(...goal)
    await eventually(5_000, 'a push after it', async () =>
      traced.filter(({ event }) => event === 'balance.pushed').length > 2 ? undefined : 'none',
    )
    stop()
    await it.real.kill()
    await it.real.start()
    expect(await it.slots()).toEqual(goal)
  })

  test('would not bring an address back for a slot without a name: the balancer warns of it', async () => {
    const it = await scene([100, 50], {
      edit: (text) => text.replace(/(server-template slot 1-8) \S+ init-addr \S+/, '$1 127.0.0.1:9'),
    })
    await it.publish(1, 'serving', 'serving')
    const { traced } = it.start()
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 128 ready')
    await eventually(5_000, 'a warning', async () =>
      traced.some(({ event, reason }) => event === 'balance.complained' && `${reason}`.includes('init-addr last'))
        ? undefined
        : 'none',
    )
  })

  test('sends a drained target nothing new, and lets what is there end by itself', async () => {
    const first = await holder('127.0.0.31', 0)
    const { port } = first.server.address() as { port: number }
    const second = await holder('127.0.0.32', port)
    cleanUps.push(() => {
      for (const { server, open } of [first, second]) {
        for (const socket of open) (socket as { destroy(): void }).destroy()
        server.close()
      }
    })
    const it = await scene([100, 100], { mode: 'tcp', targetPort: port })
    await it.publish(1, 'serving', 'serving')
    it.start()
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 256 ready')
    const open = () =>
      new Promise<ReturnType<typeof connect>>((resolve) => {
        const socket = connect(it.real.port, '127.0.0.1', () => socket.write('x'))
        socket.once('data', () => resolve(socket))
        cleanUps.push(() => void socket.destroy())
      })
    const early = [await open(), await open(), await open(), await open()]
    expect([first.open.size, second.open.size]).toEqual([2, 2])
    await it.publish(2, 'drained', 'serving')
    await it.reaches('127.0.0.31 0 drain', '127.0.0.32 256 ready')
    for (let count = 0; count < 4; count++) await open()
    expect([first.open.size, second.open.size]).toEqual([2, 6])
    for (const socket of early) await new Promise<void>((resolve) => socket.once('data', () => resolve()).write('y'))
  })

  test('lets one balancer in at a time, and the next as soon as the first is gone', async () => {
    const it = await scene([100, 50])
    await it.publish(1, 'serving', 'serving')
    const first = it.start('balancer-1')
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 128 ready')
    const second = it.start('balancer-2')
    await it.publish(2, 'serving', 'removed')
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 0 ready')
    expect(second.traced.some(({ event }) => event === 'balance.haproxy_found')).toBe(false)
    first.stop()
    const took = await eventually(5_000, 'the second to push', async () =>
      second.traced.some(({ event }) => event === 'balance.pushed') ? undefined : 'nothing',
    )
    expect(took).toBeLessThan(3_000)
  })

  test('takes the place from a balancer that stands still, and hears no more of it', async () => {
    const it = await scene([100, 50])
    await it.publish(1, 'serving', 'serving')
    const first = it.start('balancer-1')
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 128 ready')
    first.freeze()
    const second = it.start('balancer-2')
    await it.publish(2, 'serving', 'removed')
    const took = await eventually(20_000, 'the second to push', async () =>
      second.traced.some(({ event }) => event === 'balance.pushed') ? undefined : 'nothing',
    )
    expect(took).toBeGreaterThan(5_000)
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 0 ready')
    await first.say('set server web/slot1 weight 1\n')
    await it.publish(3, 'serving', 'serving')
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 128 ready')
  })

  test('keeps servers that are not ours as they are', async () => {
    const it = await scene([100, 50], {
      edit: (text) => text.replace('\nbackend web\n', '\nbackend web\n    server sorry 127.0.0.99:1 weight 33\n'),
    })
    await it.publish(1, 'serving', 'serving')
    const { traced } = it.start()
    await it.reaches('127.0.0.31 256 ready', '127.0.0.32 128 ready')
    expect((await it.servers()).find(({ name }) => name === 'sorry')).toMatchObject({
      weight: 33,
      port: 1,
      state: 'ready',
    })
    await eventually(5_000, 'a word about it', async () =>
      traced.some(({ reason }) => `${reason}`.includes('sorry')) ? undefined : 'none',
    )
  })

  test('gets put right what somebody changed by hand, within one reading', async () => {
    const it = await scene([100, 50])
    await it.publish(1, 'serving', 'serving')
    const { traced } = it.start()
    const goal = ['127.0.0.31 256 ready', '127.0.0.32 128 ready']
    await it.reaches(...goal)
    await it.real.command('set server web/slot1 weight 1')
    await it.reaches(...goal)
    await it.real.command('set server web/slot2 addr 127.0.0.77')
    // HAProxy 3 takes an address a moment after it has said so: what stands there at once says nothing.
    await eventually(15_000, 'the address to be put right', async () =>
      traced.some(({ event, slot }) => event === 'balance.repaired' && slot === 'slot2') ? undefined : 'not repaired',
    )
    await it.reaches(...goal)
  })
})
