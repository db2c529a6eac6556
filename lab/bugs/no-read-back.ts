import { believing } from './believing.ts'
import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

export const noReadBack: Bug = {
  name: 'no-read-back',
  what: 'what the authority said yes to is taken to stand there',
  violates: 'L1',
  plant(region) {
    substitute(region, { provider: (provider) => believing(provider, ({ kind }) => kind === 'accepted') })
  },
}
