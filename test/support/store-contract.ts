/**
 * The one suite that every implementation of `Store` must pass. Call it from a test file:
 * `storeContract('memory', async () => ({ store: memoryStore() }))`.
 */
import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { AssertionFailed } from '../../src/base/assert.ts'
import { fromUtf8, utf8 } from '../../src/base/bytes.ts'
import { maxKeyBytes } from '../../src/store/limits.ts'
import { type Commit, never, type Revision, type Store, StoreOutage, type Write } from '../../src/store/store.ts'

export interface StoreUnderTest {
  readonly store: Store
  /** A second handle on the same data, as another program would open it. */
  another(): Promise<Store>
  /** Closes every handle, and opens the data again. Undefined where nothing outlives the handles. */
  reopen?(): Promise<Store>
}

export interface OpenOptions {
  /** How many changed keys `watch` remembers; undefined: many. */
  readonly keepChanges?: number
}

const put = (key: string, text: string): Write => ({ kind: 'put', key, value: utf8(text) })
const remove = (key: string): Write => ({ kind: 'delete', key })
const revision = (n: number) => n as Revision
const seconds = 1000

/** Keys of few letters, so that they collide, with characters whose UTF-8 and UTF-16 orders differ. */
const anyKey = fc
  .array(fc.constantFrom('a', 'b', '/', 'é', '\u0000', '\u{ff21}', '\u{1f600}', '~'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join(''))

async function committed(outcome: Promise<Commit>): Promise<Revision> {
  const commit = await outcome
  expect(commit.kind).toBe('committed')
  return (commit as { revision: Revision }).revision
}

async function textOf(store: Store, key: string): Promise<string | undefined> {
  const entry = await store.get(key)
  return entry && fromUtf8(entry.value)
}

async function keysOf(store: Store, prefix: string, options?: { after?: string; limit?: number }) {
  return (await store.range(prefix, options)).entries.map((entry) => entry.key)
}

export function storeContract(name: string, open: (options: OpenOptions) => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store contract`, () => {
    const stores: Store[] = []
    afterEach(async () => {
      for (const store of stores.splice(0)) await store.close()
    })

    async function opened(options: OpenOptions = {}) {
      const { store, another, reopen } = await open(options)
      stores.push(store)
      const kept = async (made: Promise<Store>) => {
        const store = await made
        stores.push(store)
        return store
      }
      return { store, another: () => kept(another()), reopen: reopen && (() => kept(reopen())) }
    }

    describe('get and commit', () => {
      test('an empty store has no entries and no revision', async () => {
        const { store } = await opened()
        expect(await store.get('a')).toBeUndefined()
        expect(await store.range('')).toEqual({ entries: [], revision: never, more: false })
      })

      test('revisions count commits, and entries carry that of their last write', async () => {
        const { store } = await opened()
        expect(await store.commit([], [put('a', '1'), put('b', '1')])).toEqual({ kind: 'committed', revision: 1 })
        expect(await store.commit([], [put('a', '2')])).toEqual({ kind: 'committed', revision: 2 })
        expect(await store.get('a')).toEqual({ key: 'a', value: utf8('2'), revision: 2 })
        expect(await store.get('b')).toEqual({ key: 'b', value: utf8('1'), revision: 1 })
        expect((await store.range('')).revision).toBe(2)
      })

      test('a commit without writes answers its compares and takes no revision', async () => {
        const { store } = await opened()
        await committed(store.commit([], [put('a', '1')]))
        expect(await store.commit([{ key: 'a', revision: revision(1) }], [])).toEqual({
          kind: 'committed',
          revision: 1,
        })
        expect((await store.commit([{ key: 'a', revision: never }], [])).kind).toBe('conflict')
      })

      test('values are any bytes, also none, and large ones', async () => {
        const { store } = await opened()
        const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
        const large = new Uint8Array(3_000_001).map((_, i) => i % 251)
        await committed(
          store.commit(
            [],
            [
              { kind: 'put', key: 'none', value: new Uint8Array() },
              { kind: 'put', key: 'bytes', value: bytes },
              { kind: 'put', key: 'large', value: large },
            ],
          ),
        )
        expect((await store.get('none'))?.value).toEqual(new Uint8Array())
        expect((await store.get('bytes'))?.value).toEqual(bytes)
        const entries = (await store.range('')).entries
        expect(entries.map((entry) => entry.key)).toEqual(['bytes', 'large', 'none'])
        expect(Buffer.compare(entries[1]?.value ?? bytes, large)).toBe(0)
        expect(Buffer.compare((await store.get('large'))?.value ?? bytes, large)).toBe(0)
      })

      test('a value belongs to the caller: later reads and changes to it do no harm', async () => {
        const { store } = await opened()
        const value = utf8('first')
        await committed(store.commit([], [{ kind: 'put', key: 'a', value }]))
        value.fill(0)
        const read = await store.get('a')
        await committed(store.commit([], [put('a', 'other'), put('b', 'other')]))
        await store.get('b')
        expect(fromUtf8(read?.value ?? value)).toBe('first')
        read?.value.fill(0)
        expect(await textOf(store, 'a')).toBe('other')
      })

      test('put and delete happen together', async () => {
        const { store } = await opened()
        await committed(store.commit([], [put('old', '1')]))
        await committed(store.commit([{ key: 'old', revision: revision(1) }], [remove('old'), put('new', '1')]))
        expect(await keysOf(store, '')).toEqual(['new'])
        await committed(store.commit([], [remove('new'), remove('was never there')]))
        expect(await keysOf(store, '')).toEqual([])
      })

      test('1,024 values of 100 kB are one commit', async () => {
        const { store } = await opened()
        const value = new Uint8Array(100_000).fill(7)
        const writes = Array.from({ length: 1024 }, (_, i): Write => ({ kind: 'put', key: `shard/${i}`, value }))
        await committed(store.commit([], writes))
        const { entries, more } = await store.range('shard/')
        expect([entries.length, more, entries[1023]?.value.length]).toEqual([1024, false, 100_000])
      })
    })

    describe('compares', () => {
      test('all must hold, or nothing is written and the failed ones are told with what is there', async () => {
        const { store } = await opened()
        await committed(store.commit([], [put('a', '1')]))
        await committed(store.commit([], [put('b', '1')]))
        const outcome = await store.commit(
          [
            { key: 'a', revision: revision(1) },
            { key: 'b', revision: revision(1) },
            { key: 'c', revision: revision(1) },
          ],
          [put('a', '2'), put('d', '2')],
        )
        expect(outcome).toEqual({
          kind: 'conflict',
          failed: [
            { key: 'b', revision: 1, found: 2 },
            { key: 'c', revision: 1, found: 0 },
          ],
        })
        expect(await textOf(store, 'a')).toBe('1')
        expect(await store.get('d')).toBeUndefined()
        expect((await store.range('')).revision).toBe(2)
      })

      test('`never` holds for a key that does not exist, also one that was deleted', async () => {
        const { store } = await opened()
        await committed(store.commit([{ key: 'a', revision: never }], [put('a', '1')]))
        expect((await store.commit([{ key: 'a', revision: never }], [put('a', '2')])).kind).toBe('conflict')
        await committed(store.commit([], [remove('a')]))
        expect((await store.commit([{ key: 'a', revision: revision(1) }], [put('a', '3')])).kind).toBe('conflict')
        await committed(store.commit([{ key: 'a', revision: never }], [put('a', '4')]))
        expect(await textOf(store, 'a')).toBe('4')
      })

      test('of many that compare with the same revision, one wins', async () => {
        const { store, another } = await opened()
        const handles = [store, await another(), await another()]
        const outcomes = await Promise.all(
          Array.from({ length: 60 }, (_, i) =>
            (handles[i % 3] as Store).commit([{ key: 'a', revision: never }], [put('a', `${i}`), put(`by/${i}`, '')]),
          ),
        )
        const winners = outcomes.flatMap((outcome, i) => (outcome.kind === 'committed' ? [i] : []))
        expect(winners).toHaveLength(1)
        expect(await textOf(store, 'a')).toBe(`${winners[0]}`)
        expect(await keysOf(store, 'by/')).toEqual([`by/${winners[0]}`])
      })
    })

    describe('range', () => {
      test('starts with exactly the prefix, in the order of the bytes', async () => {
        const { store } = await opened()
        const keys = ['a', 'a/', 'a/1', 'a/10', 'a/2', 'a0', 'b', 'a/é', 'a/\u{ff21}', 'a/\u{1f600}', 'A/1']
        await committed(
          store.commit(
            [],
            keys.map((key) => put(key, key)),
          ),
        )
        expect(await keysOf(store, 'a/')).toEqual(['a/', 'a/1', 'a/10', 'a/2', 'a/é', 'a/\u{ff21}', 'a/\u{1f600}'])
        expect(await keysOf(store, 'a')).toHaveLength(9)
        expect(await keysOf(store, '')).toHaveLength(11)
        expect(await keysOf(store, 'a/1')).toEqual(['a/1', 'a/10'])
        expect(await keysOf(store, 'c')).toEqual([])
      })

      test('limit and after page through everything once', async () => {
        const { store } = await opened()
        const keys = Array.from({ length: 25 }, (_, i) => `p/${String(i).padStart(2, '0')}`)
        await committed(
          store.commit(
            [],
            [...keys, 'o', 'p', 'q'].map((key) => put(key, key)),
          ),
        )
        const seen: string[] = []
        for (let after: string | undefined; ; ) {
          const page = await store.range('p/', { limit: 10, ...(after === undefined ? {} : { after }) })
          seen.push(...page.entries.map((entry) => entry.key))
          after = seen.at(-1)
          expect(page.more).toBe(seen.length < keys.length)
          if (!page.more) break
        }
        expect(seen).toEqual(keys)
        expect(await store.range('p/', { limit: 25 })).toMatchObject({ more: false })
        expect(await store.range('p/', { limit: 24 })).toMatchObject({ more: true })
      })

      test('after may lie anywhere', async () => {
        const { store } = await opened()
        await committed(
          store.commit(
            [],
            ['b/1', 'b/2', 'b/3', 'c'].map((key) => put(key, key)),
          ),
        )
        expect(await keysOf(store, 'b/', { after: 'a' })).toEqual(['b/1', 'b/2', 'b/3'])
        expect(await keysOf(store, 'b/', { after: 'b/15' })).toEqual(['b/2', 'b/3'])
        expect(await keysOf(store, 'b/', { after: 'b/3' })).toEqual([])
        expect(await keysOf(store, 'b/', { after: 'z' })).toEqual([])
        expect(await keysOf(store, '', { after: 'b/3' })).toEqual(['c'])
      })

      test('never more than 10,000 entries at once', async () => {
        const { store } = await opened()
        const key = (i: number) => `k/${String(i).padStart(5, '0')}`
        const batch = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => put(key(from + i), ''))
        await committed(store.commit([], batch(0, 6_000)))
        await committed(store.commit([], batch(6_000, 10_001)))
        for (const options of [{}, { limit: 1_000_000 }]) {
          const { entries, more } = await store.range('k/', options)
          expect([entries.length, more]).toEqual([10_000, true])
        }
        expect(await keysOf(store, 'k/', { after: key(9_999) })).toEqual([key(10_000)])
      })

      test('equals a sorted map, for any keys', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.uniqueArray(anyKey, { maxLength: 20 }),
            fc.oneof(anyKey, fc.constant('')),
            fc.option(anyKey, { nil: undefined }),
            fc.integer({ min: 1, max: 6 }),
            async (keys, prefix, after, limit) => {
              const { store } = await open({})
              if (keys.length > 0)
                await committed(
                  store.commit(
                    [],
                    keys.map((key) => put(key, key)),
                  ),
                )
              const bytes = (key: string) => Buffer.from(key)
              const expected = keys
                .filter((key) => key.startsWith(prefix))
                .filter((key) => after === undefined || Buffer.compare(bytes(key), bytes(after)) > 0)
                .sort((a, b) => Buffer.compare(bytes(a), bytes(b)))
              const found = await store.range(prefix, after === undefined ? { limit } : { limit, after })
              await store.close()
              expect(found.entries.map((entry) => entry.key)).toEqual(expected.slice(0, limit))
              expect(found.more).toBe(expected.length > limit)
            },
          ),
          { numRuns: 40 },
        )
      })
    })

    describe('limits are asserted', () => {
      test('a key twice in a commit', async () => {
        const { store } = await opened()
        await expect(store.commit([], [put('a', '1'), remove('a')])).rejects.toThrow(AssertionFailed)
        expect((await store.range('')).revision).toBe(never)
      })

      test('keys: not empty, well-formed, at most 500 bytes of UTF-8', async () => {
        const { store } = await opened()
        const longest = 'é'.repeat(maxKeyBytes / 2)
        await committed(store.commit([], [put(longest, 'x')]))
        expect(await textOf(store, longest)).toBe('x')
        expect(await keysOf(store, longest)).toEqual([longest])
        for (const key of ['', `${longest}x`, '\ud800']) {
          await expect(store.commit([], [put(key, '')])).rejects.toThrow(AssertionFailed)
          await expect(store.commit([{ key, revision: never }], [])).rejects.toThrow(AssertionFailed)
          await expect(store.get(key)).rejects.toThrow(AssertionFailed)
        }
      })

      test('limit, revision and time-out are numbers that make sense', async () => {
        const { store } = await opened()
        await expect(store.range('', { limit: 0 })).rejects.toThrow(AssertionFailed)
        await expect(store.watch('', revision(-1), 1)).rejects.toThrow(AssertionFailed)
        await expect(store.watch('', never, Number.NaN)).rejects.toThrow(AssertionFailed)
      })
    })

    describe('watch', () => {
      test('answers at once with what already happened: each key once, in order of last change', async () => {
        const { store } = await opened()
        await committed(store.commit([], [put('a/1', ''), put('a/2', ''), put('b', '')]))
        await committed(store.commit([], [put('a/3', '')]))
        await committed(store.commit([], [put('a/1', ''), remove('a/3')]))
        expect(await store.watch('a/', never, 0)).toEqual({
          kind: 'changed',
          keys: ['a/2', 'a/1', 'a/3'],
          revision: 3,
        })
        expect(await store.watch('a/', revision(2), 0)).toEqual({ kind: 'changed', keys: ['a/1', 'a/3'], revision: 3 })
        expect(await store.watch('a/', revision(3), 0)).toEqual({ kind: 'quiet', revision: 3 })
        expect(await store.watch('', revision(2), 0)).toMatchObject({ keys: ['a/1', 'a/3'] })
      })

      test('wakes for its prefix, from any handle, and for nothing else', async () => {
        const { store, another } = await opened()
        const other = await another()
        const watching = store.watch('a/', never, 30 * seconds)
        await committed(other.commit([], [put('b', '')]))
        await committed(other.commit([], [put('a', '')]))
        await committed(other.commit([], [put('a/x', '')]))
        const found = await watching
        expect(found).toEqual({ kind: 'changed', keys: ['a/x'], revision: 3 })
      })

      test('is quiet when the time is up, and names the revision to go on from', async () => {
        const { store } = await opened()
        await committed(store.commit([], [put('b', '')]))
        await committed(store.commit([], [put('b', '')]))
        expect(await store.watch('a/', never, 30)).toEqual({ kind: 'quiet', revision: 2 })
      })

      test('several watchers wake for one commit', async () => {
        const { store } = await opened()
        const watching = ['', 'a', 'a/', 'a/x'].map((prefix) => store.watch(prefix, never, 30 * seconds))
        await committed(store.commit([], [put('a/x', '')]))
        for (const found of await Promise.all(watching)) expect(found).toMatchObject({ kind: 'changed', keys: ['a/x'] })
      })

      test('says compacted when the list of changes does not reach back far enough', async () => {
        const { store } = await opened({ keepChanges: 10 })
        for (let i = 0; i < 8; i++) await committed(store.commit([], [put('a', `${i}`), put(`b/${i}`, '')]))
        // 16 keys in 8 commits: the last 10 are those of commits 4 to 8.
        expect(await store.watch('a', revision(2), 0)).toEqual({ kind: 'compacted', revision: 8 })
        expect(await store.watch('a', never, 0)).toEqual({ kind: 'compacted', revision: 8 })
        expect(await store.watch('b/', revision(3), 0)).toMatchObject({
          kind: 'changed',
          keys: ['b/3', 'b/4', 'b/5', 'b/6', 'b/7'],
        })
        // One commit larger than the list forgets everything, itself too.
        await committed(
          store.commit(
            [],
            Array.from({ length: 11 }, (_, i) => put(`c/${i}`, '')),
          ),
        )
        expect(await store.watch('c/', revision(8), 0)).toEqual({ kind: 'compacted', revision: 9 })
        expect(await store.watch('c/', revision(9), 0)).toEqual({ kind: 'quiet', revision: 9 })
      })

      test('says compacted for a revision that the store has not reached: it was replaced', async () => {
        const { store } = await opened()
        await committed(store.commit([], [put('a', '')]))
        expect(await store.watch('a', revision(5), 30 * seconds)).toEqual({ kind: 'compacted', revision: 1 })
      })

      test('sees no gap under concurrent commits: the watcher rebuilds the final state', async () => {
        const step = fc.record({
          writer: fc.nat(2),
          keys: fc.uniqueArray(anyKey, { minLength: 1, maxLength: 4 }),
          remove: fc.boolean(),
        })
        await fc.assert(
          fc.asyncProperty(
            fc.array(step, { minLength: 1, maxLength: 40 }),
            fc.constantFrom('', 'a', 'b'),
            fc.constantFrom(3, 20, 1000),
            async (steps, prefix, keepChanges) => {
              const { store, another } = await open({ keepChanges })
              const writers = [store, await another(), await another()]
              const watcher = await another()
              const rebuilt = watchUntil(watcher, prefix, 'end')
              const lastCommit = new Map<string, Revision>()
              await Promise.all(
                steps.map(async ({ writer, keys, remove: removes }, i) => {
                  const writes = keys.map((key) => (removes ? remove(key) : put(key, `${i}`)))
                  const at = await committed((writers[writer] as Store).commit([], writes))
                  for (const key of keys) {
                    if (at > (lastCommit.get(key) ?? never)) lastCommit.set(key, at)
                  }
                }),
              )
              const end = await committed(store.commit([], [put(`${prefix}end`, '')]))
              const { state, seen, compacted } = await rebuilt
              const final = (await store.range(prefix)).entries
              for (const handle of [...writers, watcher]) await handle.close()
              expect(
                [...state.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))),
              ).toEqual(final)
              if (compacted) return
              lastCommit.set(`${prefix}end`, end)
              for (const [key, at] of lastCommit) {
                if (key.startsWith(prefix)) expect(seen.get(key) ?? never).toBeGreaterThanOrEqual(at)
              }
            },
          ),
          { numRuns: 40 },
        )
      })
    })

    describe('across handles', () => {
      test('a read that starts after a commit was acknowledged sees it', async () => {
        const { store, another } = await opened()
        const other = await another()
        for (let i = 1; i <= 100; i++) {
          const [writer, reader] = i % 2 === 0 ? [store, other] : [other, store]
          // Read first: a snapshot of this event turn must not be served again.
          await reader.get('a')
          await committed(writer.commit([], [put('a', `${i}`)]))
          expect(await textOf(reader, 'a')).toBe(`${i}`)
          expect((await reader.range('a')).revision).toBe(i)
        }
      })

      test('what was acknowledged is there after everything was closed', async () => {
        const { store, reopen } = await opened()
        if (reopen === undefined) return
        await committed(store.commit([], [put('a', '1'), put('b', '1')]))
        await committed(store.commit([], [remove('b')]))
        const again = await reopen()
        expect(await again.get('a')).toEqual({ key: 'a', value: utf8('1'), revision: 1 })
        expect(await keysOf(again, '')).toEqual(['a'])
        expect(await again.watch('', revision(1), 0)).toEqual({ kind: 'changed', keys: ['b'], revision: 2 })
        expect(await committed(again.commit([], [put('a', '2')]))).toBe(3)
      })

      test('a closed handle throws StoreOutage, waiting watchers too; others go on', async () => {
        const { store, another } = await opened()
        const other = await another()
        const watching = store.watch('a', never, 30 * seconds)
        const rejected = expect(watching).rejects.toThrow(StoreOutage)
        await store.close()
        await rejected
        await expect(store.get('a')).rejects.toThrow(StoreOutage)
        await expect(store.range('a')).rejects.toThrow(StoreOutage)
        await expect(store.watch('a', never, 0)).rejects.toThrow(StoreOutage)
        await expect(store.commit([], [put('a', '')])).rejects.toThrow(StoreOutage)
        await store.close()
        await committed(other.commit([], [put('a', '')]))
        expect(await keysOf(other, '')).toEqual(['a'])
      })

      test('closing and opening again at once is as good as waiting in between', async () => {
        const { store, another } = await opened()
        await committed(store.commit([], [put('a', '')]))
        const closed = store.close()
        const again = await another()
        await closed
        expect(await keysOf(again, '')).toEqual(['a'])
        expect(await committed(again.commit([], [put('b', '')]))).toBe(2)
      })

      test('closing waits for commits that were begun', async () => {
        const { store, another } = await opened()
        const other = await another()
        const outcomes = Array.from({ length: 20 }, (_, i) => store.commit([], [put(`k/${i}`, '')]))
        await store.close()
        for (const outcome of outcomes) await committed(outcome)
        expect(await keysOf(other, 'k/')).toHaveLength(20)
      })
    })
  })
}

/** Follows `prefix` as a program would, until `last` was written under it. */
async function watchUntil(store: Store, prefix: string, last: string) {
  const state = new Map<string, { key: string; value: Uint8Array; revision: Revision }>()
  const seen = new Map<string, Revision>()
  let compacted = false
  let after = never
  while (!state.has(prefix + last)) {
    const found = await store.watch(prefix, after, 20 * seconds)
    expect(found.kind, 'a commit that never woke the watcher').not.toBe('quiet')
    expect(found.revision).toBeGreaterThan(after)
    if (found.kind === 'compacted') {
      compacted = true
      const all = await store.range(prefix)
      state.clear()
      for (const entry of all.entries) state.set(entry.key, entry)
      after = all.revision
      continue
    }
    if (found.kind === 'changed') {
      expect(new Set(found.keys).size).toBe(found.keys.length)
      for (const key of found.keys) {
        seen.set(key, found.revision)
        const entry = await store.get(key)
        if (entry === undefined) state.delete(key)
        else state.set(key, entry)
      }
    }
    after = found.revision
  }
  // Changes may have come between the last event and its reads.
  const end = await store.watch(prefix, after, 0)
  if (end.kind === 'changed') {
    for (const key of end.keys) {
      seen.set(key, end.revision)
      const entry = await store.get(key)
      if (entry === undefined) state.delete(key)
      else state.set(key, entry)
    }
  }
  return { state, seen, compacted }
}
