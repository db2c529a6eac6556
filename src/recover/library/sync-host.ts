/**
 * One host's side of the lease service: what it counts on, what it shows, whom it reports to, and what an answer
 * changes of that. Decides, and does nothing itself; time and chance are arguments.
 */
import { nothingYet, type SyncReply, type SyncState } from './sync-protocol.ts'

export interface Lease {
  /** Rises with each lease: to be shown to whatever the lease protects. */
  readonly epoch: number
  /** How long it may be counted on. */
  readonly remainingMs: number
}

/** What a host is to be told. */
export type News =
  | { readonly kind: 'leased'; readonly lease: Lease }
  | { readonly kind: 'lost'; readonly why: string }
  | { readonly kind: 'trouble'; readonly what: string }

export interface Heard {
  readonly news: readonly News[]
  /** When to report next; `broken`: the answer is as good as none. */
  readonly next: { readonly kind: 'in'; readonly waitMs: number } | { readonly kind: 'broken' }
}

/** Of the time to live. */
const counted = 0.98
const hopLeastMs = 50

export class HostSide {
  #state: SyncState
  /** Monotonic; the lease may be counted on before it. */
  #until = Number.NEGATIVE_INFINITY
  #isTold = false
  /** Who said to be in charge. */
  #owner: string | undefined
  #hops = 0

  constructor(resume: SyncState = nothingYet) {
    this.#state = resume
  }

  get state(): SyncState {
    return this.#state
  }

  /** Undefined: whichever manager is asked first. */
  get owner(): string | undefined {
    return this.#owner
  }

  lease(now: number): Lease | undefined {
    const remainingMs = this.#until - now
    return remainingMs > 0 ? { epoch: this.#state.epoch, remainingMs } : undefined
  }

  /** What a report says. A lease that ran out is none, whatever the manager still thinks. */
  shown(now: number): SyncState {
    return this.lease(now) === undefined && this.#isTold ? { ...this.#state, epoch: 0, proof: '' } : this.#state
  }

  /** `server` answered a report that was sent at `sentAt`. */
  heard(reply: SyncReply, sentAt: number, now: number, server: string, chance: number): Heard {
    const { pollAfterMs } = reply
    this.#state = { ...this.#state, pollAfterMs }
    if (reply.status === 'MOVED') return this.#moved(reply.to, pollAfterMs, server, chance)
    this.#hops = 0
    return {
      news: this.#newsOf(reply, sentAt, now, server),
      next: { kind: 'in', waitMs: Math.max(hopLeastMs, pollAfterMs) },
    }
  }

  /** Its time is up, or another host has it. */
  lose(why: string): readonly News[] {
    this.#until = Number.NEGATIVE_INFINITY
    if (!this.#isTold) return []
    this.#isTold = false
    this.#state = { ...this.#state, epoch: 0, proof: '' }
    return [{ kind: 'lost', why }]
  }

  /** Whoever said to be in charge did not answer well. */
  forsake(): void {
    this.#owner = undefined
  }

  #newsOf(
    reply: Exclude<SyncReply, { status: 'MOVED' }>,
    sentAt: number,
    now: number,
    server: string,
  ): readonly News[] {
    switch (reply.status) {
      case 'LEASED':
        return this.#leased(reply.epoch, reply.proof, sentAt + counted * reply.ttlMs, now)
      case 'STALE': {
        const news = this.lose(reply.reason)
        this.#state = { ...this.#state, epoch: 0, proof: '' }
        return news
      }
      case 'UNKNOWN':
        return [{ kind: 'trouble', what: `${server} does not take this host: ${reply.reason}` }]
      case 'PENDING':
        return []
    }
  }

  #leased(epoch: number, proof: string | undefined, until: number, now: number): readonly News[] {
    const isNews = !this.#isTold || epoch !== this.#state.epoch || this.lease(now) === undefined
    this.#state = { ...this.#state, epoch, proof: proof ?? (epoch === this.#state.epoch ? this.#state.proof : '') }
    // An answer that comes late does not shorten what an earlier one of the same lease gave.
    this.#until = isNews ? until : Math.max(this.#until, until)
    const lease = this.lease(now)
    if (lease === undefined) return this.lose('it ran out before it was heard of')
    this.#isTold = true
    return isNews ? [{ kind: 'leased', lease }] : []
  }

  /** Managers that send a host from one to the other are followed ever more slowly. */
  #moved(to: string, pollAfterMs: number, server: string, chance: number): Heard {
    if (new URL(server).protocol === 'https:' && new URL(to).protocol !== 'https:') {
      const what = `${server}: expected to be sent to another https address, found ${to}`
      return { news: [{ kind: 'trouble', what }], next: { kind: 'broken' } }
    }
    this.#owner = to
    const slowly = Math.min(60_000, hopLeastMs * 2 ** Math.min(this.#hops++, 20))
    return { news: [], next: { kind: 'in', waitMs: Math.max(pollAfterMs, slowly * (0.5 + chance)) } }
  }
}
