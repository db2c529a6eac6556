/**
 * Keeps as many operations in flight as the dependency bears, and chooses which: the need-set says who
 * needs one, the classes who is first, the controller how many, the state of the dependency whether.
 *
 * It starts nothing itself. The caller asks `next` until it says `none`, runs what it was given with the
 * operation time-out, and reports `done`. One pump for each dependency: a stage behind another (the
 * network that a granted host needs next) is a second pump, offered what the first has done.
 */
import {
  background,
  type Class,
  classCount,
  fencing,
  idle,
  interactive,
  isStrict,
  renewal,
  running,
} from './classes.ts'
import { allowed, decide, isSaturated, mayClose, mayLeap, type Seeking, startFrom } from './controller.ts'
import {
  afterFailure,
  afterWindow,
  type Dependency,
  drained,
  probeFailed,
  probeSucceeded,
  unproven,
} from './dependency.ts'
import { FairShare } from './fair-share.ts'
import type { Hint } from './hint.ts'
import { finishesInMs, InteractiveQueue, type Load, queueBound } from './interactive.ts'
import { NeedSet } from './need-set.ts'
import { defaults, type Parameters } from './parameters.ts'
import { succeeded, throughput, type Window, WindowMeter } from './window.ts'

/** Operations of one host that may fail, one after the other, until it has to report again. */
const triesWhenUp = 2
const triesMost = 7
const peakHalfLifeSeconds = 30
/** Of the mean latency: what was begun under the old limit has ended by then. */
const settleTimes = 1.5
const settleMostMs = 500

/** Nothing is to be started now. */
export const none = -1

export type HostClass = Exclude<Class, typeof interactive>

/** `refused`: the dependency works, and says no to this one. The other two are the dependency's trouble. */
export type Outcome = 'ok' | 'refused' | 'failed' | 'timeout'

/**
 * What becomes of an item whose operation ended. `again`: it failed, and waits for another try.
 * `dropped`: it failed too often, and is to be offered again when some time has passed.
 */
export type Ended = 'done' | 'refused' | 'again' | 'dropped'

/** `joined`: not in the set before. */
export type Offered = 'joined' | 'waiting' | 'in flight'

export type Admission =
  | { readonly kind: 'admitted'; readonly item: number }
  | { readonly kind: 'refused'; readonly retryAfterMs: number }

export interface PumpOptions {
  readonly hosts: number
  readonly sites: number
  /** Milliseconds on a monotonic clock, as everywhere here. */
  readonly now: number
  /** 0 <= random() < 1. */
  readonly random: () => number
  /** Work of one operation by class; 1 if not said. */
  readonly units?: Partial<Readonly<Record<Class, number>>>
  readonly parameters?: Partial<Parameters>
  readonly hint?: Hint | undefined
  /** A host is offered while its operation runs: is that one enough (false), or must another follow? */
  readonly repeats?: boolean
  /** Asked before a host's operation is started: true takes it out of the set instead. */
  readonly isGone?: (host: number, now: number) => boolean
  /** An interactive call that was admitted, and cannot be done in time after all. */
  readonly onShed?: (item: number) => void
}

export interface PumpSnapshot {
  readonly dependency: Dependency['state']
  readonly waiting: readonly number[]
  readonly inFlight: number
  readonly limit: number
  /** Where the controller believes the knee, in operations at once. */
  readonly knee: number
  readonly mode: Seeking['mode']
  /** Units a second, of the last window that was saturated. */
  readonly throughput: number
  /** Units a second, of the last window. */
  readonly goodput: number
  readonly meanLatencyMs: number
  /** Until hosts of classes 2 and 3 are served, in ms; undefined if nobody can know. */
  readonly drainMs: number | undefined
}

const classBits = 7
const runs = 8
const offeredAgain = 16
/** Failures in a row, in the bits above. */
const failure = 32

export class Pump {
  readonly #options: PumpOptions
  readonly #parameters: Parameters
  readonly #units: Float64Array
  readonly #needs: NeedSet
  readonly #calls: InteractiveQueue
  readonly #share = new FairShare()
  readonly #waiting = new Uint32Array(classCount)
  /** By host: its class while it runs, and the bits above. */
  readonly #flags: Uint8Array
  readonly #meter: WindowMeter
  #seeking: Seeking
  #dependency: Dependency
  #hint: Hint | undefined
  /** How long an operation took at the foot of the latest climb. */
  #alone: Pick<Hint, 'aloneMs'> = {}
  #inFlight = 0
  #failedInARow = 0
  /** Until then the limit is too new for a window to tell its throughput. */
  #settlesAt: number | undefined
  #last: Window | undefined
  #saturated: Window | undefined
  #peak = 0

  constructor(options: PumpOptions) {
    this.#options = options
    this.#parameters = { ...defaults, ...options.parameters }
    this.#units = Float64Array.from({ length: classCount }, (_, klass) => options.units?.[klass as Class] ?? 1)
    this.#needs = new NeedSet(options.hosts, options.sites)
    this.#calls = new InteractiveQueue(this.#parameters.interactiveMax)
    this.#flags = new Uint8Array(options.hosts)
    this.#meter = new WindowMeter(options.now)
    this.#dependency = unproven(this.#parameters)
    this.#hint = options.hint
    this.#seeking = this.#fromHint()
  }

  get dependency(): Dependency {
    return this.#dependency
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Hosts waiting, of all classes: never more than there are hosts. */
  get waiting(): number {
    return this.#needs.size
  }

  get bytes(): number {
    return this.#needs.bytes + this.#calls.bytes + this.#flags.byteLength
  }

  /** Operations allowed in flight now. */
  get limit(): number {
    return this.#dependency.state === 'down' ? 1 : allowed(this.#seeking)
  }

  /** What is worth keeping for the next start. */
  get hint(): Hint | undefined {
    return this.#hint
  }

  /** Units a second that the dependency has shown to do; 0 if nothing is known. */
  get throughput(): number {
    return this.#saturated === undefined ? (this.#hint?.throughput ?? 0) : throughput(this.#saturated)
  }

  /** Units a second that it did at its best lately: half of it is forgotten in 30 s of work. */
  get peak(): number {
    return this.#peak
  }

  /** It is not known yet what the dependency can do. */
  get isClimbing(): boolean {
    return this.#seeking.mode === 'start'
  }

  isWaiting(host: number): boolean {
    return this.#needs.has(host)
  }

  isInFlight(host: number): boolean {
    return ((this.#flags[host] as number) & runs) !== 0
  }

  /** The host needs an operation. Idempotent. `deadline` (ms) orders the strict classes. */
  offer(host: number, klass: HostClass, site: number, now: number, deadline = 0): Offered {
    const flags = this.#flags[host] as number
    if ((flags & runs) !== 0) {
      if (this.#options.repeats === true) this.#flags[host] = flags | offeredAgain
      return 'in flight'
    }
    const isNew = this.#needs.add(host, klass, site, deadline)
    this.#observe(now)
    return isNew ? 'joined' : 'waiting'
  }

  /** It needs nothing any more. What is in flight goes on. Returns whether it was waiting. */
  withdraw(host: number, now: number): boolean {
    const was = this.#needs.remove(host)
    this.#observe(now)
    return was
  }

  /** An interactive call with so much time left: admitted if it can be done in it. */
  admit(remainingMs: number, now: number): Admission {
    const load = this.#load()
    const needsMs = finishesInMs(load, interactive)
    const isFull = !this.#calls.hasRoom || this.#calls.waiting >= queueBound(load, this.#parameters)
    if (this.#dependency.state === 'down' || isFull || needsMs >= remainingMs)
      return { kind: 'refused', retryAfterMs: Math.max(1000, Math.ceil(needsMs)) }
    const item = this.#options.hosts + this.#calls.add(now + remainingMs)
    this.#observe(now)
    return { kind: 'admitted', item }
  }

  /** A caller that waits no longer. Only for an item that `next` has not returned and `onShed` not named. */
  leave(item: number, now: number): void {
    const call = item - this.#options.hosts
    this.#calls.withdraw(call)
    this.#calls.release(call)
    this.#observe(now)
  }

  /** A host, or an interactive call, whose operation is to be started now; or `none`. */
  next(now: number): number {
    if (!this.#mayStart(now)) return none
    const item = this.#take(now)
    if (item !== none) {
      this.#inFlight++
      this.#meter.started(now)
    }
    this.#observe(now)
    return item
  }

  /** Of a host in flight. */
  classOf(host: number): Class {
    return ((this.#flags[host] as number) & classBits) as Class
  }

  done(item: number, outcome: Outcome, latencyMs: number, now: number): Ended {
    this.#inFlight--
    const isCall = item >= this.#options.hosts
    const klass = isCall ? interactive : this.classOf(item)
    const isTrouble = outcome === 'failed' || outcome === 'timeout'
    if (isTrouble) this.#meter.failed(latencyMs)
    else this.#meter.succeeded(this.#units[klass] as number, isStrict(klass), latencyMs)
    this.#meter.left(this.#inFlight, now)
    const ended = isCall ? this.#endCall(item, outcome) : this.#endHost(item, klass, outcome)
    this.#failedInARow = isTrouble ? this.#failedInARow + 1 : 0
    if (this.#dependency.state === 'down') this.#probed(isTrouble, now)
    else if (isTrouble) this.#failed(now)
    this.#observe(now)
    this.#closeWindow(now)
    return ended
  }

  /** To be called every few hundredths of a second, also when nothing happens. */
  tick(now: number): void {
    this.#observe(now)
    this.#closeWindow(now)
    if ((this.#needs.waiting[running] as number) === 0) this.#dependency = drained(this.#dependency)
  }

  snapshot(): PumpSnapshot {
    const backlog =
      (this.#needs.waiting[running] as number) * (this.#units[running] as number) +
      (this.#needs.waiting[idle] as number) * (this.#units[idle] as number)
    const last = this.#saturated
    const forHosts = last === undefined ? 0 : (last.units - last.strictUnits) / last.seconds
    return {
      dependency: this.#dependency.state,
      waiting: [...this.#counts()],
      inFlight: this.#inFlight,
      limit: this.limit,
      knee: this.#seeking.mode === 'start' ? this.#seeking.bestLimit : this.#seeking.base,
      mode: this.#seeking.mode,
      throughput: this.throughput,
      goodput: this.#last === undefined ? 0 : throughput(this.#last),
      meanLatencyMs: this.#last?.meanLatencyMs ?? 0,
      drainMs:
        backlog === 0 ? 0 : forHosts > 0 && this.#dependency.state !== 'down' ? (backlog / forHosts) * 1000 : undefined,
    }
  }

  #mayStart(now: number): boolean {
    if (this.#dependency.state === 'down') return this.#inFlight === 0 && now >= this.#dependency.probeAt
    return this.#inFlight < allowed(this.#seeking)
  }

  #take(now: number): number {
    for (;;) {
      const host = this.#takeHostOrCall(now)
      if (host === none || host >= this.#options.hosts) return host
      if (this.#options.isGone?.(host, now) !== true) return host
      this.#flags[host] = 0
    }
  }

  #takeHostOrCall(now: number): number {
    const needs = this.#needs
    const isUrgent = (needs.waiting[fencing] as number) > 0
    const strict: Class = isUrgent ? fencing : renewal
    const urgent = needs.takeStrict()
    if (urgent !== none) return this.#begin(urgent, strict)
    for (;;) {
      const klass = this.#share.pick(this.#counts())
      if (klass === -1) return none
      if (klass !== interactive) return this.#begin(needs.take(klass as Class), klass as Class)
      const call = this.#takeCall(now)
      if (call !== none) return this.#options.hosts + call
    }
  }

  #begin(host: number, klass: Class): number {
    this.#flags[host] = ((this.#flags[host] as number) & -failure) | runs | klass
    return host
  }

  /** One that can still be done; those that cannot are shed. */
  #takeCall(now: number): number {
    const load = this.#load()
    const bound = queueBound(load, this.#parameters)
    for (;;) {
      const call = this.#calls.take(bound)
      if (call === none || this.#calls.deadlineOf(call) - now > load.meanLatencyMs) return call
      this.#calls.release(call)
      this.#options.onShed?.(this.#options.hosts + call)
    }
  }

  #endCall(item: number, outcome: Outcome): Ended {
    this.#calls.release(item - this.#options.hosts)
    return outcome === 'ok' ? 'done' : outcome === 'refused' ? 'refused' : 'dropped'
  }

  #endHost(host: number, klass: Class, outcome: Outcome): Ended {
    const flags = this.#flags[host] as number
    this.#flags[host] = 0
    const site = this.#needs.siteOf(host)
    if (outcome === 'ok' || outcome === 'refused') {
      if ((flags & offeredAgain) !== 0) this.#needs.add(host, klass, site, 0)
      return outcome === 'ok' ? 'done' : 'refused'
    }
    const failures = Math.floor(flags / failure) + 1
    // While everything fails it is not this host's fault.
    if (failures >= (this.#dependency.state === 'up' ? triesWhenUp : triesMost)) return 'dropped'
    this.#flags[host] = failures * failure
    this.#needs.add(host, klass, site, 0)
    return 'again'
  }

  #failed(now: number): void {
    const limit = allowed(this.#seeking)
    const chance = this.#options.random()
    this.#dependency = afterFailure(this.#dependency, this.#failedInARow, limit, this.#parameters, chance, now)
  }

  #probed(isTrouble: boolean, now: number): void {
    const { random } = this.#options
    if (!isTrouble) {
      this.#dependency = probeSucceeded(this.#dependency, this.#parameters)
      this.#seeking = this.#fromHint()
      this.#meter.close(now)
    } else if (this.#inFlight === 0) {
      this.#dependency = probeFailed(this.#dependency, this.#parameters, random(), now)
    }
  }

  #fromHint(): Seeking {
    const { hintShare, limitFirst } = this.#parameters
    if (this.#hint === undefined) return startFrom(limitFirst, this.#parameters)
    return startFrom(this.#hint.limit * hintShare, this.#parameters, this.#hint)
  }

  #observe(now: number): void {
    const isFull = this.#inFlight >= 0.9 * this.#seeking.limit
    this.#meter.saturated(isFull || this.#needs.size + this.#calls.waiting > 0, now)
  }

  #closeWindow(now: number): void {
    const sofar = this.#meter.sofar(now)
    if (this.#settlesAt === undefined) {
      if (!mayClose(sofar, this.#seeking, this.#parameters)) return
    } else if (!mayLeap(sofar, this.#seeking, this.#parameters)) {
      if (now < this.#settlesAt) return
      this.#settlesAt = undefined
      this.#meter.close(now)
      return
    }
    this.#settlesAt = undefined
    const window = this.#meter.close(now)
    this.#last = window
    if (this.#dependency.state === 'down') return
    this.#dependency = afterWindow(this.#dependency, window, this.#parameters, this.#options.random(), now)
    if (isSaturated(window) && window.ended > window.failed) this.#learn(window)
    const before = allowed(this.#seeking)
    this.#seeking = decide(this.#seeking, window, this.#parameters)
    // Until what was begun under the old limit has ended, its throughput is that of both.
    if (allowed(this.#seeking) !== before)
      this.#settlesAt = now + Math.min(settleMostMs, settleTimes * window.meanLatencyMs)
  }

  #learn(window: Window): void {
    this.#saturated = window
    this.#peak = Math.max(throughput(window), this.#peak * 2 ** (-window.seconds / peakHalfLifeSeconds))
    const { mode, phase, base, best } = this.#seeking
    if (mode === 'start' && best === 0 && window.meanLatencyMs > 0) this.#alone = { aloneMs: window.meanLatencyMs }
    const isAtBase = mode === 'cruise' && (phase === 'base' || phase === 'base again')
    // What it does in a bad moment is nothing to begin from next time, nor to tell hosts when to come back.
    const { state, clean } = this.#dependency
    const isGood = state === 'up' || clean >= this.#parameters.cleanToUp
    const isUsual = isGood && throughput(window) >= this.#peak / 2
    if (isAtBase && window.failed === 0 && isUsual)
      this.#hint = { throughput: throughput(window), limit: base, ...this.#alone }
  }

  #load(): Load {
    return {
      waiting: this.#counts(),
      operationsPerSecond: this.#saturated === undefined ? 0 : succeeded(this.#saturated),
      meanLatencyMs: this.#last?.meanLatencyMs ?? 0,
    }
  }

  #counts(): Uint32Array {
    this.#waiting.set(this.#needs.waiting)
    this.#waiting[interactive] = this.#calls.waiting
    return this.#waiting
  }
}

/** Classes that a host may be offered in, by what they are for. */
export const hostClasses: readonly HostClass[] = [fencing, renewal, running, idle, background]
