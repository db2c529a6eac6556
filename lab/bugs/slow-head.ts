/** A store that keeps showing an enactor the head that it knows, for a time. */
import { keys } from '../../src/model/keys.ts'
import type { Entry } from '../../src/store/store.ts'
import type { Region } from '../region.ts'
import { storeFor } from './wrap.ts'

export interface HeadSeen {
  readonly shown: Entry
  readonly shownSinceMs: number
  readonly newestSinceMs: number
}

/** `goesOn` says whether the newest head is shown now. */
export function slowHead(region: Region, goesOn: (seen: HeadSeen, nowMs: number) => boolean): void {
  storeFor(region, 'enactor', (store) => {
    let seen: HeadSeen | undefined
    let newest: Entry | undefined
    return {
      ...store,
      async get(key) {
        const entry = await store.get(key)
        if (key !== keys.head.key() || entry === undefined) return entry
        const now = region.kernel.now / 1000
        const newestSinceMs = newest?.revision === entry.revision ? (seen?.newestSinceMs ?? now) : now
        newest = entry
        seen = { shown: seen?.shown ?? entry, shownSinceMs: seen?.shownSinceMs ?? now, newestSinceMs }
        if (seen.shown.revision !== entry.revision && goesOn(seen, now))
          seen = { ...seen, shown: entry, shownSinceMs: now }
        return seen.shown
      },
    }
  })
}
