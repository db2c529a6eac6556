import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { memoryStore } from '../../test/support/memory-store.ts'
import type { Digest } from '../base/bytes.ts'
import type { NonEmpty } from '../base/nonempty.ts'
import { problem } from '../base/problem.ts'
import type { IpAddress } from '../model/address.ts'
import { keys } from '../model/keys.ts'
import type { Observation } from '../model/observation.ts'
import { type Check, type Policy, type PolicyReading, type Pool, type Target, usualLimits } from '../model/policy.ts'
import type { Commit, Store } from '../store/store.ts'
import { nodeWorld } from '../world/node.ts'
import type { EpochMs, Failure, HttpReply, Instant, TraceEvent, World } from '../world/world.ts'
import { worldChecker } from './check-world.ts'
import type { Checker, Look } from './checker.ts'
import { type ProberPorts, prober } from './prober.ts'

const http: Check = { kind: 'http', port: 80, path: '/healthz', host: null, status: [200] }

function poolOf(id: string, addresses: readonly string[], changes: Partial<Pool> = {}): Pool {
  const targets = addresses.map(
    (address, n): Target => ({ id: `t${n}`, site: 's', addresses: [address as IpAddress], capacity: 1 }),
  )
  return {
    id,
    targets: targets as unknown as NonEmpty<Target>,
    check: http,
    intervalMs: 1_000,
    timeoutMs: 500,
    fall: 3,
    rise: 2,
    rampMs: 0,
    graceMs: 0,
    holdMs: 0,
    holdMaxMs: 0,
    limits: usualLimits,
    ...changes,
  }
}

function policyOf(...pools: Pool[]): PolicyReading {
  const policy: Policy = {
    digest: JSON.stringify(pools) as Digest,
    owner: 'test',
    zones: new Map(),
    pools: new Map(pools.map((pool) => [pool.id, pool])),
    endpoints: new Map(),
    keepPlans: 2,
    coalesceMs: 0,
  }
  return { kind: 'policy', policy, modified: 0 as EpochMs }
}

/** A World with a clock that a test winds, and a network of the test's making. */
class Bench {
  now = 0
  readonly events: TraceEvent[] = []
  readonly asked: { readonly at: number; readonly host: string }[] = []
  inFlight = 0
  mostInFlight = 0
  /** What an address does with a request: after `ms`, status or silence. */
  behaviour: (host: string) => { readonly ms: number; readonly status: number | 'silent' } = () => ({
    ms: 5,
    status: 200,
  })
  #timers: { readonly at: number; readonly wake: () => void }[] = []
  readonly world: World = {
    id: 'prober-1',
    clock: {
      now: () => this.now as Instant,
      wall: () => (1_000_000 + this.now) as EpochMs,
      sleep: (ms) => new Promise((wake) => this.#timers.push({ at: this.now + Math.max(0, ms), wake })),
    },
    random: { below: (bound) => Math.floor(bound / 2), bytes: (length) => new Uint8Array(length) },
    net: {
      ask: () => Promise.reject(new Error('not used')),
      connect: () => Promise.reject(new Error('not used')),
      request: async ({ to }, timeoutMs): Promise<Failure | HttpReply> => {
        this.asked.push({ at: this.now, host: to.host })
        this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight)
        const { ms, status } = this.behaviour(to.host)
        const silent = status === 'silent' || ms > timeoutMs
        await this.world.clock.sleep(silent ? timeoutMs : ms)
        this.inFlight--
        return silent
          ? { kind: 'failure', reason: 'timeout', detail: '' }
          : { kind: 'http', status, body: new Uint8Array() }
      },
    },
    trace: (event) => this.events.push(event),
  }

  /** Lets everything happen that is due in the next `ms`. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms
    for (;;) {
      await this.settle()
      const next = this.#timers.reduce<number | undefined>(
        (least, { at }) => (least === undefined || at < least ? at : least),
        undefined,
      )
      if (next === undefined || next > until) break
      this.now = Math.max(this.now, next)
      const due = this.#timers.filter(({ at }) => at <= this.now)
      this.#timers = this.#timers.filter(({ at }) => at > this.now)
      for (const { wake } of due) wake()
    }
    this.now = until
  }

  /** The program stands still while time goes on. */
  standStill(ms: number): void {
    this.now += ms
  }

  async settle(): Promise<void> {
    for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve))
  }

  said(event: string): TraceEvent[] {
    return this.events.filter((one) => one.event === event)
  }
}

async function observed(store: Store, pool: string): Promise<Observation | undefined> {
  const entry = await store.get(keys.observation.key(pool, 'prober-1'))
  return entry === undefined ? undefined : keys.observation.decode(entry.value)
}
const histories = async (store: Store, pool: string) =>
  Object.fromEntries(
    Object.entries((await observed(store, pool))?.targets ?? {}).map(([id, { history }]) => [id, history]),
  )

async function status(store: Store) {
  const entry = await store.get(keys.status.key('prober', 'prober-1'))
  return entry === undefined ? undefined : keys.status.decode(entry.value)
}

function start(bench: Bench, store: Store, read: () => PolicyReading, more: Partial<ProberPorts> = {}): void {
  void prober(bench.world, { ...more, store, policy: { read: () => Promise.resolve(read()) } })
}

describe('in time that the test winds', () => {
  test('rounds keep their rhythm; a death is written down after fall × interval', async () => {
    const bench = new Bench()
    const store = memoryStore()
    start(bench, store, () => policyOf(poolOf('web', ['192.0.2.1', '192.0.2.2'])))
    await bench.pass(10_000)
    const times = bench.asked.filter(({ host }) => host === '192.0.2.1').map(({ at }) => at)
    expect(times).toHaveLength(10)
    expect(times.slice(1).map((time, n) => time - (times[n] ?? 0))).toEqual(Array(9).fill(1_000))
    expect(await histories(store, 'web')).toEqual({ t0: 'pppppppppp', t1: 'pppppppppp' })

    bench.behaviour = (host) => ({ ms: 5, status: host === '192.0.2.2' ? 503 : 200 })
    await bench.pass(3_000)
    expect(await observed(store, 'web')).toMatchObject({
      complete: true,
      targets: {
        t0: { history: 'p'.repeat(13), detail: 'ok', latencyMs: 5 },
        t1: { history: `${'p'.repeat(10)}fff`, detail: 'expected status 200, found 503' },
      },
    })
    expect(bench.said('health.turned')).toEqual([
      { event: 'health.turned', pool: 'web', target: 't1', result: 'fail', detail: 'expected status 200, found 503' },
    ])
    await bench.pass(60_000)
    expect((await histories(store, 'web')).t1).toBe('f'.repeat(32))
  })

  test('the work is the same in calm and in crisis, spread over the interval', async () => {
    const addresses = Array.from({ length: 1_000 }, (_, n) => `10.0.${n >> 8}.${n & 255}`)
    const work = async (status: number | 'silent') => {
      const bench = new Bench()
      const store = memoryStore()
      bench.behaviour = () => ({ ms: 1, status })
      start(bench, store, () => policyOf(poolOf('web', addresses, { intervalMs: 2_000, timeoutMs: 500 })))
      await bench.pass(21_000)
      expect(bench.said('health.overran')).toEqual([])
      const perTenth = new Map<number, number>()
      for (const { at } of bench.asked)
        perTenth.set(Math.floor(at / 100), (perTenth.get(Math.floor(at / 100)) ?? 0) + 1)
      // 1,000 over 1,350 ms, in slices of 64 that each begin up to a slice's time later.
      expect(Math.max(...perTenth.values())).toBeLessThanOrEqual(3 * 64)
      return { asked: bench.asked.length, last: (await histories(store, 'web')).t999 }
    }
    const calm = await work(200)
    const crisis = await work('silent')
    expect(calm.asked).toBeGreaterThanOrEqual(9_000)
    expect(Math.abs(crisis.asked - calm.asked)).toBeLessThanOrEqual(1_000)
    expect(calm.last).toMatch(/^p{9,}$/)
    expect(crisis.last).toMatch(/^f{9,}$/)
  })

  test('checks at once are bounded, and a round that takes too long leaves rounds out', async () => {
    const bench = new Bench()
    const store = memoryStore()
    bench.behaviour = () => ({ ms: 0, status: 'silent' })
    const addresses = Array.from({ length: 20_000 }, (_, n) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`)
    start(bench, store, () => policyOf(poolOf('web', addresses, { timeoutMs: 900 })))
    await bench.pass(6_000)
    expect(bench.mostInFlight).toBe(16_384)
    // Each target is asked once a round, and rounds never overlap.
    const times = bench.asked.filter(({ host }) => host === '10.0.0.0').map(({ at }) => at)
    for (const [n, time] of times.slice(1).entries()) expect(time - (times[n] ?? 0)).toBeGreaterThanOrEqual(1_800)
    expect(times.length).toBeGreaterThanOrEqual(2)
    expect(bench.said('health.overran').length).toBeGreaterThanOrEqual(1)
  })

  test('a prober whose canary does not answer judges nobody, and says so', async () => {
    const bench = new Bench()
    const store = memoryStore()
    bench.behaviour = () => ({ ms: 1, status: 200 })
    let canary: Look = { kind: 'pass' }
    const checker: Checker = { ...worldChecker(bench.world), canary: async () => canary }
    start(bench, store, () => policyOf(poolOf('web', ['192.0.2.1'])), { checker, site: 'south' })
    await bench.pass(3_000)
    const before = (await histories(store, 'web')).t0
    expect(before).toMatch(/^p{2,3}$/)
    canary = { kind: 'could-not-look', why: 'none of the canaries answers' }
    bench.behaviour = () => ({ ms: 0, status: 'silent' })
    await bench.pass(10_000)
    const blind = await observed(store, 'web')
    expect(blind).toMatchObject({ site: 'south', strained: true, targets: { t0: { history: before } } })
    expect(bench.said('health.canary_lost')).toEqual([
      { event: 'health.canary_lost', why: 'none of the canaries answers' },
    ])
    expect(bench.said('health.blinded').length).toBeGreaterThanOrEqual(9)
    expect((await status(store))?.ails).toEqual([
      'judges nobody: none of the canaries answers',
      'web cannot be checked: none of the canaries answers',
    ])
    canary = { kind: 'pass' }
    bench.behaviour = () => ({ ms: 1, status: 200 })
    await bench.pass(6_000)
    expect(bench.said('health.canary_found')).toHaveLength(1)
    expect(await observed(store, 'web')).not.toHaveProperty('strained')
    expect((await histories(store, 'web')).t0).toMatch(new RegExp(`^${before}p{5,7}$`))
    expect((await status(store))?.ails).toEqual([])
  })

  test('what cannot be looked at says nothing about the target', async () => {
    const bench = new Bench()
    const store = memoryStore()
    bench.behaviour = () => ({ ms: 1, status: 200 })
    let look: Look = { kind: 'pass' }
    const checker: Checker = { check: async () => look, canary: async () => ({ kind: 'pass' }) }
    start(bench, store, () => policyOf(poolOf('web', ['192.0.2.1'])), { checker })
    await bench.pass(3_000)
    const before = (await histories(store, 'web')).t0
    look = { kind: 'could-not-look', why: 'the header authorization cannot be sent: no such file' }
    await bench.pass(7_000)
    expect((await histories(store, 'web')).t0).toBe(before)
    expect((await status(store))?.ails).toEqual([
      'web cannot be checked: the header authorization cannot be sent: no such file',
    ])
  })

  test('while its event loop lags, targets get twice the time and the observation says so', async () => {
    const bench = new Bench()
    const store = memoryStore()
    let delay = 0
    bench.behaviour = () => ({ ms: 700, status: 200 })
    start(bench, store, () => policyOf(poolOf('web', ['192.0.2.1'], { intervalMs: 2_000, timeoutMs: 500 })), {
      loopDelay: () => delay,
    })
    await bench.pass(5_000)
    expect((await observed(store, 'web'))?.targets.t0?.history).toMatch(/^f{2,}$/)
    delay = 150
    await bench.pass(6_000)
    const strained = await observed(store, 'web')
    expect(strained).toMatchObject({ strained: true })
    expect(strained?.targets.t0?.history).toMatch(/p{2,}$/)
    expect(bench.said('health.strained')).toEqual([{ event: 'health.strained', lateMs: 150 }])
    delay = 20
    await bench.pass(2_000)
    expect(await observed(store, 'web')).toMatchObject({ strained: true })
    await bench.pass(6_000)
    expect(await observed(store, 'web')).not.toHaveProperty('strained')
    expect(bench.said('health.relieved')).toHaveLength(1)
  })

  test('what this program did not see, because it stood still, is not held against a target', async () => {
    const bench = new Bench()
    const store = memoryStore()
    bench.behaviour = () => ({ ms: 400, status: 200 })
    start(bench, store, () => policyOf(poolOf('web', ['192.0.2.1'], { timeoutMs: 500 })))
    await bench.pass(3_000)
    bench.behaviour = () => ({ ms: 0, status: 'silent' })
    await bench.pass(700)
    expect(bench.inFlight).toBe(1)
    const before = (await histories(store, 'web')).t0
    // Suspended in the middle of a check: all that comes back is its own time-out, long after.
    bench.standStill(30_000)
    bench.behaviour = () => ({ ms: 5, status: 200 })
    await bench.pass(5_000)
    // One at once, then in the rhythm as before.
    expect((await histories(store, 'web')).t0).toMatch(new RegExp(`^${before}p{5,6}$`))
    expect(bench.said('health.blinded')).toEqual([
      { event: 'health.blinded', pool: 'web', checks: 1, why: 'this program stood still' },
    ])
    // A shorter stop makes a time-out late too: the answer may have been here in time.
    bench.behaviour = () => ({ ms: 0, status: 'silent' })
    for (let n = 0; n < 20 && bench.inFlight === 0; n++) await bench.pass(100)
    bench.standStill(800)
    bench.behaviour = () => ({ ms: 5, status: 200 })
    await bench.pass(2_000)
    expect((await histories(store, 'web')).t0).not.toContain('f')
    expect(bench.said('health.blinded')).toHaveLength(2)
    // And suspended between two rounds: the rhythm goes on, without the rounds that were missed.
    const asked = bench.asked.length
    bench.standStill(30_000)
    await bench.pass(3_000)
    expect(bench.asked.length - asked).toBeLessThanOrEqual(4)
    expect(bench.said('health.delayed')).toHaveLength(1)
  })

  test('a store that stalls holds up no round, and gets the newest documents afterwards', async () => {
    const bench = new Bench()
    let release: (() => void) | undefined
    let commits = 0
    const store = memoryStore({
      onCommit: async (_compares, _writes, apply) => {
        commits++
        if (commits === 4)
          await new Promise<void>((resolve) => {
            release = resolve
          })
        return apply()
      },
    })
    start(bench, store, () => policyOf(poolOf('web', ['192.0.2.1'])))
    await bench.pass(20_000)
    expect(bench.asked.length).toBe(20)
    expect(commits).toBe(4)
    release?.()
    await bench.pass(10)
    expect((await histories(store, 'web')).t0).toBe('p'.repeat(20))
    expect(commits).toBe(5)
  })

  test('a store that refuses is tried again, and spoken of once', async () => {
    const bench = new Bench()
    let trouble: Commit | undefined
    const store = memoryStore({ onCommit: () => trouble })
    start(bench, store, () => policyOf(poolOf('web', ['192.0.2.1'])))
    await bench.pass(2_000)
    trouble = { kind: 'refused', problem: problem('store', 'room', 'none', 'make some') }
    await bench.pass(5_000)
    trouble = { kind: 'unknown', reason: 'no answer' }
    await bench.pass(5_000)
    trouble = undefined
    await bench.pass(6_000)
    expect((await histories(store, 'web')).t0).toBe('p'.repeat(18))
    expect(bench.said('health.store_lost')).toMatchObject([{ reason: 'store: none; make some' }])
    expect(bench.said('health.store_found')).toHaveLength(1)
  })

  test('follows the policy: pools come, change and go', async () => {
    const bench = new Bench()
    const store = memoryStore()
    let reading = policyOf(
      poolOf('web', ['192.0.2.1', '192.0.2.2']),
      poolOf('api', ['192.0.2.9']),
      poolOf('idle', ['192.0.2.8'], { check: { kind: 'none' } }),
    )
    start(bench, store, () => reading)
    await bench.pass(4_000)
    expect(await histories(store, 'api')).toEqual({ t0: 'pppp' })
    expect(await observed(store, 'idle')).toBeUndefined()

    // A target at another address begins anew, and one more; the other goes on. `api` left.
    reading = policyOf(poolOf('web', ['192.0.2.1', '192.0.2.3', '192.0.2.4']), poolOf('new', ['192.0.2.7']))
    await bench.pass(4_000)
    const { t0, t1, t2 } = await histories(store, 'web')
    expect(t0?.length).toBeGreaterThanOrEqual(7)
    expect([t1?.length, t2?.length].every((length) => length === 3 || length === 4)).toBe(true)
    expect(await observed(store, 'api')).toBeUndefined()
    expect((await histories(store, 'new')).t0).toMatch(/^p{3,4}$/)
    expect(bench.said('health.stopped')).toEqual([{ event: 'health.stopped', pool: 'api' }])
    const late = bench.asked.filter(({ at, host }) => at > 5_500 && (host === '192.0.2.9' || host === '192.0.2.2'))
    expect(late).toEqual([])
  })

  test('a pool that goes in the middle of its round leaves no document behind', async () => {
    const bench = new Bench()
    const store = memoryStore()
    let reading = policyOf(poolOf('web', ['192.0.2.1'], { intervalMs: 3_000, timeoutMs: 2_500 }))
    start(bench, store, () => reading)
    bench.behaviour = () => ({ ms: 2_000, status: 200 })
    await bench.pass(4_000)
    expect(bench.inFlight).toBe(1)
    expect(await histories(store, 'web')).toEqual({ t0: 'p' })
    reading = policyOf()
    await bench.pass(20_000)
    expect(await observed(store, 'web')).toBeUndefined()
    expect(bench.asked).toHaveLength(2)
  })

  test('goes on with the last good policy, and says so in its status', async () => {
    const bench = new Bench()
    const store = memoryStore()
    const wrong: PolicyReading = {
      kind: 'unreadable',
      problems: [problem('holdfast.yaml:1:1', 'YAML', 'none', 'write some')],
    }
    let reading: PolicyReading = wrong
    start(bench, store, () => reading)
    const status = async () => {
      const entry = await store.get(keys.status.key('prober', 'prober-1'))
      return entry === undefined ? undefined : keys.status.decode(entry.value)
    }
    await bench.pass(100)
    expect(await status()).toMatchObject({
      role: 'prober',
      id: 'prober-1',
      note: 'has no policy yet: holdfast.yaml:1:1: expected YAML, found none; write some',
    })
    reading = policyOf(poolOf('web', ['192.0.2.1', '192.0.2.2']))
    bench.behaviour = (host) => ({ ms: 1, status: host === '192.0.2.1' ? 200 : 500 })
    await bench.pass(10_000)
    expect((await status())?.note).toBe('probes 2 targets of 1 pool, 1 failing')
    reading = wrong
    await bench.pass(10_000)
    expect((await status())?.note).toContain('goes on with the last good policy')
    expect((await histories(store, 'web')).t0?.length).toBeGreaterThan(15)
    expect(bench.said('health.policy_unreadable')).toHaveLength(2)
    expect((await status())?.at).toBeGreaterThan(1_015_000)
  })

  test.each([
    [1_000, 'ppppp'],
    [60_000, 'pp'],
  ])('a restart after %d ms goes on from its last document only while that is fresh', async (pause, history) => {
    const store = memoryStore()
    const first = new Bench()
    start(first, store, () => policyOf(poolOf('web', ['192.0.2.1'])))
    await first.pass(3_000)
    const second = new Bench()
    second.now = 3_000 + pause
    start(second, store, () => policyOf(poolOf('web', ['192.0.2.1'])))
    await second.pass(2_000)
    expect((await histories(store, 'web')).t0).toBe(history)
    expect(second.said('health.started')).toMatchObject([{ kept: history.length > 2 ? 1 : 0 }])
  })
})

describe('over real sockets', () => {
  const servers: (Server | HttpServer)[] = []
  let stopped = false
  afterEach(async () => {
    stopped = true
    for (const server of servers.splice(0)) {
      if ('closeAllConnections' in server) server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })
  const listen = (server: Server | HttpServer, host: string, port = 0) =>
    new Promise<number>((resolve, reject) => {
      servers.push(server)
      server.once('error', reject)
      server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
    })

  test('sees health by HTTP and TCP: well, broken, refused, silent', async () => {
    let well = true
    const paths: string[] = []
    const service = createHttpServer((request, response) => {
      paths.push(`${request.method} ${request.url} ${request.headers.host}`)
      response.writeHead(well ? 200 : 503).end('x'.repeat(100_000))
    })
    const port = await listen(service, '127.0.0.21')
    // It accepts, and never says a word.
    await listen(
      createServer((socket) => socket.resume().on('error', () => {})),
      '127.0.0.22',
      port,
    )

    const real = nodeWorld({ id: 'prober-1', onTrace: () => {} })
    const world: World = {
      ...real,
      clock: { ...real.clock, sleep: (ms) => (stopped ? new Promise(() => {}) : real.clock.sleep(ms)) },
    }
    const store = memoryStore()
    const addresses = ['127.0.0.21', '127.0.0.22', '127.0.0.23']
    const byHttp = poolOf('http', addresses, {
      check: { kind: 'http', port, path: '/healthz?x', host: 'service.test', status: [200] },
      intervalMs: 100,
      timeoutMs: 80,
    })
    const byTcp = poolOf('tcp', addresses, { check: { kind: 'tcp', port }, intervalMs: 100, timeoutMs: 80 })
    void prober(world, { store, policy: { read: () => Promise.resolve(policyOf(byHttp, byTcp)) } })

    const until = async (pool: string, holds: (targets: Observation['targets']) => boolean) => {
      for (let revision = (await store.range('')).revision; ; ) {
        const targets = (await observed(store, pool))?.targets
        if (targets !== undefined && holds(targets)) return targets
        const watched = await store.watch('observation/', revision, 10_000)
        if (watched.kind === 'quiet')
          throw new Error(`expected another observation, found none; last ${JSON.stringify(targets)}`)
        revision = watched.revision
      }
    }
    const ends = (targets: Observation['targets'], ...letters: string[]) =>
      letters.every((letter, n) => targets[`t${n}`]?.history.endsWith(letter) === true)
    const seen = await until('http', (targets) => ends(targets, 'pp', 'ff', 'ff'))
    expect(seen.t0?.detail).toBe('ok')
    expect(seen.t1?.detail).toMatch(/^no answer in time/)
    expect(seen.t2?.detail).toMatch(/^connection refused/)
    expect(seen.t0?.latencyMs).toBeGreaterThan(0)
    expect(new Set(paths)).toEqual(new Set(['GET /healthz?x service.test']))
    await until('tcp', (targets) => ends(targets, 'pp', 'pp', 'ff'))
    well = false
    expect((await until('http', (targets) => ends(targets, 'ff')))?.t0?.detail).toBe('expected status 200, found 503')
    well = true
    await until('http', (targets) => ends(targets, 'pp'))
  })
})
