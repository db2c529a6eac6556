import type { Name } from '../../src/model/name.ts'
import type { PlanEntry } from '../../src/model/plan.ts'
import { generationAt } from '../checks/check.ts'
import type { Bug } from './bug.ts'
import { listening, published, showing, substitute } from './wrap.ts'

/** Whatever generation stands there counts as older than the plan at hand. */
export const fenceOff: Bug = {
  name: 'fence-off',
  what: 'a newer marker counts as an older one',
  violates: 'S1',
  plant(region) {
    const plans = new Map<string, Map<Name, PlanEntry>>()
    const planOf = (id: string) => {
      const plan = plans.get(id) ?? new Map<Name, PlanEntry>()
      plans.set(id, plan)
      return plan
    }
    substitute(region, {
      store: (store, role, self) => (role === 'enactor' ? listening(store, planOf(self.id)) : store),
      provider: (provider, self) =>
        showing(provider, (found) => {
          const mine = planOf(self.id).get(found.name)?.since
          const theirs = generationAt(found)
          if (mine === undefined || theirs === null || theirs <= mine) return published(found)
          const marker = found.marker.map((strings) =>
            strings.map((text) => (text.startsWith('g=') ? `g=${mine - 1}` : text)),
          )
          return published({ ...found, marker })
        }),
    })
  },
}
