import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { every, once, tempted } from './tempt.ts'
import { edited, reading, storeFor } from './wrap.ts'

export const sweepIgnoresPublished: Bug = {
  name: 'sweep-ignores-published',
  what: 'the sweep does not ask how far plans have been published',
  violates: 'S4',
  tempt: (story) =>
    tempted(story, { keepPlans: 2, coalesceMs: 0 }, [
      once(3_000, { kind: 'authority-down', zone: 0, forMs: 30_000 }),
      ...every(1_500, 3_100, 60_000, { kind: 'policy', what: 'ttl' }),
    ]),
  plant(region) {
    const far = Number.MAX_SAFE_INTEGER as never
    storeFor(region, 'sweeper', (store) =>
      reading(store, keys.progress.prefix, (entry) =>
        edited(entry, keys.progress, (progress) => ({ ...progress, enacted: far })),
      ),
    )
  },
}
