/**
 * What reads and commits do to the tree of `layout.ts`. Everything here runs inside one snapshot or
 * one transaction of LMDB; opening, waiting and acknowledging are elsewhere.
 */
import { assert } from '../base/assert.ts'
import { problem } from '../base/problem.ts'
import {
  changeKey,
  decodeChange,
  decodeState,
  encodeChange,
  encodeState,
  entryKey,
  keyOfEntry,
  pagesOf,
  prefixEnd,
  type State,
  stateKey,
} from './layout.ts'
import {
  type Commit,
  type Compare,
  type Entry,
  never,
  type Range,
  type Revision,
  type Watched,
  type Write,
} from './store.ts'

/** The part of LMDB's interface that is used within one snapshot. */
export interface Snapshot {
  get(key: Uint8Array): Uint8Array | undefined
  getEntry(key: Uint8Array): { value: Uint8Array; version?: number } | undefined
  getRange(options: {
    start: Uint8Array
    end: Uint8Array
    exclusiveStart: boolean
    versions: true
  }): Iterable<{ key: Uint8Array; value: Uint8Array; version?: number }>
  getKeys(options: { start: Uint8Array; end: Uint8Array; exclusiveStart: true; limit: 1 }): Iterable<Uint8Array>
}

export interface Transaction extends Snapshot {
  put(key: Uint8Array, value: Uint8Array, version: number): unknown
  remove(key: Uint8Array): unknown
}

export const readState = (db: Snapshot): State => decodeState(db.get(stateKey))

export function readEntry(db: Snapshot, key: string): Entry | undefined {
  const found = db.getEntry(entryKey(key))
  return found && { key, value: plain(found.value), revision: (found.version ?? never) as Revision }
}

/** A range ends early, with `more`, when its values reach this many bytes. */
const maxRangeBytes = 256 * 1024 * 1024

export function readRange(db: Snapshot, prefix: string, after: string | undefined, limit: number): Range {
  const { revision } = readState(db)
  const end = prefixEnd(prefix)
  const first = entryKey(prefix)
  const last = after === undefined ? first : entryKey(after)
  const continues = after !== undefined && Buffer.compare(last, first) >= 0
  const entries: Entry[] = []
  let bytes = 0
  const options = { start: continues ? last : first, end, exclusiveStart: continues, versions: true } as const
  if (Buffer.compare(options.start, end) >= 0) return { entries, revision, more: false }
  for (const { key, value, version } of db.getRange(options)) {
    entries.push({ key: keyOfEntry(key), value: plain(value), revision: (version ?? never) as Revision })
    bytes += value.byteLength
    if (entries.length < limit && bytes < maxRangeBytes) continue
    const [next] = db.getKeys({ start: key, end, exclusiveStart: true, limit: 1 })
    return { entries, revision, more: next !== undefined }
  }
  return { entries, revision, more: false }
}

/**
 * The changes under `prefix` after revision `after`. `scanned`: no change up to that revision matters to
 * the caller any more, because an earlier call has looked. Quiet when there is none.
 */
export function readChanges(db: Snapshot, prefix: string, after: Revision, scanned: Revision): Watched {
  const { revision, floor } = readState(db)
  // After the newest: the store was replaced by an older one, and the caller's revision means nothing here.
  if (after > revision) return { kind: 'compacted', revision }
  const from = Math.max(after, scanned)
  if (from < floor) return { kind: 'compacted', revision }
  const keys = new Set<string>()
  for (let at = from + 1; at <= revision; at++) {
    const change = db.get(changeKey(at))
    assert(
      change !== undefined,
      `expected the changes of every commit from ${floor} to ${revision}, found none of ${at}`,
    )
    for (const key of decodeChange(change)) {
      if (!key.startsWith(prefix)) continue
      keys.delete(key)
      keys.add(key)
    }
  }
  return keys.size > 0 ? { kind: 'changed', keys: [...keys], revision } : { kind: 'quiet', revision }
}

/** What a store may hold: bytes of pages, and keys in the list of changes. */
export interface Capacity {
  readonly at: string
  readonly maxBytes: number
  readonly keepChanges: number
}

export interface CommitRequest {
  readonly compares: readonly Compare[]
  readonly writes: readonly Write[]
}

/** Makes the commits in order, each on top of those before it. Nothing may stay if it throws. */
export function commitAll(
  db: Transaction,
  requests: readonly CommitRequest[],
  bytesInUse: number,
  capacity: Capacity,
): Commit[] {
  const before = readState(db)
  let state = before
  let bytes = bytesInUse
  const outcomes = requests.map(({ compares, writes }): Commit => {
    const failed = failedCompares(db, compares)
    if (failed.length > 0) return { kind: 'conflict', failed }
    if (writes.length === 0) return { kind: 'committed', revision: state.revision }
    const needed = bytesNeeded(writes)
    if (needed > 0 && bytes + needed > capacity.maxBytes)
      return { kind: 'refused', problem: full(bytes, needed, capacity) }
    bytes += needed
    state = write(db, state, writes, capacity.keepChanges)
    return { kind: 'committed', revision: state.revision }
  })
  if (state !== before) db.put(stateKey, encodeState(state), state.revision)
  return outcomes
}

function failedCompares(db: Snapshot, compares: readonly Compare[]) {
  return compares
    .map((compare) => ({ ...compare, found: readEntry(db, compare.key)?.revision ?? never }))
    .filter((compare) => compare.found !== compare.revision)
}

function write(db: Transaction, state: State, writes: readonly Write[], keepChanges: number): State {
  const revision = (state.revision + 1) as Revision
  for (const write of writes) {
    if (write.kind === 'put') db.put(entryKey(write.key), write.value, revision)
    else db.remove(entryKey(write.key))
  }
  db.put(changeKey(revision), encodeChange(writes.map((write) => write.key)), revision)
  let { floor } = state
  let changes = state.changes + writes.length
  while (changes > keepChanges) {
    const oldest = changeKey(floor + 1)
    const change = db.get(oldest)
    assert(change !== undefined, `expected the changes of commit ${floor + 1}, found none`)
    changes -= decodeChange(change).length
    db.remove(oldest)
    floor = (floor + 1) as Revision
  }
  return { revision, floor, changes }
}

/** 0 when there are only deletions: those must stay possible in a full store. */
function bytesNeeded(writes: readonly Write[]): number {
  let bytes = 0
  for (const write of writes) {
    if (write.kind === 'put') bytes += pagesOf(Buffer.byteLength(write.key), write.value.byteLength)
  }
  return bytes
}

function full(bytes: number, needed: number, { at, maxBytes }: Capacity) {
  return problem(
    at,
    `at most ${maxBytes} bytes in use`,
    `${bytes} in use and about ${needed} more to write`,
    "raise the store's maxBytes, or let the sweep delete old plans (fewer to keep)",
  )
}

/** LMDB's buffers carry properties of its own; callers get plain bytes. */
const plain = (bytes: Uint8Array) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
