/**
 * From the results of one round of checks to the next observation. Pure: the round itself is
 * `prober.ts`.
 */
import type { Observation, Result, TargetSeen } from '../model/observation.ts'
import type { Pool, Target } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { staleAfterMs } from './freshness.ts'

/** Of one target in one round: of the worst of its addresses. */
export interface Checked {
  readonly result: Result
  readonly detail: string
  readonly latencyMs: number
  readonly at: EpochMs
}

/** As many results as an observation keeps of each target. */
export const historyAtMost = 32
/** Characters of one detail, and of all of a document: it is about as large in a crisis as in calm. */
const detailAtMost = 200
const detailsAtMost = 256 * 1024
const detailAtLeast = 24

/** What an observation says of the prober itself. */
export interface Prober {
  readonly id: string
  /** Where it stands; null: not said. */
  readonly site: string | null
  /** It mistrusts itself. */
  readonly strained: boolean
}

/**
 * The whole document after a round. A target without a result (it was added during the round, or the
 * prober stood still) keeps what was seen of it before; a target that left the pool is left out.
 */
export function nextObservation(
  pool: Pick<Pool, 'id' | 'targets'>,
  { id, site, strained }: Prober,
  previous: Observation | undefined,
  results: ReadonlyMap<string, Checked>,
  at: EpochMs,
): Observation {
  const targets: Record<string, TargetSeen> = {}
  const most = Math.min(detailAtMost, Math.max(detailAtLeast, Math.floor(detailsAtMost / pool.targets.length)))
  for (const target of pool.targets) {
    const seen = seenOf(previous, target.id)
    const now = results.get(target.id)
    if (now !== undefined) targets[target.id] = nextSeen(seen, now, most)
    else if (seen !== undefined) targets[target.id] = seen
  }
  return {
    pool: pool.id,
    prober: id,
    at,
    complete: pool.targets.every((target) => Object.hasOwn(targets, target.id)),
    ...(site === null ? {} : { site }),
    ...(strained ? { strained } : {}),
    targets,
  }
}

function nextSeen(seen: TargetSeen | undefined, { result, detail, latencyMs, at }: Checked, most: number): TargetSeen {
  const history = `${seen?.history ?? ''}${result === 'pass' ? 'p' : 'f'}`.slice(-historyAtMost)
  return { history, at, detail: detail.slice(0, most), latencyMs }
}

export function seenOf(observation: Observation | undefined, target: string): TargetSeen | undefined {
  return observation !== undefined && Object.hasOwn(observation.targets, target)
    ? observation.targets[target]
    : undefined
}

/**
 * What a prober that starts may go on from: its own last document, without the parts that are too old
 * to be followed by a new result as if nothing had been missed, and without damage. Undefined: nothing.
 */
export function resumedFrom(
  document: Observation | undefined,
  pool: Pick<Pool, 'id' | 'targets' | 'intervalMs'>,
  prober: string,
  now: EpochMs,
): Observation | undefined {
  if (document === undefined || document.pool !== pool.id || document.prober !== prober) return undefined
  if (typeof document.targets !== 'object' || document.targets === null) return undefined
  const targets: Record<string, TargetSeen> = {}
  for (const { id } of pool.targets) {
    const seen = seenOf(document, id)
    if (seen !== undefined && isWhole(seen) && Math.abs(now - seen.at) <= staleAfterMs(pool)) targets[id] = seen
  }
  return Object.keys(targets).length === 0 ? undefined : { ...document, targets }
}

function isWhole({ history, at, detail, latencyMs }: TargetSeen): boolean {
  return (
    typeof history === 'string' &&
    /^[pf]{1,32}$/.test(history) &&
    Number.isFinite(at) &&
    typeof detail === 'string' &&
    Number.isFinite(latencyMs)
  )
}

/** The previous observation for a changed pool: results of a target that is now checked in another way or place are dropped. */
export function carriedOver(previous: Observation | undefined, before: Pool, now: Pool): Observation | undefined {
  if (previous === undefined) return undefined
  if (JSON.stringify(before.check) !== JSON.stringify(now.check)) return undefined
  const targets: Record<string, TargetSeen> = {}
  for (const target of now.targets) {
    const old = before.targets.find(({ id }) => id === target.id)
    const seen = seenOf(previous, target.id)
    if (old !== undefined && seen !== undefined && sameAddresses(old, target)) targets[target.id] = seen
  }
  return { ...previous, targets }
}

const sameAddresses = (a: Target, b: Target) => [...a.addresses].sort().join() === [...b.addresses].sort().join()

/** A target passes if each of its addresses does; the first that fails gives the words. */
export function worstOf(
  target: Pick<Target, 'addresses'>,
  checks: readonly (Checked & { address: string })[],
): Checked {
  const failed = checks.find(({ result }) => result === 'fail')
  const at = Math.max(...checks.map((check) => check.at)) as EpochMs
  const latencyMs = Math.max(...checks.map((check) => check.latencyMs))
  if (failed === undefined) return { result: 'pass', detail: 'ok', latencyMs, at }
  const detail = target.addresses.length > 1 ? `${failed.address}: ${failed.detail}` : failed.detail
  return { result: 'fail', detail, latencyMs, at }
}
