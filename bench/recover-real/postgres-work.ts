/**
 * A statement in PostgreSQL for each host: `$1` is the number of the host, `$2` its epoch.
 *
 * The server cancels it by itself (`statement_timeout`), so that abandoned work stops there too. A server
 * that hangs does not even do that: then the connection is given up here, a little later, and a new one is
 * made for the next operation.
 */
import { Client } from 'pg'
import type { Outcome } from '../../src/recover/pump.ts'
import type { EndedWork, Work } from './work.ts'

export interface PostgresWorkOptions {
  /** `postgres://user:secret@host:port/database`. */
  readonly url: string
  readonly statement: string
  readonly timeoutMs: number
}

/** The server's own time-out has so long to be heard here. */
const graceMs = 100
/** SQLSTATE of a statement that ran out of time; of one that can never succeed. */
const cancelled = '57014'
const refusals = /^(?:22|23|42)/

export class PostgresWork implements Work {
  readonly #options: PostgresWorkOptions
  readonly #idle: Client[] = []
  readonly #all = new Set<Client>()
  /** Connections, those that broke or were given up too. */
  made = 0

  constructor(options: PostgresWorkOptions) {
    this.#options = options
  }

  start(host: number, epoch: number, ended: EndedWork): void {
    const began = performance.now()
    const client = this.#idle.pop() ?? this.#connect()
    let isOver = false
    const end = (outcome: Outcome, isGood: boolean) => {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      if (isGood) this.#idle.push(client)
      else this.#drop(client)
      ended(outcome, performance.now() - began)
    }
    const timer = setTimeout(() => end('timeout', false), this.#options.timeoutMs + graceMs)
    const run = async () => {
      try {
        if (!this.#all.has(client)) {
          this.#all.add(client)
          await client.connect()
        }
        await client.query({ name: 'work', text: this.#options.statement, values: [host, epoch] })
        end('ok', true)
      } catch (error) {
        const code = (error as { code?: unknown }).code
        const state = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
        if (state === cancelled) end('timeout', true)
        else if (state !== undefined && refusals.test(state)) end('refused', true)
        else end('failed', false)
      }
    }
    void run()
  }

  async close(): Promise<void> {
    for (const client of this.#all) this.#drop(client)
    this.#idle.length = 0
  }

  #connect(): Client {
    this.made++
    const client = new Client({
      connectionString: this.#options.url,
      statement_timeout: this.#options.timeoutMs,
      connectionTimeoutMillis: this.#options.timeoutMs,
    })
    client.on('error', () => this.#drop(client))
    return client
  }

  /** At once: an orderly end would wait for a server that hangs. */
  #drop(client: Client): void {
    this.#all.delete(client)
    const at = this.#idle.indexOf(client)
    if (at >= 0) this.#idle.splice(at, 1)
    ;(client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
  }
}
