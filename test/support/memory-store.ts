/**
 * A store in memory: deterministic, and without timers of its own. Passes the same contract as the
 * real ones (`store-contract.ts`). Several programs of one test share its data through `another()`.
 */
import { StoreState } from '../../lab/sim/state.ts'
import { problem } from '../../src/base/problem.ts'
import { assertCommit, assertKey, assertPrefix, assertWatch, rangeLimit } from '../../src/store/limits.ts'
import {
  type Commit,
  type Compare,
  type Range,
  type Store,
  StoreOutage,
  type Watched,
  type Write,
} from '../../src/store/store.ts'

export interface MemoryStoreOptions {
  /** Ends a `watch` without news. Default: a real timer. */
  readonly sleep?: (ms: number) => Promise<void>
  /**
   * Sees every commit before it is made. What it returns, if anything, becomes the outcome, and
   * nothing is written unless it called `apply`: so a test can refuse, or lose the answer either way.
   */
  readonly onCommit?: (
    compares: readonly Compare[],
    writes: readonly Write[],
    apply: () => Commit,
  ) => Commit | undefined | Promise<Commit | undefined>
  /** How many changed keys `watch` remembers. Default 100,000. */
  readonly keepChanges?: number
}

export interface MemoryStore extends Store {
  /** Another handle on the same data, as another process would have; closing one leaves the others open. */
  another(): MemoryStore
}

interface Data {
  readonly state: StoreState
  waiters: Set<() => void>
}

export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return handle({ state: new StoreState(options.keepChanges ?? 100_000), waiters: new Set() }, options)
}

function handle(data: Data, options: MemoryStoreOptions): MemoryStore {
  const sleep = options.sleep ?? realSleep
  let closed = false

  const assertOpen = () => {
    if (closed) throw new StoreOutage(problem('store in memory', 'an open store', 'one closed here', 'open it again'))
  }

  return {
    async get(key) {
      assertKey(key)
      assertOpen()
      return data.state.get(key)
    },

    async range(prefix, { after, limit } = {}): Promise<Range> {
      assertPrefix(prefix)
      if (after !== undefined) assertPrefix(after)
      const most = rangeLimit(limit)
      assertOpen()
      return data.state.range(prefix, after, most)
    },

    async commit(compares, writes): Promise<Commit> {
      assertCommit(compares, writes)
      assertOpen()
      const apply = () => {
        const commit = data.state.commit(compares, writes)
        if (commit.kind === 'committed' && writes.length > 0) wakeAll(data)
        return commit
      }
      return (await options.onCommit?.(compares, writes, apply)) ?? apply()
    },

    async watch(prefix, after, timeoutMs): Promise<Watched> {
      assertPrefix(prefix)
      assertWatch(after, timeoutMs)
      let late = false
      let wake = () => {}
      void sleep(timeoutMs).then(() => {
        late = true
        wake()
      })
      for (;;) {
        assertOpen()
        const found = data.state.since(prefix, after)
        if (found !== undefined) return found
        if (late || timeoutMs === 0) return { kind: 'quiet', revision: data.state.revision }
        await new Promise<void>((resolve) => {
          wake = resolve
          data.waiters.add(resolve)
        })
        data.waiters.delete(wake)
      }
    },

    async close() {
      closed = true
      wakeAll(data)
    },

    another: () => handle(data, options),
  }
}

function wakeAll(data: Data): void {
  const waiters = data.waiters
  data.waiters = new Set()
  for (const waiter of waiters) waiter()
}

/** Does not keep the process alive: a test that is over does not wait for a time-out that no longer matters. */
const realSleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms).unref())
