import { keys } from '../../src/model/keys.ts'
import { ms } from '../sim/kernel.ts'
import type { Bug } from './bug.ts'
import { every, tempted } from './tempt.ts'
import { substitute } from './wrap.ts'

/** The lost update: a planner that stalls between deciding and publishing puts its old plan over what others have published since. */
export const publishUnconditionally: Bug = {
  name: 'publish-unconditionally',
  what: 'a plan is published without comparing head with what was read, by a planner that may have stalled',
  violates: 'S1',
  tempt: (story) =>
    tempted(story, { planners: 2, coalesceMs: 0 }, every(700, 2_500, 60_000, { kind: 'policy', what: 'ttl' })),
  plant(region) {
    const { kernel } = region
    substitute(region, {
      store(store, role, self) {
        if (role !== 'planner') return store
        return {
          ...store,
          async commit(compares, writes) {
            if (!writes.some(({ key }) => key === keys.head.key())) return await store.commit(compares, writes)
            const stall = self.id === 'planner-1' ? ms(1_500) : 0
            await new Promise<void>((resolve) => kernel.after(stall, self, resolve))
            return await store.commit([], writes)
          },
        }
      },
    })
  },
}
