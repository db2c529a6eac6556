/**
 * Weights into HAProxy: all weights of 2,000 slots in one pipelined push over the connection that a
 * balancer keeps, beside the same bytes written over a socket of the same kind to a server that answers
 * each line with the same few bytes and does nothing else, in the same run. Then what a balancer that
 * pushes every second takes of a CPU, and what reading back costs.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { linesOf, setWeight, showServersState } from '../src/balance/commands.ts'
import { nodeRuntimeSocket } from '../src/balance/node-socket.ts'
import { pushOf } from '../src/balance/reconcile.ts'
import { parseServersState } from '../src/balance/replies.ts'
import { openRuntime, type RuntimeClient } from '../src/balance/runtime-client.ts'
import { Session } from '../src/balance/session.ts'
import { assign } from '../src/balance/slots.ts'
import type { Vector } from '../src/balance/vector.ts'
import { wantedOf } from '../src/balance/weights.ts'
import { digestOf } from '../src/base/bytes.ts'
import type { IpAddress } from '../src/model/address.ts'
import type { Generation } from '../src/model/generation.ts'
import type { TargetState } from '../src/model/plan.ts'
import { type Pool, usualDetection, usualLimits } from '../src/model/policy.ts'
import { nodeWorld } from '../src/world/node.ts'
import type { EpochMs } from '../src/world/world.ts'
import { realHaproxy } from '../test/support/haproxy.ts'
import { findProgram } from '../test/support/programs.ts'

const world = nodeWorld({ id: 'bench', onTrace: () => {} })
const quick = process.argv.includes('--quick')
const slotCount = 2_000
const rounds = quick ? 5 : 30
const timeoutMs = 30_000

const print = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(JSON.stringify({ bench: 'haproxy', metric, value, unit, ...(against && { against, ratio }) }))

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** Answers each line with an empty answer and a prompt, in a process of its own, as HAProxy is. */
function sink(path: string): void {
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      let lines = 0
      for (const byte of chunk) if (byte === 10) lines++
      socket.write('\n> '.repeat(lines))
    })
    socket.on('error', () => {})
  })
  server.listen(path, () => process.send?.('listens'))
}

async function timed(client: RuntimeClient, commands: readonly string[]): Promise<number> {
  const began = performance.now()
  const asked = await client.ask(commands, timeoutMs)
  if (asked.kind === 'failure') throw new Error(asked.detail)
  return performance.now() - began
}

async function open(path: string): Promise<RuntimeClient> {
  const opened = await openRuntime(world, nodeRuntimeSocket, { kind: 'unix', path }, timeoutMs)
  if (opened.kind === 'failure') throw new Error(opened.detail)
  return opened.client
}

function vectorOf(generation: number): Vector {
  const since = 1 as EpochMs
  const targets = Array.from({ length: slotCount / 2 }, (_, index) => ({
    id: `t${index}`,
    site: `s${index % 3}`,
    addresses: [`127.1.${index >> 8}.${index & 255}` as IpAddress] as const,
    capacity: 50 + (index % 50),
  }))
  const states = Object.fromEntries(targets.map(({ id }): [string, TargetState] => [id, { kind: 'serving', since }]))
  const pool: Pool = {
    id: 'web',
    targets: targets as unknown as Pool['targets'],
    check: { kind: 'none' },
    timeoutMs: 500,
    ...usualDetection,
    limits: usualLimits,
  }
  const state = { targets: states, failOpenSince: null, ledger: [], capacity: 1 }
  return {
    owner: 'bench',
    generation: generation as Generation,
    policy: digestOf('bench'),
    pools: { web: { pool, state } },
  }
}

async function main(): Promise<void> {
  if (findProgram('haproxy') === undefined) {
    console.error('bench/haproxy.ts: expected the program haproxy, found none: install Debian package haproxy')
    process.exitCode = 1
    return
  }
  const real = await realHaproxy({ targetPort: 80, slots: slotCount })
  const plain = join(real.folder, 'plain.sock')
  const other = fork(import.meta.filename, ['--sink', plain])
  try {
    await Promise.all([real.start(), once(other, 'message')])
    const weights = (round: number) =>
      Array.from({ length: slotCount }, (_, index) => setWeight('web', `slot${index + 1}`, (index + round) % 257))
    const toHaproxy = await open(real.operators)
    const toPlain = await open(plain)
    const times: number[] = []
    const unchanged: number[] = []
    const against: number[] = []
    const reads: number[] = []
    const parses: number[] = []
    // In turns, so that whatever else the machine does meets all of them.
    for (let round = 0; round < rounds; round++) {
      times.push(await timed(toHaproxy, weights(round)))
      unchanged.push(await timed(toHaproxy, weights(round)))
      against.push(await timed(toPlain, weights(round)))
      const began = performance.now()
      const asked = await toHaproxy.ask([showServersState], timeoutMs)
      if (asked.kind === 'failure') throw new Error(asked.detail)
      const read = performance.now()
      const servers = parseServersState(asked.replies[0] ?? '')
      if (servers?.length !== slotCount + 1)
        throw new Error(`expected ${slotCount + 1} servers, found ${servers?.length}`)
      reads.push(read - began)
      parses.push(performance.now() - read)
    }
    const bytes = Buffer.byteLength(linesOf(weights(0)))
    const same = `the same ${Math.round(bytes / 1000)} kB to a plain socket, same run`
    print('2,000 weights in one push, each another', median(times), 'ms', same, median(against) / median(times))
    print('2,000 weights in one push, as they were', median(unchanged), 'ms', same, median(against) / median(unchanged))
    print('commands obeyed', (slotCount / median(times)) * 1000, '1/s')
    print('2,000 slots read back', median(reads), 'ms')
    print('2,000 slots read back: parsing', median(parses), 'ms')
    toHaproxy.close()
    toPlain.close()
    await balance(real)
  } finally {
    other.kill()
    await real.stop()
  }
}

/** A session as the balancer runs it: once a second, read back every tenth time. */
async function balance(real: Awaited<ReturnType<typeof realHaproxy>>): Promise<void> {
  const opened = await Session.open(world, nodeRuntimeSocket, real.haproxy)
  if (opened.kind === 'unusable') throw new Error(opened.problem.found)
  const { session } = opened
  const seconds = quick ? 3 : 20
  const dump = async () => {}
  const tick = async (generation: number, readBack: boolean) => {
    const ticked = await session.tick(vectorOf(generation), readBack, dump)
    if (ticked.kind !== 'ticked') throw new Error(ticked.kind)
  }
  const setUp = performance.now()
  await tick(1, true)
  print('1,000 targets into empty slots: address, weight, state', performance.now() - setUp, 'ms')
  const before = process.cpuUsage()
  const theirs = await cpuSeconds(real)
  const began = performance.now()
  for (let second = 1; second <= seconds; second++) {
    await tick(1 + second, second % 10 === 0)
    await pause(Math.max(0, began + second * 1000 - performance.now()))
  }
  const { user, system } = process.cpuUsage(before)
  print('balancer: CPU in each second, 2,000 slots', (user + system) / 1000 / seconds, 'ms')
  print('HAProxy: CPU in each second under it', (((await cpuSeconds(real)) - theirs) * 1000) / seconds, 'ms')
  const vector = vectorOf(99)
  const servers = parseServersState(await real.command(showServersState)) ?? []
  const slots = servers.filter(({ name }) => name.startsWith('slot'))
  const [marker] = servers
  if (marker === undefined) throw new Error('expected a marker, found none')
  const decided: number[] = []
  for (let round = 0; round < rounds; round++) {
    const started = performance.now()
    const its = vector.pools.web
    if (its === undefined) throw new Error('expected a pool')
    const wanted = wantedOf(its.pool, its.state, 80, world.clock.wall())
    pushOf('web', { server: marker, address: '::1' as IpAddress }, slots, assign(wanted, slots))
    decided.push(performance.now() - started)
  }
  print('slots assigned and commands made, 2,000 slots', median(decided), 'ms')
  session.close()
}

/** CPU of the worker so far. */
async function cpuSeconds(real: Awaited<ReturnType<typeof realHaproxy>>): Promise<number> {
  const pid = /^Pid: (\d+)$/m.exec(await real.command('show info'))?.[1]
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const sinkAt = process.argv.indexOf('--sink')
if (sinkAt >= 0) sink(process.argv[sinkAt + 1] ?? '')
else await main()
