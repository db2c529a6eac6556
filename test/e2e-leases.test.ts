/**
 * A fleet that comes back, with everything real: PostgreSQL from Debian, two lease managers as processes, and
 * hosts that report over keep-alive connections. The database hangs, and a manager is killed, in the middle.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { syncRack } from '../src/recover/library/index.ts'
import { nodePort } from '../src/recover/library/node-port.ts'
import { Fleet, post } from './support/fleet.ts'
import { eventually, holdfast } from './support/holdfast.ts'
import { freePort } from './support/ports.ts'
import { type Postgres, postgres, postgresPrograms } from './support/postgres.ts'
import { describeWith } from './support/programs.ts'
import { syncHosts } from './support/sync-hosts.ts'

const hosts = 2_000
const rackHosts = 200
const token = 'a-token-of-a-whole-fleet'
const password = 'nobody-may-see-this'
const address = '127.0.0.1'
const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')

interface Fleeting {
  readonly leased: number
  readonly waiting: number
  readonly shards: { readonly owned: Record<string, number>; readonly unowned: number }
  readonly managers: readonly {
    readonly id: string
    readonly fresh: boolean
    readonly expired: number
    readonly limit: number
  }[]
  readonly ails: readonly string[]
}

/** What hosts need after their lease: at first it refuses everybody. */
interface Network {
  readonly url: string
  readonly epochs: ReadonlyMap<string, number>
  readonly refused: number
  /** Calls at once, at most. */
  readonly most: number
  close(): Promise<void>
}

async function startNetwork(): Promise<Network> {
  const epochs = new Map<string, number>()
  const counts = { refused: 0, most: 0, now: 0 }
  const server = createServer((call, reply) => {
    counts.most = Math.max(counts.most, ++counts.now)
    let body = ''
    call.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    reply.on('close', () => counts.now--)
    call.on('end', () => {
      const { host, epoch } = JSON.parse(body) as { host: string; epoch: number }
      if (counts.refused < 50) {
        counts.refused++
        reply.writeHead(503).end()
        return
      }
      epochs.set(host, Math.max(epoch, epochs.get(host) ?? 0))
      reply.end('{}')
    })
  })
  server.listen(0, address)
  await once(server, 'listening')
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}/hosts`,
    epochs,
    get refused() {
      return counts.refused
    },
    get most() {
      return counts.most
    },
    async close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

describeWith(postgresPrograms, 'a fleet whose leases PostgreSQL grants', () => {
  let database: Postgres
  let sql: Client
  let folder: string
  let fleet: Fleet | undefined
  let urls: readonly string[]
  let network: Network
  const managers = new Map<string, ChildProcess>()
  let log = ''

  function start(id: string, url: string): void {
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        main,
        'run',
        'leases',
        '--id',
        id,
        '--listen',
        new URL(url).host,
        '--config',
        join(folder, 'holdfast.yaml'),
      ],
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-500_000)
    })
    managers.set(id, child)
  }

  const asked = async (): Promise<Fleeting> => {
    const { stdout, stderr } = await holdfast(['fleet', '--json', '--config', join(folder, 'holdfast.yaml')])
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as Fleeting
  }
  const leasedAtLeast = (count: number, ms: number) =>
    eventually(ms, `${count} hosts to hold a lease`, async () => {
      const { leased } = fleet as Fleet
      return leased >= count ? undefined : `${leased}; ${log.slice(-1_500)}`
    })

  beforeAll(async () => {
    database = await postgres(address, await freePort(address))
    sql = new Client({ host: address, port: database.port, user: 'postgres', database: 'postgres' })
    sql.on('error', () => {})
    await sql.connect()
    await sql.query(`create table lease (id text primary key, epoch bigint not null, site text not null default '')`)
    await sql.query(`insert into lease select 'host-' || n, 0 from generate_series(0, ${hosts - 1}) n`)
    await sql.query(`insert into lease select 'rack-' || n, 0 from generate_series(0, ${rackHosts - 1}) n`)
    await sql.query(`insert into lease select 'guest-' || n, 0 from generate_series(0, ${syncHosts.length - 1}) n`)
    folder = mkdtempSync(join(tmpdir(), 'holdfast-leases-'))
    urls = [`http://${address}:${await freePort(address)}`, `http://${address}:${await freePort(address)}`]
    network = await startNetwork()
    writeFileSync(join(folder, 'token'), token, { mode: 0o600 })
    writeFileSync(join(folder, 'url'), `postgres://postgres:${password}@${address}:${database.port}/postgres`, {
      mode: 0o600,
    })
    writeFileSync(
      join(folder, 'holdfast.yaml'),
      `owner: fleet
zones: {}
leases:
  listen: [${urls.map((url) => new URL(url).host).join(', ')}]
  token: { file: token }
  hostsMax: ${hosts + rackHosts + 10}
  shards: 64
  takeOver: 4s
  ttl: 30s
  dependency:
    timeout: 2s
    postgres:
      url: { file: url }
      connections: 6
      # Some work, so that there is time to break things.
      statement: UPDATE lease SET epoch = $2, site = $3 WHERE id = $1 AND epoch < $2 AND pg_sleep(0.02) IS NOT NULL
  downstream:
    timeout: 2s
    http: { url: ${network.url}, connections: 4 }
`,
    )
    start('leases-1', urls[0] as string)
    start('leases-2', urls[1] as string)
    await eventually(60_000, 'two managers to share all shards', async () => {
      const { shards } = await asked()
      return shards.unowned === 0 && Object.keys(shards.owned).length === 2 ? undefined : JSON.stringify(shards)
    })
  }, 120_000)

  afterAll(async () => {
    fleet?.stop()
    for (const child of managers.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    await network?.close()
    await sql?.end().catch(() => {})
    await database?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  test('a cold start drains through a database that hangs for 5 s and a manager that is killed', async () => {
    fleet = new Fleet({ managers: urls, token, hosts, connections: 16, withinMs: 3_000 })
    await leasedAtLeast(hosts * 0.2, 60_000)
    database.pause()
    await pause(5_000)
    database.resume()
    await leasedAtLeast(hosts * 0.5, 60_000)
    managers.get('leases-1')?.kill('SIGKILL')
    await leasedAtLeast(hosts, 90_000)
    expect(fleet.lapsed).toEqual([])
    const { shards, managers: told, leased } = await eventuallyAsked((now) => now.leased === hosts)
    expect(leased).toBe(hosts)
    expect(shards).toMatchObject({ owned: { 'leases-2': 64 }, unowned: 0 })
    expect(told.map(({ expired }) => expired)).toEqual([0, 0])
    const { rows } = await sql.query<{ id: string; epoch: string }>(
      `select id, epoch from lease where id like 'host-%'`,
    )
    expect(rows.length).toBe(hosts)
    // What the database has is what hosts were told, or an attempt that was told to stop and happened all the same.
    expect(rows.filter(({ id, epoch }) => Number(epoch) < (fleet as Fleet).epochOf(id))).toEqual([])
    expect(rows.filter(({ id, epoch }) => Number(epoch) === (fleet as Fleet).epochOf(id)).length).toBeGreaterThan(
      0.9 * hosts,
    )
  }, 240_000)

  test('whoever has a lease is passed on to the network, also what a killed manager had granted', async () => {
    await eventually(60_000, 'the network to know every host by its epoch', async () => {
      const late = Array.from({ length: hosts }, (_, n) => `host-${n}`).filter(
        (id) => (network.epochs.get(id) ?? 0) < (fleet as Fleet).epochOf(id),
      )
      return late.length === 0 ? undefined : `${late.length} not, such as ${late[0]}; ${log.slice(-1_000)}`
    })
    expect(network.most, 'calls at once').toBeLessThanOrEqual(8)
    expect(network.refused).toBeGreaterThan(0)
  }, 90_000)

  test('a manager that comes back gets its share, and hosts move without one more operation', async () => {
    const sum = async () => (await sql.query<{ sum: string }>('select sum(epoch) as sum from lease')).rows[0]?.sum
    const before = await sum()
    start('leases-1', urls[0] as string)
    await eventuallyAsked(({ shards }) => shards.owned['leases-1'] === 32 && shards.owned['leases-2'] === 32)
    const shared = performance.now()
    // What managers tell is a moment old: hosts know whether their new manager took them over.
    await eventually(90_000, 'every host to be heard again', async () => {
      const heard = (fleet as Fleet).heldSince(shared)
      return heard === hosts ? undefined : `${heard}; ${log.slice(-1_000)}`
    })
    await eventuallyAsked(({ leased }) => leased === hosts)
    expect((fleet as Fleet).lapsed).toEqual([])
    expect(await sum()).toBe(before)
  }, 150_000)

  test('hosts of every kind hold their leases, whichever manager they ask first', async () => {
    const begun = syncHosts.map(({ start }, index) =>
      start({ servers: [urls[index % 2] as string, urls[(index + 1) % 2] as string], token, id: `guest-${index}` }),
    )
    try {
      for (const [index, host] of begun.entries()) {
        const lines = await host.says('leased')
        const { rows } = await sql.query<{ epoch: string }>('select epoch from lease where id = $1', [`guest-${index}`])
        expect(lines.find((line) => line.startsWith('leased'))).toMatch(new RegExp(`^leased ${rows[0]?.epoch}\\b`))
      }
    } finally {
      for (const host of begun) await host.close()
    }
  }, 60_000)

  test('a rack reports together, to each manager for its own hosts', async () => {
    const sent: { readonly url: string; readonly hosts: number }[] = []
    const rack = syncRack({
      servers: [urls[0] as string, urls[1] as string],
      token,
      port: {
        ...nodePort,
        post(url, body, headers, signal) {
          const { hosts: all = [0] } = JSON.parse(body) as { hosts?: readonly unknown[] }
          sent.push({ url, hosts: all.length })
          return nodePort.post(url, body, headers, signal)
        },
      },
    })
    try {
      const members = Array.from({ length: rackHosts }, (_, n) => rack.add({ id: `rack-${n}`, bootId: `boot-${n}` }))
      await eventually(40_000, 'every host of the rack to hold a lease', async () => {
        const held = members.filter((member) => member.lease() !== undefined).length
        return held === rackHosts ? undefined : `${held}; ${log.slice(-1_000)}`
      })
      const { rows } = await sql.query<{ id: string; epoch: string }>(
        `select id, epoch from lease where id like 'rack-%'`,
      )
      const epochs = new Map(rows.map(({ id, epoch }) => [id, Number(epoch)]))
      const others = members.filter(({ state }, n) => epochs.get(`rack-${n}`) !== state.epoch)
      expect(others.map(({ state }) => state)).toEqual([])
      expect(sent[0]?.hosts).toBe(rackHosts)
      expect(new Set(sent.map(({ url }) => url)).size).toBe(2)
      // Each host alone takes two or three reports.
      expect(sent.length).toBeLessThan(rackHosts / 2)
    } finally {
      rack.close()
    }
  }, 60_000)

  test('what hosts say is not believed, and what cannot be read is refused', async () => {
    const url = urls[1] as string
    const one = async (body: object) => {
      const reply = await post(undefined, url, token, body)
      const moved = reply.kind === 'reply' && reply.hosts[0]?.status === 'MOVED' ? reply.hosts[0].to : undefined
      const final = moved === undefined ? reply : await post(undefined, moved, token, body)
      return final.kind === 'reply' ? final.hosts[0] : undefined
    }
    const held = (fleet as Fleet).epochOf('host-7')
    expect(await one({ id: 'host-7', bootId: 'boot-7', epoch: 0 })).toMatchObject({ status: 'LEASED', epoch: held })
    expect(await one({ id: 'host-7', bootId: 'boot-7', epoch: held + 1_000 })).toMatchObject({
      status: 'STALE',
      epoch: held,
    })
    // Not in the table of the database: the statement changes no row.
    expect(await one({ id: 'stranger', bootId: 'x', epoch: 5, proof: 'A'.repeat(22) })).toMatchObject({
      status: 'PENDING',
    })
    // Another one that says it is host 9, started later: it has the id, and the first one is told.
    await one({ id: 'host-9', bootId: 'twin', epoch: 0 })
    expect(await one({ id: 'host-9', bootId: 'boot-9', epoch: 0 })).toMatchObject({ status: 'STALE' })
    const raw = async (body: string, as = token) => {
      const reply = await post(undefined, url, as, body)
      return reply.kind === 'reply' ? reply.status : reply.reason
    }
    expect(await raw('{')).toBe(400)
    expect(await raw('[]')).toBe(400)
    expect(await raw('{"hosts":[]}')).toBe(400)
    expect(await raw(`{"hosts":[${'{"id":"a","bootId":"b"},'.repeat(500)}{"id":"a","bootId":"b"}]}`)).toBe(400)
    expect(await raw(' '.repeat(300_000))).toBe(413)
    expect(await raw('{"id":"a","bootId":"b"}', 'not-the-token-of-it')).toBe(401)
    await eventually(10_000, 'the conflict to be told', async () =>
      log.includes('leases.identity_conflict') ? undefined : log.slice(-500),
    )
    expect(log).not.toContain(password)
    expect(log).not.toContain(token)
  }, 60_000)

  test('a token that cannot be read is told, and shuts nobody out who was let in', async () => {
    const path = join(folder, 'token')
    const about = 'the token of the fleet (leases.token) cannot be used, the one before still counts'
    for (const spoil of [() => writeFileSync(path, ''), () => rmSync(path)]) {
      spoil()
      await eventuallyAsked(({ ails }) => ails.some((ail) => ail.startsWith(about)))
      const asked = await post(undefined, urls[1] as string, token, { id: 'host-7', bootId: 'boot-7', epoch: 0 })
      expect(asked).toMatchObject({ status: 200 })
    }
    expect(log).toContain('leases.token_unusable')
    writeFileSync(path, token, { mode: 0o600 })
    await eventuallyAsked(({ ails }) => ails.every((ail) => !ail.startsWith(about)))
  }, 60_000)

  async function eventuallyAsked(holds: (now: Fleeting) => boolean, ms = 60_000): Promise<Fleeting> {
    let last: Fleeting | undefined
    await eventually(ms, 'holdfast fleet to say so', async () => {
      last = await asked()
      return holds(last) ? undefined : `${JSON.stringify(last).slice(0, 1_500)} ${log.slice(-1_500)}`
    })
    return last as Fleeting
  }
})
