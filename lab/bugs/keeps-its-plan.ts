import type { Bug } from './bug.ts'
import { slowHead } from './slow-head.ts'

export const keepsItsPlan: Bug = {
  name: 'keeps-its-plan',
  what: 'an enactor that loses to a newer plan goes on with its own for half a minute',
  violates: 'L2',
  plant(region) {
    slowHead(region, ({ shownSinceMs }, now) => now - shownSinceMs >= 30_000)
  },
}
