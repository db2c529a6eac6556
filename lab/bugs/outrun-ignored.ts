import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { edited, reading, storeFor } from './wrap.ts'

export const outrunIgnored: Bug = {
  name: 'outrun-ignored',
  what: 'a planner whose store lost history does not go on above the markers that are published',
  violates: 'L1',
  plant(region) {
    storeFor(region, 'planner', (store) =>
      reading(store, keys.progress.prefix, (entry) =>
        edited(entry, keys.progress, (progress) => ({ ...progress, ahead: null })),
      ),
    )
  },
}
