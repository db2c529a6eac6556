/**
 * Whether the checks of a pool are believed. Where too little would be left if they were, everybody
 * answers (fail open); it takes more to be believed again, and neither changes again at once.
 */
import type { PoolState } from '../model/plan.ts'
import type { Limits } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'

export interface Belief {
  /** Null, or since when the checks are not believed. */
  readonly failOpenSince: EpochMs | null
  readonly believedSince: EpochMs | undefined
  /** They would not be believed, or would again, but that changed too short a time ago: until when. */
  readonly dwellsUntil: EpochMs | null
  readonly changed: boolean
}

/**
 * @param healthy share of the capacity that is not seen failing, 0 to 1
 * @param blind too little is seen to change one's mind
 */
export function beliefIn(
  limits: Limits,
  previous: PoolState | undefined,
  healthy: number,
  blind: boolean,
  now: EpochMs,
): Belief {
  const opened = previous?.failOpenSince ?? null
  const believed = previous?.believedSince
  const failOpenSince = opened === null ? null : (Math.min(opened, now) as EpochMs)
  const believedSince = believed === undefined ? undefined : (Math.min(believed, now) as EpochMs)
  const same = { failOpenSince, believedSince, dwellsUntil: null, changed: false }
  const wantsOpen = healthy < (opened === null ? limits.failOpenUnder : limits.failOpenUntil) - 1e-9
  if (blind || wantsOpen === (opened !== null)) return same
  const until = ((failOpenSince ?? believedSince ?? Number.NEGATIVE_INFINITY) + limits.failOpenDwellMs) as EpochMs
  if (now < until) return { ...same, dwellsUntil: until }
  return wantsOpen
    ? { failOpenSince: now, believedSince, dwellsUntil: null, changed: true }
    : { failOpenSince: null, believedSince: now, dwellsUntil: null, changed: true }
}
