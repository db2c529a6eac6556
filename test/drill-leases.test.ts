/**
 * `holdfast drill recovery` as an operator runs it against a lease service: two managers as processes, PostgreSQL
 * behind them, which is taken away and brought back.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DrillReport } from '../src/drill/report.ts'
import { eventually, holdfast } from './support/holdfast.ts'
import { freePort } from './support/ports.ts'
import { type Postgres, postgres, postgresPrograms } from './support/postgres.ts'
import { describeWith } from './support/programs.ts'

const hosts = 300
const shards = 16
const address = '127.0.0.1'
const token = 'a-token-of-a-whole-fleet'
const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')

describeWith(postgresPrograms, 'a drill with a lease service', () => {
  let database: Postgres
  let sql: Client
  let folder: string
  let urls: readonly string[]
  /** Where managers reach the database: the drill's proxy stands there. */
  let through: number
  const managers: ChildProcess[] = []
  let log = ''

  const databaseAt = (port: number) => `postgres://postgres@${address}:${port}/postgres`

  /** A deployment of its own in a folder below. */
  function deploy(name: string, listen: readonly string[], drill: string): string {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'token'), token, { mode: 0o600 })
    writeFileSync(join(folder, name, 'url'), databaseAt(through), { mode: 0o600 })
    const config = join(folder, name, 'holdfast.yaml')
    writeFileSync(
      config,
      `owner: ${name}
zones: {}
leases:
  listen: [${listen.map((url) => new URL(url).host).join(', ')}]
  token: { file: token }
  hostsMax: ${hosts + 10}
  shards: ${shards}
  takeOver: 2s
  ttl: 30s
  ${drill}
  dependency:
    timeout: 500ms
    postgres:
      url: { file: url }
      connections: 4
      statement: UPDATE lease SET epoch = $2 WHERE id = $1 AND epoch < $2 AND pg_sleep(0.005) IS NOT NULL
`,
    )
    for (const [index, url] of listen.entries()) start(config, `leases-${index + 1}`, new URL(url).host)
    return config
  }

  function start(config: string, id: string, listen: string): void {
    const args = ['run', 'leases', '--id', id, '--listen', listen, '--config', config]
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-100_000)
    })
    managers.push(child)
  }

  const drill = (url: string, ...args: readonly string[]) =>
    holdfast(
      [
        ...['--json', 'drill', 'recovery', '--dependency', `${url}/v1/sync`, '--token-file', 'open/token'],
        ...['--hosts', String(hosts), '--at-most', '30s', ...args],
      ],
      { cwd: folder },
    )
  const proxied = () => ['--through', String(through), '--in-front-of', `${address}:${database.port}`]
  /** Hosts that the database has a lease of, and the sum of their epochs. */
  const written = async () => {
    const text = 'select count(*)::int as hosts, coalesce(sum(epoch), 0)::text as sum from lease where epoch > 0'
    return (await sql.query<{ hosts: number; sum: string }>(text)).rows[0]
  }

  beforeAll(async () => {
    database = await postgres(address, await freePort(address))
    sql = new Client({ host: address, port: database.port, user: 'postgres', database: 'postgres' })
    sql.on('error', () => {})
    await sql.connect()
    await sql.query('create table lease (id text primary key, epoch bigint not null)')
    await sql.query(`insert into lease select 'drill-' || n, 0 from generate_series(0, ${hosts - 1}) n`)
    folder = mkdtempSync(join(tmpdir(), 'holdfast-drill-leases-'))
    through = await freePort(address)
    urls = await Promise.all([1, 2, 3].map(async () => `http://${address}:${await freePort(address)}`))
    deploy('closed', urls.slice(2), '')
    const config = deploy('open', urls.slice(0, 2), 'drill: { allow: true }')
    await eventually(30_000, 'two managers to share all shards', async () => {
      const { stdout, stderr } = await holdfast(['fleet', '--json', '--config', config])
      if (stdout === '') return stderr
      const { owned } = (JSON.parse(stdout) as { shards: { owned: Record<string, number> } }).shards
      return Object.keys(owned).length === 2 && owned['leases-1'] === shards / 2 ? undefined : `${stdout} ${log}`
    })
    await eventually(10_000, 'the third to answer', async () => void (await fetch(urls[2] as string)))
  }, 60_000)

  afterAll(async () => {
    for (const child of managers) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    await sql?.end().catch(() => {})
    await database?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }, 30_000)

  test('is refused where it is not invited, and without the token', async () => {
    const uninvited = await drill(urls[2] as string, ...proxied())
    expect(uninvited).toMatchObject({ code: 1, stdout: '' })
    expect(uninvited.stderr).toContain('one that says')
    writeFileSync(join(folder, 'another'), 'another-token-altogether', { mode: 0o600 })
    const stranger = await drill(urls[0] as string, ...proxied(), '--token-file', 'another')
    expect(stranger).toMatchObject({ code: 1, stdout: '' })
    expect(stranger.stderr).toContain('status 401')
    expect(await written()).toEqual({ hosts: 0, sum: '0' })
  })

  test('a dry run does nothing', async () => {
    const ran = await drill(urls[0] as string, ...proxied(), '--dry-run')
    expect(ran, ran.stderr).toMatchObject({ code: 0 })
    expect(JSON.parse(ran.stdout)).toMatchObject({ kind: 'dry run', hosts, away: { kind: 'proxy', port: through } })
    expect(await written()).toEqual({ hosts: 0, sum: '0' })
  })

  test('through the proxy: every host is leased, by the manager that has its shard, and it is told at what cost', async () => {
    const ran = await drill(urls[0] as string, ...proxied(), '--away', '6s', '--plot', 'it.svg')
    expect(ran, `${ran.stderr} ${log.slice(-2_000)}`).toMatchObject({ code: 0 })
    const report = JSON.parse(ran.stdout) as DrillReport
    expect(report).toMatchObject({ hosts, leased: hosts, isInterrupted: false, leasedWhileAway: 0 })
    const [t50, t99, t100] = [report.t50, report.t99, report.t100].map((at) => at ?? 99)
    expect(t50).toBeLessThanOrEqual(t99 as number)
    expect(t99).toBeLessThanOrEqual(t100 as number)
    expect(t100).toBeLessThan(30)
    expect((await written())?.hosts).toBe(hosts)
    // Both managers count: each has about half of the hosts.
    expect(report.work?.operations).toBeGreaterThanOrEqual(hosts)
    expect(report.work?.failures).toBeGreaterThan(0)
    expect(report.wastedShare).toBeLessThan(0.5)
    expect(Math.max(...report.seconds.map(({ limit }) => limit ?? 0))).toBeGreaterThan(0)
    const plot = readFileSync(join(folder, 'it.svg'), 'utf8')
    expect(plot).toContain(`${hosts} hosts; after its return 50 % in ${report.t50?.toFixed(1)} s`)
  }, 50_000)

  test('by commands, while the database stands still, and again: a start needs its lease anew', async () => {
    const before = await written()
    writeFileSync(join(folder, 'open', 'url'), databaseAt(database.port), { mode: 0o600 })
    writeFileSync(join(folder, 'pid'), String(database.pid))
    const signal = (name: string) => `sh -c 'kill -${name} $(cat pid) $(pgrep -P $(cat pid))'`
    const ran = await holdfast(
      [
        ...['drill', 'recovery', '--dependency', `${urls[1]}/v1/sync`, '--token-file', 'open/token'],
        ...['--hosts', String(hosts), '--at-most', '30s', '--away', '5s'],
        ...['--take-away', signal('STOP'), '--bring-back', signal('CONT')],
      ],
      { cwd: folder },
    )
    expect(ran, `${ran.stderr} ${log.slice(-2_000)}`).toMatchObject({ code: 0 })
    expect(ran.stdout).toMatch(/^recovered: 300 of 300 hosts hold a lease/)
    expect(ran.stdout).toMatch(/wasted work {9}\d+\.\d % of \d+ operations \([1-9]\d* ran out of time/)
    expect(BigInt((await written())?.sum ?? 0)).toBeGreaterThan(BigInt(before?.sum ?? 0))
  }, 50_000)
})
