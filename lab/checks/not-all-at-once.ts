/**
 * S5 not all at once: in any window automation takes away at most the budget of a pool and of a site,
 * or one target; never goes under the floor; and takes nothing away while so much fails that the
 * checks are not to be believed. Read from the answers in the plans' text, and from what probers wrote.
 */
import type { Limits, Policy, Pool } from '../../src/model/policy.ts'
import type { Write } from '../../src/store/store.ts'
import { type Check, json, linesOf, type PlanDocument, type RunScene, type Violation } from './check.ts'

const hair = 0.02
/** How long more than a pool may lose must have been seen failing before a removal is held against the planner. */
const knownMs = 6_000
const fall = 3

interface Loss {
  readonly at: number
  readonly target: string
  readonly site: string
  readonly share: number
}

interface PoolView {
  /** Share of its full weight that each target answers with. */
  readonly answering: ReadonlyMap<string, number>
  /** In order of `at`, oldest first. */
  losses: Loss[]
  /** The last site that was taken out as a whole, and when. */
  evacuated: { readonly site: string; readonly at: number } | null
}

const violation = (text: string): Violation => ({ invariant: 'S5', text })

/** The limits are those of the story's policy, whatever a program may have been told: the one of that digest, or the present one. */
export function notAllAtOnce(scene: RunScene, policyOf: (digest?: string) => Policy): Check {
  let views = new Map<string, PoolView>()
  /** `pool/prober` to its targets that fail, and when that was written. */
  const failing = new Map<string, Map<string, { readonly failing: ReadonlySet<string>; readonly at: number }>>()
  /** Since when less of the pool passes than the checks are believed with. */
  const implausibleSince = new Map<string, number>()
  const drained = new Set<string>()
  /** `<site>` or `<site>/<pool>` that an operator wanted out at some time. */
  const ordered = new Set<string>()
  /** By pool, those that the newest plan has out by order, or with their site. */
  const outNow = new Map<string, ReadonlySet<string>>()

  const heard = (value: Uint8Array): void => {
    const seen = json<{
      pool: string
      prober: string
      strained?: boolean
      targets: Record<string, { history: string }>
    }>(value)
    // A prober that mistrusts itself says nothing.
    if (seen?.strained === true) return
    const pool = policyOf().pools.get(seen?.pool ?? '')
    if (seen === null || pool === undefined) return
    const down = Object.entries(seen.targets).filter(([, { history }]) => history.endsWith('f'.repeat(fall)))
    const probers = failing.get(pool.id) ?? new Map()
    failing.set(pool.id, probers.set(seen.prober, { failing: new Set(down.map(([id]) => id)), at: scene.now() }))
    doubt(pool)
  }

  const doubt = (pool: Pool): void => {
    const fresh = [...(failing.get(pool.id)?.values() ?? [])].filter(({ at }) => scene.now() - at < 2_500)
    // Whoever works on a target that was drained may well break it; and what is out already takes nothing away.
    const counted = pool.targets.filter(({ id }) => outNow.get(pool.id)?.has(id) !== true)
    const down2 = counted.filter(({ id }) => fresh.every((one) => one.failing.has(id)))
    const healthy = fresh.length === 0 || counted.length === 0 ? 1 : 1 - down2.length / counted.length
    if (healthy >= pool.limits.failOpenUnder - 0.01) implausibleSince.delete(pool.id)
    else if (!implausibleSince.has(pool.id)) implausibleSince.set(pool.id, scene.now())
  }

  const judge = (plan: PlanDocument, shards: readonly Uint8Array[], by: string): Violation | null => {
    let found: Violation | null = null
    const lines = new Map(shards.flatMap(linesOf).map(({ name, text }) => [name, text]))
    const policy = policyOf(plan.policy)
    // A pool that was given up begins anew when it comes back.
    for (const id of views.keys()) if (plan.pools[id] === undefined) views.delete(id)
    for (const pool of policy.pools.values()) {
      const state = plan.pools[pool.id]
      const out = pool.targets.filter(({ id }) => ['drained', 'evacuated'].includes(state?.targets[id]?.kind ?? ''))
      const isChanged = out.length !== (outNow.get(pool.id)?.size ?? 0)
      outNow.set(pool.id, new Set(out.map(({ id }) => id)))
      if (isChanged) doubt(pool)
      const endpoint = [...policy.endpoints.values()].find(
        ({ name, from }) =>
          from.kind === 'pool' && from.pool === pool.id && lines.has(name) && plan.pinned?.includes(name) !== true,
      )
      const line = endpoint === undefined ? undefined : lines.get(endpoint.name)
      if (line === undefined || state === undefined || / retired$/.test(line)) {
        views.delete(pool.id)
        continue
      }
      const weights = new Map(
        line
          .split(' ')
          .slice(5)
          .map((item) => item.split('*') as [string, string]),
      )
      const answering = new Map(
        pool.targets.map(({ id, addresses }) => [id, Number(weights.get(addresses[0]) ?? 0) / 100]),
      )
      const before = views.get(pool.id)
      const view: PoolView = { answering, losses: before?.losses ?? [], evacuated: before?.evacuated ?? null }
      views.set(pool.id, view)
      if (before === undefined) continue
      const gone = pool.targets.flatMap(({ id, site }): Loss[] => {
        const share = (before.answering.get(id) ?? 0) - (answering.get(id) ?? 0)
        const isDrained = state.targets[id]?.kind === 'drained' && drained.has(`${pool.id}/${id}`)
        return share > hair && !isDrained ? [{ at: plan.at, target: id, site, share }] : []
      })
      const withSite = gone.filter(({ target }) => state.targets[target]?.kind === 'evacuated')
      const lost = gone.filter((one) => !withSite.includes(one))
      if (withSite.length > 0) found ??= evacuation(pool.id, pool.limits, pool.targets, view, plan.at, withSite, by)
      if (lost.length === 0) continue
      const past = view.losses.filter(({ at }) => plan.at - at < pool.limits.windowMs && plan.at >= at)
      view.losses = [...past, ...lost]
      const counted = pool.targets.filter(({ id }) => !['new', 'evacuated'].includes(state.targets[id]?.kind ?? ''))
      if (plan.rolledBackTo !== undefined) continue
      found ??=
        (scene.clocksAreRight() ? overBudget(pool.id, pool.limits, counted, past, lost) : null) ??
        underFloor(pool.id, pool.limits, counted, answering) ??
        unbelievable(pool.id, by)
    }
    return found
  }

  const unbelievable = (pool: string, by: string): Violation | null => {
    const since = implausibleSince.get(pool)
    if (since === undefined || scene.now() - since < knownMs || !scene.clocksAreRight()) return null
    if (scene.wasHeldUp(by, knownMs)) return null
    return violation(
      `${by} removed targets of ${pool} although so many fail, since ${Math.round(scene.now() - since)} ms, that the checks are not to be believed`,
    )
  }

  /**
   * A whole site may go at once, all of it, if the others keep the floor; where no operator wanted it, also one at a
   * time, and if the checks are believed.
   */
  const evacuation = (
    pool: string,
    limits: Limits,
    targets: readonly Counted[],
    view: PoolView,
    at: number,
    lost: readonly Loss[],
    by: string,
  ): Violation | null => {
    const sites = [...new Set(lost.map((one) => one.site))]
    for (const site of sites) {
      const stays = targets.filter((one) => one.site === site && (view.answering.get(one.id) ?? 0) > hair)
      if (stays.length > 0)
        return violation(`${pool} lost its site ${site}, save ${stays.map(({ id }) => id).join(' ')}`)
    }
    const left = targets.reduce((total, { id }) => total + (view.answering.get(id) ?? 0), 0)
    // Nobody states a demand here.
    if (left < limits.floor * targets.length - hair)
      return violation(
        `${pool} is left with ${left.toFixed(2)} of ${targets.length} targets without its site ${sites.join(' and ')}`,
      )
    const [site, another] = sites.filter((one) => !ordered.has(one) && !ordered.has(`${one}/${pool}`))
    if (site === undefined) return null
    if (another !== undefined) return violation(`${pool} lost the sites ${site} and ${another} in one plan`)
    const { evacuated } = view
    view.evacuated = { site, at }
    const again = evacuated !== null && evacuated.site !== site && at - evacuated.at < limits.evacuation.everyMs
    if (again && scene.clocksAreRight())
      return violation(`${pool} lost its site ${site} ${at - evacuated.at} ms after ${evacuated.site}`)
    return unbelievable(pool, by)
  }

  return {
    invariant: 'S5',
    onCommit(writes: readonly Write[], by: string) {
      let found: Violation | null = null
      for (const write of writes) {
        if (write.kind === 'put' && write.key.startsWith('observation/') && write.key.endsWith(`/${by}`))
          heard(write.value)
        if (by !== 'tamper') continue
        if (write.kind === 'put' && write.key.startsWith('override/drain/')) drained.add(write.key.slice(15))
        const order = /^override\/(?:evacuate|maintenance)\/(.*)$/.exec(write.key)?.[1]
        if (write.kind === 'put' && order !== undefined) ordered.add(order)
        // The ledger goes with the plans.
        if (/^(head|plan|shard)/.test(write.key)) views = new Map()
      }
      if (by === 'tamper') return null
      for (const write of writes) {
        if (write.kind !== 'put' || !write.key.startsWith('plan/')) continue
        const plan = json<PlanDocument>(write.value)
        const shards = plan?.shards.map((digest) => scene.stored(`shard/${digest}`)) ?? []
        if (plan !== null && shards.every((shard) => shard !== undefined)) found ??= judge(plan, shards, by)
      }
      return found
    },
  }
}

interface Counted {
  readonly id: string
  readonly site: string
}

function overBudget(
  pool: string,
  limits: Limits,
  targets: readonly Counted[],
  past: readonly Loss[],
  lost: readonly Loss[],
): Violation | null {
  const over = (where: string, budget: number, before: readonly Loss[], now: readonly Loss[]): Violation | null => {
    if (now.length === 0 || (before.length === 0 && now.length === 1)) return null
    const sum = [...before, ...now].reduce((total, { share }) => total + share, 0)
    if (sum <= budget + hair * (before.length + now.length)) return null
    const names = [...before, ...now].map(({ target }) => target).join(' ')
    return violation(
      `${where} lost ${sum.toFixed(2)} targets (${names}) in ${limits.windowMs} ms; ${budget.toFixed(2)} may go`,
    )
  }
  const whole = over(pool, limits.poolBudget * targets.length, past, lost)
  if (whole !== null) return whole
  for (const site of new Set(lost.map((one) => one.site))) {
    const here = (one: { readonly site: string }) => one.site === site
    const budget = limits.siteBudget * targets.filter(here).length
    const found = over(`${pool} in ${site}`, budget, past.filter(here), lost.filter(here))
    if (found !== null) return found
  }
  return null
}

function underFloor(
  pool: string,
  limits: Limits,
  targets: readonly Counted[],
  answering: ReadonlyMap<string, number>,
): Violation | null {
  const left = targets.reduce((total, { id }) => total + (answering.get(id) ?? 0), 0)
  const short = targets.filter(({ id }) => (answering.get(id) ?? 0) < 1 - hair).length
  if (left >= limits.floor * targets.length - hair || (short <= 1 && left >= targets.length / 2 - hair)) return null
  return violation(`${pool} is left with ${left.toFixed(2)} of ${targets.length} targets; the floor is ${limits.floor}`)
}
