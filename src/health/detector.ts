/**
 * Is a target up? From what the probers saw, without a memory of its own: each observation carries its
 * history, so planners that restart, or that run beside each other, judge alike.
 *
 * Silence is not evidence. What is missing, old, undecided or disputed is `unknown`, and `unknown`
 * changes nothing: who serves goes on serving, who is out stays out.
 */
import type { Observation, TargetSeen } from '../model/observation.ts'
import type { Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'

export type Verdict =
  | { readonly kind: 'up'; readonly text: string }
  /** `failures`: the most checks in a row that any prober saw fail, as far as histories reach. */
  | { readonly kind: 'down'; readonly text: string; readonly failures: number }
  | { readonly kind: 'unknown'; readonly text: string }

type Thresholds = Pick<Pool, 'check' | 'intervalMs' | 'fall' | 'rise'>

/** Older than this, a result says nothing about now. A result as far in the future is no better. */
export const staleAfterMs = (pool: Pick<Pool, 'intervalMs'>): number => Math.max(4 * pool.intervalMs, 3_000)

/**
 * Down (up) if the majority of the probers with fresh results says so. A prober says down after `fall`
 * failures in a row and up after `rise` passes in a row, whichever it saw last.
 */
export function judge(pool: Thresholds, target: string, observations: readonly Observation[], now: EpochMs): Verdict {
  if (pool.check.kind === 'none') return { kind: 'up', text: 'is not checked' }
  const seen = observations.flatMap((observation) => observation.targets[target] ?? [])
  const fresh = seen.filter(({ at }) => Math.abs(now - at) <= staleAfterMs(pool))
  if (fresh.length === 0)
    return { kind: 'unknown', text: seen.length === 0 ? 'no prober has checked it' : `no result for ${age(seen, now)}` }
  const opinions = fresh.map(({ history }) => opinionOf(history, pool.fall, pool.rise))
  const downs = opinions.filter((opinion) => opinion === 'down').length
  const ups = opinions.filter((opinion) => opinion === 'up').length
  if (downs * 2 > fresh.length) {
    const failures = Math.max(...fresh.map(({ history }) => failuresAtEnd(history)))
    const detail =
      fresh.find(({ history }) => history.endsWith('f'))?.detail ?? 'passes again, but not often enough yet'
    return { kind: 'down', text: `${votes(downs, fresh.length)} failing: ${detail}`, failures }
  }
  if (ups * 2 > fresh.length) return { kind: 'up', text: `${votes(ups, fresh.length)} passing` }
  return {
    kind: 'unknown',
    text: `${ups} up, ${downs} down, ${fresh.length - ups - downs} undecided among ${fresh.length} probers`,
  }
}

/** What a history ends in, by the rule of `fall` and `rise`; undefined while it is too short to say. */
function opinionOf(history: string, fall: number, rise: number): 'up' | 'down' | undefined {
  let opinion: 'up' | 'down' | undefined
  let run = 0
  for (let i = 0; i < history.length; i++) {
    run = history[i] === history[i - 1] ? run + 1 : 1
    if (history[i] === 'f' && run >= fall) opinion = 'down'
    if (history[i] === 'p' && run >= rise) opinion = 'up'
  }
  return opinion
}

const failuresAtEnd = (history: string): number => history.length - (history.lastIndexOf('p') + 1)

const votes = (count: number, of: number): string =>
  of === 1 ? 'the prober sees it' : `${count} of ${of} probers see it`

const age = (seen: readonly TargetSeen[], now: EpochMs): string => {
  const latest = Math.max(...seen.map(({ at }) => at))
  return latest > now ? 'now (its time lies in the future)' : `${Math.round((now - latest) / 1000)} s`
}
