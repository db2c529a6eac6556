/**
 * A service as many are: each request is a transaction of three statements on a row that all of them want, over
 * a pool of connections. The lock is held while the process gets round to the next statement, so the more
 * there is to do the longer each takes. Run as a program: `hot-row-service.ts naive|governed PORT-OF-POSTGRES`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { Pool } from 'pg'
import { expressGovernor, httpGate, type Snapshot } from '../../src/recover/library/index.ts'

export const poolSize = 90

export interface HotRowService {
  readonly port: number
  snapshot(): Promise<Snapshot | undefined>
  stop(): Promise<void>
}

export async function hotRowService(kind: 'naive' | 'governed', postgresPort: number): Promise<HotRowService> {
  const child: ChildProcess = fork(import.meta.filename, [kind, String(postgresPort)])
  const ended = once(child, 'exit')
  const [port] = (await once(child, 'message')) as [number]
  return {
    port,
    async snapshot() {
      child.send('snapshot')
      const [told] = (await once(child, 'message')) as [Snapshot | null]
      return told ?? undefined
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function serve(kind: string, postgresPort: number): Promise<void> {
  const pool = new Pool({
    host: '127.0.0.1',
    port: postgresPort,
    user: 'postgres',
    database: 'postgres',
    max: poolSize,
  })
  // What breaks in a connection that nobody uses is told by the next query.
  pool.on('error', () => {})
  const gate = httpGate({ limitMost: poolSize })
  const app = express()
  if (kind === 'governed') app.use(expressGovernor(gate))
  app.post('/', async (_, response) => {
    const client = await pool.connect()
    try {
      await client.query('begin')
      await client.query('update hot set n = n + 1 where id = 1')
      await client.query('insert into log select n from hot where id = 1')
      await client.query('commit')
      response.json({ ok: true })
    } finally {
      client.release()
    }
  })
  process.on('message', () => process.send?.(kind === 'governed' ? gate.snapshot() : null))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.send?.((server.address() as AddressInfo).port)
}

if (import.meta.main) await serve(process.argv[2] ?? '', Number(process.argv[3]))
