import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { edited, reading, storeFor } from './wrap.ts'

export const blockedIsOurs: Bug = {
  name: 'blocked-is-ours',
  what: 'whatever a published plan names counts as published by us, although it was found to be held by somebody else',
  violates: 'S6',
  plant(region) {
    storeFor(region, 'enactor', (store) =>
      reading(store, keys.progress.prefix, (entry) =>
        edited(entry, keys.progress, (progress) => ({ ...progress, blocked: [] })),
      ),
    )
  },
}
