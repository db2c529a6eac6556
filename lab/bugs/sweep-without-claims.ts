import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { every, once, tempted } from './tempt.ts'
import { reading, storeFor } from './wrap.ts'

export const sweepWithoutClaims: Bug = {
  name: 'sweep-without-claims',
  what: 'the sweep does not ask which plans enactors work from',
  violates: 'S4',
  tempt: (story) =>
    tempted(story, { enactors: 3, keepPlans: 2, coalesceMs: 0 }, [
      once(4_000, { kind: 'crash', process: 'enactor-1', forMs: 50_000 }),
      ...every(1_500, 3_100, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    storeFor(region, 'sweeper', (store) => reading(store, keys.claim.prefix, () => undefined))
  },
}
