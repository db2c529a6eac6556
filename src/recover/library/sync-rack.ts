/**
 * Many hosts that report together: one request for all that are due at about the same time at the same manager,
 * where each would send its own. Each keeps its own lease, epoch and clock.
 *
 *     import { syncRack } from 'holdfast/recover'
 *
 *     const rack = syncRack({ servers: ['http://10.0.0.5:9660'], token })
 *     const host = rack.add({ id: 'vm-17', bootId })
 *     host.on('leased', ({ epoch }) => start('vm-17', epoch))
 *     host.on('lost', () => stop('vm-17'))
 */
import { isProblem } from '../../base/problem.ts'
import { nodePort } from './node-port.ts'
import type { HttpPort } from './port.ts'
import { HostSide, type Lease, type News } from './sync-host.ts'
import {
  checkIdentity,
  hostsMost,
  RetryBucket,
  readReplies,
  reportText,
  retryAfterMs,
  type SyncIdentity,
  type SyncState,
} from './sync-protocol.ts'

export interface SyncRackOptions {
  /** Of the managers, such as `http://10.0.0.5:9660`; tried in turn. */
  readonly servers: readonly [string, ...string[]]
  /** Asked for each request, so that it may change. Never logged. */
  readonly token: string | (() => string)
  /** For one request; 10,000 if not said. */
  readonly timeoutMs?: number
  /**
   * A host reports up to so much early, and a quarter of its poll interval at most, to go with another one; 1,000
   * if not said.
   */
  readonly gatherMs?: number
  readonly port?: HttpPort
}

export interface SyncHostOptions extends SyncIdentity {
  /** Of an earlier client of the same start of the host (same `bootId`). */
  readonly resume?: SyncState
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

export interface SyncRack {
  /**
   * Reports at once, or within the poll interval that `resume` remembers. At most 500 hosts, each id once; throws a
   * TypeError that names what is wrong.
   */
  add(host: SyncHostOptions): SyncClient
  readonly size: number
  /** Of all its hosts. */
  close(): void
}

export const syncRack = (options: SyncRackOptions): SyncRack => new Rack(options)

/** When a request of many hosts was refused, they come one by one within this time. */
const apartMs = 10_000
const refusedMs = 60_000
const earlyMost = 0.25

class Rack implements SyncRack {
  readonly #options: SyncRackOptions
  readonly #port: HttpPort
  readonly #bucket = new RetryBucket()
  readonly #members = new Map<string, Member>()
  readonly #requests = new Set<() => void>()
  #server = 0
  #stopTimer = () => {}

  constructor(options: SyncRackOptions) {
    this.#options = options
    this.#port = options.port ?? nodePort
  }

  get size(): number {
    return this.#members.size
  }

  add(host: SyncHostOptions): SyncClient {
    checkIdentity(host)
    if (this.#members.has(host.id)) throw new TypeError(`id: expected each once, found ${host.id} again`)
    if (this.#members.size >= hostsMost)
      throw new TypeError(`a rack: expected at most ${hostsMost} hosts, found one more; make another rack`)
    const member = new Member(host, this.#port, () => this.#remove(host.id))
    this.#members.set(host.id, member)
    member.report(member.state.pollAfterMs * this.#port.random(), 0)
    this.#plan()
    return member
  }

  close(): void {
    for (const member of [...this.#members.values()]) member.close()
  }

  #remove(id: string): void {
    this.#members.delete(id)
    if (this.#members.size > 0) return
    this.#stopTimer()
    for (const stop of this.#requests) stop()
  }

  #plan(): void {
    this.#stopTimer()
    let dueAt = Number.POSITIVE_INFINITY
    for (const member of this.#members.values()) dueAt = Math.min(dueAt, member.dueAt)
    if (dueAt === Number.POSITIVE_INFINITY) return
    this.#stopTimer = this.#port.after(Math.max(0, dueAt - this.#port.now()), () => this.#begin())
  }

  /** Whoever is due, and whoever may as well go with them. */
  #begin(): void {
    const now = this.#port.now()
    const ready = [...this.#members.values()].filter(({ fromAt }) => fromAt <= now)
    const together = Map.groupBy(ready, (member) =>
      member.isApart ? `${this.#serverOf(member)} ${member.identity.id}` : this.#serverOf(member),
    )
    for (const members of together.values()) {
      // Nobody goes early for others who are early, too.
      if (!members.some(({ dueAt }) => dueAt <= now)) continue
      for (const member of members) member.asks()
      const server = this.#serverOf(members[0] as Member)
      void this.#ask(server, members).then(() => this.#plan())
    }
    this.#plan()
  }

  #serverOf({ side }: Member): string {
    return side.owner ?? (this.#options.servers[this.#server] as string)
  }

  async #ask(server: string, members: readonly Member[]): Promise<void> {
    const { token, timeoutMs = 10_000 } = this.#options
    const abort = new AbortController()
    const stop = this.#port.after(timeoutMs, () => abort.abort(new Error(`no answer within ${timeoutMs} ms`)))
    const end = () => {
      stop()
      abort.abort(new Error('closed'))
    }
    this.#requests.add(end)
    const sentAt = this.#port.now()
    try {
      const authorization = `Bearer ${typeof token === 'string' ? token : token()}`
      const url = new URL('/v1/sync', server).href
      const body = reportText(members.map(({ identity, side }) => [identity, side.shown(sentAt)]))
      const reply = await this.#port.post(url, body, { authorization }, abort.signal)
      const there = members.filter(({ isClosed }) => !isClosed)
      if (reply.status === 200) this.#answered(server, there, reply.body, sentAt)
      else this.#turnedAway(server, there, reply.status, reply.retryAfter)
    } catch (error) {
      const there = members.filter(({ isClosed }) => !isClosed)
      this.#broken(server, there, error instanceof Error ? error.message : String(error))
    } finally {
      stop()
      this.#requests.delete(end)
    }
  }

  #answered(server: string, members: readonly Member[], body: string, sentAt: number): void {
    const replies = readReplies(
      body,
      members.map(({ identity }) => identity.id),
    )
    if (isProblem(replies)) {
      this.#broken(server, members, `${server}: expected ${replies.expected}, found ${replies.found}`)
      return
    }
    this.#bucket.succeeded()
    const now = this.#port.now()
    for (const member of members) {
      const reply = replies.get(member.identity.id)
      if (reply === undefined || isProblem(reply)) {
        const { expected, found } = reply ?? { expected: `an answer for ${member.identity.id}`, found: 'none' }
        member.tell([{ kind: 'trouble', what: `${server}: expected ${expected}, found ${found}` }])
        this.#again(server, [member], member.bucket)
        continue
      }
      member.isApart = false
      const { news, next } = member.side.heard(reply, sentAt, now, server, this.#port.random())
      member.tell(news)
      if (next.kind === 'broken') this.#again(server, [member], member.bucket)
      else {
        member.bucket.succeeded()
        member.report(next.waitMs, Math.min(this.#options.gatherMs ?? 1_000, next.waitMs * earlyMost))
      }
    }
  }

  /** By the guard at the front door, or for good. */
  #turnedAway(server: string, members: readonly Member[], status: number, header: string | undefined): void {
    const afterMs = retryAfterMs(header)
    const isBusy = status === 429 || status === 503
    if (isBusy && afterMs !== undefined) {
      const waitMs = afterMs * (1 + this.#port.random() / 2)
      for (const member of members) member.report(waitMs, 0)
    } else if (isBusy || status >= 500) this.#broken(server, members, `${server}: expected 200, found ${status}`)
    else if ((status === 400 || status === 413) && members.length > 1) {
      // Of one of them, and nobody was looked at: the others must not wait for it.
      for (const member of members) {
        member.isApart = true
        member.report(apartMs * this.#port.random(), 0)
      }
    } else {
      const what = `${server}: expected 200, found ${status}; check the token, the id and the address`
      const chance = this.#port.random()
      for (const member of members) {
        member.tell([{ kind: 'trouble', what }])
        member.report(Math.max(refusedMs, member.state.pollAfterMs) * (0.5 + chance), 0)
      }
    }
  }

  #broken(server: string, members: readonly Member[], what: string): void {
    for (const member of members) member.tell([{ kind: 'trouble', what }])
    this.#again(server, members, this.#bucket)
  }

  /** Elsewhere, all of them together: one failure is one failure, however many hosts it was for. */
  #again(server: string, members: readonly Member[], bucket: RetryBucket): void {
    if (members.length === 0) return
    const { servers } = this.#options
    const wasEntry = members.some(({ side }) => side.owner === undefined)
    if (wasEntry && servers[this.#server] === server) this.#server = (this.#server + 1) % servers.length
    const pollAfterMs = Math.max(...members.map(({ state }) => state.pollAfterMs))
    const waitMs = bucket.failed(pollAfterMs, this.#port.random())
    for (const member of members) {
      member.side.forsake()
      member.report(waitMs, 0)
    }
  }
}

class Member implements SyncClient {
  readonly identity: SyncIdentity
  readonly side: HostSide
  readonly #port: HttpPort
  readonly #removed: () => void
  readonly #listeners = {
    leased: new Set<SyncEvents['leased']>(),
    lost: new Set<SyncEvents['lost']>(),
    trouble: new Set<SyncEvents['trouble']>(),
  }
  /** When it reports, at the latest and at the earliest; infinity while it is being answered. */
  dueAt = Number.POSITIVE_INFINITY
  fromAt = Number.POSITIVE_INFINITY
  /** Of answers for it alone: what is wrong with one host costs the others no retry. */
  readonly bucket = new RetryBucket()
  /** It reports alone, since a request with others was refused. */
  isApart = false
  isClosed = false
  #stopLost = () => {}

  constructor({ resume, ...identity }: SyncHostOptions, port: HttpPort, removed: () => void) {
    this.identity = identity
    this.side = new HostSide(resume)
    this.#port = port
    this.#removed = removed
  }

  get state(): SyncState {
    return this.side.state
  }

  lease(): Lease | undefined {
    return this.side.lease(this.#port.now())
  }

  on<Name extends keyof SyncEvents>(event: Name, listener: SyncEvents[Name]): () => void {
    const listeners = this.#listeners[event] as Set<SyncEvents[Name]>
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#stopLost()
    this.asks()
    this.#removed()
  }

  report(waitMs: number, earlyMs: number): void {
    this.dueAt = this.#port.now() + waitMs
    this.fromAt = this.dueAt - earlyMs
  }

  asks(): void {
    this.dueAt = Number.POSITIVE_INFINITY
    this.fromAt = Number.POSITIVE_INFINITY
  }

  tell(news: readonly News[]): void {
    if (this.isClosed) return
    this.#stopLost()
    const lease = this.lease()
    if (lease !== undefined)
      this.#stopLost = this.#port.after(lease.remainingMs, () => this.tell(this.side.lose('it ran out')))
    for (const one of news) {
      if (one.kind === 'leased') for (const listener of this.#listeners.leased) this.#call(() => listener(one.lease))
      else if (one.kind === 'lost') for (const listener of this.#listeners.lost) this.#call(() => listener(one.why))
      else for (const listener of this.#listeners.trouble) this.#call(() => listener(one.what))
    }
  }

  /** A listener that throws is a bug of its own program, and keeps no other host from its lease. */
  #call(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      this.#port.after(0, () => {
        throw error
      })
    }
  }
}
