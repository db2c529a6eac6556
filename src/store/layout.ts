/**
 * The bytes of the store inside LMDB: one tree, whose keys start with a byte that says what they are.
 * LMDB keeps the commit that wrote each key (its "version") beside the value.
 *
 *     00                      text: what this file is, and the version of this layout
 *     01                      the state: three 64-bit numbers
 *     02 <revision, 64 bit>   the keys that this commit wrote or deleted, as a JSON array
 *     03 <key as UTF-8>       an entry
 */
import { assert } from '../base/assert.ts'
import { fromUtf8, utf8 } from '../base/bytes.ts'
import type { Revision } from './store.ts'

/** Raised when an older Holdfast could misread the file. */
export const schemaVersion = 1

export interface State {
  /** The last commit. */
  readonly revision: Revision
  /** Changes up to and including this commit are forgotten. */
  readonly floor: Revision
  /** Keys in the list of changes. */
  readonly changes: number
}

export const schemaKey = Uint8Array.of(0)
export const stateKey = Uint8Array.of(1)
const changeTag = 2
const entryTag = 3

const schemaText = 'holdfast store, schema '
export const encodeSchema = (version: number): Uint8Array => utf8(schemaText + version)

/** The schema's version, or undefined when the value does not come from a Holdfast store. */
export function decodeSchema(value: Uint8Array | undefined): number | undefined {
  const text = value === undefined ? '' : Buffer.from(value).toString('latin1')
  const version = text.startsWith(schemaText) ? text.slice(schemaText.length) : ''
  return /^[0-9]{1,9}$/.test(version) ? Number(version) : undefined
}

export function encodeState(state: State): Uint8Array {
  const view = new DataView(new ArrayBuffer(24))
  view.setBigUint64(0, BigInt(state.revision))
  view.setBigUint64(8, BigInt(state.floor))
  view.setBigUint64(16, BigInt(state.changes))
  return new Uint8Array(view.buffer)
}

export function decodeState(value: Uint8Array | undefined): State {
  if (value === undefined) return { revision: 0 as Revision, floor: 0 as Revision, changes: 0 }
  assert(value.byteLength === 24, `expected a state of 24 bytes, found ${value.byteLength}`)
  const view = new DataView(value.buffer, value.byteOffset, 24)
  const number = (at: number) => Number(view.getBigUint64(at))
  return { revision: number(0) as Revision, floor: number(8) as Revision, changes: number(16) }
}

/** Every commit has such a record, so that the records from `floor + 1` to `revision` have no gap. */
export function changeKey(revision: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(9))
  view.setUint8(0, changeTag)
  view.setBigUint64(1, BigInt(revision))
  return new Uint8Array(view.buffer)
}

export const encodeChange = (keys: readonly string[]): Uint8Array => utf8(JSON.stringify(keys))
export const decodeChange = (value: Uint8Array): readonly string[] => JSON.parse(fromUtf8(value)) as string[]

/** Also the first possible key of a prefix. */
export function entryKey(key: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(key))
  bytes[0] = entryTag
  bytes.write(key, 1, 'utf8')
  return bytes
}

export const keyOfEntry = (key: Uint8Array): string => fromUtf8(key.subarray(1))

/** The first key after all that start with `prefix`: UTF-8 has no byte 255, so the last byte can be raised. */
export function prefixEnd(prefix: string): Uint8Array {
  const end = entryKey(prefix)
  const last = end.length - 1
  end[last] = (end[last] as number) + 1
  return end
}

const pageBytes = 4096
/** What LMDB adds to an entry in a page: header, version, and the page's own share. */
const entryOverhead = 64

/** Bytes of pages that an entry may take, at most about: large values have pages of their own, small ones share half-full pages. */
export function pagesOf(keyBytes: number, valueBytes: number): number {
  const small = keyBytes + valueBytes + entryOverhead
  if (small <= pageBytes / 2) return 2 * small
  return Math.ceil((valueBytes + entryOverhead) / pageBytes) * pageBytes + 2 * (keyBytes + entryOverhead)
}
