import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { reading, storeFor } from './wrap.ts'

export const sweepWithoutClaims: Bug = {
  name: 'sweep-without-claims',
  what: 'the sweep does not ask which plans enactors work from',
  violates: 'S4',
  plant(region) {
    storeFor(region, 'sweeper', (store) => reading(store, keys.claim.prefix, () => undefined))
  },
}
