/**
 * From the results of one round of checks to the next observation. Pure: the round itself is
 * `prober.ts`.
 */
import type { Observation, Result, TargetSeen } from '../model/observation.ts'
import type { Check, Pool, Target } from '../model/policy.ts'
import type { EpochMs, Failure, HttpReply } from '../world/world.ts'
import { staleAfterMs } from './detector.ts'

/** Of one target in one round: of the worst of its addresses. */
export interface Checked {
  readonly result: Result
  readonly detail: string
  readonly latencyMs: number
  readonly at: EpochMs
}

/** As many results as an observation keeps of each target. */
export const historyAtMost = 32
const detailAtMost = 200

/**
 * The whole document after a round. A target without a result (it was added during the round, or the
 * prober stood still) keeps what was seen of it before; a target that left the pool is left out.
 */
export function nextObservation(
  pool: Pick<Pool, 'id' | 'targets'>,
  prober: string,
  previous: Observation | undefined,
  results: ReadonlyMap<string, Checked>,
  at: EpochMs,
): Observation {
  const targets: Record<string, TargetSeen> = {}
  for (const { id } of pool.targets) {
    const seen = seenOf(previous, id)
    const now = results.get(id)
    if (now !== undefined) targets[id] = nextSeen(seen, now)
    else if (seen !== undefined) targets[id] = seen
  }
  return { pool: pool.id, prober, at, complete: pool.targets.every(({ id }) => Object.hasOwn(targets, id)), targets }
}

function nextSeen(seen: TargetSeen | undefined, { result, detail, latencyMs, at }: Checked): TargetSeen {
  const history = `${seen?.history ?? ''}${result === 'pass' ? 'p' : 'f'}`.slice(-historyAtMost)
  return { history, at, detail: detail.slice(0, detailAtMost), latencyMs }
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

/** What came back from one address, judged: `ok`, or what failed in words. */
export function judgeReply(
  check: Exclude<Check, { kind: 'none' }>,
  reply: Failure | HttpReply | { readonly kind: 'connected' },
): { readonly result: Result; readonly detail: string } {
  if (reply.kind === 'failure') return { result: 'fail', detail: failureText(reply) }
  if (reply.kind === 'connected' || check.kind === 'tcp') return { result: 'pass', detail: 'ok' }
  if (check.status.includes(reply.status)) return { result: 'pass', detail: 'ok' }
  return { result: 'fail', detail: `expected status ${check.status.join(' or ')}, found ${reply.status}` }
}

const failureTexts: Readonly<Record<Failure['reason'], string>> = {
  timeout: 'no answer in time',
  refused: 'connection refused',
  unreachable: 'unreachable',
  reset: 'connection reset',
  closed: 'connection closed',
  'too-large': 'reply too large',
  other: 'failed',
}

function failureText({ reason, detail }: Failure): string {
  return detail === '' ? failureTexts[reason] : `${failureTexts[reason]}: ${detail}`
}

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
