/** What was taken: the newest report on each target, and the last sequence of each agent. Bounded by the policy. */
import type { Policy } from '../model/policy.ts'
import type { Report, TargetReport } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { judge, type Last, type PostedObservation, type Refusal, saidBy, type Taken } from './observation.ts'

/** Reports are kept so long in the document: longer than any planner listens to them. */
const keptMs = 300_000
/** Agents that are remembered for one target: who shares a token can call itself anything. */
const agentsAtMost = 16

export interface Speaker {
  readonly name: string
  /** Pools, or targets as POOL/TARGET; null: all. */
  readonly targets: ReadonlySet<string> | null
}

interface Known {
  readonly targets: ReadonlySet<string>
  readonly reports: Map<string, TargetReport>
  /** By target, then by owner and agent. */
  readonly lasts: Map<string, Map<string, Last & { readonly at: EpochMs }>>
  isChanged: boolean
}

export type Outcome = Taken | Refusal

export class Desk {
  #pools = new Map<string, Known>()

  /** What is known of pools and targets that stay is kept. */
  follow(policy: Policy): void {
    const pools = new Map<string, Known>()
    for (const [id, pool] of policy.pools) {
      const before = this.#pools.get(id)
      const targets = new Set(pool.targets.map((target) => target.id))
      const staying = <Value>(map: ReadonlyMap<string, Value> | undefined) =>
        new Map([...(map ?? [])].filter(([target]) => targets.has(target)))
      const reports = staying(before?.reports)
      const isChanged = before?.isChanged === true || reports.size !== (before?.reports.size ?? 0)
      pools.set(id, { targets, reports, lasts: staying(before?.lasts), isChanged })
    }
    this.#pools = pools
  }

  get pools(): readonly string[] {
    return [...this.#pools.keys()]
  }

  /** What this intake wrote before it was started again. */
  resume(report: Report, now: EpochMs): void {
    const known = this.#pools.get(report.pool)
    if (known === undefined || typeof report.targets !== 'object' || report.targets === null) return
    for (const [target, one] of Object.entries(report.targets))
      if (known.targets.has(target) && isWhole(one) && Math.abs(now - one.at) <= keptMs) known.reports.set(target, one)
  }

  /** `before`: what was reported of the target until now. */
  post(
    posted: PostedObservation,
    speaker: Speaker,
    now: EpochMs,
    freshnessMs: number,
  ): { readonly outcome: Outcome; readonly before: TargetReport | undefined } {
    const known = this.#pools.get(posted.pool)
    const lasts = known?.lasts.get(posted.target)
    const who = `${speaker.name}/${posted.agent ?? speaker.name}`
    const last = lasts?.get(who)
    const outcome = judge({
      posted,
      owner: speaker.name,
      allowed: speaker.targets,
      targets: known?.targets,
      // Nobody can repeat what is too old to be taken: an agent that lost count may begin again.
      last: last !== undefined && now - last.at <= 2 * freshnessMs ? last : undefined,
      now,
      freshnessMs,
    })
    const before = known?.reports.get(posted.target)
    if (known === undefined || outcome.kind === 'refused' || outcome.repeated) return { outcome, before }
    known.reports.set(posted.target, outcome.report)
    known.isChanged = true
    const kept = lasts ?? new Map<string, Last & { readonly at: EpochMs }>()
    // Last in the order of the map is who spoke last.
    kept.delete(who)
    kept.set(who, { sequence: posted.sequence, said: saidBy(posted), at: now })
    if (kept.size > agentsAtMost) kept.delete(kept.keys().next().value as string)
    known.lasts.set(posted.target, kept)
    return { outcome, before }
  }

  /** Documents that differ from when they were last asked for, whole. */
  changed(intake: string, now: EpochMs): readonly Report[] {
    const found: Report[] = []
    for (const [pool, known] of this.#pools) {
      for (const [target, { at }] of known.reports)
        if (Math.abs(now - at) > keptMs) {
          known.reports.delete(target)
          known.isChanged = true
        }
      if (!known.isChanged) continue
      known.isChanged = false
      found.push({ pool, intake, at: now, targets: Object.fromEntries(known.reports) })
    }
    return found
  }
}

function isWhole(report: TargetReport): boolean {
  return (
    typeof report === 'object' &&
    report !== null &&
    ['ready', 'not-ready', 'pending'].includes(report.state) &&
    Number.isFinite(report.at) &&
    typeof report.agent === 'string' &&
    typeof report.detail === 'string' &&
    (report.load === null || Number.isFinite(report.load))
  )
}
