/**
 * A name with its records as octets for the disk, with a checksum: LMDB has none, and a name that comes back changed
 * must be noticed.
 *
 *     crc32 of the rest (4) · name in wire form · count of RRsets (2)
 *     each RRset: type (2) · TTL (4) · count (2) · each record: length (2) · rdata
 */
import { crc32 } from 'node:zlib'
import type { WireName } from '../dns/name.ts'
import { RRset } from './zone.ts'

export function encodeNode(name: WireName, rrsets: readonly RRset[]): Uint8Array {
  let size = 4 + name.length + 2
  for (const { datas } of rrsets) {
    size += 8
    for (const data of datas) size += 2 + data.length
  }
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 4
  for (let i = 0; i < name.length; i++) bytes[at++] = name.charCodeAt(i)
  view.setUint16(at, rrsets.length)
  at += 2
  for (const { type, ttl, datas } of rrsets) {
    view.setUint16(at, type)
    view.setUint32(at + 2, ttl)
    view.setUint16(at + 6, datas.length)
    at += 8
    for (const data of datas) {
      view.setUint16(at, data.length)
      bytes.set(data, at + 2)
      at += 2 + data.length
    }
  }
  view.setUint32(0, crc32(bytes.subarray(4)))
  return bytes
}

export const checksumOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)

/** Undefined when the octets are not what `encodeNode` wrote. */
export function decodeNode(bytes: Uint8Array): readonly [name: WireName, rrsets: readonly RRset[]] | undefined {
  if (bytes.length < 7 || crc32(bytes.subarray(4)) !== checksumOf(bytes)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const nameEnd = endOfName(bytes)
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + 4, nameEnd - 4).toString('latin1') as WireName
  let at = nameEnd + 2
  const rrsets: RRset[] = []
  for (let left = view.getUint16(nameEnd); left > 0; left--) {
    const [type, ttl, count] = [view.getUint16(at), view.getUint32(at + 2), view.getUint16(at + 6)]
    at += 8
    const datas: Uint8Array[] = []
    for (let i = 0; i < count; i++) {
      const length = view.getUint16(at)
      datas.push(keep(bytes, at + 2, length))
      at += 2 + length
    }
    rrsets.push(new RRset(type, ttl, datas))
  }
  return [name, rrsets]
}

function endOfName(bytes: Uint8Array): number {
  let at = 4
  while (bytes[at] !== 0) at += 1 + (bytes[at] as number)
  return at + 1
}

/** Rdata share large pieces of memory: with a piece for each, a million of them would take four times as much. */
const slabOctets = 65_536
let slab = new Uint8Array(0)
let used = 0

function keep(bytes: Uint8Array, at: number, length: number): Uint8Array {
  if (length > slabOctets / 16) return bytes.slice(at, at + length)
  if (used + length > slab.length) {
    slab = new Uint8Array(slabOctets)
    used = 0
  }
  for (let i = 0; i < length; i++) slab[used + i] = bytes[at + i] as number
  used += length
  return slab.subarray(used - length, used)
}
