/**
 * S5 of whole sites, judged again: that what left with its site was taken out as an evacuation may be,
 * and that the rest can carry what is needed. Nothing here asks how the plan was decided.
 */
import { isOpenWindow, type Override } from '../model/override.ts'
import type { Report } from './check.ts'
import type { Loss, Parts, PoolCheck } from './check-capacity.ts'

const hair = 1e-6

export function checkSites(check: PoolCheck, losses: readonly Loss[], parts: Parts, report: Report): void {
  const { pool, before, after, now } = check
  for (const site of new Set(losses.map(({ target }) => target.site))) {
    const at = `${pool.id}, site ${site}`
    const state = after.sites?.[site]
    if (state?.kind !== 'evacuated') continue
    const was = before.sites?.[site]
    if (was?.kind === 'evacuated') continue
    const order = check.overrides.find((override) => orders(override, check, site))
    if (order === undefined) {
      const last = before.evacuatedAt
      const since = last === undefined || last > now || was?.kind === 'returning' ? null : now - last
      if (since !== null && since < pool.limits.evacuation.everyMs)
        report('S5', at, `one site in ${pool.limits.evacuation.everyMs} ms`, `another ${since} ms ago`)
      if (after.evacuatedAt !== now) report('S5', at, 'its evacuation written down', `${after.evacuatedAt ?? 'none'}`)
    }
    if (order?.breaks.includes('S5') !== true) checkRest(check, site, parts, report)
  }
}

function orders({ action }: Override, { pool, now }: PoolCheck, site: string): boolean {
  if (action.kind === 'evacuate') return action.site === site && (action.pool ?? pool.id) === pool.id
  return action.kind === 'maintenance' && action.site === site && isOpenWindow(action, now)
}

/** What the others answer with is enough for the demand, or for the floor where nobody knows that. */
function checkRest({ pool, before, demand }: PoolCheck, site: string, parts: Parts, report: Report): void {
  let total = 0
  let left = 0
  for (const target of pool.targets) {
    const kind = before.targets[target.id]?.kind ?? 'new'
    if (kind === 'new') continue
    total += target.capacity
    if (target.site !== site) left += target.capacity * (parts.get(target.id)?.to ?? 0)
  }
  const { floor, evacuation } = pool.limits
  const least = demand === null ? floor * total : evacuation.headroom * demand
  if (left < least - hair || left <= 0)
    report(
      'S5',
      `${pool.id}, site ${site}`,
      `at least ${least} capacity outside of it`,
      `${left}`,
      'leave it, or let the instruction break S5 by name',
    )
}
