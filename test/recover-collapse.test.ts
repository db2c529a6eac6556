/**
 * A service on PostgreSQL, and more clients than it can serve in the time that they wait. Without the library it
 * does nearly nothing that anybody still wants, though it is busy all the time; with it, what it can do.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Snapshot } from '../src/recover/library/index.ts'
import { clients } from './support/clients.ts'
import { type HotRowService, hotRowService, poolSize } from './support/hot-row-service.ts'
import { freePort } from './support/ports.ts'
import { type Postgres, postgres, postgresPrograms } from './support/postgres.ts'
import { describeWith } from './support/programs.ts'

const patienceMs = 1_000
/** Who fits into the time that they wait, so many times over. */
const overload = 3

describeWith(postgresPrograms, 'a service on a hot row of PostgreSQL', () => {
  let database: Postgres
  beforeAll(async () => {
    database = await postgres('127.0.0.1', await freePort(), [`max_connections = ${2 * poolSize + 20}`])
    await execute('create table hot (id int primary key, n bigint)', 'create table log (n bigint)')
    await execute('insert into hot values (1, 0)')
  }, 60_000)
  afterAll(() => database.stop())

  async function execute(...statements: readonly string[]): Promise<void> {
    const client = new Client({ host: '127.0.0.1', port: database.port, user: 'postgres', database: 'postgres' })
    await client.connect()
    for (const statement of statements) await client.query(statement)
    await client.end()
  }

  /** Answers in time, a second, window by window, until `enough` says so of them all. */
  async function goodput(
    service: HotRowService,
    count: number,
    windowMs: number,
    enough: (windows: readonly number[]) => boolean,
  ): Promise<readonly number[]> {
    const crowd = clients(count, service.port, patienceMs, 500)
    const windows: number[] = []
    try {
      await pause(500)
      while (!enough(windows)) {
        const { good } = crowd.tally()
        await pause(windowMs)
        windows.push(((crowd.tally().good - good) / windowMs) * 1000)
      }
      return windows
    } finally {
      crowd.stop()
    }
  }

  const capacityOf = async (service: HotRowService) =>
    Math.max(...(await goodput(service, 8, 500, (windows) => windows.length === 3)))

  test('collapses without the library under a load that it bears with it', async () => {
    const naive = await hotRowService('naive', database.port)
    let before = 0
    let count = 0
    let without: readonly number[] = []
    try {
      before = await capacityOf(naive)
      count = Math.min(2_500, Math.round((overload * before * patienceMs) / 1000))
      without = await goodput(naive, count, 2_000, (windows) => windows.length === 3)
    } finally {
      await naive.stop()
    }
    await execute(
      "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    )
    const governed = await hotRowService('governed', database.port)
    try {
      // It has to find out first what the service bears: under a load that is there already.
      const within = await goodput(
        governed,
        count,
        2_000,
        (windows) => windows.length === 7 || (windows.at(-1) ?? 0) + (windows.at(-2) ?? 0) > 1.2 * before,
      )
      const { limit, total } = (await governed.snapshot()) as Snapshot
      // Other programs on this machine take their share as they like.
      const capacity = Math.min(before, await capacityOf(governed))
      const text = (windows: readonly number[]) => windows.map((one) => one.toFixed(0)).join(', ')
      console.log(
        `${count} clients, capacity ${capacity.toFixed(0)}/s; answers in time, a second, by 2 s: without ${text(without)}; with ${text(within)} (limit ${limit}, ${total.shed} of ${total.calls} refused)`,
      )
      expect(Math.max(...without.slice(1))).toBeLessThan(0.5 * capacity)
      // How near it comes to the capacity depends on the machine; that it does not collapse does not.
      expect(Math.min(...within.slice(-2))).toBeGreaterThan(3 * Math.max(...without.slice(1)))
      expect(Math.min(...within.slice(-2))).toBeGreaterThan(0.1 * capacity)
    } finally {
      await governed.stop()
    }
  }, 60_000)
})
