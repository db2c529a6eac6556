/**
 * How much capacity users need now, if anybody knows: the greatest of what is fresh and can be true. A number
 * in the configuration is always fresh.
 */
import type { Pool } from '../model/policy.ts'
import type { Demand } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { layoutOf } from './layout.ts'

/** Older than this, or as far in the future, a demand counts as nothing. */
export const demandFreshMs = 60_000

export interface Needed {
  /** In the units of the targets' capacities; null: nobody knows. */
  readonly demand: number | null
  /** What was said and is not believed, in words. */
  readonly ignored: readonly string[]
}

export function neededOf(pool: Pick<Pool, 'targets' | 'demand'>, demands: readonly Demand[], now: EpochMs): Needed {
  let whole = 0
  for (const capacity of layoutOf(pool).capacity) whole += capacity
  let demand: number | null = null
  const ignored: string[] = []
  const stated: readonly Omit<Demand, 'pool'>[] =
    pool.demand?.kind === 'fixed'
      ? [{ by: 'configuration', value: pool.demand.value, at: now, source: 'demand' }, ...demands]
      : demands
  for (const { by, value, at, source } of stated) {
    const why = Number.isFinite(value)
      ? value < 0
        ? 'is negative'
        : value > whole
          ? `is above the whole capacity of ${whole}`
          : Math.abs(now - at) > demandFreshMs
            ? at > now
              ? 'lies in the future'
              : `is ${Math.round((now - at) / 1000)} s old`
            : undefined
      : 'is no number'
    if (why === undefined) demand = Math.max(demand ?? 0, value)
    else ignored.push(`the demand of ${value} by ${by} (${source}) ${why}`)
  }
  return { demand, ignored }
}

/** The least capacity that has to stay so that nobody is used more than `utilization` of what it can carry. */
export const leastFor = (demand: number | null, utilization: number): number =>
  demand === null ? 0 : demand / utilization
