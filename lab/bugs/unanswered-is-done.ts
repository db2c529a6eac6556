import { believing } from './believing.ts'
import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

export const unansweredIsDone: Bug = {
  name: 'unanswered-is-done',
  what: 'a write without an answer is taken to have happened',
  violates: 'S8',
  plant(region) {
    substitute(region, { provider: (provider) => believing(provider, ({ kind }) => kind === 'unknown') })
  },
}
