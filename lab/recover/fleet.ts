/**
 * The hosts: each knows when it acts next. Two protocols: `asking` sends a request, waits for it until it
 * loses patience, and tries again; `polling` reports, is answered at once, and comes back when it was told.
 */
import type { Stream } from '../sim/random.ts'
import { type Kind, lease, renewal } from './database.ts'
import type { Record } from './record.ts'
import {
  arrivalSeconds,
  deadShare,
  frontDoorPerSecond,
  impatientShare,
  type Scenario,
  sites,
  type Terms,
} from './scenario.ts'
import type { Fleet, Server } from './server.ts'
import type { Timers } from './timers.ts'

export type Protocol = 'polling' | { readonly retries: 'at once' | 'with backoff' }

/** An asking host's patience, if the terms say nothing else. */
export const patienceSeconds = 10
const backoffMaxSeconds = 60
/** There and back, for who comes again without waiting. */
const roundTripSeconds = 0.1
/** Messages that wait at the front door longer than it are turned away. */
const doorWaitSeconds = 0.5

const idle = 0
const asking = 1
const holding = 2
const renewing = 3
/** Polling hosts need no other. */
const reporting = 4

export class Hosts implements Fleet {
  server!: Server
  readonly #protocol: Protocol
  readonly #terms: Terms
  readonly #timers: Timers
  readonly #record: Record
  readonly #random: Stream
  readonly #state: Uint8Array
  readonly #attempt: Uint32Array
  readonly #tries: Uint8Array
  readonly #nextAt: Float64Array
  readonly #leaseEnds: Float64Array
  readonly #isLeased: Uint8Array
  readonly #isDead: Uint8Array
  readonly #isImpatient: Uint8Array
  /** How much longer its second takes. */
  readonly #slowness: Float32Array | undefined
  #now = 0
  #doorFreeAt = 0

  constructor(scenario: Scenario, terms: Terms, protocol: Protocol, timers: Timers, record: Record, random: Stream) {
    const { hosts, clients } = scenario
    this.#protocol = protocol
    this.#terms = terms
    this.#timers = timers
    this.#record = record
    this.#random = random
    this.#state = new Uint8Array(hosts).fill(protocol === 'polling' ? reporting : idle)
    this.#attempt = new Uint32Array(hosts)
    this.#tries = new Uint8Array(hosts)
    this.#nextAt = new Float64Array(hosts)
    this.#leaseEnds = new Float64Array(hosts)
    this.#isLeased = new Uint8Array(hosts)
    // Spread over the sites: neighbours in number are at different sites.
    const every = (share: number) => Math.round(1 / share)
    this.#isDead = Uint8Array.from({ length: hosts }, (_, i) =>
      clients === 'dead' && i % every(deadShare) === 7 ? 1 : 0,
    )
    this.#isImpatient = Uint8Array.from({ length: hosts }, (_, i) =>
      clients === 'impatient' && i % every(impatientShare) === 7 ? 1 : 0,
    )
    this.#slowness =
      clients === 'skewed' ? Float32Array.from({ length: hosts }, () => 0.98 + 0.04 * this.#chance()) : undefined
    for (let host = 0; host < hosts; host++)
      this.#wakeAt(host, clients === 'synchronised' ? 0 : arrivalSeconds(hosts) * this.#chance())
  }

  siteOf(host: number): number {
    return host % sites
  }

  isLive(host: number): boolean {
    return this.#isDead[host] === 0
  }

  /** A timer of this host went off; old ones do nothing. */
  wake(host: number, now: number): void {
    if (this.#nextAt[host] !== now) return
    this.#now = now
    const state = this.#state[host]
    const hasRunOut = now >= (this.#leaseEnds[host] as number)
    if (state === reporting) this.#report(host)
    else if (state === idle) this.#ask(host, lease)
    else if (state === asking) this.#tryAgain(host, 0)
    else if (hasRunOut) this.#lost(host)
    else if (state === holding) this.#ask(host, renewal)
    else this.#tryAgain(host, 0)
  }

  at(now: number): void {
    this.#now = now
  }

  stillWaits(host: number, attempt: number): boolean {
    return (
      this.#isDead[host] === 0 &&
      this.#attempt[host] === attempt &&
      this.#state[host] !== holding &&
      this.#state[host] !== idle
    )
  }

  refused(host: number): void {
    this.#tryAgain(host, roundTripSeconds)
  }

  failed(host: number, attempt: number): void {
    if (this.stillWaits(host, attempt)) this.#tryAgain(host, roundTripSeconds)
  }

  granted(host: number, kind: Kind, attempt: number): void {
    const isWanted = this.#protocol === 'polling' || this.stillWaits(host, attempt)
    if (this.#isDead[host] === 1 || (kind === lease && !isWanted)) {
      this.#record.wasted()
      return
    }
    if (this.#protocol !== 'polling') {
      this.#leaseEnds[host] = this.#now + this.#terms.ttlSeconds
      if (isWanted) this.#hold(host)
    }
    this.#record.granted(kind, this.#now)
    if (this.#isLeased[host] === 1) return
    this.#isLeased[host] = 1
    this.#record.leased(this.siteOf(host), this.#now)
  }

  answered(host: number, isLeased: boolean, pollAfterSeconds: number): void {
    this.#tries[host] = 0
    if (this.#isDead[host] === 1) return
    const isAtOnce = this.#isImpatient[host] === 1 && !isLeased
    this.#wakeAt(host, this.#now + (isAtOnce ? roundTripSeconds : pollAfterSeconds * this.#pace(host)))
  }

  expired(host: number): void {
    if (this.#isDead[host] === 1 || this.#isLeased[host] === 0) return
    this.#isLeased[host] = 0
    this.#record.expired(this.siteOf(host), this.#now)
  }

  #report(host: number): void {
    if (this.#isLeased[host] === 0 && this.#isImpatient[host] === 0) this.#record.message()
    if (this.#doorTakes()) this.server.message(host, lease, 0)
    else this.#wakeAt(host, this.#now + (this.server.turnedAway() ?? this.#backoff(host)))
  }

  #ask(host: number, kind: Kind): void {
    if (kind === lease && this.#isImpatient[host] === 0) this.#record.message()
    this.#attempt[host] = (this.#attempt[host] as number) + 1
    this.#state[host] = kind === lease ? asking : renewing
    const patience = this.#now + (this.#terms.patienceSeconds ?? patienceSeconds) * this.#pace(host)
    const until = kind === lease ? patience : Math.min(patience, this.#leaseEnds[host] as number)
    if (this.#isDead[host] === 1) this.#nextAt[host] = Number.POSITIVE_INFINITY
    else this.#wakeAt(host, until)
    if (this.#doorTakes()) this.server.message(host, kind, this.#attempt[host] as number)
    else this.refused(host)
  }

  #tryAgain(host: number, leastSeconds: number): void {
    if (this.#isDead[host] === 1) return
    const isAtOnce =
      this.#isImpatient[host] === 1 || (this.#protocol !== 'polling' && this.#protocol.retries === 'at once')
    const wait = isAtOnce ? leastSeconds : Math.max(leastSeconds, this.#backoff(host))
    const isRenewal = this.#state[host] === renewing
    this.#state[host] = isRenewal ? holding : idle
    const at = this.#now + wait
    this.#wakeAt(host, isRenewal ? Math.min(at, this.#leaseEnds[host] as number) : at)
  }

  #lost(host: number): void {
    this.expired(host)
    this.#ask(host, lease)
  }

  #hold(host: number): void {
    this.#tries[host] = 0
    this.#state[host] = holding
    this.#wakeAt(host, this.#now + this.#terms.renewalSeconds * this.#pace(host))
  }

  /** Full jitter from one second to a minute. */
  #backoff(host: number): number {
    const tries = this.#tries[host] as number
    this.#tries[host] = Math.min(20, tries + 1)
    return this.#chance() * Math.min(backoffMaxSeconds, 2 ** tries)
  }

  #doorTakes(): boolean {
    const from = Math.max(this.#now, this.#doorFreeAt)
    if (from - this.#now > doorWaitSeconds) return false
    this.#doorFreeAt = from + 1 / frontDoorPerSecond
    return true
  }

  #wakeAt(host: number, at: number): void {
    this.#nextAt[host] = at
    this.#timers.add(at, host)
  }

  #pace(host: number): number {
    return this.#slowness === undefined ? 1 : (this.#slowness[host] as number)
  }

  #chance(): number {
    return this.#random.below(2 ** 32) / 2 ** 32
  }
}
