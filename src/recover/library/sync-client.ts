/**
 * A host's side of the lease service: reports when it was told to, knows how long it may count on its lease,
 * follows to the manager that is in charge of it.
 *
 *     import { syncClient } from 'holdfast/recover'
 *
 *     const client = syncClient({ servers: ['http://10.0.0.5:5380'], token, id: hostname(), bootId: randomUUID() })
 *     client.on('leased', ({ epoch }) => startServing(epoch))
 *     client.on('lost', () => stopServing())
 *
 * A lease counts until 98 % of its time have passed on this machine's own clock, from before the report was
 * sent: the clocks' rates may differ by 2 %. That clock stands still while a machine is suspended, which is
 * why whatever the lease protects must look at the epoch, too.
 */
import { isProblem } from '../../base/problem.ts'
import { nodePort } from './node-port.ts'
import type { HttpPort } from './port.ts'
import {
  nothingYet,
  RetryBucket,
  readReply,
  reportText,
  retryAfterMs,
  type SyncIdentity,
  type SyncReply,
  type SyncState,
} from './sync-protocol.ts'

export interface SyncClientOptions extends SyncIdentity {
  /** Of the managers, such as `http://10.0.0.5:5380`; tried in turn. */
  readonly servers: readonly [string, ...string[]]
  /** Asked for each report, so that it may change. Never logged. */
  readonly token: string | (() => string)
  /** Of an earlier client of the same start of the host (same `bootId`). */
  readonly resume?: SyncState
  /** For one report; 10,000 if not said. */
  readonly timeoutMs?: number
  readonly port?: HttpPort
}

export interface Lease {
  /** Rises with each lease: to be shown to whatever the lease protects. */
  readonly epoch: number
  /** How long it may be counted on. */
  readonly remainingMs: number
}

export interface SyncEvents {
  /** A lease was granted, or one with another epoch. Not for renewals. */
  leased: (lease: Lease) => void
  /** It ran out, or another host with this identity has it. */
  lost: (why: string) => void
  /** A report was not answered as it should be. One sentence; the client goes on by itself. */
  trouble: (what: string) => void
}

export interface SyncClient {
  /** Undefined: there is none to count on, now. */
  lease(): Lease | undefined
  readonly state: SyncState
  on<Name extends keyof SyncEvents>(event: Name, listener: SyncEvents[Name]): () => void
  /** Reports no more. The lease runs out by itself. */
  close(): void
}

/** Of the time to live. */
const counted = 0.98
const hopLeastMs = 50

/** Reports at once, or within the poll interval that `resume` remembers. */
export const syncClient = (options: SyncClientOptions): SyncClient => new Client(options)

class Client implements SyncClient {
  readonly #options: SyncClientOptions
  readonly #port: HttpPort
  readonly #bucket = new RetryBucket()
  readonly #listeners = {
    leased: new Set<SyncEvents['leased']>(),
    lost: new Set<SyncEvents['lost']>(),
    trouble: new Set<SyncEvents['trouble']>(),
  }
  #state: SyncState
  /** Monotonic; the lease may be counted on before it. */
  #until = Number.NEGATIVE_INFINITY
  #isTold = false
  #server = 0
  /** Who said to be in charge. */
  #owner: string | undefined
  #hops = 0
  #isClosed = false
  #stopTimer: () => void
  #stopLost: (() => void) | undefined
  #stopRequest: (() => void) | undefined

  constructor(options: SyncClientOptions) {
    this.#options = options
    this.#port = options.port ?? nodePort
    this.#state = options.resume ?? nothingYet
    this.#stopTimer = this.#port.after(this.#state.pollAfterMs * this.#port.random(), () => this.#begin())
  }

  get state(): SyncState {
    return this.#state
  }

  lease(): Lease | undefined {
    const remainingMs = this.#until - this.#port.now()
    return remainingMs > 0 ? { epoch: this.#state.epoch, remainingMs } : undefined
  }

  on<Name extends keyof SyncEvents>(event: Name, listener: SyncEvents[Name]): () => void {
    const listeners = this.#listeners[event] as Set<SyncEvents[Name]>
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  close(): void {
    this.#isClosed = true
    this.#stopTimer()
    this.#stopLost?.()
    this.#stopRequest?.()
  }

  #begin(): void {
    this.#report().then(
      (waitMs) => this.#again(waitMs),
      (error: unknown) => {
        if (this.#isClosed) return
        const waitMs = this.#brokenTransport(error instanceof Error ? error.message : String(error))
        this.#again(waitMs)
      },
    )
  }

  #again(waitMs: number): void {
    if (!this.#isClosed) this.#stopTimer = this.#port.after(waitMs, () => this.#begin())
  }

  /** When to report next, in ms. */
  async #report(): Promise<number> {
    const { token, timeoutMs = 10_000, id } = this.#options
    const abort = new AbortController()
    const stop = this.#port.after(timeoutMs, () => abort.abort(new Error(`no answer within ${timeoutMs} ms`)))
    this.#stopRequest = () => {
      stop()
      abort.abort(new Error('closed'))
    }
    const sentAt = this.#port.now()
    const server = this.#owner ?? (this.#options.servers[this.#server] as string)
    // A lease that ran out is none, whatever the manager still thinks.
    const shown = this.lease() === undefined && this.#isTold ? { ...this.#state, epoch: 0, proof: '' } : this.#state
    const authorization = `Bearer ${typeof token === 'string' ? token : token()}`
    try {
      const url = new URL('/v1/sync', server).href
      const reply = await this.#port.post(url, reportText(this.#options, shown), { authorization }, abort.signal)
      if (this.#isClosed) return 0
      if (reply.status === 200) {
        const read = readReply(reply.body, id)
        if (isProblem(read)) return this.#brokenTransport(`${server}: expected ${read.expected}, found ${read.found}`)
        this.#bucket.succeeded()
        return this.#heard(read, read.pollAfterMs, sentAt, server)
      }
      return this.#turnedAway(server, reply.status, reply.retryAfter)
    } finally {
      stop()
    }
  }

  #heard(reply: SyncReply, pollAfterMs: number, sentAt: number, server: string): number {
    this.#state = { ...this.#state, pollAfterMs }
    if (reply.status !== 'MOVED') this.#hops = 0
    switch (reply.status) {
      case 'LEASED':
        this.#leased(reply.epoch, reply.proof, sentAt + counted * reply.ttlMs)
        return Math.max(hopLeastMs, pollAfterMs)
      case 'MOVED':
        return this.#moved(reply.to, pollAfterMs, server)
      case 'STALE':
        this.#lose(reply.reason)
        this.#state = { ...this.#state, epoch: 0, proof: '' }
        break
      case 'UNKNOWN':
        this.#tell(`${server} does not take this host: ${reply.reason}`)
        break
      case 'PENDING':
    }
    return Math.max(hopLeastMs, pollAfterMs)
  }

  #leased(epoch: number, proof: string | undefined, until: number): void {
    const isNews = !this.#isTold || epoch !== this.#state.epoch || this.lease() === undefined
    this.#state = { ...this.#state, epoch, proof: proof ?? (epoch === this.#state.epoch ? this.#state.proof : '') }
    // An answer that comes late does not shorten what an earlier one of the same lease gave.
    this.#until = isNews ? until : Math.max(this.#until, until)
    const lease = this.lease()
    if (lease === undefined) return
    this.#isTold = true
    this.#stopLost?.()
    this.#stopLost = this.#port.after(lease.remainingMs, () => this.#lose('it ran out'))
    if (isNews) for (const listener of this.#listeners.leased) listener(lease)
  }

  #lose(why: string): void {
    this.#stopLost?.()
    this.#until = Number.NEGATIVE_INFINITY
    if (!this.#isTold) return
    this.#isTold = false
    this.#state = { ...this.#state, epoch: 0, proof: '' }
    for (const listener of this.#listeners.lost) listener(why)
  }

  /** Managers that send a host from one to the other are followed ever more slowly. */
  #moved(to: string, pollAfterMs: number, server: string): number {
    if (new URL(server).protocol === 'https:' && new URL(to).protocol !== 'https:') {
      this.#tell(`${server}: expected to be sent to another https address, found ${to}`)
      return this.#brokenTransport(`${server} sends elsewhere`)
    }
    this.#owner = to
    const slowly = Math.min(60_000, hopLeastMs * 2 ** Math.min(this.#hops++, 20))
    return Math.max(pollAfterMs, slowly * (0.5 + this.#port.random()))
  }

  /** By the guard at the front door, or for good. */
  #turnedAway(server: string, status: number, header: string | undefined): number {
    const afterMs = retryAfterMs(header)
    const isBusy = status === 429 || status === 503
    if (isBusy && afterMs !== undefined) return afterMs * (1 + this.#port.random() / 2)
    if (isBusy || status >= 500) return this.#brokenTransport(`${server}: expected 200, found ${status}`)
    this.#tell(`${server}: expected 200, found ${status}; check the token, the id and the address`)
    return Math.max(60_000, this.#state.pollAfterMs) * (0.5 + this.#port.random())
  }

  #brokenTransport(what: string): number {
    this.#tell(what)
    if (this.#owner === undefined) this.#server = (this.#server + 1) % this.#options.servers.length
    this.#owner = undefined
    return this.#bucket.failed(this.#state.pollAfterMs, this.#port.random())
  }

  #tell(what: string): void {
    for (const listener of this.#listeners.trouble) listener(what)
  }
}
