/** Which process is which: a pid alone may have been given to another program meanwhile. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'

/** When this process started, in the system's own words: with the pid, it names one process. Undefined: no such process, or a dead one. */
export function startMarkOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      // The second field is the program's name in parentheses and may hold anything; count from its end.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
    } catch {
      return undefined
    }
  }
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 2000 }).trim()
    return text === '' ? undefined : text
  } catch {
    return undefined
  }
}

/** A program that outlives the one that started it, as written down in `state/run/NAME.json`. */
export interface RunRecord {
  readonly name: string
  readonly pid: number
  readonly mark: string
  /** Of everything that it was started with: an equal fingerprint means that it need not be restarted. */
  readonly fingerprint: string
  readonly http: string | null
  readonly started: number
}

export function writeRecord(path: string, record: RunRecord): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  renameSync(temporary, path)
}

/** The program written down there, if it still runs. */
export function runningRecord(path: string): RunRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as RunRecord
    if (!Number.isInteger(record.pid) || record.pid <= 1 || typeof record.mark !== 'string') return undefined
    return startMarkOf(record.pid) === record.mark ? record : undefined
  } catch {
    return undefined
  }
}

export function removeRecord(path: string): void {
  rmSync(path, { force: true })
}

export type Held = { readonly kind: 'held'; release(): void } | { readonly kind: 'taken'; readonly by: string }

/**
 * Only one `up` per state directory. A listening socket is the lock, because the system drops it with
 * its process, however that ends; whoever connects is told the holder's pid. On Linux its name is
 * abstract, so that nothing stays behind in a directory.
 */
export async function holdState(state: string): Promise<Held> {
  const abstract = process.platform === 'linux'
  const path = abstract
    ? `\0holdfast-up-${createHash('sha256').update(realpathSync(state)).digest('hex').slice(0, 32)}`
    : join(state, 'up.sock')
  for (let attempt = 0; attempt < 2; attempt++) {
    const server = await listen(path)
    if (server !== undefined)
      return {
        kind: 'held',
        release: () => {
          server.close()
        },
      }
    const by = await askHolder(path)
    if (by !== undefined || abstract) return { kind: 'taken', by: by ?? 'another process' }
    rmSync(path, { force: true })
  }
  return { kind: 'taken', by: 'another process' }
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end(`pid ${process.pid}`)
    })
    server.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function askHolder(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    let text = ''
    const end = (value: string | undefined) => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(1000, () => end('another process'))
    socket.on('data', (bytes) => {
      text = (text + bytes.toString('latin1')).slice(0, 100)
    })
    socket.on('end', () => end(text === '' ? 'another process' : text))
    socket.on('error', () => end(undefined))
  })
}
