import { publishedAs } from '../../src/enact/fence.ts'
import type { Name } from '../../src/model/name.ts'
import type { PlanEntry } from '../../src/model/plan.ts'
import { owner } from '../wishes.ts'
import type { Bug } from './bug.ts'
import { listening, published, substitute } from './wrap.ts'

export const aliasesUnchecked: Bug = {
  name: 'aliases-unchecked',
  what: 'an alias is pointed at its target without looking whether anything stands there',
  violates: 'S2',
  plant(region) {
    const plan = new Map<Name, PlanEntry>()
    const isTarget = (name: Name) =>
      [...plan.values()].some(({ answer }) => answer.kind === 'alias' && answer.target === name)
    substitute(region, {
      store: (store, role) => (role === 'enactor' ? listening(store, plan) : store),
      provider: (provider) => ({
        ...provider,
        async read(zone, names) {
          const [name] = names
          const entry = names.length === 1 && name !== undefined && isTarget(name) ? plan.get(name) : undefined
          return entry === undefined ? await provider.read(zone, names) : [published(publishedAs(entry, owner))]
        },
      }),
    })
  },
}
