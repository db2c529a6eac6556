/** PostgreSQL as a dependency, real: what it does with an operation that is too late, wrong, or not for it. */
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { postgresWork } from '../src/leases/postgres.ts'
import type { Work } from '../src/leases/work.ts'
import { eventually } from './support/holdfast.ts'
import { freePort } from './support/ports.ts'
import { type Postgres, postgres, postgresPrograms } from './support/postgres.ts'
import { describeWith } from './support/programs.ts'

const address = '127.0.0.1'
const fenced = 'UPDATE lease SET epoch = $2 WHERE id = $1 AND epoch < $2'
const password = 'nobody-may-see-this'

describeWith(postgresPrograms, 'PostgreSQL as a dependency', () => {
  let database: Postgres
  let sql: Client
  let work: Work | undefined

  const client = async () => {
    const one = new Client({ host: address, port: database.port, user: 'postgres', database: 'postgres' })
    one.on('error', () => {})
    await one.connect()
    return one
  }
  const working = (statement = fenced, connections = 4, timeoutMs = 500, port = database.port, ready = 0) => {
    const url = { kind: 'secret', text: `postgres://postgres:${password}@${address}:${port}/postgres` } as const
    work = postgresWork({ url: () => url, statement, connections, ready, timeoutMs, now: () => performance.now() })
    const its = work
    return (id: string, epoch: number, ms = timeoutMs) => its.grant({ id, site: 'south' }, epoch, ms)
  }
  const ours = `from pg_stat_activity where application_name = 'holdfast leases'`
  const open = async () => Number((await sql.query<{ count: string }>(`select count(*) ${ours}`)).rows[0]?.count)
  const epochOf = async (id: string) =>
    Number((await sql.query<{ epoch: string }>('select epoch from lease where id = $1', [id])).rows[0]?.epoch)

  beforeAll(async () => {
    database = await postgres(address, await freePort(address))
    sql = await client()
    await sql.query('create table lease (id text primary key, epoch bigint not null)')
    await sql.query(`insert into lease select 'host-' || n, 0 from generate_series(1, 50) n`)
  }, 60_000)
  afterEach(async () => {
    await work?.close()
    work = undefined
  })
  afterAll(async () => {
    await sql?.end().catch(() => {})
    await database?.stop()
  })

  test('writes where a smaller epoch stands, and nowhere else', async () => {
    const grant = working()
    const epoch = 1_800_000_000 * 2 ** 20 + 7
    expect(await grant('host-1', epoch)).toEqual({ kind: 'done' })
    expect(await epochOf('host-1')).toBe(epoch)
    expect(await grant('host-1', epoch)).toMatchObject({ kind: 'refused' })
    expect(await grant('host-1', epoch - 1)).toMatchObject({ kind: 'refused' })
    expect(await grant('nobody', 5)).toMatchObject({ kind: 'refused' })
    expect(await epochOf('host-1')).toBe(epoch)
  })

  test('no more connections at the server: those that there are take turns, and it is said', async () => {
    await sql.query(`create role guest login connection limit 3`)
    await sql.query('grant select, update on lease to guest')
    await sql.query(`insert into lease select 'turn-' || n, 0 from generate_series(0, 39) n`)
    const url = { kind: 'secret', text: `postgres://guest@${address}:${database.port}/postgres` } as const
    let later = 0
    const now = () => performance.now() + later
    const statement = `${fenced} AND pg_sleep(0.02) IS NOT NULL`
    const its = postgresWork({ url: () => url, statement, connections: 16, ready: 0, timeoutMs: 2_000, now })
    work = its
    expect(its.ail).toBe('')
    const all = (epoch: number) =>
      Promise.all(Array.from({ length: 40 }, (_, n) => its.grant({ id: `turn-${n}`, site: '' }, epoch, 2_000)))
    expect(await all(1)).toEqual(Array.from({ length: 40 }, () => ({ kind: 'done' })))
    expect(its.ail).toMatch(/^PostgreSQL gives no more than 3 of 16 connections to this manager \(too many conn/)
    expect(await all(2)).toEqual(Array.from({ length: 40 }, () => ({ kind: 'done' })))
    expect(await open()).toBe(3)
    // Later it asks for one more at a time, and takes what is given.
    await sql.query('alter role guest connection limit 5')
    later += 10_000
    expect(its.ail).toBe('')
    for (let epoch = 3; epoch < 8; epoch++) await all(epoch)
    expect(await open()).toBe(5)
    expect(its.ail).toContain('no more than 5 of 16')
    // None at all: nothing to wait for.
    await its.close()
    await sql.query(`alter role guest connection limit 0`)
    work = postgresWork({ url: () => url, statement, connections: 4, ready: 0, timeoutMs: 2_000, now })
    expect(await work.grant({ id: 'host-1', site: '' }, 1, 2_000)).toMatchObject({ kind: 'failed' })
  })

  test('somebody who holds the lock: the operation ends in time, here and there', async () => {
    const grant = working()
    const holder = await client()
    await holder.query('begin')
    await holder.query(`select 1 from lease where id = 'host-2' for update`)
    const began = performance.now()
    expect(await grant('host-2', 5)).toMatchObject({ kind: 'timeout' })
    expect(performance.now() - began).toBeLessThan(2_000)
    await eventually(5_000, 'nothing to go on there', async () => {
      const { rows } = await sql.query<{ count: string }>(`select count(*) ${ours} and state = 'active'`)
      return rows[0]?.count === '0' ? undefined : rows[0]?.count
    })
    await holder.query('rollback')
    await holder.end()
    expect(await epochOf('host-2')).toBe(0)
    expect(await grant('host-2', 6)).toEqual({ kind: 'done' })
  })

  test('a server that is told no time-out is told to cancel', async () => {
    // The statement takes the server's own time-out away: only the cancel request is left.
    const grant = working(
      `WITH off AS MATERIALIZED (SELECT set_config('statement_timeout', '0', false)), late AS MATERIALIZED (SELECT pg_sleep(30), 1 FROM off)
       UPDATE lease SET epoch = $2 FROM late WHERE id = $1 AND epoch < $2`,
      4,
      30_000,
    )
    expect(await grant('host-3', 5, 300)).toMatchObject({ kind: 'timeout', why: expect.stringContaining('cancel') })
    await eventually(5_000, 'the statement to end there', async () => {
      const { rows } = await sql.query<{ count: string }>(`select count(*) ${ours} and state = 'active'`)
      return rows[0]?.count === '0' ? undefined : rows[0]?.count
    })
    expect(await epochOf('host-3')).toBe(0)
  })

  test('connections are opened when they are needed, and never more than said', async () => {
    const grant = working(`${fenced} AND pg_sleep(0.05) IS NOT NULL`, 4, 5_000)
    expect(await grant('host-10', 5)).toEqual({ kind: 'done' })
    expect(await open()).toBe(1)
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => grant(`host-${n + 11}`, 5)))
    expect(outcomes.every(({ kind }) => kind === 'done')).toBe(true)
    expect(await open()).toBe(4)
  })

  test('connections are opened ahead in the calm, and others when they are lost', async () => {
    const grant = working(fenced, 6, 500, database.port, 4)
    const pids = async () => (await sql.query<{ pid: number }>(`select pid ${ours}`)).rows.map(({ pid }) => pid)
    const eventuallyOpen = (count: number, isFit: (pid: number) => boolean) =>
      eventually(10_000, `${count} connections`, async () => {
        const fit = (await pids()).filter(isFit)
        return fit.length === count ? undefined : `${fit.length}`
      })
    await eventuallyOpen(4, () => true)
    const first = await pids()
    expect(await grant('host-40', 5)).toEqual({ kind: 'done' })
    expect(await pids()).toEqual(first)
    await sql.query(`select pg_terminate_backend(pid) ${ours}`)
    await eventuallyOpen(4, (pid) => !first.includes(pid))
    expect(await grant('host-41', 5)).toEqual({ kind: 'done' })
    await work?.close()
    await eventuallyOpen(0, () => true)
  })

  test('a statement that is wrong has failed or is refused, and the password is in no message', async () => {
    expect(await working('UPDATE nothing SET epoch = $2 WHERE id = $1')('host-4', 5)).toMatchObject({
      kind: 'failed',
      why: expect.stringContaining('42P01'),
    })
    await work?.close()
    expect(await working('UPDATE lease SET epoch = 0 WHERE id <> $1 AND $2 = $2')('host-4', 5)).toMatchObject({
      kind: 'refused',
    })
    await work?.close()
    const said = await working(fenced, 1, 500, 1)('host-4', 5)
    expect(said).toMatchObject({ kind: 'failed' })
    expect(JSON.stringify(said)).not.toContain(password)
  })

  test('frozen, killed and started again: nothing hangs here, and it goes on', async () => {
    const grant = working()
    expect(await grant('host-5', 5)).toEqual({ kind: 'done' })
    database.pause()
    const began = performance.now()
    expect(await grant('host-5', 6)).toMatchObject({ kind: 'timeout' })
    expect(await grant('host-5', 7)).toMatchObject({ kind: 'timeout' })
    expect(performance.now() - began).toBeLessThan(4_000)
    database.resume()
    await eventually(10_000, 'another grant', async () => {
      const { kind } = await grant('host-5', Math.ceil(performance.now()) + 10)
      return kind === 'done' ? undefined : kind
    })
    await database.kill()
    expect(await grant('host-5', 1_000_000)).toMatchObject({ kind: 'failed' })
    await database.start()
    await eventually(10_000, 'another grant', async () => {
      const { kind } = await grant('host-5', Math.ceil(performance.now()) + 2_000_000)
      return kind === 'done' ? undefined : kind
    })
  }, 60_000)
})
