import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { edited, reading, storeFor } from './wrap.ts'

export const sweepIgnoresPublished: Bug = {
  name: 'sweep-ignores-published',
  what: 'the sweep does not ask how far plans have been published',
  violates: 'S4',
  plant(region) {
    const far = Number.MAX_SAFE_INTEGER as never
    storeFor(region, 'sweeper', (store) =>
      reading(store, keys.progress.prefix, (entry) =>
        edited(entry, keys.progress, (progress) => ({ ...progress, enacted: far })),
      ),
    )
  },
}
