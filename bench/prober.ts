/**
 * One prober and 10,000 targets on loopback addresses, with the store that it has in production: CPU for
 * each 1,000 probes a second, how late its event loop runs, memory, and whether rounds keep their time, in
 * calm and in a crisis. Beside it, in the same run, the least that Node can do: connect and close (TCP), one
 * request by `node:http` (HTTP), as often, without judging or writing anything.
 *
 * The targets are one server in a process of its own, so that its CPU is not counted.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, request } from 'node:http'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { Digest } from '../src/base/bytes.ts'
import type { NonEmpty } from '../src/base/nonempty.ts'
import { isProblem } from '../src/base/problem.ts'
import { nodeChecker } from '../src/health/check-node.ts'
import { watchLoopDelay } from '../src/health/loop-delay.ts'
import { prober } from '../src/health/prober.ts'
import type { IpAddress } from '../src/model/address.ts'
import type { Check } from '../src/model/check.ts'
import { keys } from '../src/model/keys.ts'
import { type Policy, type Pool, usualDetection, usualLimits } from '../src/model/policy.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { nodeWorld } from '../src/world/node.ts'
import type { EpochMs, TraceEvent } from '../src/world/world.ts'

const quick = process.argv.includes('--quick')
const seconds = quick ? 10 : 20
const targets = quick ? 2_000 : 10_000
const poolsOf = 1_000
const intervalMs = 5_000

const print = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(
    JSON.stringify({
      bench: 'prober',
      metric,
      value: rounded(value),
      unit,
      ...(against === undefined ? {} : { against, ratio: rounded(ratio ?? 0) }),
    }),
  )
const rounded = (value: number) => Number(value.toPrecision(3))

/** 127.1.0.1 and on. */
const addressOf = (index: number) => `127.${1 + (index >> 14)}.${(index >> 6) & 255}.${1 + (index & 63)}`

type Mood = 'well' | 'silent'

/** The process of the targets: tells its ports, and takes its mood from messages. */
async function serveTargets(): Promise<void> {
  let mood: Mood = 'well'
  const http = createHttpServer((_, response) => {
    if (mood === 'well') response.end('ok')
  })
  const tcp = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('end', () => socket.destroy())
    socket.resume()
  })
  const listening = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen({ port: 0, host: '0.0.0.0', backlog: 4_096 }, resolve))
    return (server.address() as AddressInfo).port
  }
  process.send?.({ http: await listening(http), tcp: await listening(tcp) })
  process.on('message', (message: Mood) => {
    mood = message
    process.send?.(message)
  })
  process.on('disconnect', () => process.exit())
}

interface Ports {
  readonly http: number
  readonly tcp: number
}

function policyOf(check: Check, timeoutMs: number, sizes: readonly number[]): Policy {
  let next = 0
  const pools = sizes.map((size, index): Pool => {
    const all = Array.from({ length: size }, (_, n) => ({
      id: `target-${n}`,
      site: `site-${n % 3}`,
      addresses: [addressOf(next++) as IpAddress] as const,
      capacity: 1,
    }))
    return {
      ...usualDetection,
      id: `pool-${index}`,
      targets: all as unknown as NonEmpty<(typeof all)[number]>,
      check,
      intervalMs,
      timeoutMs,
      limits: usualLimits,
    }
  })
  const none = new Map()
  const digest = JSON.stringify([check, sizes]) as Digest
  return {
    digest,
    owner: 'bench',
    zones: none,
    endpoints: none,
    keepPlans: 2,
    coalesceMs: 0,
    pools: new Map(pools.map((pool) => [pool.id, pool])),
  }
}

/** What is measured from now on. */
function meter() {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const cpu = process.cpuUsage()
  const began = performance.now()
  return () => {
    delay.disable()
    const used = process.cpuUsage(cpu)
    const ms = performance.now() - began
    const memory = process.memoryUsage()
    return {
      seconds: ms / 1_000,
      cpuMs: (used.user + used.system) / 1_000,
      delayMs: Math.max(0, delay.percentile(99) / 1e6 - 10),
      rssMiB: memory.rss / 2 ** 20,
    }
  }
}

/** Runs a prober in a process of its own, and prints what it measured there. */
async function measureProber(spec: Spec): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-bench-prober-'))
  const store = await openLmdbStore({ path: dir })
  if (isProblem(store)) throw new Error(store.found)
  const events: TraceEvent[] = []
  const world = nodeWorld({
    id: 'prober-1',
    onTrace: (event) => void (event.event === 'health.turned' || events.push(event)),
  })
  const sizes = spec.onePool ? [targets] : Array.from({ length: targets / poolsOf }, () => poolsOf)
  const policy = policyOf(spec.check, spec.timeoutMs, sizes)
  const canaries: [] = []
  void prober(world, {
    store,
    policy: { read: async () => ({ kind: 'policy', policy, modified: 0 as EpochMs }) },
    checker: nodeChecker(world, { secret: () => ({ kind: 'unreadable', why: '' }), dir, env: {}, canaries }),
    loopDelay: watchLoopDelay(),
  })
  await pause(intervalMs + 1_500)
  events.length = 0
  const measured = meter()
  await pause(seconds * 1_000)
  const result = measured()
  const probed = events.filter((event) => event.event === 'health.probed')
  const sum = (field: string) => probed.reduce((total, event) => total + Number(event[field]), 0)
  const entry = await store.get(keys.observation.key('pool-0', 'prober-1'))
  const told: Result = {
    ...result,
    probes: sum('targets'),
    judged: sum('passed') + sum('failed'),
    late: events.filter(({ event }) => /overran|delayed|blinded|strained/.test(event)).length,
    documentKiB: (entry?.value.length ?? 0) / 1_024,
  }
  rmSync(dir, { recursive: true, force: true })
  // Not by process.exit, which would wait for a transaction of the store that waits for this thread.
  process.send?.(told, () => process.kill(process.pid, 'SIGKILL'))
}

/** The same probes a second, by as little of Node as possible. */
async function measureFloor(spec: Spec): Promise<void> {
  const { check } = spec
  if (check.kind !== 'http' && check.kind !== 'tcp') throw new Error('expected http or tcp')
  const perTick = Math.round(targets / (intervalMs / 10))
  let next = 0
  let probes = 0
  const one = () => {
    const host = addressOf(next++ % targets)
    if (check.kind === 'tcp') {
      const socket = connect({ host, port: check.port })
      socket.on('connect', () => {
        probes++
        socket.destroy()
      })
      socket.on('error', () => {})
      return
    }
    const asked = request({ host, port: check.port, path: '/', agent: false, headers: { connection: 'close' } })
    asked.on('error', () => {})
    asked.on('response', (response) => {
      response.on('end', () => probes++)
      response.resume()
    })
    asked.end()
  }
  const began = performance.now()
  let ticks = 0
  const timer = setInterval(() => {
    for (; ticks < (performance.now() - began) / 10; ticks++) for (let n = 0; n < perTick; n++) one()
  }, 10)
  await pause(2_000)
  probes = 0
  const measured = meter()
  await pause(Math.min(seconds, 8) * 1_000)
  const result = measured()
  clearInterval(timer)
  process.send?.({ ...result, probes, judged: probes, late: 0, documentKiB: 0 } satisfies Result)
  process.exit()
}

interface Spec {
  readonly check: Check
  readonly timeoutMs: number
  readonly onePool: boolean
  readonly floor: boolean
}

interface Result {
  readonly seconds: number
  readonly cpuMs: number
  readonly delayMs: number
  readonly rssMiB: number
  readonly probes: number
  /** Those that said something about their target. */
  readonly judged: number
  readonly late: number
  readonly documentKiB: number
}

async function run(spec: Spec): Promise<Result> {
  const child = fork(import.meta.filename, ['--measure', JSON.stringify(spec), ...(quick ? ['--quick'] : [])])
  const [result] = (await once(child, 'message')) as [Result]
  if (child.exitCode === null) await once(child, 'exit')
  return result
}

/** CPU milliseconds for each 1,000 probes: as a share of one core, tenths of a percent at 1,000 probes a second. */
const cost = ({ cpuMs, probes }: Result) => cpuMs / (probes / 1_000)

async function main(): Promise<void> {
  const server: ChildProcess = fork(import.meta.filename, ['--targets'])
  const [ports] = (await once(server, 'message')) as [Ports]
  const tell = async (mood: Mood) => {
    server.send(mood)
    await once(server, 'message')
  }
  const http: Check = { kind: 'http', port: ports.http, path: '/healthz', host: null, status: [200] }
  const tcp: Check = { kind: 'tcp', port: ports.tcp }
  const spec = (check: Check, more: Partial<Spec> = {}): Spec => ({
    check,
    timeoutMs: 1_000,
    onePool: false,
    floor: false,
    ...more,
  })
  const say = (what: string, result: Result, floor?: Result) => {
    print(`${what}: probes a second`, result.probes / result.seconds, '/s')
    print(
      `${what}: CPU for 1,000 probes`,
      cost(result),
      'ms',
      floor === undefined ? undefined : 'Node alone, nothing judged or written',
      floor === undefined ? undefined : cost(floor) / cost(result),
    )
    print(`${what}: of them judged`, (result.judged / result.probes) * 100, '%')
    print(`${what}: CPU of a core`, (result.cpuMs / result.seconds / 1_000) * 100, '%')
    print(`${what}: event-loop delay, p99`, result.delayMs, 'ms')
    print(`${what}: memory`, result.rssMiB, 'MiB')
    print(`${what}: rounds late, left out or not counted`, result.late, 'rounds')
  }
  try {
    for (const [name, check] of [
      ['TCP', tcp],
      ['HTTP', http],
    ] as const) {
      const floor = await run(spec(check, { floor: true }))
      say(`${name}, ${targets} targets in pools of ${poolsOf}`, await run(spec(check)), floor)
    }
    const one = await run(spec(http, { onePool: true }))
    say(`HTTP, one pool of ${targets}`, one)
    print(`HTTP, one pool of ${targets}: its document`, one.documentKiB, 'KiB')
    // Everything refuses, then everything hangs until its time-out.
    const closed: Check = { ...http, port: 1 }
    const refused = await run(spec(closed, { onePool: true }))
    say('HTTP, all refuse', refused)
    print('HTTP, all refuse: the document', refused.documentKiB, 'KiB')
    await tell('silent')
    say('HTTP, all hang', await run(spec(http)))
  } finally {
    server.kill('SIGKILL')
  }
}

const measure = process.argv.indexOf('--measure')
if (process.argv.includes('--targets')) await serveTargets()
else if (measure > 0) {
  const spec = JSON.parse(process.argv[measure + 1] ?? '') as Spec
  await (spec.floor ? measureFloor(spec) : measureProber(spec))
} else await main()
