/** A store that may not be there yet, or cannot be opened: each use tries again, and says what is wrong meanwhile. */
import { isProblem, type Problem } from '../base/problem.ts'
import { type Store, StoreOutage } from '../store/store.ts'

/** For programs that have work to do without a store. `open` is asked again at each use until it succeeds. */
export function patientStore(open: () => Promise<Store | Problem>): Store {
  let opened: Store | undefined
  let opening: Promise<Store | Problem> | undefined
  const store = async (): Promise<Store> => {
    if (opened !== undefined) return opened
    opening ??= open()
    const found = await opening
    opening = undefined
    if (isProblem(found)) throw new StoreOutage(found)
    opened = found
    return found
  }
  return {
    get: async (key) => await (await store()).get(key),
    range: async (prefix, options) => await (await store()).range(prefix, options),
    commit: async (compares, writes) => await (await store()).commit(compares, writes),
    watch: async (prefix, after, timeoutMs) => await (await store()).watch(prefix, after, timeoutMs),
    close: async () => await opened?.close(),
  }
}
