/**
 * One target's way through NEW, HEALTHY, DOWN, REMOVED and RAMP: when it goes down, how long it stays
 * down, and in which steps it returns. The more often it goes down, the longer it stays so; a target that
 * flaps for ever therefore changes ever less often.
 */
import type { TargetState } from '../model/plan.ts'
import type { Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'

/** Downs as old as this no longer count. */
export const flapWindowMs = 600_000
/** More would not make the hold longer. */
const downsKept = 8

/** The steps in which a returning target grows, in percent; the last one is `serving`. */
export const steps = [10, 25, 50, 75, 100] as const

const downsOf = (state: TargetState): readonly EpochMs[] => (state.kind === 'new' ? [] : (state.downs ?? []))

/** Its downs with one more, now. */
export function downAgain(state: TargetState, now: EpochMs): readonly EpochMs[] {
  const kept = downsOf(state).filter((at) => at < now && now - at < flapWindowMs)
  return [...kept.slice(1 - downsKept), now]
}

/** As a field to spread: absent where nothing counts any more. */
export function withDowns(state: TargetState, now: EpochMs): { readonly downs?: readonly EpochMs[] } {
  const kept = downsOf(state)
  if (kept.length === 0) return {}
  const counting = kept.filter((at) => now - at < flapWindowMs)
  return counting.length === 0 ? {} : { downs: counting.length === kept.length ? kept : counting }
}

/**
 * The same with nothing in it that is still to come: whoever wrote it has a clock that is ahead, or this one
 * was set back. What came before what stays so; otherwise two planners would each find what the other wrote
 * undone, and neither would come to an end.
 */
export function notAhead(state: TargetState, now: EpochMs): TargetState {
  const downs = downsOf(state)
  if (state.since <= now && downs.every((at) => at <= now)) return state
  const since = Math.min(state.since, now) as EpochMs
  if (state.kind === 'new' || downs.length === 0) return { ...state, since }
  return { ...state, since, downs: downs.map((at) => Math.min(at, at < state.since ? now - 1 : now) as EpochMs) }
}

/** When it went down last; null: not that it would count. */
export function lastDown(state: TargetState): EpochMs | null {
  return downsOf(state).at(-1) ?? null
}

/** DOWN of the state machine: seen down, and not let go since. One that is on its way back can be it too. */
export function isDown(state: TargetState): boolean {
  if (state.kind === 'held') return state.by !== 'drain' && state.by !== 'last'
  if (state.kind === 'removed') return true
  return state.kind === 'ramping' && (lastDown(state) ?? Number.NEGATIVE_INFINITY) >= state.since
}

/** Until when it stays down even if it passes: `hold · 2^(d-1)` after it went down for the d-th time in ten minutes. */
export function holdUntil(pool: Pick<Pool, 'holdMs' | 'holdMaxMs'>, state: TargetState): EpochMs | null {
  const downs = downsOf(state)
  const last = downs.at(-1)
  if (last === undefined) return null
  const count = downs.filter((at) => last - at < flapWindowMs).length
  return (last + Math.min(pool.holdMaxMs, pool.holdMs * 2 ** (count - 1))) as EpochMs
}

/** A hold that begins in the future, after the clock was set back, is as long as one that begins now. */
export function isHeldDown(pool: Pick<Pool, 'holdMs' | 'holdMaxMs'>, state: TargetState, now: EpochMs): boolean {
  const until = holdUntil(pool, state)
  return until !== null && now < until && (lastDown(state) ?? now) <= now
}

/** How far one that returned at `since` has come, in percent. */
export const percentAfter = (elapsedMs: number, rampMs: number): number =>
  elapsedMs >= rampMs ? 100 : (steps[Math.max(0, Math.floor((elapsedMs / rampMs) * (steps.length - 1)))] ?? 100)

/** When it reaches the step after this one. */
export function nextStepAt(since: EpochMs, percent: number, rampMs: number): EpochMs {
  const step = steps.findIndex((one) => one > percent)
  return (since + Math.ceil((rampMs * step) / (steps.length - 1))) as EpochMs
}
