/**
 * The store in LMDB: a directory with one data file, shared by several processes of one machine.
 *
 * Why LMDB: commits run on another thread, so that a slow disk never stops the event loop; its lock
 * between processes is fair and survives the death of its holder; readers never wait for writers.
 * `layout.ts` says what is in the file. It must lie on a local disk: the lock is in shared memory.
 *
 * **Commit.** Compares, writes and the list of changes are one LMDB transaction. Commits that arrive
 * while one is being written share the next transaction (group commit), in order, each with its own
 * compares and its own revision. A transaction is a child of LMDB's own, so that whatever throws in it
 * leaves nothing behind. It is acknowledged when LMDB has resolved it, which is after the disk has.
 *
 * **Crash.** LMDB never writes over pages that the last commit refers to: it writes new pages, waits for
 * the disk, then writes one of two root pages, and waits again. A process that is killed before the
 * root page leaves the previous commit in force, whole; after it, the new one. The next
 * writer takes over the dead one's lock. Pages that a dead reader kept are freed by `readerCheck`.
 *
 * **Watch** answers from the list of changes, which is read in the same snapshot as the revision, so
 * it cannot have gaps; `wake.ts` only decides when to look again.
 *
 * **Full.** `maxBytes` limits the pages in use. Deleting stays possible above it, so that a sweep can
 * make room. The file itself may grow to somewhat more (free pages, and pages that a reader still sees).
 */
import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { open, type RootDatabase } from 'lmdb'
import { AssertionFailed } from '../base/assert.ts'
import { isProblem, type Problem, problem } from '../base/problem.ts'
import { assertWritable, dataFile, inspectDataFile, nearestExisting, type Soundness } from './data-file.ts'
import { bytesOf, groupCommit, type Transacted } from './group-commit.ts'
import { decodeSchema, encodeSchema, schemaKey, schemaVersion } from './layout.ts'
import { assertCommit, assertKey, assertPrefix, assertWatch, maxValueBytes, rangeLimit } from './limits.ts'
import { freeBytes, fullDisk, hasRoom, readOnlyDisk } from './room.ts'
import { type Commit, never, type Revision, type Store, StoreOutage, type Watched } from './store.ts'
import { type CommitRequest, commitAll, readChanges, readEntry, readRange, readState } from './tree.ts'
import { type Waker, waker } from './wake.ts'

export interface LmdbOptions {
  /** The store's directory; it and its missing parents are created, for this user only (0700). */
  readonly path: string
  /** Bytes of pages in use from which on only deletions are accepted. Default 8 GiB. */
  readonly maxBytes?: number
  /** Refuses commits, and creates nothing. */
  readonly readOnly?: boolean
  /** How often to look for commits of other processes. Default: the kernel's notices, and every 250 ms; 10 ms without. */
  readonly pollMs?: number
  /** How many changed keys `watch` remembers. Default 100,000. */
  readonly keepChanges?: number
  /** How often pages kept by dead readers are freed, and the file is checked to be still the one at its path. Default 10 s. */
  readonly upkeepMs?: number
  /** How long a commit may wait for the lock and the disk. Default 30 s. */
  readonly commitTimeoutMs?: number
}

const defaults = {
  readOnly: false,
  maxBytes: 8 * 1024 ** 3,
  keepChanges: 100_000,
  commitTimeoutMs: 30_000,
  upkeepMs: 10_000,
}

type Db = RootDatabase<Uint8Array, Uint8Array>

/** LMDB allows a file to be opened once in a process, so the handles of a process share it. */
const engines = new Map<string, { readonly engine: Engine; handles: number }>()
const closings = new Map<string, Promise<void>>()

/** Opens the store, and creates it if nothing is there. */
export async function openLmdbStore(options: LmdbOptions): Promise<Store | Problem> {
  const created = prepareDirectory(options)
  if (isProblem(created)) return created
  const path = realpathSync(options.path)
  await closings.get(path)
  let shared = engines.get(path)
  if (shared === undefined) {
    const engine = openEngine(path, options)
    if (isProblem(engine)) return engine
    shared = { engine, handles: 0 }
    engines.set(path, shared)
  }
  if (shared.engine.readOnly && options.readOnly !== true) {
    const todo = 'close the read-only handle first'
    return problem(`store ${path}`, 'a store not open yet in this process', 'one that is open read-only', todo)
  }
  shared.handles++
  const { engine } = shared
  return handle(engine, options.readOnly === true, async () => {
    shared.handles--
    if (shared.handles > 0) return
    engines.delete(path)
    closings.set(path, engine.close())
    await closings.get(path)
    closings.delete(path)
  })
}

function prepareDirectory({ path, readOnly }: LmdbOptions): Problem | undefined {
  if (readOnly === true) {
    if (existsSync(dataFile(path))) return undefined
    return problem(`store ${path}`, 'a store to read', 'none', 'start Holdfast once, or correct the path')
  }
  try {
    // On a read-only disk, creating the directory would fail with a misleading "no such file".
    assertWritable(nearestExisting(path))
    mkdirSync(path, { recursive: true, mode: 0o700 })
    assertWritable(path)
    return undefined
  } catch (error) {
    return openingProblem(path, error)
  }
}

function openEngine(path: string, options: LmdbOptions): Engine | Problem {
  const maxBytes = options.maxBytes ?? defaults.maxBytes
  let db: Db | undefined
  try {
    const wrong = unsound[inspectDataFile(path)]
    if (wrong !== undefined) return problem(`store ${path}`, expectedStore, wrong.found, wrong.todo)
    db = open({
      path,
      noSubdir: false,
      readOnly: options.readOnly === true,
      encoding: 'binary',
      keyEncoding: 'binary',
      useVersions: true,
      overlappingSync: false,
      // Off: its batches make promises of their own, and a failed commit would reject one that nobody holds.
      eventTurnBatching: false,
      // Address space, not memory; the map grows by itself, but growing is slow.
      mapSize: Math.max(2 * maxBytes, 64 * 1024 * 1024),
      maxReaders: 254,
      ...{ permissionsMode: 0o600 },
    })
    const other = checkSchema(db, path, options.readOnly === true)
    if (other !== undefined) {
      void db.close()
      return other
    }
    return engineOf(db, path, { ...defaults, ...options, maxBytes })
  } catch (error) {
    void db?.close()
    return openingProblem(path, error)
  }
}

function checkSchema(db: Db, path: string, readOnly: boolean): Problem | undefined {
  const at = `store ${path}`
  const expected = `a store of schema ${schemaVersion}`
  const check = () => {
    const empty = [...db.getKeys({ limit: 1 })].length === 0
    if (empty && !readOnly) db.putSync(schemaKey, encodeSchema(schemaVersion), 0)
    const version = decodeSchema(db.get(schemaKey))
    if (version === schemaVersion) return undefined
    return version === undefined
      ? problem(at, expected, 'an LMDB file that Holdfast did not write', 'give the store a directory of its own')
      : problem(at, expected, `schema ${version}`, 'use the newer Holdfast that wrote it, or another directory')
  }
  // A second look inside a transaction: two processes may create the store at once.
  return decodeSchema(db.get(schemaKey)) === schemaVersion ? undefined : readOnly ? check() : db.transactionSync(check)
}

/** Everything that the handles of this process share. */
interface Engine {
  readonly path: string
  readonly readOnly: boolean
  readonly waker: Waker
  /** Runs `action` in the newest snapshot. @throws StoreOutage */
  read<T>(action: (db: Db) => T): T
  commit(request: CommitRequest): Promise<Commit>
  close(): Promise<void>
}

function engineOf(db: Db, path: string, options: Required<Omit<LmdbOptions, 'pollMs'>> & LmdbOptions): Engine {
  const at = `store ${path}`
  const capacity = { at, maxBytes: options.maxBytes, keepChanges: options.keepChanges }
  const inode = statSync(dataFile(path)).ino
  let lost: Problem | undefined

  function read<T>(action: (db: Db) => T): T {
    if (lost !== undefined) throw new StoreOutage(lost)
    try {
      // Without this, LMDB answers from the snapshot of the event turn's first read.
      db.resetReadTxn()
      return action(db)
    } catch (error) {
      if (error instanceof AssertionFailed) throw error
      throw new StoreOutage(problem(at, 'a readable store', messageOf(error), 'check the disk and the permissions'))
    }
  }

  async function transact(batch: readonly CommitRequest[]): Promise<Transacted> {
    if (lost !== undefined) return { kind: 'nothing', problem: lost }
    let outcomes: readonly Commit[] = []
    try {
      // Asked first, because LMDB tells standard error what a full disk made of a transaction.
      const bytes = batch.reduce((sum, request) => sum + bytesOf(request), 0)
      if (bytes > 0 && !hasRoom(path, bytes))
        return { kind: 'nothing', problem: problem(at, 'a commit on disk', fullDisk.found, fullDisk.todo) }
      await db.childTransaction(() => {
        outcomes = commitAll(db, batch, bytesInUse(db), capacity)
      })
      return { kind: 'done', outcomes }
    } catch (error) {
      return await failure(path, error)
    }
  }

  const revision = () => read(readState).revision
  const wake = waker(revision, dataFile(path), options.pollMs)
  const commits = groupCommit(at, options.commitTimeoutMs, transact, () => wake.check())

  const upkeep = setInterval(() => {
    try {
      lost ??= replaced(path, inode)
      if (lost === undefined) db.readerCheck()
      else wake.wakeAll()
    } catch {
      // Upkeep can wait for the next time; a disk that fails shows in the next read or commit.
    }
  }, options.upkeepMs)
  upkeep.unref()

  return {
    path,
    readOnly: options.readOnly,
    waker: wake,
    read,
    commit: (request) => commits.commit(request),
    async close() {
      clearInterval(upkeep)
      const idle = await commits.drain()
      wake.stop()
      // A transaction that hangs would hang the closing too. Its lock is freed when this process dies by a
      // signal; process.exit() would wait for the write thread as the closing would (see src/cli/end.ts).
      if (idle) await db.close()
    },
  }
}

function handle(engine: Engine, readOnly: boolean, release: () => Promise<void>): Store {
  let closing: Promise<void> | undefined

  function assertOpen(): void {
    if (closing === undefined) return
    throw new StoreOutage(problem(`store ${engine.path}`, 'an open store', 'one closed here', 'open it again'))
  }

  function read<T>(action: (db: Db) => T): T {
    assertOpen()
    return engine.read(action)
  }

  return {
    async get(key) {
      assertKey(key)
      return read((db) => readEntry(db, key))
    },
    async range(prefix, { after, limit } = {}) {
      assertPrefix(prefix)
      if (after !== undefined) assertPrefix(after)
      const most = rangeLimit(limit)
      return read((db) => readRange(db, prefix, after, most))
    },
    async commit(compares, writes) {
      assertCommit(compares, writes)
      assertOpen()
      if (readOnly) return { kind: 'refused', problem: openedReadOnly(engine.path) }
      return engine.commit({ compares, writes })
    },
    async watch(prefix, after, timeoutMs): Promise<Watched> {
      assertPrefix(prefix)
      assertWatch(after, timeoutMs)
      const end = performance.now() + timeoutMs
      let scanned: Revision = never
      for (;;) {
        const found = read((db) => readChanges(db, prefix, after, scanned))
        const left = end - performance.now()
        if (found.kind !== 'quiet' || left <= 0) return found
        scanned = found.revision
        await engine.waker.wait(scanned, left)
      }
    },
    close() {
      if (closing === undefined) {
        closing = release()
        engine.waker.wakeAll()
      }
      return closing
    },
  }
}

function bytesInUse(db: Db): number {
  const stats = db.getStats() as { [name: string]: number }
  const { pageSize = 0, treeBranchPageCount = 0, treeLeafPageCount = 0, overflowPages = 0 } = stats
  return pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages)
}

/** Somebody moved or replaced the file under us: what is written now would be seen by nobody. */
function replaced(path: string, inode: number): Problem | undefined {
  const found = statSync(dataFile(path), { throwIfNoEntry: false })
  if (found?.ino === inode) return undefined
  const what = found === undefined ? 'no file there any more' : 'another file in its place'
  return problem(`store ${path}`, 'the data file that was opened', what, 'restart the program')
}

const expectedStore = 'a directory with a Holdfast store, or none'
const rebuild = 'move it away: Holdfast rebuilds the store from DNS and the policy'

const noSpace = 28
const ioError = 5

/** Reasons of the operating system for which nothing is written, and that somebody has to mend. */
const mendable: Readonly<Record<number, { found: string; todo: string }>> = {
  1: { found: 'no permission', todo: 'make the store writable for the user that Holdfast runs as' },
  13: { found: 'no permission', todo: 'make the store writable for the user that Holdfast runs as' },
  20: { found: 'a file where a directory should be', todo: 'move the file away, or correct the path' },
  17: { found: 'a file where a directory should be', todo: 'move the file away, or correct the path' },
  27: { found: 'a limit on the size of files', todo: 'raise the limit of the process (ulimit -f)' },
  [noSpace]: fullDisk,
  30: readOnlyDisk,
  122: { found: 'the disk quota exceeded', todo: 'raise the quota, or make room' },
  [-30_796]: {
    found: 'a damaged data file',
    todo: rebuild,
  },
  [-30_797]: {
    found: 'a damaged data file',
    todo: rebuild,
  },
  [-30_790]: { found: 'too many processes reading it', todo: 'end the programs that are not needed' },
}

const unsound: Partial<Record<Soundness, { found: string; todo: string }>> = {
  foreign: { found: 'a data file that LMDB did not write', todo: 'move it away, or correct the path' },
  'other format': { found: 'a data file of another LMDB format', todo: 'use the Holdfast that wrote it' },
  'cut short': { found: 'a data file that was cut short', todo: rebuild },
}

function errorNumber(error: unknown): number {
  const { errno, code } = error as { errno?: number; code?: unknown }
  // Node counts the operating system's errors below zero, LMDB above.
  return typeof code === 'number' ? code : typeof errno === 'number' ? -errno : 0
}

function openingProblem(path: string, error: unknown): Problem {
  const known = mendable[errorNumber(error)]
  const todo = known?.todo ?? 'check the path, the disk and the permissions'
  return problem(`store ${path}`, expectedStore, known?.found ?? messageOf(error), todo)
}

const openedReadOnly = (path: string): Problem =>
  problem(`store ${path}`, 'a store opened for writing', 'one opened read-only', 'open it without readOnly')

async function failure(path: string, error: unknown): Promise<Transacted> {
  if (error instanceof AssertionFailed) throw error
  const at = `store ${path}`
  const onDisk = (error as { commitError?: Promise<never> }).commitError
  const cause: unknown = onDisk === undefined ? error : await onDisk.catch((reason: unknown) => reason)
  const number = errorNumber(cause)
  const known = mendable[number === ioError && isDiskFull(path) ? noSpace : number]
  if (known !== undefined) return { kind: 'nothing', problem: problem(at, 'a commit on disk', known.found, known.todo) }
  // Thrown while the transaction was made, thus rolled back; or while it went to disk, and nobody can say.
  if (onDisk !== undefined) return { kind: 'unknown', reason: `${at}: ${messageOf(cause)}` }
  return { kind: 'nothing', problem: problem(at, 'a commit', messageOf(cause), 'check the disk and the permissions') }
}

/** LMDB calls it an input/output error when the disk took a part of its pages. */
const isDiskFull = (path: string): boolean => freeBytes(path) < 2 * maxValueBytes

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
