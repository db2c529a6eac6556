/** What the LMDB store says when it cannot be opened, and when it is full, read-only, or gone. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { assert } from '../src/base/assert.ts'
import { isProblem, type Problem } from '../src/base/problem.ts'
import { encodeSchema, schemaKey, schemaVersion } from '../src/store/layout.ts'
import { type LmdbOptions, openLmdbStore } from '../src/store/lmdb.ts'
import { type Commit, never, type Store, StoreOutage } from '../src/store/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-store-errors-'))
let path = ''
let paths = 0
const stores: Store[] = []

beforeEach(() => {
  path = join(directory, `${paths++}`)
})
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function opened(options: Partial<LmdbOptions> = {}): Promise<Store> {
  const store = await openLmdbStore({ path, ...options })
  assert(!isProblem(store), `expected a store, found ${JSON.stringify(store)}`)
  stores.push(store)
  return store
}

async function problemOf(options: Partial<LmdbOptions> = {}): Promise<Problem> {
  const found = await openLmdbStore({ path, ...options })
  if (!isProblem(found)) await found.close()
  assert(isProblem(found), 'expected a problem, found a store')
  expect(found.at).toBe(`store ${path}`)
  expect(found.todo).not.toBe('')
  return found
}

const put = (store: Store, key: string, bytes = 0) =>
  store.commit([], [{ kind: 'put', key, value: new Uint8Array(bytes).fill(1) }])
const remove = (store: Store, key: string) => store.commit([], [{ kind: 'delete', key }])

/** An LMDB environment at the path, not opened by Holdfast's store. */
const raw = () =>
  open({ path, noSubdir: false, encoding: 'binary', keyEncoding: 'binary', useVersions: true, overlappingSync: false })

describe('opening', () => {
  test('creates missing directories for this user only', async () => {
    const top = path
    path = join(path, 'deep', 'store')
    await opened()
    for (const made of [top, join(top, 'deep'), path]) expect(statSync(made).mode & 0o777).toBe(0o700)
    expect(statSync(join(path, 'data.mdb')).mode & 0o777).toBe(0o600)
  })

  test('refuses a file in the place of the directory', async () => {
    writeFileSync(path, 'something')
    expect(await problemOf()).toMatchObject({ found: 'a file where a directory should be' })
  })

  test('refuses a file in the place of a parent', async () => {
    writeFileSync(path, 'something')
    path = join(path, 'store')
    expect(await problemOf()).toMatchObject({ found: 'a file where a directory should be' })
  })

  test.each([
    ['text', Buffer.from('not a store\n')],
    ['zeros', Buffer.alloc(65_536)],
    ['noise', Buffer.from(Array.from({ length: 65_536 }, (_, i) => (i * 7919) % 251))],
  ])('refuses a data file of %s', async (_, bytes) => {
    mkdirSync(path)
    writeFileSync(join(path, 'data.mdb'), bytes)
    expect(await problemOf()).toMatchObject({ found: 'a data file that LMDB did not write' })
  })

  test('takes an empty data file for a store that was never finished', async () => {
    mkdirSync(path)
    writeFileSync(join(path, 'data.mdb'), '')
    expect((await put(await opened(), 'a')).kind).toBe('committed')
  })

  test('refuses an LMDB file of another program', async () => {
    const db = raw()
    await db.put(Buffer.from('theirs'), Buffer.from('data'), 1)
    await db.close()
    expect(await problemOf()).toMatchObject({ found: 'an LMDB file that Holdfast did not write' })
    expect(await problemOf({ readOnly: true })).toMatchObject({ found: 'an LMDB file that Holdfast did not write' })
  })

  test('refuses a store that a newer version wrote, and leaves it as it is', async () => {
    const db = raw()
    await db.put(schemaKey, encodeSchema(schemaVersion + 1), 0)
    await db.close()
    for (const readOnly of [false, true]) {
      expect(await problemOf({ readOnly })).toMatchObject({
        expected: `a store of schema ${schemaVersion}`,
        found: `schema ${schemaVersion + 1}`,
      })
    }
    const again = raw()
    expect(again.get(schemaKey)).toEqual(Buffer.from(encodeSchema(schemaVersion + 1)))
    await again.close()
  })

  test('a damaged file is a problem or an outage, not a wrong answer', async () => {
    const store = await opened()
    await put(store, 'a', 100_000)
    await stores.pop()?.close()
    truncateSync(join(path, 'data.mdb'), 4096)
    expect(await problemOf()).toMatchObject({ kind: 'problem' })
  })
})

describe('read-only', () => {
  test('there must be a store', async () => {
    expect(await problemOf({ readOnly: true })).toMatchObject({ found: 'none' })
  })

  test('reads and watches, and refuses commits', async () => {
    await put(await opened(), 'a', 3)
    await stores.pop()?.close()
    const store = await opened({ readOnly: true })
    expect((await store.get('a'))?.value).toHaveLength(3)
    expect((await store.range('')).revision).toBe(1)
    expect(await store.watch('a', never, 0)).toMatchObject({ keys: ['a'] })
    expect(await put(store, 'b')).toMatchObject({ kind: 'refused', problem: { found: 'one opened read-only' } })
    expect(await problemOf()).toMatchObject({ found: 'one that is open read-only' })
  })

  test('sees what another process writes', async () => {
    await put(await opened(), 'a')
    await stores.pop()?.close()
    const store = await opened({ readOnly: true })
    const watching = store.watch('w/', never, 20_000)
    const program = join(import.meta.dirname, 'support/store-program.ts')
    const writer = spawn(process.execPath, [program, 'write', path, 'x', '1'], {
      stdio: ['pipe', 'inherit', 'inherit'],
    })
    const ended = once(writer, 'exit')
    expect(await watching).toMatchObject({ kind: 'changed', keys: ['w/x/0'] })
    expect(await store.get('w/x/0')).toBeDefined()
    await ended
  })
})

describe('full', () => {
  test('refuses what is too much, keeps reading, and takes deletions to make room', async () => {
    const store = await opened({ maxBytes: 1024 * 1024 })
    let kept = 0
    let outcome: Commit
    do outcome = await put(store, `k/${kept++}`, 50_000)
    while (outcome.kind === 'committed' && kept < 100)
    assert(outcome.kind === 'refused', `expected a refusal, found ${JSON.stringify(outcome)}`)
    expect(outcome.problem).toMatchObject({ at: `store ${path}`, expected: 'at most 1048576 bytes in use' })
    expect(kept).toBeGreaterThan(15)
    expect(await store.get(`k/${kept - 1}`)).toBeUndefined()
    expect((await store.range('k/')).entries).toHaveLength(kept - 1)
    expect((await remove(store, 'k/0')).kind).toBe('committed')
    expect((await remove(store, 'k/1')).kind).toBe('committed')
    expect((await put(store, 'again', 50_000)).kind).toBe('committed')
  })

  test('stays bounded while entries are replaced and deleted', async () => {
    const store = await opened({ maxBytes: 1024 * 1024, keepChanges: 100 })
    for (let i = 0; i < 500; i++) {
      expect((await put(store, `k/${i % 5}`, 20_000 + ((i * 7919) % 30_000))).kind, `commit ${i}`).toBe('committed')
    }
    expect(statSync(join(path, 'data.mdb')).size).toBeLessThan(3 * 1024 * 1024)
  })

  test('one commit that is too much does not spoil those beside it', async () => {
    const store = await opened({ maxBytes: 1024 * 1024 })
    const outcomes = await Promise.all([put(store, 'a', 100), put(store, 'b', 2_000_000), put(store, 'c', 100)])
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['committed', 'refused', 'committed'])
    expect((await store.range('')).entries.map((entry) => entry.key)).toEqual(['a', 'c'])
  })
})

/** A small file system in memory, or a reason why there is none. */
function mounted(at: string, ...options: readonly string[]): boolean {
  mkdirSync(at, { recursive: true })
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options.join(','), 'holdfast-test', at]).status === 0
}
const probe = join(directory, 'probe')
const canMount = mounted(probe, 'size=64k')
if (canMount) execFileSync('umount', [probe])

describe.skipIf(!canMount)('a file system of its own (needs root)', () => {
  const unmount: string[] = []
  afterEach(() => {
    for (const at of unmount.splice(0)) spawnSync('umount', ['-l', at])
  })

  function mount(...options: readonly string[]) {
    assert(mounted(path, ...options), `expected a file system at ${path}`)
    unmount.push(path)
  }

  test('a full disk: refused, reads go on, and room helps', async () => {
    mount('size=1m')
    const store = await opened()
    expect((await put(store, 'small', 1000)).kind).toBe('committed')
    const outcomes = await Promise.all([put(store, 'a', 100), put(store, 'big', 3_000_000), put(store, 'b', 100)])
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['committed', 'refused', 'committed'])
    expect(outcomes[1]).toMatchObject({
      problem: { found: 'no space left on the disk', todo: 'make room on the disk' },
    })
    expect((await store.range('')).entries.map((entry) => entry.key)).toEqual(['a', 'b', 'small'])
    execFileSync('mount', ['-o', 'remount,size=16m', path])
    expect((await put(store, 'big', 3_000_000)).kind).toBe('committed')
    expect((await store.get('big'))?.value).toHaveLength(3_000_000)
  })

  test('mounted read-only: a problem, but readOnly works', async () => {
    mount('size=4m')
    await put(await opened(), 'a', 3)
    await stores.pop()?.close()
    execFileSync('mount', ['-o', 'remount,ro', path])
    expect(await problemOf()).toMatchObject({ found: 'a file system mounted read-only' })
    const store = await opened({ readOnly: true })
    expect((await store.get('a'))?.value).toHaveLength(3)
  })

  test('a directory that cannot be created', async () => {
    mount('size=4m')
    execFileSync('mount', ['-o', 'remount,ro', path])
    path = join(path, 'store')
    expect(await problemOf()).toMatchObject({ found: 'a file system mounted read-only' })
  })
})

test('a data file that was moved away is noticed: outage, no writes into nowhere', async () => {
  const store = await opened({ upkeepMs: 20 })
  await put(store, 'a')
  const watching = store.watch('b', never, 30_000)
  renameSync(join(path, 'data.mdb'), join(path, 'moved.mdb'))
  await expect(watching).rejects.toThrow(StoreOutage)
  await expect(store.get('a')).rejects.toThrow('no file there any more')
  expect(await put(store, 'b')).toMatchObject({ kind: 'refused', problem: { todo: 'restart the program' } })
})
