/** A recovery to be simulated: the fleet, the dependency, what happens to it, and how hosts behave. */
import { lowerBounds, type Recovery } from '../../src/recover/bounds.ts'
import { type CapacityName, capacities } from './capacity.ts'
import { curve, type Knee, peak } from './database.ts'

/**
 * `uniform`: all report within 10 s (a million within 111 s: see `arrivalSeconds`). `synchronised`: all in the same instant. `dead`: 5 % report once and
 * never again. `impatient`: 1 % come back at once, whatever they were told. `skewed`: clocks run up to 2 %
 * fast or slow.
 */
export type Clients = 'uniform' | 'synchronised' | 'dead' | 'impatient' | 'skewed'

export interface Scenario {
  readonly hosts: number
  readonly knee: Knee
  readonly capacity: CapacityName
  readonly clients: Clients
  readonly seed: number
  /** One operation alone. */
  readonly aloneSeconds: number
}

export const sites = 8
/** Of a renewal, where a lease is one unit. */
export const renewalUnits = 0.25
export const frontDoorPerSecond = 30_000
/** Hosts begin inside the wait that they were told last, which the size of the fleet and the front door decide. */
export const arrivalSeconds = (hosts: number): number => Math.max(10, hosts / (0.3 * frontDoorPerSecond))
export const deadShare = 0.05
export const impatientShare = 0.01

/** A hundred thousand hosts behind a database that would need about 40 s for them. */
export const usual: Scenario = {
  hosts: 100_000,
  knee: 64,
  capacity: 'steady',
  clients: 'uniform',
  seed: 1,
  aloneSeconds: 0.005,
}

/** A smaller fleet behind a database that is as much slower, so that a recovery takes as long. */
export const scaled = (scenario: Scenario, hosts: number): Scenario => ({
  ...scenario,
  hosts,
  aloneSeconds: (scenario.aloneSeconds * scenario.hosts) / hosts,
})

export const nameOf = ({ knee, capacity, clients }: Scenario): string =>
  [
    capacity,
    ...(knee === 64 ? [] : [knee === 'flat' ? 'flat' : `knee ${knee}`]),
    ...(clients === 'uniform' ? [] : [clients]),
  ].join(', ')

export interface Terms {
  readonly live: number
  readonly unitsPerSecond: number
  /** The whole fleet, divided by what the dependency can do: renewals then take a quarter of it. */
  readonly renewalSeconds: number
  readonly ttlSeconds: number
  readonly bound: number
  /** How long an asking host waits for its answer. */
  readonly patienceSeconds?: number
}

/** What follows from a scenario. */
export function termsOf(scenario: Scenario): Terms {
  const unitsPerSecond = peak(curve(scenario.knee, scenario.aloneSeconds)).perSecond
  const live = scenario.clients === 'dead' ? scenario.hosts - Math.round(deadShare * scenario.hosts) : scenario.hosts
  const renewalSeconds = scenario.hosts / unitsPerSecond
  const share = capacities[scenario.capacity].share
  const recovery: Recovery = {
    hosts: live,
    unitsPerLease: 1,
    capacity: (seconds) => share(seconds) * unitsPerSecond,
    renewals: { everySeconds: renewalSeconds, units: renewalUnits },
    messagesPerHost: 1,
    frontDoorPerSecond,
    noticedAfterSeconds: 0,
  }
  return { live, unitsPerSecond, renewalSeconds, ttlSeconds: 3 * renewalSeconds, bound: lowerBounds(recovery).bound }
}
