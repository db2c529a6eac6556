/**
 * A store in one file of a simulated disk, with the promise that the server's copy gets from LMDB: a
 * commit is whole or not there, and one that was acknowledged is there after every crash.
 *
 * The file is a journal of commits. Each record carries a checksum over itself and the checksum before it,
 * so that what is left of a record that was torn, or of one that was given up, is never taken for a part
 * of the history. To open is to read from the beginning as far as the chain holds.
 */
import { crc32 } from 'node:zlib'
import { assert } from '../../src/base/assert.ts'
import { fromUtf8, utf8 } from '../../src/base/bytes.ts'
import { problem } from '../../src/base/problem.ts'
import { assertCommit, assertKey, assertPrefix, rangeLimit } from '../../src/store/limits.ts'
import {
  type Commit,
  type Compare,
  type Entry,
  never,
  type Revision,
  type Store,
  type Write,
} from '../../src/store/store.ts'
import type { SimulatedDisk } from './disk.ts'
import type { Process } from './kernel.ts'
import { type Stream, stream } from './random.ts'

/** Length and checksum. */
const headSize = 8
const deleted = 0xffff_ffff

export class Journal {
  readonly #disk: SimulatedDisk
  readonly #random: Stream
  #entries = new Map<string, Entry>()
  #sorted: string[] | null = null
  #revision: Revision = never
  #end = 0
  #chain = 0
  #busy = false

  constructor(disk: SimulatedDisk, seed: number, id: string) {
    this.#disk = disk
    this.#random = stream(seed, `journal ${id}`)
  }

  /** As the file has it now; whoever had it open before has died. */
  open(process: Process): Store {
    this.#recover()
    return {
      get: async (key) => {
        assertKey(key)
        return this.#entries.get(key)
      },
      range: async (prefix, options = {}) => {
        assertPrefix(prefix)
        this.#sorted ??= [...this.#entries.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        const { after } = options
        const from = after === undefined ? 0 : this.#sorted.indexOf(after) + 1
        const matching = this.#sorted.slice(from).filter((key) => key.startsWith(prefix))
        const most = rangeLimit(options.limit)
        const entries = matching.slice(0, most).map((key) => this.#entries.get(key) as Entry)
        return { entries, revision: this.#revision, more: matching.length > most }
      },
      commit: (compares, writes) => this.#commit(process, compares, writes),
      watch: () => {
        throw new Error('expected nobody to watch the copy of a server, found somebody')
      },
      close: async () => {},
    }
  }

  async #commit(process: Process, compares: readonly Compare[], writes: readonly Write[]): Promise<Commit> {
    assertCommit(compares, writes)
    assert(!this.#busy, 'expected one commit of the copy at a time, found a second')
    const failed = compares
      .map((compare) => ({ ...compare, found: this.#entries.get(compare.key)?.revision ?? never }))
      .filter((compare) => compare.found !== compare.revision)
    if (failed.length > 0) return { kind: 'conflict', failed }
    if (writes.length === 0) return { kind: 'committed', revision: this.#revision }
    const record = sealed(encodeWrites(writes), this.#chain)
    if (this.#disk.write(this.#end, record) === 'full')
      return { kind: 'refused', problem: problem('copy', 'room on the disk', 'a full disk', 'make room') }
    this.#busy = true
    const outcome = await this.#disk.sync(process)
    this.#busy = false
    // What it came to, nobody can say before it is read again.
    if (outcome === 'failed' && this.#random.chance({ of: 1, in: 2 })) return { kind: 'unknown', reason: 'sync failed' }
    this.#apply(record)
    return outcome === 'failed'
      ? { kind: 'unknown', reason: 'sync failed' }
      : { kind: 'committed', revision: this.#revision }
  }

  #recover(): void {
    this.#entries = new Map()
    this.#sorted = null
    this.#revision = never
    this.#end = 0
    this.#chain = 0
    this.#busy = false
    const bytes = this.#disk.read()
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    while (this.#end + headSize <= bytes.length) {
      const length = view.getUint32(this.#end)
      const record = bytes.subarray(this.#end, this.#end + headSize + length)
      if (length === 0 || record.length < headSize + length) break
      if (view.getUint32(this.#end + 4) !== crc32(record.subarray(headSize), this.#chain)) break
      this.#apply(record.slice())
    }
  }

  #apply(record: Uint8Array): void {
    this.#end += record.length
    this.#chain = new DataView(record.buffer, record.byteOffset).getUint32(4)
    this.#revision = (this.#revision + 1) as Revision
    for (const write of decodeWrites(record.subarray(headSize))) {
      if (write.kind === 'delete' || !this.#entries.has(write.key)) this.#sorted = null
      if (write.kind === 'delete') this.#entries.delete(write.key)
      else this.#entries.set(write.key, { key: write.key, value: write.value, revision: this.#revision })
    }
  }
}

function sealed(body: Uint8Array, chain: number): Uint8Array {
  const record = new Uint8Array(headSize + body.length)
  const view = new DataView(record.buffer)
  view.setUint32(0, body.length)
  view.setUint32(4, crc32(body, chain))
  record.set(body, headSize)
  return record
}

/** Each write: length of the key (2), key, length of the value or `deleted` (4), value. */
function encodeWrites(writes: readonly Write[]): Uint8Array {
  const keys = writes.map(({ key }) => utf8(key))
  const size = writes.reduce(
    (sum, write, index) =>
      sum + 6 + (keys[index] as Uint8Array).length + (write.kind === 'put' ? write.value.length : 0),
    0,
  )
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [index, write] of writes.entries()) {
    const key = keys[index] as Uint8Array
    view.setUint16(at, key.length)
    bytes.set(key, at + 2)
    at += 2 + key.length
    view.setUint32(at, write.kind === 'put' ? write.value.length : deleted)
    at += 4
    if (write.kind === 'delete') continue
    bytes.set(write.value, at)
    at += write.value.length
  }
  return bytes
}

function decodeWrites(bytes: Uint8Array): readonly Write[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const writes: Write[] = []
  for (let at = 0; at < bytes.length; ) {
    const keyEnd = at + 2 + view.getUint16(at)
    const key = fromUtf8(bytes.subarray(at + 2, keyEnd))
    const length = view.getUint32(keyEnd)
    at = keyEnd + 4
    if (length === deleted) {
      writes.push({ kind: 'delete', key })
      continue
    }
    writes.push({ kind: 'put', key, value: bytes.subarray(at, at + length) })
    at += length
  }
  return writes
}
