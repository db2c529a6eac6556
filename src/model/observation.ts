/**
 * What one prober saw of one pool: one document per pool and prober, replaced whole every round, the
 * same size in calm and in crisis. It carries its own short history, so a detector needs no memory:
 * restarted and redundant planners judge alike.
 */
import type { EpochMs } from '../world/world.ts'

export type Result = 'pass' | 'fail'

export interface TargetSeen {
  /** Results of the latest rounds, oldest first, at most 32: one letter each, `p` or `f`. */
  readonly history: string
  /** When the latest result came in. */
  readonly at: EpochMs
  /** Of the latest check; what failed, in words, or `ok`. At most 200 characters. */
  readonly detail: string
  readonly latencyMs: number
}

export interface Observation {
  readonly pool: string
  readonly prober: string
  /** Where the prober stands, in the words of `Target.site`. Absent or null: not said. */
  readonly site?: string | null
  /** True while the prober mistrusts itself (its event loop lags, its canary fails): its results count as none. */
  readonly strained?: boolean
  /** When this round ended. */
  readonly at: EpochMs
  /** False while the prober has not yet judged every target of the pool as it now stands. */
  readonly complete: boolean
  /** By target id. */
  readonly targets: Readonly<Record<string, TargetSeen>>
}
