import type { Edns, Malformed, Message, Question, ResourceRecord, TsigRecord } from './message.ts'
import { latin1, nameInBytes, root, type WireName } from './name.ts'
import { Class, Type } from './types.ts'

/**
 * Where names stand in the rdata of the types whose names may be compressed: RFC 1035's own, and those that RFC 3597
 * section 4 asks a receiver to expand as well. `n` is a name, a digit is that many octets, `s` a character string; what
 * follows the pattern is kept as it is.
 */
const layouts: ReadonlyMap<number, string> = new Map([
  [Type.NS, 'n'],
  [Type.MD, 'n'],
  [Type.MF, 'n'],
  [Type.CNAME, 'n'],
  [Type.SOA, 'nn'],
  [Type.MB, 'n'],
  [Type.MG, 'n'],
  [Type.MR, 'n'],
  [Type.PTR, 'n'],
  [Type.MINFO, 'nn'],
  [Type.MX, '2n'],
  [Type.RP, 'nn'],
  [Type.AFSDB, '2n'],
  [Type.RT, '2n'],
  [Type.PX, '2nn'],
  [Type.SRV, '6n'],
  [Type.NAPTR, '4sssn'],
])

/** A reason to refuse a message; thrown and caught inside this file only. */
class Refusal {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const maxPointers = 127

class Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  at = 12
  /** Names that pointers led to, by where they begin: each is put together once. */
  private readonly targets = new Map<number, string>()

  constructor(bytes: Uint8Array) {
    // A Buffer's own slice() does not copy.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  need(octets: number, limit = this.bytes.length): void {
    if (this.at + octets > limit)
      throw new Refusal(`expected ${octets} more octets at ${this.at}, found ${Math.max(0, limit - this.at)}`)
  }

  u8(): number {
    this.need(1)
    return this.view.getUint8(this.at++)
  }

  u16(): number {
    this.need(2)
    this.at += 2
    return this.view.getUint16(this.at - 2)
  }

  u32(): number {
    this.need(4)
    this.at += 4
    return this.view.getUint32(this.at - 4)
  }

  /** A copy, so that a small record does not keep a whole message alive. */
  take(octets: number): Uint8Array {
    this.need(octets)
    this.at += octets
    return this.bytes.slice(this.at - octets, this.at)
  }

  /** A name, its pointers followed; `limit` is where the octets at hand end (the rdata, not the targets of pointers). */
  name(limit = this.bytes.length): WireName {
    const { bytes } = this
    let text = ''
    let pointers = 0
    let from = this.at
    let at = this.at
    let end = limit
    let resume = 0
    let first: { readonly target: number; readonly prefix: number } | undefined
    for (;;) {
      const length = bytes[at]
      if (length === undefined || at >= end) throw new Refusal(`name at ${this.at}: cut off`)
      if (length === 0) {
        text += latin1(bytes, from, at + 1)
        if (pointers === 0) this.at = at + 1
        break
      }
      if (length < 64) {
        at += 1 + length
        // Octets so far, this label included, and the final zero.
        if (text.length + (at - from) > 254) throw new Refusal(`name at ${this.at}: over 255 octets`)
        continue
      }
      if (length < 0xc0) throw new Refusal(`name at ${this.at}: label type ${length >> 6} at ${at}`)
      const low = bytes[at + 1]
      if (low === undefined || at + 1 >= end) throw new Refusal(`name at ${this.at}: cut off in a pointer`)
      const target = ((length & 0x3f) << 8) | low
      // Backward past everything read for this name so far: the sequence of targets falls, so it ends.
      if (target >= from || target < 12)
        throw new Refusal(`name at ${this.at}: pointer at ${at} to ${target} is not to an earlier name`)
      if (++pointers > maxPointers) throw new Refusal(`name at ${this.at}: over ${maxPointers} pointers`)
      text += latin1(bytes, from, at)
      if (pointers === 1) {
        resume = at + 2
        first = { target, prefix: text.length }
      }
      const known = this.targets.get(target)
      if (known !== undefined) {
        if (text.length + known.length > 255) throw new Refusal(`name at ${this.at}: over 255 octets`)
        text += known
        break
      }
      from = at = target
      end = bytes.length
    }
    if (first !== undefined) {
      this.at = resume
      this.targets.set(first.target, text.slice(first.prefix))
    }
    return text as WireName
  }

  record(): ResourceRecord {
    const name = this.name()
    this.need(10)
    const type = this.u16()
    const klass = this.u16()
    const ttl = this.u32()
    const length = this.u16()
    this.need(length)
    const layout = length === 0 ? undefined : layouts.get(type)
    return {
      name,
      type,
      class: klass,
      ttl,
      data: layout === undefined ? this.take(length) : this.expand(layout, length),
    }
  }

  private expand(layout: string, length: number): Uint8Array {
    const end = this.at + length
    const parts: (Uint8Array | WireName)[] = []
    for (const part of layout) {
      if (part === 'n') parts.push(this.name(end))
      else {
        this.need(1, end)
        const octets = part === 's' ? 1 + (this.bytes[this.at] as number) : Number(part)
        this.need(octets, end)
        parts.push(this.take(octets))
      }
    }
    parts.push(this.take(end - this.at))
    const data = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      if (typeof part === 'string') for (let i = 0; i < part.length; i++) data[at + i] = part.charCodeAt(i)
      else data.set(part, at)
      at += part.length
    }
    return data
  }
}

/**
 * Reads a message. Refused besides what cannot be read: octets after the end, two OPT records, an OPT whose owner is
 * not the root or that is outside the additional section (RFC 6891 section 6.1.1), a TSIG that is not the last record,
 * not of class ANY or not whole (RFC 8945 section 5.1). Whether rdata is right for its type is asked of `validateRdata`.
 */
export function decodeMessage(bytes: Uint8Array): Message | Malformed {
  if (bytes.length < 12)
    return {
      kind: 'malformed',
      reason: `expected at least 12 octets, found ${bytes.length}`,
      header: null,
      question: null,
    }
  const reader = new Reader(bytes)
  const { view } = reader
  const flags = view.getUint16(2)
  const header = {
    id: view.getUint16(0),
    qr: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    rd: (flags & 0x100) !== 0,
  }
  const questions: Question[] = []
  try {
    for (let left = view.getUint16(4); left > 0; left--)
      questions.push({ name: reader.name(), type: reader.u16(), class: reader.u16() })
    const answers = section(reader, view.getUint16(6))
    const authorities = section(reader, view.getUint16(8))
    const { records, edns, tsig } = additional(reader, view.getUint16(10))
    if (reader.at !== bytes.length)
      throw new Refusal(`expected the end at ${reader.at}, found ${bytes.length - reader.at} more octets`)
    return {
      ...header,
      aa: (flags & 0x400) !== 0,
      tc: (flags & 0x200) !== 0,
      ra: (flags & 0x80) !== 0,
      z: (flags & 0x40) !== 0,
      ad: (flags & 0x20) !== 0,
      cd: (flags & 0x10) !== 0,
      rcode: (flags & 15) | ((edns?.extendedRcode ?? 0) << 4),
      questions,
      answers,
      authorities,
      additionals: records,
      edns,
      tsig,
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { kind: 'malformed', reason: error.reason, header, question: questions[0] ?? null }
  }
}

function section(reader: Reader, count: number): ResourceRecord[] {
  const records: ResourceRecord[] = []
  for (let left = count; left > 0; left--) {
    const record = reader.record()
    if (record.type === Type.OPT || record.type === Type.TSIG)
      throw new Refusal(`type ${record.type} outside the additional section`)
    records.push(record)
  }
  return records
}

function additional(reader: Reader, count: number) {
  const records: ResourceRecord[] = []
  let edns: Edns | null = null
  let tsig: TsigRecord | null = null
  for (let left = count; left > 0; left--) {
    const offset = reader.at
    const record = reader.record()
    if (tsig !== null) throw new Refusal('a record after TSIG, which has to be the last')
    if (record.type === Type.OPT) {
      if (edns !== null) throw new Refusal('two OPT records')
      edns = readEdns(record)
    } else if (record.type === Type.TSIG) tsig = readTsig(record, offset)
    else records.push(record)
  }
  return { records, edns, tsig }
}

function readEdns({ name, class: udpSize, ttl, data }: ResourceRecord): Edns {
  if (name !== root) throw new Refusal('an OPT record whose owner is not the root')
  const options: { code: number; data: Uint8Array }[] = []
  for (let at = 0; at < data.length; ) {
    if (at + 4 > data.length) throw new Refusal('an EDNS option cut off')
    const length = ((data[at + 2] as number) << 8) | (data[at + 3] as number)
    if (at + 4 + length > data.length) throw new Refusal('an EDNS option longer than its record')
    options.push({
      code: ((data[at] as number) << 8) | (data[at + 1] as number),
      data: data.subarray(at + 4, at + 4 + length),
    })
    at += 4 + length
  }
  return {
    udpSize,
    version: (ttl >>> 16) & 255,
    extendedRcode: ttl >>> 24,
    do: (ttl & 0x8000) !== 0,
    flags: ttl & 0x7fff,
    options,
  }
}

function readTsig({ name, class: klass, ttl, data }: ResourceRecord, offset: number): TsigRecord {
  const cutOff = () => new Refusal('a TSIG record cut off')
  if (klass !== Class.ANY || ttl !== 0) throw new Refusal('a TSIG record whose class is not ANY or whose TTL is not 0')
  const algorithm = nameInBytes(data)
  if (algorithm === undefined || algorithm.end + 10 > data.length) throw cutOff()
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const { end } = algorithm
  const macEnd = end + 10 + view.getUint16(end + 8)
  if (macEnd + 6 > data.length) throw cutOff()
  const other = data.subarray(macEnd + 6)
  if (other.length !== view.getUint16(macEnd + 4)) throw cutOff()
  return {
    offset,
    key: name,
    algorithm: algorithm.name,
    time: view.getUint16(end) * 2 ** 32 + view.getUint32(end + 2),
    fudge: view.getUint16(end + 6),
    mac: data.subarray(end + 10, macEnd),
    originalId: view.getUint16(macEnd),
    error: view.getUint16(macEnd + 2),
    other,
  }
}
