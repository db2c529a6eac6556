/**
 * The way most services do it: a request waits in a line until somebody has time for it. What the caller
 * does when it takes too long is the caller's business, and the line knows nothing of it, unless it was
 * taught to.
 */
import { type Kind, lease, renewal } from './database.ts'
import type { Limiter } from './limiters.ts'
import { renewalUnits } from './scenario.ts'
import type { Fleet, Machine, Server } from './server.ts'

export interface LineRules {
  readonly limiter: Limiter
  /** Requests that may wait; beyond it the caller is told to come later. */
  readonly waitingMax: number
  /** Renewals in a line of their own, which goes first. */
  readonly renewalsFirst: boolean
  /** What its caller has given up is not started. */
  readonly dropsAbandoned: boolean
  /** Newest first when the line does not empty, and nobody stays in it for long (Maurer, 2015). */
  readonly adaptiveLifo: boolean
}

const codel = { targetSeconds: 0.005, intervalSeconds: 0.1 }

export class Line implements Server {
  readonly #rules: LineRules
  readonly #machine: Machine
  readonly #fleet: Fleet
  readonly #lines: readonly [Requests, Requests]
  #emptyAt = 0

  constructor(rules: LineRules, machine: Machine, fleet: Fleet) {
    this.#rules = rules
    this.#machine = machine
    this.#fleet = fleet
    this.#lines = [new Requests(), new Requests()]
  }

  get waiting(): number {
    return this.#lines[lease].size + this.#lines[renewal].size
  }

  message(host: number, kind: Kind, attempt: number): void {
    const line = this.#lines[this.#rules.renewalsFirst ? kind : lease]
    if (line.size >= this.#rules.waitingMax) this.#fleet.refused(host)
    else line.add(host, kind, attempt, this.#machine.now)
  }

  turnedAway(): undefined {}

  pump(): void {
    const { now } = this.#machine
    if (this.waiting === 0) this.#emptyAt = now
    if (this.#rules.adaptiveLifo) this.#shedOld()
    while (this.waiting > 0 && this.#rules.limiter.mayStart(this.#machine.inFlight, now, this.#unitsOfNext)) {
      if (!this.#startOne()) return
    }
  }

  ended(host: number, kind: Kind, attempt: number, isOk: boolean, latencySeconds: number): void {
    this.#rules.limiter.ended(latencySeconds, !isOk, this.#machine.inFlight + 1, this.#machine.now)
    if (isOk) this.#fleet.granted(host, kind, attempt)
    else this.#fleet.failed(host, attempt)
  }

  tick(): void {}

  /** Returns false if nobody in the line was worth starting. */
  #startOne(): boolean {
    for (;;) {
      const line = this.#lines[renewal].size > 0 ? this.#lines[renewal] : this.#lines[lease]
      if (line.size === 0) return false
      if (this.#rules.adaptiveLifo && this.#isCongested) line.takeLast()
      else line.takeFirst()
      if (this.#rules.dropsAbandoned && !this.#fleet.stillWaits(line.host, line.attempt)) continue
      this.#machine.begin(line.host, line.kind, line.attempt)
      return true
    }
  }

  /** In a common line nobody looks at what comes next. */
  get #unitsOfNext(): number {
    return this.#lines[renewal].size > 0 ? renewalUnits : 1
  }

  get #isCongested(): boolean {
    return this.#machine.now - this.#emptyAt > codel.intervalSeconds
  }

  #shedOld(): void {
    const patience = this.#isCongested ? codel.targetSeconds : codel.intervalSeconds
    for (const line of this.#lines)
      while (line.size > 0 && this.#machine.now - line.firstAt > patience) {
        line.takeFirst()
        this.#fleet.failed(line.host, line.attempt)
      }
  }
}

/** A double-ended line of requests in arrays; what was taken last is left in the fields. */
class Requests {
  host = 0
  attempt = 0
  kind: Kind = lease
  #hosts = new Int32Array(1024)
  #attempts = new Uint32Array(1024)
  #kinds = new Uint8Array(1024)
  #times = new Float64Array(1024)
  #first = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  get firstAt(): number {
    return this.#times[this.#first] as number
  }

  add(host: number, kind: Kind, attempt: number, now: number): void {
    if (this.#size === this.#hosts.length) this.#grow()
    const at = (this.#first + this.#size++) & (this.#hosts.length - 1)
    this.#hosts[at] = host
    this.#attempts[at] = attempt
    this.#kinds[at] = kind
    this.#times[at] = now
  }

  takeFirst(): void {
    this.#read(this.#first)
    this.#first = (this.#first + 1) & (this.#hosts.length - 1)
    this.#size--
  }

  takeLast(): void {
    this.#size--
    this.#read((this.#first + this.#size) & (this.#hosts.length - 1))
  }

  #read(at: number): void {
    this.host = this.#hosts[at] as number
    this.attempt = this.#attempts[at] as number
    this.kind = this.#kinds[at] as Kind
  }

  #grow(): void {
    const size = this.#hosts.length
    const turned = <T extends Int32Array | Uint32Array | Uint8Array | Float64Array>(from: T, to: T): T => {
      to.set(from.subarray(this.#first))
      to.set(from.subarray(0, this.#first), size - this.#first)
      return to
    }
    this.#hosts = turned(this.#hosts, new Int32Array(2 * size))
    this.#attempts = turned(this.#attempts, new Uint32Array(2 * size))
    this.#kinds = turned(this.#kinds, new Uint8Array(2 * size))
    this.#times = turned(this.#times, new Float64Array(2 * size))
    this.#first = 0
  }
}
