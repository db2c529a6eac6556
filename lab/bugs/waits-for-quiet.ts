import type { Bug } from './bug.ts'
import { slowHead } from './slow-head.ts'

export const waitsForQuiet: Bug = {
  name: 'waits-for-quiet',
  what: 'an enactor begins a new plan when none has followed it for three seconds',
  violates: 'L2',
  plant(region) {
    slowHead(region, ({ newestSinceMs }, now) => now - newestSinceMs >= 3_000)
  },
}
