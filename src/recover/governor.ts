/**
 * The recovery governor: which hosts hold a lease, and how a fleet without leases gets them again.
 *
 * A host reports (`report`) and is answered at once: it holds a lease, or it waits, and when to come again.
 * Whoever waits is in the need-set; the pump says whose operation to start (`next`) and is told how it
 * ended (`done`). Leases run out by the wheel, and only while that is safe.
 *
 * Pure: time is an argument (milliseconds on a monotonic clock), chance is given, nothing is awaited, and
 * nothing is allocated for a host.
 */
import { assert } from '../base/assert.ts'
import { type Class, type idle, renewal, type running } from './classes.ts'
import { ExpiryAllowance, lookAgainMs, mayExpire, spreadMs } from './expiry.ts'
import type { Hint } from './hint.ts'
import * as table from './host-table.ts'
import { assertInRange, HostTable, type Tick, tickAfter, tickBefore, tickMs } from './host-table.ts'
import type { Parameters } from './parameters.ts'
import { type Bearing, leasedPollMs, reportsPerLease, ttlMs, waitingPollMs } from './polling.ts'
import { type Admission, type Ended, type Offered, type Outcome, Pump, type PumpSnapshot } from './pump.ts'
import { ReportWatch } from './report-watch.ts'
import { letGo, TimingWheel } from './timing-wheel.ts'

export interface GovernorOptions {
  /** Hosts are numbered from 0 below this; sites likewise. */
  readonly hosts: number
  readonly sites: number
  readonly now: number
  /** 0 <= random() < 1. */
  readonly random: () => number
  /** Requests a second that the front door can answer. */
  readonly frontDoorPerSecond: number
  /** Does a renewal cost the dependency an operation, and how much of a grant's work; or is it memory alone? */
  readonly renewals: 'memory' | { readonly units: number }
  /** Instead of the rule that keeps renewals to a tenth of the dependency. */
  readonly ttlMs?: number
  /** How much later than the host is told a lease ends here. */
  readonly graceMs?: number
  readonly parameters?: Partial<Parameters>
  readonly hint?: Hint | undefined
  /** A lease was taken away. */
  readonly onExpired?: (host: number) => void
  readonly onShed?: (item: number) => void
}

export type Standing = 'leased' | 'pending'

export interface GovernorSnapshot extends PumpSnapshot {
  readonly leased: number
  /** Of those, leases that ran out and were not taken away: more than the speed limit lets go is an alarm. */
  readonly overdue: number
  readonly expired: number
  /** Hosts that went silent before their turn came. */
  readonly gone: number
  readonly isExpirySuspended: boolean
  readonly ttlMs: number
}

/** A host that was silent for so many of its own intervals is not served: it will report again, or is dead. */
const silentIntervals = 3
/** While expiry is suspended, leases that ran out are looked at so often. */
const suspendedTicks = 100
/** A host whose operations fail again and again is left alone so long, or until it reports. */
const restMs = 10_000
/** Of the usual time between renewals: a lease younger than that is not renewed. */
const tooYoung = 0.7

export class Governor {
  readonly #options: GovernorOptions
  readonly #hosts: HostTable
  readonly #pump: Pump
  readonly #wheel: TimingWheel
  readonly #allowance: ExpiryAllowance
  readonly #watch: ReportWatch
  readonly #graceMs: number
  readonly #renewalUnits: number
  #isSuspended = true
  #gone = 0
  #expired = 0
  #now: number

  constructor(options: GovernorOptions) {
    const { hosts, sites, now, renewals } = options
    assertInRange(now)
    this.#options = options
    this.#hosts = new HostTable(hosts, sites)
    this.#renewalUnits = renewals === 'memory' ? 0 : renewals.units
    this.#graceMs = options.graceMs ?? 30_000
    this.#wheel = new TimingWheel(hosts, (host, tick) => this.#runOut(host, tick))
    this.#wheel.advance(tickBefore(now))
    this.#allowance = new ExpiryAllowance(sites, now)
    this.#watch = new ReportWatch(now)
    this.#now = now
    this.#pump = new Pump({
      hosts,
      sites,
      now,
      random: options.random,
      units: { [renewal]: this.#renewalUnits },
      hint: options.hint,
      isGone: (host, at) => this.#isGone(host, at),
      ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
      ...(options.onShed === undefined ? {} : { onShed: options.onShed }),
    })
  }

  /** Of all arrays that grow with the fleet. */
  get bytes(): number {
    return this.#hosts.bytes + this.#wheel.bytes + this.#pump.bytes
  }

  get inFlight(): number {
    return this.#pump.inFlight
  }

  /** Hosts that wait for an operation: never more than there are hosts. */
  get waiting(): number {
    return this.#pump.waiting
  }

  get hint(): Hint | undefined {
    return this.#pump.hint
  }

  get dependency(): PumpSnapshot['dependency'] {
    return this.#pump.dependency.state
  }

  /** How long a lease is good, by the number of hosts and what front door and dependency can bear. */
  get ttlMs(): number {
    const known = this.#options.hosts - (this.#hosts.count[table.unknown] as number)
    return this.#options.ttlMs ?? ttlMs(known, this.#renewalUnits, this.#bearing())
  }

  /**
   * A host reports. It is renewed if it holds a lease, and needs one otherwise. `pollMs` in the answer of
   * the front door comes from `pollAfter`, which is to be called next.
   */
  report(host: number, klass: typeof running | typeof idle, site: number, now: number): Standing {
    this.#see(host, klass, site, now)
    if (this.#hosts.holdsLease(host)) {
      this.#renew(host, now)
      return 'leased'
    }
    this.#need(host, now)
    return 'pending'
  }

  /** When the host that just reported is to report again, in ms. */
  pollAfter(host: number, now: number): number {
    const chance = this.#options.random()
    const ms = this.#hosts.holdsLease(host)
      ? leasedPollMs(this.ttlMs, this.#ageMs(host, now), chance)
      : waitingPollMs(this.#pump.waiting + this.#pump.inFlight, this.#bearingOfDrain(), chance)
    this.#hosts.due[host] = tickAfter(now + ms)
    this.#watch.reported(now, ms)
    return ms
  }

  /**
   * When a host is to report again that the front door turned away unheard, in ms. All that have no lease
   * may be among them, known or not, so it is their number that is spread out. The need-set does not know
   * them yet, so they come back as fast as the front door bears, whatever the dependency does.
   */
  retryAfter(): number {
    const leases = (this.#hosts.count[table.leased] as number) + (this.#hosts.count[table.grace] as number)
    const { frontDoorPerSecond, random } = this.#options
    return waitingPollMs(this.#options.hosts - leases, { frontDoorPerSecond, throughput: 0 }, random())
  }

  /** The host needs an operation, whether it reported or not. Idempotent. */
  offer(host: number, klass: typeof running | typeof idle, site: number, now: number): Offered {
    this.#see(host, klass, site, now)
    return this.#need(host, now)
  }

  /**
   * A lease granted by another manager, whose shard this one took over: the host shows its epoch. Only
   * for a host that is not known here; returns whether the lease was taken up.
   */
  adopt(host: number, klass: typeof running | typeof idle, site: number, epoch: number, now: number): boolean {
    if (this.#hosts.state[host] !== table.unknown) return false
    this.#see(host, klass, site, now)
    this.#hosts.epoch[host] = epoch
    this.#grant(host, now)
    return true
  }

  /** Known, without a lease, and not waiting for one: it was silent too long, or the dependency refused it. */
  isAbsent(host: number): boolean {
    return this.#hosts.state[host] === table.expired
  }

  /**
   * It is not governed here any more, as when another manager took over its shard. Returns false while its
   * operation is in flight: then it is to be asked again when that is done.
   */
  forget(host: number, now: number): boolean {
    if (this.#pump.isInFlight(host)) return false
    this.#pump.withdraw(host, now)
    this.#hosts.become(host, table.unknown)
    this.#hosts.epoch[host] = 0
    return true
  }

  /** The epoch that the operation of this host must write: greater than any before. */
  epochToWrite(host: number): number {
    return (this.#hosts.epoch[host] as number) + 1
  }

  epochOf(host: number): number {
    return this.#hosts.epoch[host] as number
  }

  standing(host: number): Standing {
    return this.#hosts.holdsLease(host) ? 'leased' : 'pending'
  }

  /** How long the host may still count on its lease, in ms. */
  remainingMs(host: number, now: number): number {
    if (!this.#hosts.holdsLease(host)) return 0
    return Math.max(0, (this.#hosts.expiry[host] as number) * tickMs - this.#graceMs - now)
  }

  admit(remainingMs: number, now: number): Admission {
    return this.#pump.admit(remainingMs, now)
  }

  leave(item: number, now: number): void {
    this.#pump.leave(item, now)
  }

  /** Whose operation to start now: a host, an interactive call (an item from `admit`), or `none`. */
  next(now: number): number {
    const item = this.#pump.next(now)
    if (item >= 0 && item < this.#options.hosts && !this.#hosts.holdsLease(item))
      this.#hosts.become(item, table.inFlight)
    return item
  }

  /** Of what `next` returned and `done` was not told of: tells a grant from a renewal. */
  classOf(host: number): Class {
    return this.#pump.classOf(host)
  }

  done(item: number, outcome: Outcome, latencyMs: number, now: number): Ended {
    const ended = this.#pump.done(item, outcome, latencyMs, now)
    if (item >= this.#options.hosts) return ended
    if (ended === 'done') {
      this.#hosts.epoch[item] = this.epochToWrite(item)
      this.#grant(item, now)
    } else if (!this.#hosts.holdsLease(item)) {
      // Refused: it stays known, without a lease, until it reports again.
      this.#hosts.become(item, ended === 'refused' ? table.expired : table.needed)
      if (ended === 'dropped') this.#wheel.place(item, tickAfter(now + restMs * (0.5 + this.#options.random())))
    } else if (ended === 'refused') this.#takeAway(item)
    return ended
  }

  tick(now: number): void {
    assertInRange(now)
    this.#now = now
    this.#pump.tick(now)
    this.#watch.tick(now)
    const isSuspended = !mayExpire(this.#pump.dependency, this.#watch.isBlind)
    if (this.#isSuspended && !isSuspended) this.#resetClocks(now)
    this.#isSuspended = isSuspended
    this.#wheel.advance(tickBefore(now))
  }

  snapshot(): GovernorSnapshot {
    const { count } = this.#hosts
    return {
      ...this.#pump.snapshot(),
      leased: (count[table.leased] as number) + (count[table.grace] as number),
      overdue: count[table.grace] as number,
      expired: this.#expired,
      gone: this.#gone,
      isExpirySuspended: this.#isSuspended,
      ttlMs: this.ttlMs,
    }
  }

  #see(host: number, klass: Class, site: number, now: number): void {
    assert(
      host >= 0 && host < this.#options.hosts && site >= 0 && site < this.#options.sites,
      `expected a host below ${this.#options.hosts} and a site below ${this.#options.sites}, found ${host} at ${site}`,
    )
    this.#hosts.moveTo(host, site)
    this.#hosts.klass[host] = klass
    this.#hosts.lastSeen[host] = tickBefore(now)
    // Until `pollAfter` says otherwise: an offer without a report is not held to one.
    this.#hosts.due[host] = 0
  }

  #need(host: number, now: number): Offered {
    if (!this.#pump.isInFlight(host) && this.#hosts.state[host] !== table.needed) {
      this.#hosts.since[host] = tickBefore(now)
      this.#hosts.become(host, table.needed)
    }
    const klass = this.#hosts.klass[host] as typeof running | typeof idle
    return this.#pump.offer(host, klass, this.#hosts.site[host] as number, now)
  }

  #renew(host: number, now: number): void {
    if (this.#options.renewals === 'memory') {
      this.#grant(host, now)
      return
    }
    if (this.#ageMs(host, now) < (tooYoung * this.ttlMs) / reportsPerLease) return
    const endsAt = (this.#hosts.expiry[host] as number) * tickMs
    this.#pump.offer(host, renewal, this.#hosts.site[host] as number, now, endsAt)
  }

  /** Of its lease, since it was granted or renewed. */
  #ageMs(host: number, now: number): number {
    return now - (this.#hosts.since[host] as number) * tickMs
  }

  /** A lease runs from when its host can have heard of it: its next report at the latest. */
  #grant(host: number, now: number): void {
    const heardAt = Math.max(now, (this.#hosts.due[host] as number) * tickMs)
    const expiry = tickAfter(heardAt + this.ttlMs + this.#graceMs)
    const isSooner = expiry < (this.#hosts.expiry[host] as number)
    this.#hosts.expiry[host] = expiry
    this.#hosts.since[host] = tickBefore(now)
    this.#hosts.become(host, table.leased)
    // Who is in the wheel is asked at the old time, and answers with the new one.
    if (isSooner || !this.#wheel.has(host)) this.#wheel.place(host, expiry)
  }

  #isGone(host: number, now: number): boolean {
    const seen = this.#hosts.lastSeen[host] as number
    const due = this.#hosts.due[host] as number
    if (due === 0 || tickBefore(now) <= seen + silentIntervals * (due - seen)) return false
    this.#gone++
    if (!this.#hosts.holdsLease(host)) this.#hosts.become(host, table.expired)
    return true
  }

  /** The wheel asks. */
  #runOut(host: number, tick: Tick): number {
    const expiry = this.#hosts.expiry[host] as number
    if (!this.#hosts.holdsLease(host)) {
      if (this.#hosts.state[host] === table.needed) this.#need(host, this.#now)
      return letGo
    }
    if (expiry > tick) return expiry
    if (this.#isSuspended) return tick + suspendedTicks
    const site = this.#hosts.site[host] as number
    if (!this.#allowance.take(site, this.#hosts.knownAt[site] as number, this.#now)) {
      this.#hosts.become(host, table.grace)
      return tick + tickAfter(lookAgainMs(this.#options.random()))
    }
    this.#takeAway(host)
    return letGo
  }

  #takeAway(host: number): void {
    this.#pump.withdraw(host, this.#now)
    this.#hosts.become(host, table.expired)
    this.#expired++
    this.#options.onExpired?.(host)
  }

  /** Nobody could renew meanwhile: every lease begins anew, and they end spread out. */
  #resetClocks(now: number): void {
    const leases = (this.#hosts.count[table.leased] as number) + (this.#hosts.count[table.grace] as number)
    const base = now + this.ttlMs + this.#graceMs
    const spread = spreadMs(leases, this.ttlMs, this.#pump.throughput)
    for (let host = 0; host < this.#hosts.size; host++) {
      if (!this.#hosts.holdsLease(host)) continue
      const expiry = tickAfter(base + spread * this.#options.random())
      this.#hosts.expiry[host] = Math.max(expiry, this.#hosts.expiry[host] as number)
      this.#hosts.become(host, table.leased)
    }
  }

  /**
   * While the controller climbs, what the dependency did so far says nothing of how long the drain will take:
   * who is sent away by it comes back long after it. Nor do the few operations of a standstill, and after it:
   * whoever asks in that moment would be sent away for minutes, and hold a lease within seconds.
   */
  #bearingOfDrain(): Bearing {
    const { dependency, hint, isClimbing, peak, throughput } = this.#pump
    const { frontDoorPerSecond } = this.#options
    const isDraining = dependency.state === 'up' || dependency.clean > 0
    const isUnknown = isClimbing || !isDraining
    if (isUnknown && hint === undefined) return { frontDoorPerSecond: frontDoorPerSecond / 3, throughput: 0 }
    // Half of the peak: the best of many windows is chance, too.
    return { frontDoorPerSecond, throughput: Math.max(throughput, peak / 2, hint?.throughput ?? 0), isDraining }
  }

  #bearing(): Bearing {
    // A bad moment may pass: nobody is sent away for much longer than at the throughput of better times.
    const throughput = Math.max(this.#pump.throughput, (this.#pump.hint?.throughput ?? 0) / 2)
    return { frontDoorPerSecond: this.#options.frontDoorPerSecond, throughput }
  }
}
