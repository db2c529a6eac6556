/** The production governor behind the simulated front door. */
import { renewal as renewalClass, running } from '../../src/recover/classes.ts'
import { Governor } from '../../src/recover/governor.ts'
import type { Hint } from '../../src/recover/hint.ts'
import type { Parameters } from '../../src/recover/parameters.ts'
import { none } from '../../src/recover/pump.ts'
import type { Stream } from '../sim/random.ts'
import { type Kind, lease, renewal } from './database.ts'
import type { Fleet, Machine, Server } from './server.ts'

export interface GovernedOptions {
  readonly hosts: number
  readonly sites: number
  readonly siteOf: (host: number) => number
  readonly ttlSeconds: number
  readonly renewalUnits: number
  readonly frontDoorPerSecond: number
  readonly random: Stream
  readonly hint?: Hint | undefined
  readonly parameters?: Partial<Parameters>
}

export class Governed implements Server {
  readonly governor: Governor
  readonly #options: GovernedOptions
  readonly #machine: Machine
  readonly #fleet: Fleet

  constructor(options: GovernedOptions, machine: Machine, fleet: Fleet) {
    const { hosts, sites, ttlSeconds, renewalUnits, frontDoorPerSecond, random } = options
    this.#options = options
    this.#machine = machine
    this.#fleet = fleet
    this.governor = new Governor({
      hosts,
      sites,
      now: 0,
      random: () => random.below(2 ** 32) / 2 ** 32,
      frontDoorPerSecond,
      renewals: { units: renewalUnits },
      ttlMs: ttlSeconds * 1000,
      hint: options.hint,
      onExpired: (host) => fleet.expired(host),
      ...(options.parameters === undefined ? {} : { parameters: options.parameters }),
    })
  }

  get #now(): number {
    return this.#machine.now * 1000
  }

  get waiting(): number {
    return this.governor.waiting
  }

  message(host: number): void {
    const now = this.#now
    const standing = this.governor.report(host, running, this.#options.siteOf(host), now)
    this.#fleet.answered(host, standing === 'leased', this.governor.pollAfter(host, now) / 1000)
  }

  turnedAway(): number {
    return this.governor.retryAfter() / 1000
  }

  pump(): void {
    const now = this.#now
    for (;;) {
      const host = this.governor.next(now)
      if (host === none) return
      this.#machine.begin(host, this.governor.classOf(host) === renewalClass ? renewal : lease, 0)
    }
  }

  ended(host: number, kind: Kind, _attempt: number, isOk: boolean, latencySeconds: number): void {
    const ended = this.governor.done(host, isOk ? 'ok' : 'timeout', latencySeconds * 1000, this.#now)
    if (ended === 'done') this.#fleet.granted(host, kind, 0)
  }

  tick(): void {
    this.governor.tick(this.#now)
  }
}
