/** What the parts of the simulated recovery know of each other. Times are seconds since the dependency came back. */
import type { Kind } from './database.ts'

/** A policy: what the service does with the messages of hosts. */
export interface Server {
  /** Hosts or requests that wait for an operation. */
  readonly waiting: number
  /** Passed the front door. `attempt` names it: a later one means that the host gave up the earlier. */
  message(host: number, kind: Kind, attempt: number): void
  /** Turned away at the front door: when the host is to come again, if the service can say so. */
  turnedAway(): number | undefined
  /** Starts what may be started. Called after whatever happens. */
  pump(): void
  ended(host: number, kind: Kind, attempt: number, isOk: boolean, latencySeconds: number): void
  tick(): void
}

export interface Machine {
  readonly now: number
  readonly inFlight: number
  begin(host: number, kind: Kind, attempt: number): void
}

/** How hosts are told. */
export interface Fleet {
  /** Come later. */
  refused(host: number): void
  granted(host: number, kind: Kind, attempt: number): void
  failed(host: number, attempt: number): void
  stillWaits(host: number, attempt: number): boolean
  /** Polling hosts: the answer to a report, at once. */
  answered(host: number, isLeased: boolean, pollAfterSeconds: number): void
  /** The service took the lease away. */
  expired(host: number): void
}
