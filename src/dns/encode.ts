import { assert } from '../base/assert.ts'
import type { Edns, Message, ResourceRecord } from './message.ts'
import { nameInBytes, type WireName } from './name.ts'
import { Type } from './types.ts'

export interface EncodeOptions {
  /** Octets, for replies only: what the client can take. 65,535 when absent. */
  readonly limit?: number
  /** How many of the first additional records are glue that the reply may not lack without TC (RFC 9471). 0 when absent. */
  readonly glue?: number
}

/** Octets before the names in the rdata of the types whose names a sender may compress (RFC 3597 section 4), and how many. */
const compressible: ReadonlyMap<number, readonly [skip: number, names: number]> = new Map([
  [Type.NS, [0, 1]],
  [Type.MD, [0, 1]],
  [Type.MF, [0, 1]],
  [Type.CNAME, [0, 1]],
  [Type.SOA, [0, 2]],
  [Type.MB, [0, 1]],
  [Type.MG, [0, 1]],
  [Type.MR, [0, 1]],
  [Type.PTR, [0, 1]],
  [Type.MINFO, [0, 2]],
  [Type.MX, [2, 1]],
])

class Writer {
  bytes = new Uint8Array(512)
  view = new DataView(this.bytes.buffer)
  at = 12
  /** Suffixes of names by where they were written. Octet for octet: compression never changes the case of a name. */
  readonly names = new Map<string, number>()

  reserve(octets: number): void {
    if (this.at + octets <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.at + octets))
    larger.set(this.bytes)
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }

  u8(value: number): void {
    this.reserve(1)
    this.view.setUint8(this.at++, value)
  }

  u16(value: number): void {
    this.reserve(2)
    this.view.setUint16(this.at, value)
    this.at += 2
  }

  u32(value: number): void {
    this.reserve(4)
    this.view.setUint32(this.at, value)
    this.at += 4
  }

  octets(data: Uint8Array): void {
    this.reserve(data.length)
    this.bytes.set(data, this.at)
    this.at += data.length
  }

  name(name: WireName): void {
    this.reserve(name.length)
    for (let i = 0; ; ) {
      const length = name.charCodeAt(i)
      if (length === 0) break
      const suffix = name.slice(i)
      const known = this.names.get(suffix)
      if (known !== undefined) {
        this.u16(0xc000 | known)
        return
      }
      if (this.at < 0x4000) this.names.set(suffix, this.at)
      for (const end = i + 1 + length; i < end; i++) this.u8(name.charCodeAt(i))
    }
    this.u8(0)
  }

  record({ name, type, class: klass, ttl, data }: ResourceRecord): void {
    this.name(name)
    this.u16(type)
    this.u16(klass)
    this.u32(ttl)
    const lengthAt = this.at
    this.u16(0)
    const layout = data.length === 0 ? undefined : compressible.get(type)
    if (layout === undefined) this.octets(data)
    else this.rdataWithNames(data, ...layout)
    assert(this.at - lengthAt - 2 <= 0xffff, `expected rdata of at most 65535 octets, found ${data.length}`)
    this.view.setUint16(lengthAt, this.at - lengthAt - 2)
  }

  /** Rdata that is not what its type says goes out as it is. */
  private rdataWithNames(data: Uint8Array, skip: number, names: number): void {
    const found: WireName[] = []
    let at = skip
    for (let next = nameInBytes(data, at); found.length < names && next !== undefined; next = nameInBytes(data, at)) {
      found.push(next.name)
      at = next.end
    }
    if (found.length < names) {
      this.octets(data)
      return
    }
    this.octets(data.subarray(0, skip))
    for (const name of found) this.name(name)
    this.octets(data.subarray(at))
  }

  /** Undoes everything written from `at` on. */
  rewind(at: number): void {
    this.at = at
    for (const [suffix, offset] of this.names) if (offset >= at) this.names.delete(suffix)
  }
}

/**
 * Writes a message, with names compressed in owners and in the rdata of RFC 1035's types only.
 *
 * A reply longer than `limit` is cut at whole RRsets (records of one name, type and class in a row): answer and authority
 * set TC and end the message there; of the additional records what does not fit is left out, with TC if it is glue.
 * Question and OPT always stay. A request is never cut, as it would mean something else: compare its length with what
 * the transport takes. The TSIG record is not written; leave room for it with `tsigSize` in `tsig.ts`.
 */
export function encodeMessage(message: Message, { limit = 0xffff, glue = 0 }: EncodeOptions = {}): Uint8Array {
  const writer = new Writer()
  const { edns } = message
  for (const { name, type, class: klass } of message.questions) {
    writer.name(name)
    writer.u16(type)
    writer.u16(klass)
  }
  const room = message.qr ? limit - (edns === null ? 0 : ednsSize(edns)) : Number.POSITIVE_INFINITY
  const counts: number[] = []
  let cut = false
  for (const records of [message.answers, message.authorities]) {
    const written: number = cut ? 0 : sectionOf(writer, records, room, true)
    cut ||= written < records.length
    counts.push(written)
  }
  const optional = message.additionals.slice(glue)
  let additionals = cut ? 0 : sectionOf(writer, message.additionals.slice(0, glue), room, true)
  cut ||= additionals < Math.min(glue, message.additionals.length)
  if (!cut) additionals += sectionOf(writer, optional, room, false)
  if (edns !== null) {
    writeEdns(writer, edns, message.rcode)
    additionals++
  }
  assert(edns !== null || message.rcode < 16, `expected an OPT record with rcode ${message.rcode}, found none`)
  writeHeader(writer.view, message, cut, [message.questions.length, ...counts, additionals])
  return writer.bytes.slice(0, writer.at)
}

/** Writes whole RRsets while they fit, stopping at (`strict`) or skipping what does not; how many records were written. */
function sectionOf(writer: Writer, records: readonly ResourceRecord[], room: number, strict: boolean): number {
  let written = 0
  for (let start = 0; start < records.length; ) {
    const first = records[start] as ResourceRecord
    const before = writer.at
    let end = start
    for (; end < records.length; end++) {
      const record = records[end] as ResourceRecord
      if (record.type !== first.type || record.class !== first.class || record.name !== first.name) break
      // Once over, an RRset cannot come to fit again: the rest is counted, not written.
      if (writer.at <= room) writer.record(record)
    }
    if (writer.at <= room) written += end - start
    else {
      writer.rewind(before)
      if (strict) return written
    }
    start = end
  }
  return written
}

const ednsSize = ({ options }: Edns): number => options.reduce((sum, { data }) => sum + 4 + data.length, 11)

function writeEdns(writer: Writer, edns: Edns, rcode: number): void {
  writer.u8(0)
  writer.u16(Type.OPT)
  writer.u16(edns.udpSize)
  writer.u8(edns.extendedRcode | (rcode >> 4))
  writer.u8(edns.version)
  writer.u16((edns.do ? 0x8000 : 0) | edns.flags)
  writer.u16(ednsSize(edns) - 11)
  for (const { code, data } of edns.options) {
    writer.u16(code)
    writer.u16(data.length)
    writer.octets(data)
  }
}

function writeHeader(view: DataView, m: Message, cut: boolean, counts: readonly number[]): void {
  view.setUint16(0, m.id)
  view.setUint8(2, bit(m.qr, 7) | (m.opcode << 3) | bit(m.aa, 2) | bit(m.tc || cut, 1) | bit(m.rd, 0))
  view.setUint8(3, bit(m.ra, 7) | bit(m.z, 6) | bit(m.ad, 5) | bit(m.cd, 4) | (m.rcode & 15))
  for (const [index, count] of counts.entries()) {
    assert(count <= 0xffff, `expected at most 65535 records in a section, found ${count}`)
    view.setUint16(4 + 2 * index, count)
  }
}

const bit = (value: boolean, position: number): number => (value ? 1 << position : 0)
