/** One recovery from its first second to its last: the same scenario and seed give the same history. */
import { assert } from '../../src/base/assert.ts'
import type { GovernorSnapshot } from '../../src/recover/governor.ts'
import type { Hint } from '../../src/recover/hint.ts'
import type { Parameters } from '../../src/recover/parameters.ts'
import { stream } from '../sim/random.ts'
import { capacities, type Weather } from './capacity.ts'
import { curve, Database, type Kind, peak, slotsMax } from './database.ts'
import { Hosts } from './fleet.ts'
import { Governed } from './governed.ts'
import { Line } from './line.ts'
import type { Policy } from './policies.ts'
import { type Figures, Record } from './record.ts'
import { frontDoorPerSecond, renewalUnits, type Scenario, sites, type Terms, termsOf } from './scenario.ts'
import type { Machine, Server } from './server.ts'
import { Timers } from './timers.ts'

export interface Options {
  /** Gives up after so many times the bound. */
  readonly giveUpAfter?: number
  /** Goes on for so many seconds when everybody has a lease. */
  readonly afterwards?: number
  readonly parameters?: Partial<Parameters>
  readonly hint?: Hint
  /** Called at every tick of a governor, with the time in seconds. */
  readonly watch?: (snapshot: () => GovernorSnapshot, now: number) => void
}

const tickSeconds = 0.02
/** A dependency that is down says so after it. */
const refusalSeconds = 0.001

export function simulate(scenario: Scenario, policy: Policy, options: Options = {}): Figures {
  return new Simulation(scenario, policy, options).run()
}

class Simulation implements Machine {
  now = 0
  readonly #scenario: Scenario
  readonly #options: Options
  readonly #terms: Terms
  readonly #record: Record
  readonly #database: Database
  readonly #timers = new Timers()
  readonly #hosts: Hosts
  readonly #server: Server
  readonly #governed: Governed | undefined
  readonly #operations = new Operations()
  /** Operations that end at a known time if nothing ends them before. */
  readonly #timeouts: Deadlines
  readonly #refusals: Deadlines
  #weather: Weather = 'up'
  #able = 0

  constructor(scenario: Scenario, policy: Policy, options: Options) {
    this.#scenario = scenario
    this.#options = options
    this.#terms = termsOf(scenario)
    this.#record = new Record(this.#terms)
    const random = (label: string) => stream(scenario.seed, label)
    const of = curve(scenario.knee, scenario.aloneSeconds)
    this.#database = new Database(of, [1, renewalUnits], random('database'))
    this.#hosts = new Hosts(scenario, this.#terms, policy.protocol, this.#timers, this.#record, random('hosts'))
    this.#timeouts = new Deadlines(policy.operationTimeoutSeconds)
    this.#refusals = new Deadlines(refusalSeconds)
    if (policy.kind === 'governor') {
      this.#governed = new Governed(
        {
          hosts: scenario.hosts,
          sites,
          siteOf: (host) => this.#hosts.siteOf(host),
          ttlSeconds: this.#terms.ttlSeconds,
          renewalUnits,
          frontDoorPerSecond,
          random: random('governor'),
          hint: options.hint,
          ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
        },
        this,
        this.#hosts,
      )
      this.#server = this.#governed
    } else {
      this.#server = new Line(policy.rules(this.#terms.unitsPerSecond, peak(of).at), this, this.#hosts)
    }
    this.#hosts.server = this.#server
  }

  get inFlight(): number {
    return this.#operations.inFlight
  }

  run(): Figures {
    const end = (this.#options.giveUpAfter ?? 10) * this.#terms.bound
    let stopAt = end
    for (let tick = 0; ; tick++) {
      const tickAt = tick * tickSeconds
      this.#until(tickAt)
      if (this.#record.isDone && stopAt === end) stopAt = Math.min(end, tickAt + (this.#options.afterwards ?? 0))
      if (tickAt >= stopAt) break
      this.#tick(tick)
    }
    return this.#record.figures()
  }

  begin(host: number, kind: Kind, attempt: number): void {
    const slot = this.#operations.begin(host, kind, attempt, this.now)
    this.#record.operations++
    if (this.#weather === 'down') {
      this.#refusals.add(slot, this.#operations.serial(slot), this.now)
      return
    }
    this.#database.start(slot, kind, this.now)
    this.#timeouts.add(slot, this.#operations.serial(slot), this.now)
  }

  /** Everything that happens before `end`, in order. */
  #until(end: number): void {
    for (;;) {
      const completes = this.#database.nextAt
      const at = Math.min(completes, this.#timers.nextAt, this.#timeouts.nextAt, this.#refusals.nextAt)
      if (at >= end) break
      this.now = at
      this.#hosts.at(at)
      if (at === completes) this.#end(this.#database.complete(at), true)
      else if (at === this.#timers.nextAt) this.#hosts.wake(this.#timers.take(), at)
      else if (at === this.#timeouts.nextAt) this.#giveUp()
      else this.#refuse()
      this.#server.pump()
    }
    this.now = end
    this.#hosts.at(end)
  }

  #giveUp(): void {
    const { slot, serial } = this.#timeouts.take()
    if (this.#operations.serial(slot) !== serial) return
    this.#record.timeouts++
    this.#database.cancel(slot, this.#operations.kind(slot), this.now)
    this.#end(slot, false)
  }

  #refuse(): void {
    const { slot, serial } = this.#refusals.take()
    if (this.#operations.serial(slot) === serial) this.#end(slot, false)
  }

  #end(slot: number, isOk: boolean): void {
    const { host, kind, attempt, startedAt } = this.#operations.end(slot)
    this.#server.ended(host, kind, attempt, isOk, this.now - startedAt)
  }

  #tick(tick: number): void {
    const { share, weather } = capacities[this.#scenario.capacity]
    const able = share(this.now)
    this.#able += able * this.#terms.unitsPerSecond * tickSeconds
    const before = this.#weather
    this.#weather = weather(this.now)
    if (this.#weather === 'down' && before !== 'down') this.#breakAll()
    this.#database.setShare(able, this.now)
    this.#record.waitingMost = Math.max(this.#record.waitingMost, this.#server.waiting)
    this.#server.tick()
    this.#server.pump()
    const governor = this.#governed?.governor
    if (governor !== undefined) this.#options.watch?.(() => governor.snapshot(), this.now)
    const perSecond = Math.round(1 / tickSeconds)
    if (tick % perSecond === perSecond - 1) {
      this.#record.second(Math.floor(tick / perSecond), this.#able)
      this.#able = 0
    }
  }

  /** Connections break when the dependency goes down. */
  #breakAll(): void {
    for (const slot of this.#operations.running()) {
      this.#database.cancel(slot, this.#operations.kind(slot), this.now)
      this.#end(slot, false)
    }
  }
}

/** What runs at the dependency, in slots that are used again; a serial tells one use from the next. */
class Operations {
  readonly #host = new Int32Array(slotsMax)
  readonly #kind = new Uint8Array(slotsMax)
  readonly #attempt = new Uint32Array(slotsMax)
  readonly #startedAt = new Float64Array(slotsMax)
  readonly #serial = new Uint32Array(slotsMax)
  readonly #runs = new Uint8Array(slotsMax)
  readonly #free = Int32Array.from({ length: slotsMax }, (_, i) => slotsMax - 1 - i)
  #freeCount = slotsMax
  readonly #last = { host: 0, kind: 0 as Kind, attempt: 0, startedAt: 0 }

  get inFlight(): number {
    return slotsMax - this.#freeCount
  }

  begin(host: number, kind: Kind, attempt: number, now: number): number {
    assert(this.#freeCount > 0, `expected fewer than ${slotsMax} operations at once, found all of them in use`)
    const slot = this.#free[--this.#freeCount] as number
    this.#host[slot] = host
    this.#kind[slot] = kind
    this.#attempt[slot] = attempt
    this.#startedAt[slot] = now
    this.#runs[slot] = 1
    return slot
  }

  /** What it was: valid until the next call. */
  end(slot: number): Readonly<typeof this.last> {
    this.#serial[slot] = (this.#serial[slot] as number) + 1
    this.#runs[slot] = 0
    this.#free[this.#freeCount++] = slot
    const last = this.#last
    last.host = this.#host[slot] as number
    last.kind = this.kind(slot)
    last.attempt = this.#attempt[slot] as number
    last.startedAt = this.#startedAt[slot] as number
    return last
  }

  get last(): { host: number; kind: Kind; attempt: number; startedAt: number } {
    return this.#last
  }

  kind(slot: number): Kind {
    return this.#kind[slot] as Kind
  }

  serial(slot: number): number {
    return this.#serial[slot] as number
  }

  running(): readonly number[] {
    const slots: number[] = []
    for (let slot = 0; slot < slotsMax; slot++) if (this.#runs[slot] === 1) slots.push(slot)
    return slots
  }
}

/** All wait equally long, so that the first that came is the first to end. */
class Deadlines {
  readonly #waitSeconds: number
  #slots = new Int32Array(1024)
  #serials = new Uint32Array(1024)
  #at = new Float64Array(1024)
  #first = 0
  #size = 0

  constructor(waitSeconds: number) {
    this.#waitSeconds = waitSeconds
  }

  get nextAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#at[this.#first] as number)
  }

  add(slot: number, serial: number, now: number): void {
    if (this.#waitSeconds === Number.POSITIVE_INFINITY) return
    const capacity = this.#slots.length
    if (this.#size === capacity) this.#grow()
    const place = (this.#first + this.#size++) & (this.#slots.length - 1)
    this.#slots[place] = slot
    this.#serials[place] = serial
    this.#at[place] = now + this.#waitSeconds
  }

  take(): { readonly slot: number; readonly serial: number } {
    const place = this.#first
    this.#first = (place + 1) & (this.#slots.length - 1)
    this.#size--
    return { slot: this.#slots[place] as number, serial: this.#serials[place] as number }
  }

  #grow(): void {
    const size = this.#slots.length
    const slots = new Int32Array(2 * size)
    const serials = new Uint32Array(2 * size)
    const at = new Float64Array(2 * size)
    for (let i = 0; i < size; i++) {
      const from = (this.#first + i) & (size - 1)
      slots[i] = this.#slots[from] as number
      serials[i] = this.#serials[from] as number
      at[i] = this.#at[from] as number
    }
    this.#slots = slots
    this.#serials = serials
    this.#at = at
    this.#first = 0
  }
}
