/**
 * Whole sites: taken out as one guarded action, brought back in steps, or, where neither their checks are
 * to be believed nor the rest could carry them, answered from all the same.
 *
 * The rules for a site hold where it has at least three targets and is looked at from at least two other
 * sites; otherwise its targets are judged one by one. What an operator says is guarded too, but waits for
 * no evidence.
 */
import type { PoolState, SiteState, TargetState } from '../model/plan.ts'
import type { Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { together } from './correlation.ts'
import { lastDown } from './detector.ts'
import { type Evidence, failingFrom } from './evidence.ts'
import type { Layout } from './layout.ts'
import { shareOf } from './weights.ts'

/** An operator's instruction to take a site out. */
export interface SiteOrder {
  readonly by: string
  readonly reason: string
  /** The instruction says that what is left may be less than is needed. Never nothing. */
  readonly underFloor: boolean
}

export type SiteEvent =
  | { readonly kind: 'evacuated'; readonly site: string; readonly by: string; readonly reason: string }
  | { readonly kind: 'returning'; readonly site: string; readonly step: 1 | 2 }
  | { readonly kind: 'returned'; readonly site: string }
  | { readonly kind: 'site-open'; readonly site: string; readonly reason: string }
  | { readonly kind: 'site-believed'; readonly site: string }

export interface SitesInput {
  readonly pool: Pool
  readonly layout: Layout
  readonly previous: PoolState | undefined
  readonly states: readonly TargetState[]
  /** 1 for targets that passed their checks at some time and that no operator drained. */
  readonly members: Uint8Array
  readonly good: Uint8Array
  readonly bad: Uint8Array
  readonly evidence: Evidence
  readonly orders: ReadonlyMap<string, SiteOrder>
  readonly demand: number | null
  /** Whether enough is known to take a site out without being told to. */
  readonly trusted: boolean
  readonly now: EpochMs
}

export interface Sites {
  readonly sites: Readonly<Record<string, SiteState>>
  readonly evacuatedAt: EpochMs | undefined
  readonly events: readonly SiteEvent[]
  /** By site: why it should be out and is not. */
  readonly waiting: ReadonlyMap<string, string>
  /** When one of them goes a step further without news. */
  readonly nextAt: readonly EpochMs[]
}

/** The part of its weight that a target of a returning site has, in percent. */
export const percentOfStep = (step: 1 | 2): number => (step === 1 ? 33 : 67)

/** How long a step of the return stands: at least until its effect can be seen. */
export const siteStepMs = ({ rampMs, fall, intervalMs }: Pick<Pool, 'rampMs' | 'fall' | 'intervalMs'>): number =>
  Math.max(rampMs, (fall + 1) * intervalMs)

/** So much less must fail than made a site open before its checks are believed again. */
const calmer = 0.1

export function sitesAt(input: SitesInput): Sites {
  const { previous, layout, orders } = input
  if (previous?.sites === undefined && orders.size === 0 && !mayFail(input)) return nothing(previous)
  return new Deciding(input).run(layout.sites)
}

const nothing = (previous: PoolState | undefined): Sites => ({
  sites: {},
  evacuatedAt: previous?.evacuatedAt,
  events: [],
  waiting: new Map(),
  nextAt: [],
})

/** Cheap, for the calm: whether enough targets are bad to make up a site. */
function mayFail({ bad, members }: SitesInput): boolean {
  let count = 0
  for (let i = 0; i < bad.length && count < together; i++) if (bad[i] === 1 && members[i] === 1) count++
  return count >= together
}

class Deciding {
  readonly #input: SitesInput
  readonly #members: Uint32Array
  readonly #bad: Uint32Array
  readonly #good: Uint32Array
  /** Capacity that answers and is not bad. */
  readonly #carrying: Float64Array
  #total = 0
  readonly #out = new Set<string>()
  readonly #sites: Record<string, SiteState> = {}
  readonly #events: SiteEvent[] = []
  readonly #waiting = new Map<string, string>()
  readonly #nextAt: EpochMs[] = []
  #evacuatedAt: EpochMs | undefined

  constructor(input: SitesInput) {
    this.#input = input
    const { layout, members, bad, good, states, previous } = input
    const sites = layout.sites.length
    this.#members = new Uint32Array(sites)
    this.#bad = new Uint32Array(sites)
    this.#good = new Uint32Array(sites)
    this.#carrying = new Float64Array(sites)
    this.#evacuatedAt = previous?.evacuatedAt
    for (let i = 0; i < layout.count; i++) {
      const site = layout.siteOf[i] as number
      const capacity = layout.capacity[i] as number
      if (states[i]?.kind !== 'new') this.#total += capacity
      if (members[i] === 0) continue
      add(this.#members, site, 1)
      if (bad[i] === 1) add(this.#bad, site, 1)
      else add(this.#carrying, site, capacity * shareOf(states[i]))
      if (good[i] === 1) add(this.#good, site, 1)
    }
    for (const [site, state] of Object.entries(previous?.sites ?? {}))
      if (state.kind === 'evacuated') this.#out.add(site)
  }

  run(names: readonly string[]): Sites {
    for (const [site, name] of names.entries()) {
      if ((this.#members[site] as number) === 0) continue
      const state = this.#next(site, name, this.#before(name))
      if (state === undefined) continue
      this.#sites[name] = state
    }
    return {
      sites: this.#sites,
      evacuatedAt: this.#evacuatedAt,
      events: this.#events,
      waiting: this.#waiting,
      nextAt: this.#nextAt,
    }
  }

  #before(name: string): SiteState | undefined {
    const { previous, now } = this.#input
    const state = previous?.sites?.[name]
    return state !== undefined && state.since > now ? { ...state, since: now } : state
  }

  #next(site: number, name: string, before: SiteState | undefined): SiteState | undefined {
    const { orders, now } = this.#input
    const order = orders.get(name)
    if (before?.kind === 'evacuated') return this.#stillOut(site, name, before, order)
    if (order !== undefined) {
      const why = this.#inTheWay(site, order)
      if (why === null) return this.#evacuate(name, order.by, order.reason)
      this.#waiting.set(name, why)
    }
    const failing = this.#isFailing(site)
    const seen = failing ? this.#seenFrom(site, name) : undefined
    if (seen !== undefined && order === undefined) {
      const why = this.#unsure(name, before, seen) ?? this.#inTheWay(site, undefined)
      const until = why === null ? this.#othersMayFollowUntil(site) : null
      if (why === null && until === null)
        return this.#evacuate(name, 'health', `${percent(this.#failingShare(site))} of it fails`)
      this.#waiting.set(name, why ?? 'it went down a moment ago, and the others may follow')
      if (until !== null) this.#nextAt.push(until)
      else if (before?.kind !== 'returning') return this.#open(name, before, why ?? '')
    }
    if (before?.kind === 'returning') return this.#stepFurther(site, name, before)
    if (before?.kind !== 'open') return undefined
    const until = (before.since + this.#input.pool.limits.failOpenDwellMs) as EpochMs
    const { failing: from } = this.#input.pool.limits.evacuation
    if (this.#failingShare(site) >= from - calmer) return before
    if (now >= until) this.#events.push({ kind: 'site-believed', site: name })
    else this.#nextAt.push(until)
    return now >= until ? undefined : before
  }

  #stillOut(
    site: number,
    name: string,
    before: SiteState & { readonly kind: 'evacuated' },
    order: SiteOrder | undefined,
  ): SiteState {
    const { now, pool } = this.#input
    const { healthy, healthyMs } = pool.limits.evacuation
    const passes = (this.#good[site] as number) >= healthy * (this.#members[site] as number)
    const since = before.healthySince === null || before.healthySince > now ? now : before.healthySince
    // Whoever sees nothing of it has no word against it.
    const kept = (this.#bad[site] as number) === 0 ? before.healthySince : null
    const healthySince = passes ? since : kept
    const { by, reason } = order ?? before
    if (order === undefined && passes && healthySince !== null) {
      if (now - healthySince >= healthyMs) {
        this.#events.push({ kind: 'returning', site: name, step: 1 })
        this.#nextAt.push((now + siteStepMs(pool)) as EpochMs)
        return { kind: 'returning', since: now, step: 1, evacuated: before.since, by: before.by }
      }
      this.#nextAt.push((healthySince + healthyMs) as EpochMs)
    }
    const same = by === before.by && reason === before.reason && healthySince === before.healthySince
    return same ? before : { kind: 'evacuated', since: before.since, by, reason, healthySince }
  }

  #stepFurther(site: number, name: string, before: SiteState & { readonly kind: 'returning' }): SiteState | undefined {
    const { now, pool } = this.#input
    const { healthy } = pool.limits.evacuation
    const due = (before.since + siteStepMs(pool)) as EpochMs
    if ((this.#good[site] as number) < healthy * (this.#members[site] as number)) return before
    if (now < due) {
      this.#nextAt.push(due)
      return before
    }
    if (before.step === 2) {
      this.#events.push({ kind: 'returned', site: name })
      return undefined
    }
    this.#events.push({ kind: 'returning', site: name, step: 2 })
    this.#nextAt.push((now + siteStepMs(pool)) as EpochMs)
    return { ...before, since: now, step: 2 }
  }

  #evacuate(name: string, by: string, reason: string): SiteState {
    const { now } = this.#input
    this.#out.add(name)
    if (by === 'health') this.#evacuatedAt = now
    this.#events.push({ kind: 'evacuated', site: name, by, reason })
    return { kind: 'evacuated', since: now, by, reason, healthySince: null }
  }

  #open(name: string, before: SiteState | undefined, reason: string): SiteState {
    if (before?.kind === 'open') return before
    this.#events.push({ kind: 'site-open', site: name, reason })
    return { kind: 'open', since: this.#input.now }
  }

  #failingShare(site: number): number {
    return (this.#bad[site] as number) / (this.#members[site] as number)
  }

  #isFailing(site: number): boolean {
    const { failing } = this.#input.pool.limits.evacuation
    return (this.#members[site] as number) >= together && this.#failingShare(site) >= failing - 1e-9
  }

  /** What each other site sees of it, where at least two say where they stand; else undefined. */
  #seenFrom(site: number, name: string): readonly number[] | undefined {
    const { pool, layout, members, evidence, now } = this.#input
    const targets: number[] = []
    for (let i = 0; i < layout.count; i++) if (members[i] === 1 && layout.siteOf[i] === site) targets.push(i)
    const seen = [...failingFrom(pool, evidence, targets, now)].filter(([from]) => from !== name)
    return seen.length < 2 ? undefined : seen.map(([, share]) => share)
  }

  /** Why automation does not take this site out of its own accord, whatever the rest could carry. */
  #unsure(name: string, before: SiteState | undefined, seen: readonly number[]): string | null {
    const { pool, trusted, previous, now } = this.#input
    const { failing, everyMs } = pool.limits.evacuation
    if (!trusted || (previous?.failOpenSince ?? null) !== null) return 'too little is known to take it out'
    const agree = seen.filter((share) => share >= failing - 1e-9).length
    if (agree < 2) return `only ${agree} of ${seen.length} other sites see it fail`
    const last = this.#evacuatedAt
    // One that fails on its way back is no second site.
    if (before?.kind === 'returning' || last === undefined || last > now || now - last >= everyMs) return null
    return `another site was taken out ${Math.round((now - last) / 1000)} s ago: ${name} has to wait`
  }

  /**
   * What is wrong everywhere does not begin everywhere at the same moment: only when as much of the site as
   * it takes has been down for as long as things go down together is it known that the others do not follow.
   */
  #othersMayFollowUntil(site: number): EpochMs | null {
    const { layout, members, bad, states, pool, now } = this.#input
    const { correlationWindowMs, evacuation } = pool.limits
    const downs: number[] = []
    for (let i = 0; i < layout.count; i++) {
      if (members[i] === 0 || bad[i] === 0 || layout.siteOf[i] !== site) continue
      const at = lastDown(states[i] as TargetState)
      downs.push(at === null || at > now ? Number.NEGATIVE_INFINITY : at)
    }
    const enough = Math.ceil(evacuation.failing * (this.#members[site] as number) - 1e-9)
    const since = downs.sort((a, b) => a - b)[enough - 1]
    const until = (since ?? Number.NEGATIVE_INFINITY) + correlationWindowMs
    return now < until ? (until as EpochMs) : null
  }

  /** Why the rest could not do without it; null if it could. */
  #inTheWay(site: number, order: SiteOrder | undefined): string | null {
    const { pool, layout, demand } = this.#input
    const { headroom, othersFailing } = pool.limits.evacuation
    let carried = 0
    for (const [other, name] of layout.sites.entries())
      if (other !== site && !this.#out.has(name)) carried += this.#carrying[other] as number
    if (carried <= 0) return 'nothing else would answer'
    if (order?.underFloor === true) return null
    const needed = demand === null ? pool.limits.floor * this.#total : headroom * demand
    if (carried < needed - 1e-9)
      return `the other sites carry ${round(carried)}, and ${round(needed)} is needed (${
        demand === null
          ? `floor ${pool.limits.floor}, no demand is known`
          : `${headroom} x the demand of ${round(demand)}`
      })`
    for (const [other, name] of layout.sites.entries()) {
      const members = this.#members[other] as number
      if (other === site || members === 0 || this.#out.has(name)) continue
      if (this.#failingShare(other) > othersFailing + 1e-9)
        return `${percent(this.#failingShare(other))} of ${name} fails too`
    }
    return null
  }
}

const add = (array: Uint32Array | Float64Array, at: number, amount: number): void => {
  array[at] = (array[at] as number) + amount
}
const percent = (share: number): string => `${Math.round(share * 100)} %`
const round = (capacity: number): number => Math.round(capacity * 10) / 10
