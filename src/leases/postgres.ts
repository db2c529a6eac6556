/**
 * PostgreSQL as the dependency: one statement for each host, on connections of its own. Nothing goes on there
 * that nobody waits for here: the server ends a statement by `statement_timeout`, is asked to cancel it when no
 * answer came, and a connection that does not come back is closed.
 *
 * Connections are opened in the calm, and only those that are missing in a storm: each costs the server several
 * times what an operation does, which a recovery has no time for, and a controller takes it for the knee.
 */
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { maskedText } from './masked.ts'
import type { Work, WorkHost, WorkOutcome } from './work.ts'

export interface PostgresOptions {
  /** `postgres://…`, with whatever password; read before each connection. */
  readonly url: () =>
    | { readonly kind: 'secret'; readonly text: string }
    | { readonly kind: 'unreadable'; readonly why: string }
  /** $1: the host, $2: the epoch, $3: the site. Writes where a smaller epoch stands. */
  readonly statement: string
  /** Never more connections. */
  readonly connections: number
  /** So many of them are opened ahead, while there is nothing else to do. */
  readonly ready: number
  readonly timeoutMs: number
  /** Milliseconds on a clock that does not go back. */
  readonly now: () => number
}

/** The server is given this much longer to say by itself that it stopped the statement. */
const patienceMs = 150
/** After that it is asked to cancel, and given this long before the connection is closed. */
const cancelMs = 1_000
/** Opened ahead, at once. */
const lanes = 16
/** The server said that it has no more connections: after so long it is asked for one more. */
const fullMs = 10_000
/** After a connection could not be opened ahead; doubles up to the second. */
const againMs = [500, 10_000] as const

/** The highest of $1, $2, $3 in it. */
export const parametersOf = (statement: string): number =>
  Math.max(0, ...[...statement.matchAll(/\$([0-9]+)/g)].map(([, number]) => Number(number)))

export function postgresWork(options: PostgresOptions): Work {
  return new PostgresWork(options)
}

class PostgresWork implements Work {
  readonly atOnce: number
  readonly #options: PostgresOptions
  readonly #parameters: number
  readonly #idle: Client[] = []
  readonly #all = new Set<Client>()
  /** Operations for which there is no connection while others are being cancelled. */
  readonly #waiting: (() => void)[] = []
  readonly #closing = new AbortController()
  /** Operations that run here. */
  #working = 0
  /** Nothing runs, and connections are missing. */
  #calm = Promise.withResolvers<void>()
  #failures = 0
  /** So many connections the server gives, as far as it said; until when that counts, and what it said. */
  #given = { most: Number.POSITIVE_INFINITY, until: Number.NEGATIVE_INFINITY, why: '' }

  constructor(options: PostgresOptions) {
    this.#options = options
    this.atOnce = options.connections
    this.#parameters = parametersOf(options.statement)
    for (let lane = 0; lane < Math.min(lanes, options.ready); lane++) void this.#openAhead()
  }

  async grant(host: WorkHost, epoch: number, timeoutMs: number): Promise<WorkOutcome> {
    this.#working++
    const outcome = await this.#grant(host, epoch, timeoutMs)
    this.#working--
    this.#calmDown()
    return outcome
  }

  async #grant(host: WorkHost, epoch: number, timeoutMs: number): Promise<WorkOutcome> {
    const { now } = this.#options
    const until = now() + timeoutMs
    const left = () => Math.max(1, until - now())
    for (;;) {
      if (this.#idle.length === 0 && this.#all.size >= this.#most) await this.#freed(left())
      const client = this.#idle.pop() ?? (await this.#open(left()))
      if (client instanceof Client) return await this.#run(client, [host.id, String(epoch), host.site], left())
      // A server that has no more connections works, only not for all at once: those that there are take turns.
      if (!this.#isFull || this.#all.size === 0 || now() >= until) return client
    }
  }

  get ail(): string {
    const { most, why } = this.#given
    if (!this.#isFull) return ''
    return `PostgreSQL gives no more than ${most} of ${this.atOnce} connections to this manager (${why}): raise its max_connections, or lower "connections" of all managers together`
  }

  get #isFull(): boolean {
    return this.#options.now() < this.#given.until
  }

  /** Connections that may stand at once. */
  get #most(): number {
    const { most } = this.#given
    return Math.min(this.atOnce, Math.max(1, this.#isFull ? most : most + 1))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#calm.resolve()
    for (const client of this.#all) this.#drop(client)
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  get #mayOpenAhead(): boolean {
    return this.#working === 0 && this.#all.size < Math.min(this.#options.ready, this.#most)
  }

  async #openAhead(): Promise<void> {
    while (!this.#isClosed) {
      if (!this.#mayOpenAhead) {
        await this.#calm.promise
        continue
      }
      const client = await this.#open(this.#options.timeoutMs)
      if (client instanceof Client) {
        this.#failures = 0
        this.#free(client)
        continue
      }
      const [first, most] = againMs
      const waitMs = Math.min(most, first * 2 ** Math.min(this.#failures++ / lanes, 10))
      await pause(waitMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {})
    }
  }

  #calmDown(): void {
    if (!this.#mayOpenAhead) return
    this.#calm.resolve()
    this.#calm = Promise.withResolvers()
  }

  /** For whoever waits, or the next one that comes. */
  #free(client: Client): void {
    if (this.#isClosed || !this.#all.has(client)) this.#drop(client)
    else this.#idle.push(client)
    this.#waiting.shift()?.()
  }

  /** One is idle again, or closed, or the time is up. */
  #freed(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const freed = () => {
        clearTimeout(late)
        resolve()
      }
      const late = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(freed), 1)
        resolve()
      }, timeoutMs)
      this.#waiting.push(freed)
    })
  }

  async #open(timeoutMs: number): Promise<Client | WorkOutcome> {
    const url = this.#options.url()
    if (url.kind === 'unreadable') return { kind: 'failed', why: `the connection string cannot be read: ${url.why}` }
    if (this.#all.size >= this.#most)
      return {
        kind: 'timeout',
        why: this.#isFull
          ? `all ${this.#most} connections that PostgreSQL gives are taken`
          : `all ${this.#most} connections wait for PostgreSQL to end what it was told to cancel`,
      }
    let client: Client
    try {
      client = new Client({
        connectionString: url.text,
        connectionTimeoutMillis: timeoutMs,
        statement_timeout: this.#options.timeoutMs,
        application_name: 'holdfast leases',
        keepAlive: true,
      })
    } catch (error) {
      return { kind: 'failed', why: maskedText(`the connection string cannot be used: ${textOf(error)}`, url.text) }
    }
    this.#all.add(client)
    // A connection that breaks while nobody uses it.
    client.on('error', () => this.#drop(client))
    try {
      await client.connect()
    } catch (error) {
      this.#drop(client)
      const why = maskedText(textOf(error), url.text)
      if (isTooMany(error)) this.#given = { most: this.#all.size, until: this.#options.now() + fullMs, why }
      return /timeout/i.test(why)
        ? { kind: 'timeout', why: `no connection in ${Math.round(timeoutMs)} ms` }
        : failure(error, why)
    }
    this.#given.most = Math.max(this.#given.most, this.#all.size)
    return client
  }

  #run(client: Client, values: readonly string[], timeoutMs: number): Promise<WorkOutcome> {
    return new Promise((resolve) => {
      let isLate = false
      let last: NodeJS.Timeout | undefined
      const late = setTimeout(() => {
        isLate = true
        cancel(client)
        last = setTimeout(() => {
          this.#drop(client)
          this.#waiting.shift()?.()
        }, cancelMs)
        resolve({ kind: 'timeout', why: `no answer in ${Math.round(timeoutMs)} ms; told to cancel` })
      }, timeoutMs + patienceMs)
      const ended = (outcome: WorkOutcome, isUsable: boolean) => {
        clearTimeout(late)
        clearTimeout(last)
        if (!isUsable) this.#drop(client)
        this.#free(client)
        if (!isLate) resolve(outcome)
      }
      client
        .query({ name: 'holdfast-grant', text: this.#options.statement, values: values.slice(0, this.#parameters) })
        .then(
          ({ rowCount }) => ended(outcomeOf(rowCount), true),
          (error: unknown) => ended(failure(error, textOf(error)), isStatementAlone(error)),
        )
    })
  }

  #drop(client: Client): void {
    if (!this.#all.delete(client)) return
    const at = this.#idle.indexOf(client)
    if (at >= 0) this.#idle.splice(at, 1)
    // The polite end would wait for the statement.
    const { connection } = client as unknown as { readonly connection?: { readonly stream?: { destroy(): void } } }
    connection?.stream?.destroy()
    this.#calmDown()
  }
}

function outcomeOf(rows: number | null): WorkOutcome {
  if (rows === 1) return { kind: 'done' }
  return rows === 0
    ? {
        kind: 'refused',
        why: 'the statement changed no row: a higher epoch stands there, or the host is not in the table',
      }
    : {
        kind: 'refused',
        why: `expected the statement to change the row of one host, found ${rows ?? 'no count of'} rows`,
      }
}

/** The connection is as good as before; otherwise it is not used again. */
const isStatementAlone = (error: unknown): boolean =>
  error instanceof DatabaseError && error.severity === 'ERROR' && !/^(?:08|53|57P|58|XX)/.test(error.code ?? '')

/** too_many_connections, also where a role or a database has a limit of its own. */
const isTooMany = (error: unknown): boolean => error instanceof DatabaseError && error.code === '53300'

function failure(error: unknown, why: string): WorkOutcome {
  const code = error instanceof DatabaseError ? (error.code ?? '') : ''
  // 57014: by statement_timeout, or because it was told to cancel.
  if (code === '57014') return { kind: 'timeout', why: 'the server ended the statement: statement_timeout' }
  // Classes 22 and 23: data that it will not take, of this host alone.
  if (/^2[23]/.test(code)) return { kind: 'refused', why: `${why} (${code})` }
  return { kind: 'failed', why: code === '' ? why : `${why} (${code})` }
}

const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message || error.name : String(error)).slice(0, 300)

const cancelCode = 80_877_102

/** The message CancelRequest of the protocol ("Message Formats"), on a connection of its own. */
function cancel(client: Client): void {
  const { processID, secretKey } = client as unknown as { readonly processID: number; readonly secretKey: number }
  if (typeof processID !== 'number' || typeof secretKey !== 'number') return
  const message = Buffer.alloc(16)
  message.writeInt32BE(16, 0)
  message.writeInt32BE(cancelCode, 4)
  message.writeInt32BE(processID, 8)
  message.writeInt32BE(secretKey, 12)
  const { host, port } = client
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
  socket.setTimeout(cancelMs, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('connect', () => socket.end(message))
  socket.resume()
}
