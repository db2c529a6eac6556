import { keys } from '../../src/model/keys.ts'
import type { Bug } from './bug.ts'
import { storeFor } from './wrap.ts'

export const enactedTooEarly: Bug = {
  name: 'enacted-too-early',
  what: 'a plan is said to be published as soon as it is worked on',
  violates: 'S8',
  plant(region) {
    storeFor(region, 'enactor', (store) => ({
      ...store,
      commit: (compares, writes) =>
        store.commit(
          compares,
          writes.map((write) => {
            if (write.kind !== 'put' || !write.key.startsWith(keys.progress.prefix)) return write
            const progress = keys.progress.decode(write.value)
            if (progress === undefined) return write
            return { ...write, value: keys.progress.encode({ ...progress, enacted: progress.working }) }
          }),
        ),
    }))
  },
}
