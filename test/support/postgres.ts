/** PostgreSQL from Debian, as many servers as a test wants, each in a folder of its own and on loopback. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'

/** Debian keeps the programs beside each other, one folder a version, and not in PATH. */
export const postgresFolder = '/usr/lib/postgresql/15/bin'
/** For `describeWith`. */
export const postgresPrograms = [join(postgresFolder, 'postgres')] as const

export interface Postgres {
  readonly address: string
  readonly port: number
  readonly pid: number
  /** `kill -9` of the server; its other processes follow by themselves. */
  kill(): Promise<void>
  /** Freezes all of it, as when a disk hangs, until `resume`. */
  pause(): void
  resume(): void
  /** Starts it again on what it left behind. */
  start(): Promise<void>
  /** Ends it and removes the folder. */
  stop(): Promise<void>
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL does not run as root: then as the user that its package made. */
function owner(): Owner | undefined {
  if (userInfo().uid !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith('postgres:'))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined)
    throw new Error('expected a user postgres, found none: apt install postgresql')
  return { uid: Number(uid), gid: Number(gid) }
}

/** `settings`: lines for postgresql.conf. Anybody on this machine may connect as `postgres`, database `postgres`. */
export async function postgres(address: string, port: number, settings: readonly string[] = []): Promise<Postgres> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-pg-'))
  const as = owner()
  if (as !== undefined) chownSync(folder, as.uid, as.gid)
  const data = join(folder, 'data')
  const made = spawnSync(
    join(postgresFolder, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
    { ...as, cwd: folder, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`expected initdb to make a database, found: ${made.stderr}`)
  appendFileSync(
    join(data, 'postgresql.conf'),
    [
      `listen_addresses = '${address}'`,
      `port = ${port}`,
      `unix_socket_directories = ''`,
      'fsync = off',
      'shared_buffers = 16MB',
      'max_connections = 100',
      ...settings,
      '',
    ].join('\n'),
  )
  writeFileSync(join(data, 'pg_hba.conf'), 'host all all 127.0.0.0/8 trust\n')
  const it = new Running(folder, address, port, as)
  await it.start()
  return it
}

/** A connection may have ended since its process was looked up. */
function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

class Running implements Postgres {
  readonly address: string
  readonly port: number
  readonly #folder: string
  readonly #as: Owner | undefined
  #child: ChildProcess | undefined

  constructor(folder: string, address: string, port: number, as: Owner | undefined) {
    this.#folder = folder
    this.address = address
    this.port = port
    this.#as = as
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  async start(): Promise<void> {
    const child = spawn(join(postgresFolder, 'postgres'), ['-D', join(this.#folder, 'data')], {
      ...this.#as,
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-10_000)
    })
    const deadline = performance.now() + 30_000
    for (;;) {
      const client = this.client()
      try {
        await client.connect()
        await client.end()
        return
      } catch (error) {
        if (child.exitCode !== null || performance.now() > deadline)
          throw new Error(`expected PostgreSQL to start, found ${String(error)}: ${said}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  client(): Client {
    const client = new Client({
      host: this.address,
      port: this.port,
      user: 'postgres',
      database: 'postgres',
      connectionTimeoutMillis: 2_000,
    })
    // What breaks between two statements is told by the next one.
    client.on('error', () => {})
    return client
  }

  pause(): void {
    for (const pid of this.#all()) signal(pid, 'SIGSTOP')
  }

  resume(): void {
    for (const pid of this.#all()) signal(pid, 'SIGCONT')
  }

  /** The server and its children, of which it has one for each connection. */
  #all(): readonly number[] {
    const children = `/proc/${this.pid}/task/${this.pid}/children`
    if (!existsSync(children)) return []
    return [this.pid, ...readFileSync(children, 'utf8').trim().split(' ').filter(Boolean).map(Number)]
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const left = this.#all().slice(1)
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    // They notice that their parent is gone and leave; until then they would keep the folder to themselves.
    const deadline = performance.now() + 10_000
    while (left.some((pid) => existsSync(`/proc/${pid}`)) && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
  }

  async stop(): Promise<void> {
    this.resume()
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
