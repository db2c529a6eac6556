/**
 * The dependency: PostgreSQL from Debian on core 0, used as lease managers use databases: a row that all
 * hosts of a shard share is read, something is awaited, and the row is written if nobody else did
 * meanwhile; otherwise again. So throughput has a knee, and falls beyond it: who loses worked for nothing.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Client } from 'pg'
import { postgresWork } from '../../src/leases/postgres.ts'
import type { Work } from '../../src/leases/work.ts'
import { type Postgres, postgres } from '../../test/support/postgres.ts'

export interface Shape {
  readonly hosts: number
  readonly shards: number
  /** Between reading the row of the shard and writing it. */
  readonly holdMs: number
  /** Work of reading it, in numbers added up: a third of a millisecond for 2,000. */
  readonly rows: number
}

export const operationTimeoutMs = 2_000
const statement = 'select grant_lease($1::int, $2::int)'
const connectionsMax = 560
/** What is left of the connections is for whoever looks. */
export const atOnceMost = connectionsMax - 20

/** What lease managers use. */
export const workOn = (url: string, connections: number): Work =>
  postgresWork({
    url: () => ({ kind: 'secret', text: url }),
    statement,
    connections,
    ready: connections,
    timeoutMs: operationTimeoutMs,
    now: () => performance.now(),
  })

export const urlOf = (address: string, port: number): string => `postgres://postgres@${address}:${port}/postgres`

export async function startDatabase(address: string, port: number): Promise<Postgres> {
  return await postgres(address, port, [
    `max_connections = ${connectionsMax}`,
    'synchronous_commit = off',
    'shared_buffers = 64MB',
    'log_min_messages = panic',
    'autovacuum = off',
  ])
}

/** Everything of it, and what it starts from now on. */
export function pin(pid: number, core: number): void {
  const pids = [pid, ...childrenOf(pid)]
  for (const one of pids) spawnSync('taskset', ['-a', '-cp', String(core), String(one)])
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  )
}

/** Anew: no host has a lease. */
export async function fill(url: string, { hosts, shards, holdMs, rows }: Shape): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    // What a run before this one left behind still holds its tables.
    await client.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`)
    await client.query('drop table if exists host, shard cascade')
    await client.query('create table host (id int primary key, epoch int not null) with (fillfactor = 50)')
    await client.query('create table shard (id int primary key, granted bigint not null) with (fillfactor = 10)')
    await client.query('insert into host select i, 0 from generate_series(0, $1::int - 1) i', [hosts])
    await client.query('insert into shard select i, 0 from generate_series(0, $1::int - 1) i', [shards])
    await client.query(`create or replace function grant_lease(which int, its_epoch int) returns int language plpgsql as $$
      declare
        seen bigint;
      begin
        loop
          select granted into seen from shard where id = which % ${shards};
          perform pg_sleep(${holdMs / 1000});
          perform sum(i) from generate_series(1, ${rows}) i;
          update shard set granted = seen + 1 where id = which % ${shards} and granted = seen;
          exit when found;
        end loop;
        update host set epoch = its_epoch where id = which and epoch < its_epoch;
        return 1;
      end $$`)
    await client.query('vacuum analyze')
  } finally {
    await client.end()
  }
}

/** Connections of whoever works on it. */
export async function workersOn(url: string): Promise<number> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ n: string }>(
      `select count(*) n from pg_stat_activity where application_name = 'holdfast leases'`,
    )
    return Number(rows[0]?.n ?? 0)
  } finally {
    await client.end()
  }
}
