/**
 * A real database behind the name: three PostgreSQL servers, checked by PostgreSQL's own `pg_isready`, and
 * clients that ask the built-in DNS server where it is, connect, and run a statement.
 */

import { Resolver } from 'node:dns/promises'
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Deployment, deployment, eventually } from './support/holdfast.ts'
import { freePort } from './support/ports.ts'
import { type Postgres, postgres, postgresFolder, postgresPrograms } from './support/postgres.ts'
import { describeWith } from './support/programs.ts'

const sites = { east: '127.0.0.41', west: '127.0.0.42', north: '127.0.0.43' } as const
const name = 'db.example.test'

/** Asks for the name, connects, and asks the database who it is: again and again, until it is stopped. */
class Clients {
  readonly #resolver = new Resolver({ timeout: 1_000, tries: 2 })
  readonly #port: number
  #going = true
  readonly #run: Promise<void>
  readonly answers = new Map<string, number>()
  errors: { readonly at: number; readonly text: string }[] = []

  constructor(dns: number, port: number) {
    this.#resolver.setServers([`127.0.0.1:${dns}`])
    this.#port = port
    this.#run = this.#loop()
  }

  get served(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0)
  }

  async #loop(): Promise<void> {
    while (this.#going) {
      try {
        const [host] = await this.#resolver.resolve4(name)
        const client = new Client({
          host,
          port: this.#port,
          user: 'postgres',
          database: 'postgres',
          connectionTimeoutMillis: 1_000,
        })
        client.on('error', () => {})
        await client.connect()
        const { rows } = await client.query<{ who: string }>('select host(inet_server_addr()) as who')
        const who = rows[0]?.who ?? 'nobody'
        this.answers.set(who, (this.answers.get(who) ?? 0) + 1)
        await client.end()
      } catch (error) {
        this.errors.push({ at: performance.now(), text: String(error) })
      }
      await pause(20)
    }
  }

  async stop(): Promise<void> {
    this.#going = false
    await this.#run
  }
}

describeWith(postgresPrograms, 'PostgreSQL behind a name', () => {
  let it: Deployment
  let port: number
  const servers = new Map<string, Postgres>()
  const server = (site: keyof typeof sites): Postgres => {
    const found = servers.get(site)
    if (found === undefined) throw new Error(`expected a server in the ${site}, found none`)
    return found
  }
  const answers = (sitesIn: readonly (keyof typeof sites)[], withinMs: number) =>
    eventually(withinMs, `${name} to answer ${sitesIn.join(' ')}`, async () => {
      const found = (await it.addresses(name)).join(' ')
      const wanted = sitesIn
        .map((site) => sites[site])
        .sort()
        .join(' ')
      return found === wanted ? undefined : found
    })

  beforeAll(async () => {
    port = await freePort(sites.east)
    const started = Object.entries(sites).map(async ([site, address]) =>
      servers.set(site, await postgres(address, port)),
    )
    await Promise.all(started)
    it = await deployment({
      edit: (yaml) =>
        yaml.slice(0, yaml.search(/^pools:/m)).concat(`pools:
  db:
    check: { command: { run: [./ready, '{address}', '{port}'], port: ${port} } }
    interval: 1s
    timeout: 900ms
    ramp: 2s
    limits: { window: 5s, failOpenDwell: 5s, undo: 10s }
    targets:
${Object.entries(sites)
  .map(([site, address]) => `      ${site}: { site: ${site}, addresses: ${address} }`)
  .join('\n')}
endpoints:
  ${name}: { pool: db, ttl: 1 }
http: ${/^http: .*$/m.exec(yaml)?.[0].slice('http: '.length)}
`),
    })
    const ready = join(it.folder, 'ready')
    writeFileSync(ready, `#!/bin/sh\n[ -e lie ] && exit 1\nexec ${postgresFolder}/pg_isready -q -t 1 -h "$1" -p "$2"\n`)
    chmodSync(ready, 0o755)
    await it.up()
    await answers(['east', 'west', 'north'], 30_000)
  }, 120_000)
  afterAll(async () => {
    await it?.stop()
    await Promise.all([...servers.values()].map((one) => one.stop()))
  }, 60_000)

  test('one that is killed leaves the answer, and from then on nobody is sent there', async () => {
    const clients = new Clients(it.ports.dns, port)
    await eventually(20_000, 'every server to be used', async () =>
      clients.answers.size === 3 ? undefined : [...clients.answers.keys()].join(' '),
    )
    await server('east').kill()
    await answers(['west', 'north'], 15_000)
    const out = performance.now()
    const served = clients.served
    await eventually(20_000, 'another hundred answers', async () =>
      clients.served > served + 100 ? undefined : String(clients.served - served),
    )
    await clients.stop()
    // Who had asked a moment before may still have gone there.
    expect(clients.errors.filter(({ at }) => at > out + 1_500)).toEqual([])
    expect(clients.errors.every(({ text }) => /ECONNREFUSED|terminat|reset|timeout/i.test(text))).toBe(true)
  }, 90_000)

  test('it comes back when it answers again', async () => {
    await server('east').start()
    await answers(['east', 'west', 'north'], 60_000)
  }, 90_000)

  test('if every check says no while every database serves, nothing is taken out and nobody notices', async () => {
    const clients = new Clients(it.ports.dns, port)
    writeFileSync(join(it.folder, 'lie'), '')
    await eventually(20_000, 'the checks not to be believed', async () => {
      const { pools } = await it.json<{ pools: Record<string, { failOpenSince: number | null }> }>('status')
      return pools.db?.failOpenSince == null ? 'believed' : undefined
    })
    const served = clients.served
    await eventually(30_000, 'another hundred answers', async () =>
      clients.served > served + 100 ? undefined : String(clients.served - served),
    )
    expect((await it.addresses(name)).length).toBe(3)
    rmSync(join(it.folder, 'lie'))
    await eventually(40_000, 'the checks to be believed again', async () => {
      const { pools } = await it.json<{ pools: Record<string, { failOpenSince: number | null }> }>('status')
      return pools.db?.failOpenSince == null ? undefined : 'not believed'
    })
    await clients.stop()
    expect(clients.errors).toEqual([])
    expect((await it.addresses(name)).length).toBe(3)
  }, 120_000)
})
