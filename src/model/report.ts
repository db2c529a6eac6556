/**
 * What agents said of the targets that they know from inside: readiness, load, "my network state has
 * not arrived". One document per pool and intake, replaced whole; an intake is a program that takes
 * `POST /v1/observations`. An agent can ask to be taken out; it cannot vote itself healthy.
 */
import type { EpochMs } from '../world/world.ts'

export type Readiness =
  | 'ready'
  /** Should not get traffic. Passes the same gates as failed checks: an agent that lies costs one budget at most. */
  | 'not-ready'
  /** Not there yet, such as a machine before its network state: a target that is new stays new, nobody counts it as failing. */
  | 'pending'

export interface TargetReport {
  readonly state: Readiness
  /** Part of its own capacity that is in use, 0 and up; null: not said. */
  readonly load: number | null
  /** When it came in, by the clock of the intake. */
  readonly at: EpochMs
  readonly agent: string
  /** In the agent's words, at most 200 characters. */
  readonly detail: string
}

export interface Report {
  readonly pool: string
  readonly intake: string
  readonly at: EpochMs
  /** By target id; those that were said within the freshness of the pool. */
  readonly targets: Readonly<Record<string, TargetReport>>
}

/** How much of a pool's capacity its users need now, in the units of its targets' capacities. */
export interface Demand {
  readonly pool: string
  /** Which program asked for it. */
  readonly by: string
  readonly value: number
  readonly at: EpochMs
  /** Where it came from, such as `prometheus 127.0.0.1:9090`. */
  readonly source: string
}
