/** What the roles say of themselves in the store, each in documents that only it writes. */
import type { EpochMs } from '../world/world.ts'
import type { Generation } from './generation.ts'
import type { Name } from './name.ts'

/** "I am about to write, or am writing, this plan": the sweep keeps it. */
export interface Claim {
  readonly generation: Generation
  readonly at: EpochMs
}

/** Who may write a zone whose authority takes no conditions. `token`: of this life of the enactor. */
export interface Writer {
  readonly enactor: string
  readonly token: string
}

export interface Blocked {
  readonly name: Name
  /** One sentence: what stands in the way, what to do. */
  readonly why: string
  /** Holdfast had published it before something got in the way, and nobody else has since. Absent: not known. */
  readonly ours?: boolean
}

export interface EnactorProgress {
  readonly at: EpochMs
  /** The plan that the latest pass worked from. */
  readonly working: Generation
  /**
   * Every endpoint of this plan, save `blocked`, has been seen published in it or in a newer one.
   * Markers never go back (S1), so what was once true stays true: a safe lower bound for the sweep.
   */
  readonly enacted: Generation
  /** Endpoints that could not be written, at most 1,000. */
  readonly blocked: readonly Blocked[]
  /** The highest generation seen in any marker of ours, where it is above the plan's: the planner must go on above it. */
  readonly ahead: Generation | null
  readonly applied: number
  readonly repaired: number
  readonly conflicts: number
  readonly fenced: number
}

/** A running program, for `holdfast status`. Old ones are shown as old, never as healthy. */
export interface RoleStatus {
  readonly role: 'planner' | 'enactor' | 'prober' | 'server' | 'balancer' | 'intake' | 'leases'
  readonly id: string
  readonly pid: number
  readonly started: EpochMs
  readonly at: EpochMs
  /** Where `/metrics`, `/healthz` and `/readyz` are, or null. */
  readonly http: string | null
  /** One line: what it does now, or why it cannot. */
  readonly note: string
  /** What keeps it from its work, one sentence each, the same words from every program that meets the same thing. */
  readonly ails?: readonly string[]
}

/** Of a program that started with a good configuration, in the words of `RoleStatus.ails`. */
export const unusableText = (problem: string): string =>
  `the configuration cannot be used, the last good one goes on: ${problem}`

/** Which configuration is in force. A planner with another one stands by, so planners with different files do not fight. */
export interface PolicyInForce {
  readonly digest: string
  /** Modification time of the file that it came from: a later file replaces it. */
  readonly modified: EpochMs
  readonly author: string
}
