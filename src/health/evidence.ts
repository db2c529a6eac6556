/**
 * What is known of the targets of one pool now, from the probers' histories and the agents' reports. It
 * has no memory of its own: the documents carry their history, so planners that restart, or that run
 * beside each other, judge alike.
 *
 * Silence is not evidence. What is missing, old or disputed is `unknown`, and `unknown` changes nothing:
 * who serves goes on serving, who is out stays out.
 */
import type { Observation } from '../model/observation.ts'
import type { Pool } from '../model/policy.ts'
import type { Report, TargetReport } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { staleAfterMs } from './freshness.ts'
import { entryOf, layoutOf } from './layout.ts'
import { type Muted, mutedAmong, type Outlook } from './muting.ts'
import { type Combined, combine, down, opinionOf, runAtEnd, type Seen, unknown, up } from './quorum.ts'
import { reportOn } from './reports.ts'
import { known, type Rounds, roundsOf } from './rounds.ts'

/** By target, in the order of the pool. */
export interface Evidence {
  /** `unknown`, `up` or `down` of `quorum.ts`. */
  readonly verdicts: Uint8Array
  /** Bad rounds in a row up to now, enough of them where an agent asks for removal. Fewer make a target suspect. */
  readonly badRuns: Uint8Array
  /** 1 where some prober saw it pass within its history. */
  readonly passed: Uint8Array
  /** 1 where an agent says that the target is not there yet. */
  readonly pending: Uint8Array
  /** Targets of which anything fresh is known. All, for a pool without checks. */
  readonly fresh: number
  /** Probers that are listened to. */
  readonly voters: readonly Rounds[]
  readonly muted: readonly Muted[]
  readonly strained: readonly string[]
  /** Why a target is judged as it is, in words. */
  text(target: number): string
}

type Thresholds = Pick<Pool, 'targets' | 'check' | 'intervalMs' | 'fall' | 'rise' | 'limits'>

export function gather(
  pool: Thresholds,
  observations: readonly Observation[],
  reports: readonly Report[],
  now: EpochMs,
): Evidence {
  const { count, ids } = layoutOf(pool)
  const verdicts = new Uint8Array(count)
  const badRuns = new Uint8Array(count)
  const passed = new Uint8Array(count)
  const pending = new Uint8Array(count)
  const probed = pool.check.kind !== 'none'
  const all = probed ? observations.map((observation) => roundsOf(pool, observation)) : []
  const calm = all.filter(({ observation }) => observation.strained !== true)
  const muted = mutedAmong(
    calm.map((rounds) => outlookOf(rounds, pool, now)),
    pool.limits.muteOver,
  )
  const voters = calm.filter(({ prober }) => !muted.some((one) => one.prober === prober))

  let fresh = 0
  if (probed) fresh = judgeAll(pool, voters, now, verdicts, badRuns, passed)
  else {
    verdicts.fill(up)
    passed.fill(1)
    fresh = count
  }
  const said = reports.length === 0 ? undefined : new Map<number, TargetReport>()
  if (said !== undefined)
    for (let i = 0; i < count; i++) {
      const report = reportOn(pool, reports, ids[i] as string, now)
      if (report === undefined || report.state === 'ready') continue
      said.set(i, report)
      if (report.state === 'not-ready') {
        verdicts[i] = down
        badRuns[i] = Math.max(badRuns[i] as number, pool.fall)
      } else {
        pending[i] = 1
        if (verdicts[i] === up) verdicts[i] = unknown
      }
    }
  const strained = all.filter(({ observation }) => observation.strained === true).map(({ prober }) => prober)
  return {
    verdicts,
    badRuns,
    passed,
    pending,
    fresh,
    voters,
    muted,
    strained,
    text(target) {
      const report = said?.get(target)
      if (report !== undefined) return `${report.agent} says ${report.state}: ${report.detail}`
      return probed ? textOf(pool, all, voters, target, verdicts[target] as number, now) : 'is not checked'
    },
  }
}

function outlookOf({ prober, fails, at }: Rounds, pool: Thresholds, now: EpochMs): Outlook {
  const stale = staleAfterMs(pool)
  let fresh = 0
  let failing = 0
  for (let i = 0; i < at.length; i++) {
    if (!(Math.abs(now - (at[i] as number)) <= stale)) continue
    fresh++
    failing += (fails[i] as number) & 1
  }
  return { prober, fresh, failing }
}

/** The number of targets of which anything fresh is known. */
function judgeAll(
  pool: Thresholds,
  voters: readonly Rounds[],
  now: EpochMs,
  verdicts: Uint8Array,
  badRuns: Uint8Array,
  passed: Uint8Array,
): number {
  const stale = staleAfterMs(pool)
  const { fall, rise } = pool
  const seen: Seen = { count: 0, fails: new Uint32Array(voters.length), length: new Uint8Array(voters.length) }
  const together: Combined = { bad: 0, good: 0 }
  let fresh = 0
  for (let i = 0; i < verdicts.length; i++) {
    let count = 0
    let passes = 0
    for (const { at, fails, length } of voters) {
      if (!(Math.abs(now - (at[i] as number)) <= stale)) continue
      seen.fails[count] = fails[i] as number
      seen.length[count] = length[i] as number
      passes |= ~(fails[i] as number) & known(length[i] as number)
      count++
    }
    if (count === 0) continue
    fresh++
    seen.count = count
    combine(seen, together)
    verdicts[i] = opinionOf(together, fall, rise)
    badRuns[i] = runAtEnd(together.bad)
    passed[i] = passes === 0 ? 0 : 1
  }
  return fresh
}

function textOf(
  pool: Thresholds,
  all: readonly Rounds[],
  voters: readonly Rounds[],
  target: number,
  verdict: number,
  now: EpochMs,
): string {
  const seen = all.filter(({ length }) => (length[target] as number) > 0)
  if (seen.length === 0) return 'no prober has checked it'
  const fresh = voters.filter(({ at }) => Math.abs(now - (at[target] as number)) <= staleAfterMs(pool))
  if (fresh.length === 0) {
    const latest = Math.max(...seen.map(({ at }) => at[target] as number))
    return latest > now
      ? 'no result for now (its time lies in the future)'
      : `no result for ${Math.round((now - latest) / 1000)} s`
  }
  const failing = fresh.filter(({ fails }) => ((fails[target] as number) & 1) === 1)
  if (verdict === up) return `${votes(fresh.length - failing.length, fresh.length)} passing`
  if (verdict === unknown) return `${failing.length} of ${fresh.length} probers see it fail, too few or not long enough`
  const [first] = failing
  const id = layoutOf(pool).ids[target] as string
  const detail = first === undefined ? undefined : entryOf(first.observation.targets, id)?.detail
  return detail === undefined
    ? 'passes again, but not often enough yet'
    : `${votes(failing.length, fresh.length)} failing: ${detail}`
}

const votes = (count: number, of: number): string =>
  of === 1 ? 'the prober sees it' : `${count} of ${of} probers see it`

/** The share of these targets that the probers of one site see down, by the site of the probers; those that say none are left out. */
export function failingFrom(
  pool: Thresholds,
  { voters }: Evidence,
  targets: readonly number[],
  now: EpochMs,
): ReadonlyMap<string, number> {
  const stale = staleAfterMs(pool)
  const shares = new Map<string, number>()
  for (const site of new Set(voters.map((rounds) => rounds.site))) {
    if (site === null) continue
    const here = voters.filter((rounds) => rounds.site === site)
    let seen = 0
    let failing = 0
    for (const i of targets) {
      const fresh = here.filter(({ at }) => Math.abs(now - (at[i] as number)) <= stale)
      if (fresh.length === 0) continue
      seen++
      if (fresh.every(({ fails, length }) => lastFail(fails[i] as number, length[i] as number, pool.fall))) failing++
    }
    // Whoever sees less than half of them says nothing about the site.
    if (seen * 2 >= targets.length) shares.set(site, failing / seen)
  }
  return shares
}

const lastFail = (fails: number, length: number, fall: number): boolean =>
  length >= fall && (fails & known(fall)) === known(fall) && known(fall) !== 0
