/**
 * What agents say of targets from inside. It only ever speaks against one: `not-ready` asks for removal
 * like failed checks do, `pending` keeps one that is out or new where it is, and `ready` changes nothing.
 */
import type { Pool } from '../model/policy.ts'
import type { Report, TargetReport } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { staleAfterMs } from './freshness.ts'
import { entryOf } from './layout.ts'

/** Older than this, or as far in the future, a report counts as nothing. Agents speak less often than probers look. */
export const reportFreshMs = (pool: Pick<Pool, 'intervalMs'>): number => Math.max(staleAfterMs(pool), 15_000)

/** The newest fresh report on a target, whichever intake took it; undefined where there is none. */
export function reportOn(
  pool: Pick<Pool, 'intervalMs'>,
  reports: readonly Report[],
  target: string,
  now: EpochMs,
): TargetReport | undefined {
  let newest: TargetReport | undefined
  for (const { targets } of reports) {
    const report = entryOf(targets, target)
    if (report === undefined || Math.abs(now - report.at) > reportFreshMs(pool)) continue
    if (newest === undefined || report.at > newest.at) newest = report
  }
  return newest
}
