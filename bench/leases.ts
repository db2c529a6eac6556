/**
 * The front door of the lease service beside a `node:http` server that reads a body and answers as many octets,
 * in the same run, in turns, by the same load over keep-alive connections; and renewals in memory alone.
 *
 * Each server is a process of its own; the load comes from this one.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { isProblem } from '../src/base/problem.ts'
import { Desk } from '../src/leases/desk.ts'
import { openFrontDoor } from '../src/leases/front-door.ts'
import { leaseManager } from '../src/leases/manager.ts'
import { HostRegistry, Sites } from '../src/leases/registry.ts'
import { parseSync, replyText } from '../src/leases/sync.ts'
import { Governor } from '../src/recover/governor.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { nodeWorld } from '../src/world/node.ts'

const quick = process.argv.includes('--quick')
const token = 'bench-bench-bench-bench'
const hosts = 20_000
const connections = 64
const secondsEach = quick ? 0.3 : 0.7
const rounds = quick ? 3 : 15

const print = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(
    JSON.stringify({
      bench: 'leases',
      metric,
      value: rounded(value),
      unit,
      ...(against === undefined ? {} : { against, ratio: rounded(ratio ?? 0) }),
    }),
  )
const rounded = (value: number) => Number(value.toPrecision(3))
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** As little as a server can do that takes a report. */
async function servePlain(): Promise<number> {
  const answer = JSON.stringify({
    now: Date.now(),
    gen: 1,
    hosts: [
      {
        id: 'host-12345',
        status: 'LEASED',
        epoch: 1_843_000_000_000_000,
        ttl: 60_000,
        pollAfterMs: 19_987,
        proof: 'x'.repeat(22),
      },
    ],
  })
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      Buffer.concat(chunks).toString()
      response.setHeader('content-type', 'application/json')
      response.setHeader('content-length', answer.length)
      response.end(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1' }, resolve))
  return (server.address() as AddressInfo).port
}

async function serveHoldfast(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const store = await openLmdbStore({ path: folder })
  if (isProblem(store)) throw new Error(store.found)
  const world = nodeWorld({ id: 'leases-1', onTrace() {} })
  return await new Promise((resolve) => {
    void leaseManager(world, {
      store,
      settings: {
        hostsMax: hosts,
        shards: 16,
        shardLeaseMs: 10_000,
        ttlMs: null,
        graceMs: 30_000,
        renewals: 'memory',
        frontDoorPerSecond: 20_000,
        timeoutMs: 2_000,
        downstreamTimeoutMs: 2_000,
      },
      work: { atOnce: 64, grant: async () => ({ kind: 'done' }), async close() {} },
      downstream: null,
      isListed: () => true,
      async open(desk) {
        const door = await openFrontDoor(
          {
            address: { host: '127.0.0.1', port: 0 },
            token: { kind: 'env', env: 'HOLDFAST_TOKEN' },
            secret: () => ({ kind: 'secret', text: token }),
            guarding: { delayMs: 50, sockets: 10_000 },
            now: world.clock.now,
            wall: world.clock.wall,
          },
          desk,
        )
        if (!isProblem(door)) resolve(Number(new URL(door.url).port))
        return door
      },
    })
  })
}

interface Load {
  readonly perSecond: number
  readonly done: number
  readonly refused: number
  /** Of all statuses in the replies. */
  readonly leased: number
}

/** One request after the other on each connection. */
async function load(port: number, seconds: number, bodies: readonly string[]): Promise<Load> {
  const requests = bodies.map((body) =>
    Buffer.from(
      `POST /v1/sync HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    ),
  )
  let done = 0
  let refused = 0
  let leased = 0
  let next = 0
  let isOver = false
  const ended: Promise<unknown>[] = []
  for (let index = 0; index < connections; index++) {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    ended.push(once(socket, 'close'))
    const send = () => socket.write(requests[next++ % requests.length] as Buffer)
    let text = ''
    socket.on('connect', send)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      const head = text.indexOf('\r\n\r\n')
      if (head < 0) return
      const length = Number(/content-length: (\d+)/i.exec(text.slice(0, head))?.[1])
      if (text.length < head + 4 + length) return
      done++
      if (!text.startsWith('HTTP/1.1 200')) refused++
      else if (text.includes('LEASED')) leased++
      text = ''
      if (isOver) socket.destroy()
      else send()
    })
    socket.on('error', () => {})
  }
  const began = performance.now()
  await pause(seconds * 1000)
  const took = (performance.now() - began) / 1000
  const perSecond = done / took
  isOver = true
  await Promise.all(ended)
  return { perSecond, done, refused, leased }
}

interface Held {
  readonly id: string
  readonly bootId: string
  readonly epoch: number
  readonly proof?: string
}

/** Everybody holds a lease, and shows it, as hosts do, before anything is measured. */
async function enrolled(port: number): Promise<readonly Held[]> {
  const held: Held[] = Array.from({ length: hosts }, (_, host) => ({
    id: `host-${host}`,
    bootId: `boot-${host}`,
    epoch: 0,
  }))
  for (let first = 0; first < hosts; ) {
    const reply = await fetch(`http://127.0.0.1:${port}/v1/sync`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ hosts: held.slice(first, first + 500) }),
    })
    const { hosts: answers = [] } = (await reply.json()) as {
      hosts?: { status: string; epoch: number; proof: string }[]
    }
    if (answers.length > 0 && answers.every(({ status }) => status === 'LEASED')) {
      for (const [index, { epoch, proof }] of answers.entries())
        held[first + index] = { ...(held[first + index] as Held), epoch, proof }
      first += 500
    } else await pause(50)
  }
  return held
}

async function measureDoors(): Promise<void> {
  const start = async (what: string): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
    const child = fork(import.meta.filename, ['--serve', what], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const [port] = (await once(child, 'message')) as [number]
    return { child, port }
  }
  const plain = await start('plain')
  const holdfast = await start('holdfast')
  const held = await enrolled(holdfast.port)
  const singles = held.map((host) => JSON.stringify(host))
  const racks = Array.from({ length: hosts / 500 }, (_, rack) =>
    JSON.stringify({ hosts: held.slice(rack * 500, (rack + 1) * 500) }),
  )
  await load(plain.port, 1, singles)
  /** Requests for each second of the server's CPU: what it could do if it had a core to itself. */
  const perCore = async (child: ChildProcess, port: number): Promise<Load & { readonly perCpuSecond: number }> => {
    const used = async () => {
      child.send('cpu')
      const [microseconds] = (await once(child, 'message')) as [number]
      return microseconds / 1e6
    }
    const before = await used()
    const loaded = await load(port, secondsEach, singles)
    return { ...loaded, perCpuSecond: loaded.done / ((await used()) - before) }
  }
  const rates: Record<'plain' | 'holdfast', number[]> = { plain: [], holdfast: [] }
  const cores: Record<'plain' | 'holdfast', number[]> = { plain: [], holdfast: [] }
  let refused = 0
  for (let round = 0; round < rounds; round++) {
    const its = await perCore(plain.child, plain.port)
    const ours = await perCore(holdfast.child, holdfast.port)
    rates.plain.push(its.perSecond)
    cores.plain.push(its.perCpuSecond)
    rates.holdfast.push(ours.perSecond)
    cores.holdfast.push(ours.perCpuSecond)
    refused += ours.refused
  }
  const ratio = (of: typeof rates) => median(of.holdfast.map((rate, round) => rate / (of.plain[round] as number)))
  print('requests of a plain node:http server, keep-alive', median(rates.plain), '/s')
  print('requests of the front door, keep-alive', median(rates.holdfast), '/s', 'plain node:http', ratio(rates))
  print('the same for each second of its CPU', median(cores.holdfast), '/s', 'plain node:http', ratio(cores))
  print('of those turned away', refused, 'requests')
  const rack = await load(holdfast.port, secondsEach, racks)
  print('hosts that report in racks of 500', rack.perSecond * 500, '/s')
  for (const { child } of [plain, holdfast]) {
    const gone = once(child, 'exit')
    child.disconnect()
    await gone
  }
}

function measureMemory(): void {
  const many = quick ? 100_000 : 1_000_000
  const before = process.memoryUsage()
  const governor = new Governor({
    hosts: many,
    sites: 16,
    now: 0,
    random: Math.random,
    frontDoorPerSecond: 20_000,
    renewals: 'memory',
  })
  const registry = new HostRegistry(many, 256)
  const desk = new Desk(
    {
      governor,
      registry,
      sites: new Sites(16),
      shards: 256,
      ownerOf: () => ({ kind: 'self', epoch: 1_800_000_000 }),
      isListed: () => true,
      random: Math.random,
      key: () => 'a key of the bench',
      wornOut() {},
    },
    many,
  )
  const ids = Array.from({ length: many }, (_, host) => `host-${host}`)
  const hostOf = (id: string) => ({ id, bootId: 'boot-1', epoch: 0, proof: '', klass: 2 as const, site: '' })
  for (const id of ids) desk.answer(hostOf(id), 1)
  let now = 1
  for (let host = governor.next(now); host >= 0; host = governor.next(now)) {
    const begun = desk.begin(host)
    governor.done(host, 'ok', 1, now)
    desk.ended(host, true, begun?.epoch ?? 0, now)
    if (host % 64 === 0) governor.tick(++now)
  }
  const leased = governor.snapshot().leased
  print('hosts with a lease in memory', leased, 'hosts')
  print('tables of the governor', governor.bytes / 2 ** 20, 'MiB')
  print('tables of the registry beside it, without ids', registry.bytes / 2 ** 20, 'MiB')
  const after = process.memoryUsage()
  print('memory of all of it, with ids', (after.rss - before.rss) / 2 ** 20, 'MiB')
  const timed = (renew: (host: number) => void) => {
    const began = performance.now()
    for (let host = 0; host < many; host++) renew(host)
    return (many * 1000) / (performance.now() - began)
  }
  now += 5_000
  print(
    'renewals in the governor, one thread',
    median([1, 2, 3].map(() => timed((host) => governor.report(host, 2, 0, now)))),
    '/s',
  )
  print(
    'reports answered by the desk, one thread',
    median([1, 2, 3].map(() => timed((host) => desk.answer(hostOf(ids[host] as string), now)))),
    '/s',
  )
  const texts = ids.slice(0, 10_000).map((id) => JSON.stringify({ id, bootId: 'boot-1', epoch: 0 }))
  print(
    'reports read, answered and written, one thread',
    median(
      [1, 2, 3].map(() =>
        timed((host) => {
          const parsed = parseSync(texts[host % texts.length] as string)
          if (isProblem(parsed)) throw new Error(parsed.found)
          replyText(
            now,
            1,
            parsed.map((one) => desk.answer(one, now)),
          )
        }),
      ),
    ),
    '/s',
  )
}

const [, , flag, what] = process.argv
if (flag === '--serve') {
  process.on('disconnect', () => process.exit())
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  process.send?.(what === 'plain' ? await servePlain() : await serveHoldfast())
} else {
  measureMemory()
  await measureDoors()
}
