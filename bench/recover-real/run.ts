/** One recovery with real processes: the database in trouble or not, one policy, all hosts, and what came of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { startProxy } from '../../src/drill/proxy.ts'
import { lowerBounds } from '../../src/recover/bounds.ts'
import type { Hint } from '../../src/recover/hint.ts'
import type { Postgres } from '../../test/support/postgres.ts'
import type { Point } from './curve.ts'
import { atOnceMost, fill, pin, type Shape, urlOf, workersOn } from './database.ts'
import type { HostsFigures, HostsTask } from './hosts.ts'
import type { Begins, ManagerFigures, ManagerTask } from './manager.ts'
import type { RealPolicy } from './policies.ts'

export interface Stage {
  readonly postgres: Postgres
  readonly shape: Shape
  readonly patienceSeconds: number
  readonly clients: 'uniform' | 'synchronised'
  /** Where programs run: undefined leaves it to the system. */
  readonly cores: { readonly database: number; readonly others: number } | undefined
}

export type Trouble = 'none' | 'hang' | 'killed' | 'latency' | 'lock' | 'manager killed'

export const troubles: Readonly<Record<Trouble, string>> = {
  none: 'steady cold start',
  hang: 'SIGSTOP from 5 s to 10 s',
  killed: 'kill -9 at 5 s and started again',
  latency: '200 ms of added latency',
  lock: 'a lock on the table of shards from 5 s to 10 s',
  'manager killed': 'manager killed at 8 s, another started at 9 s',
}

export interface RealRun {
  readonly policy: string
  readonly trouble: Trouble
  /** Operations a second at the best limit, measured just before. */
  readonly perSecond: number
  readonly bound: number
  /** Of hosts that know that they hold a lease; Infinity: never. */
  readonly t50: number
  readonly t99: number
  readonly t100: number
  /** The same for the database: granted, whether the host has heard of it or not. */
  readonly granted99: number
  readonly leasedShare: number
  readonly timeoutShare: number
  readonly operations: number
  readonly wasted: number
  readonly messagesPerHost: number
  /** Grants in the worst 5 s, from 5 s after the dependency came (back) until 99 % are granted, as a share of capacity. */
  readonly worstWindow: number
  readonly goodput: readonly number[]
  readonly limits: readonly number[]
  readonly lagMs: number
  /** When the dependency or the manager was away. */
  readonly away: readonly (readonly [from: number, to: number])[]
}

const folder = import.meta.dirname
const addedMs = 200
const troubleAt = 5
const troubleSeconds = 5

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Pinned to the core of everything but the database. */
function command(stage: Stage, file: string, ...args: readonly string[]): readonly [string, readonly string[]] {
  const node = [process.execPath, join(folder, file), ...args]
  return stage.cores === undefined
    ? [node[0] as string, node.slice(1)]
    : ['taskset', ['-c', String(stage.cores.others), ...node]]
}

/** X(n) for each of these, one after the other. `url`: another way to the same database. */
export async function curveOf(
  stage: Stage,
  counts: readonly number[],
  seconds: number,
  url = urlOf(stage.postgres.address, stage.postgres.port),
): Promise<readonly Point[]> {
  const { hosts } = stage.shape
  const [program, args] = command(stage, 'curve.ts', url, String(hosts), String(seconds), ...counts.map(String))
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const points: Point[] = []
  for await (const line of createInterface({ input: child.stdout })) points.push(JSON.parse(line) as Point)
  if (points.length !== counts.length) throw new Error(`expected ${counts.length} points, found ${points.length}`)
  return points
}

/** Again what the database can do: the machine may have been busy elsewhere. A slow way to it takes nothing away. */
export const capacityAgain = async (stage: Stage, usual: Point): Promise<Point> =>
  best([usual, ...(await curveOf(stage, [usual.inFlight], 2))])

export const best = (points: readonly Point[]): Point =>
  points.reduce((most, one) => (one.perSecond > most.perSecond ? one : most))

function start(stage: Stage, file: string, task: ManagerTask | HostsTask): ChildProcess {
  const [program, args] = command(stage, file, JSON.stringify(task))
  return spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
}

async function figuresOf<Figures>(child: ChildProcess): Promise<Figures> {
  const told = new Promise<Figures>((resolve) => {
    child.on('message', (one) => {
      if (typeof one === 'object') resolve(one as Figures)
    })
  })
  child.send('end')
  const figures = await told
  if (child.exitCode === null) await once(child, 'exit')
  return figures
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.max(0, ms)))

/** `secondsMax`: then it counts as never. */
export async function run(
  stage: Stage,
  policy: RealPolicy,
  trouble: Trouble,
  knee: Point,
  secondsMax: number,
  /** Of better times: what the governor remembers. */
  hint: Hint = { throughput: knee.perSecond, limit: knee.inFlight },
): Promise<RealRun> {
  const { postgres, shape, patienceSeconds } = stage
  const direct = urlOf(postgres.address, postgres.port)
  await fill(direct, shape)
  const proxy =
    trouble === 'latency' ? await startProxy({ host: postgres.address, port: postgres.port }, 0, addedMs) : undefined
  const port = await freePort()
  const away: [number, number][] = []
  const children: ChildProcess[] = []
  const madeAt = Date.now()
  const managerTask: ManagerTask = {
    policy: policy.name,
    url: proxy === undefined ? direct : urlOf('127.0.0.1', proxy.port),
    hosts: shape.hosts,
    port,
    perSecond: knee.perSecond,
    knee: knee.inFlight,
    hint,
    patienceSeconds,
    madeAt,
  }
  const startManager = async () => {
    const child = start(stage, 'manager.ts', managerTask)
    children.push(child)
    await once(child, 'message')
    return child
  }
  try {
    let manager = await startManager()
    await connected(direct)
    const startsAt = Date.now() + 2_500
    const now = () => (Date.now() - startsAt) / 1000
    const begin = () => manager.send({ startsAt } satisfies Begins)
    begin()
    const { protocol } = policy
    const task: HostsTask = {
      hosts: shape.hosts,
      port,
      protocol,
      patienceSeconds,
      startsAt,
      seed: 1,
      clients: stage.clients,
    }
    const generator = start(stage, 'hosts.ts', task)
    children.push(generator)
    const done = new Promise<void>((resolve) => generator.on('message', () => resolve()))
    const bringing = (async () => {
      await sleep(troubleAt * 1000 - now() * 1000)
      if (trouble === 'hang') await hang(postgres, now, away)
      if (trouble === 'killed') await kill(stage, now, away)
      if (trouble === 'lock') await lock(direct, now, away)
      if (trouble !== 'manager killed') return
      await sleep(8_000 - now() * 1000)
      const from = now()
      manager.kill('SIGKILL')
      await sleep(1_000)
      manager = await startManager()
      begin()
      away.push([from, now()])
    })()
    await Promise.race([done, sleep(secondsMax * 1000 - now() * 1000)])
    await bringing
    const hosts = await figuresOf<HostsFigures>(generator)
    const service = await figuresOf<ManagerFigures>(manager)
    return summary(stage, policy, trouble, knee, away, hosts, service)
  } finally {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await proxy?.close()
  }
}

/** As a manager is that has run for days. */
async function connected(url: string): Promise<void> {
  const giveUpAt = Date.now() + 60_000
  for (let open = 0; open < atOnceMost; open = await workersOn(url)) {
    if (Date.now() > giveUpAt) throw new Error(`expected ${atOnceMost} connections in a minute, found ${open}`)
    await sleep(200)
  }
}

async function hang(postgres: Postgres, now: () => number, away: [number, number][]): Promise<void> {
  const from = now()
  postgres.pause()
  await sleep(troubleSeconds * 1000)
  postgres.resume()
  away.push([from, now()])
}

async function kill({ postgres, cores }: Stage, now: () => number, away: [number, number][]): Promise<void> {
  const from = now()
  await postgres.kill()
  await postgres.start()
  away.push([from, now()])
  if (cores !== undefined) pin(postgres.pid, cores.database)
}

async function lock(url: string, now: () => number, away: [number, number][]): Promise<void> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  await client.query('begin')
  await client.query('lock table shard in access exclusive mode')
  const from = now()
  await sleep(troubleSeconds * 1000)
  await client.query('rollback')
  away.push([from, now()])
  await client.end()
}

function summary(
  stage: Stage,
  policy: RealPolicy,
  trouble: Trouble,
  knee: Point,
  away: readonly (readonly [number, number])[],
  hosts: HostsFigures,
  service: ManagerFigures,
): RealRun {
  const count = stage.shape.hosts
  const share = (t: number) => (away.some(([from, to]) => t >= from && t < to) ? 0 : 1)
  const { bound } = lowerBounds({
    hosts: count,
    unitsPerLease: 1,
    capacity: (t) => share(t) * knee.perSecond,
    messagesPerHost: 1,
    frontDoorPerSecond: 20_000,
    noticedAfterSeconds: 0,
  })
  // A manager that was killed took its figures along; then what hosts know has to do.
  const isWhole = policy.rules === undefined && trouble !== 'manager killed'
  const goodput = (isWhole ? service.grants : hosts.goodput).map((one) => one ?? 0)
  const granted99 = isWhole ? reached(service.grants, 0.99 * count) : finite(hosts.t99)
  return {
    policy: policy.name,
    trouble,
    perSecond: knee.perSecond,
    bound,
    t50: finite(hosts.t50),
    t99: finite(hosts.t99),
    t100: finite(hosts.t100),
    granted99,
    leasedShare: hosts.leasedShare,
    timeoutShare: service.operations === 0 ? 0 : service.timeouts / service.operations,
    operations: service.operations,
    wasted: service.wasted,
    messagesPerHost: hosts.messagesPerHost,
    worstWindow: worstWindow(goodput, knee.perSecond, away, Math.min(granted99, goodput.length)),
    goodput,
    limits: service.limits,
    lagMs: hosts.lagMs,
    away,
  }
}

/** JSON between processes has no Infinity. */
const finite = (value: number | null): number => value ?? Number.POSITIVE_INFINITY

function reached(perSecond: readonly number[], wanted: number): number {
  let sum = 0
  for (const [second, one] of perSecond.entries()) {
    if (sum + one >= wanted) return second + (wanted - sum) / one
    sum += one
  }
  return Number.POSITIVE_INFINITY
}

const windowSeconds = 5

/** Undefined intervals do not count: those that touch a time when it was away, or 5 s after. */
export function worstWindow(
  goodput: readonly number[],
  perSecond: number,
  away: readonly (readonly [number, number])[],
  end: number,
): number {
  let worst = Number.POSITIVE_INFINITY
  for (let from = windowSeconds; from + windowSeconds <= Math.floor(end); from++) {
    const to = from + windowSeconds
    if (away.some(([left, back]) => to > left && from < back + windowSeconds)) continue
    const sum = goodput.slice(from, to).reduce((total, one) => total + one, 0)
    worst = Math.min(worst, sum / (windowSeconds * perSecond))
  }
  return worst
}
