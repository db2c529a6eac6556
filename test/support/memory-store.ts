/**
 * A store in memory: deterministic, and without timers of its own. Passes the same contract as the
 * real ones (`store-contract.ts`). Several programs of one test share its data through `another()`.
 */
import { problem } from '../../src/base/problem.ts'
import { assertCommit, assertKey, assertPrefix, assertWatch, rangeLimit } from '../../src/store/limits.ts'
import {
  type Commit,
  type Compare,
  type Entry,
  never,
  type Range,
  type Revision,
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

interface Stored {
  readonly value: Uint8Array
  readonly revision: Revision
}

interface Data {
  readonly entries: Map<string, Stored>
  /** Keys in the order of their UTF-8 bytes; undefined when it has to be sorted again. */
  sorted: string[] | undefined
  /** One element per commit, oldest first. */
  readonly changes: { readonly revision: Revision; readonly keys: readonly string[] }[]
  changedKeys: number
  floor: Revision
  revision: Revision
  waiters: Set<() => void>
}

export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return handle(
    {
      entries: new Map(),
      sorted: undefined,
      changes: [],
      changedKeys: 0,
      floor: never,
      revision: never,
      waiters: new Set(),
    },
    options,
  )
}

function handle(data: Data, options: MemoryStoreOptions): MemoryStore {
  const sleep = options.sleep ?? realSleep
  let closed = false

  const assertOpen = () => {
    if (closed) throw new StoreOutage(problem('store in memory', 'an open store', 'one closed here', 'open it again'))
  }

  return {
    async get(key): Promise<Entry | undefined> {
      assertKey(key)
      assertOpen()
      const stored = data.entries.get(key)
      return stored && entry(key, stored)
    },

    async range(prefix, { after, limit } = {}): Promise<Range> {
      assertPrefix(prefix)
      if (after !== undefined) assertPrefix(after)
      const most = rangeLimit(limit)
      assertOpen()
      data.sorted ??= [...data.entries.keys()].sort(byBytes)
      const matching = data.sorted.filter(
        (key) => key.startsWith(prefix) && (after === undefined || byBytes(key, after) > 0),
      )
      const entries = matching.slice(0, most).map((key) => entry(key, data.entries.get(key) as Stored))
      return { entries, revision: data.revision, more: matching.length > most }
    },

    async commit(compares, writes): Promise<Commit> {
      assertCommit(compares, writes)
      assertOpen()
      const apply = () => commit(data, compares, writes, options.keepChanges ?? 100_000)
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
        const found = changesSince(data, prefix, after)
        if (found !== undefined) return found
        if (late || timeoutMs === 0) return { kind: 'quiet', revision: data.revision }
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

function commit(data: Data, compares: readonly Compare[], writes: readonly Write[], keepChanges: number): Commit {
  const failed = compares
    .map((compare) => ({ ...compare, found: data.entries.get(compare.key)?.revision ?? never }))
    .filter((compare) => compare.found !== compare.revision)
  if (failed.length > 0) return { kind: 'conflict', failed }
  if (writes.length === 0) return { kind: 'committed', revision: data.revision }

  const revision = (data.revision + 1) as Revision
  data.revision = revision
  for (const write of writes) {
    if (write.kind === 'delete') {
      if (data.entries.delete(write.key)) data.sorted = undefined
    } else {
      if (!data.entries.has(write.key)) data.sorted = undefined
      data.entries.set(write.key, { value: write.value.slice(), revision })
    }
  }
  data.changes.push({ revision, keys: writes.map((write) => write.key) })
  data.changedKeys += writes.length
  while (data.changedKeys > keepChanges) {
    const oldest = data.changes.shift()
    if (oldest === undefined) break
    data.changedKeys -= oldest.keys.length
    data.floor = oldest.revision
  }
  wakeAll(data)
  return { kind: 'committed', revision }
}

function changesSince(data: Data, prefix: string, after: Revision): Watched | undefined {
  if (after < data.floor || after > data.revision) return { kind: 'compacted', revision: data.revision }
  const keys = new Set<string>()
  for (const change of data.changes) {
    if (change.revision <= after) continue
    for (const key of change.keys) {
      if (!key.startsWith(prefix)) continue
      keys.delete(key)
      keys.add(key)
    }
  }
  return keys.size > 0 ? { kind: 'changed', keys: [...keys], revision: data.revision } : undefined
}

function wakeAll(data: Data): void {
  const waiters = data.waiters
  data.waiters = new Set()
  for (const waiter of waiters) waiter()
}

const entry = (key: string, stored: Stored): Entry => ({
  key,
  value: stored.value.slice(),
  revision: stored.revision,
})

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Does not keep the process alive: a test that is over does not wait for a time-out that no longer matters. */
const realSleep = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms).unref())
