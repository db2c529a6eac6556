/**
 * Writes a reply into octets that are used again and again. Whole RRsets only; names compressed in owners and in the
 * rdata of RFC 1035's types, octet for octet, so that compression never changes the case of a name.
 */
import type { WireName } from '../dns/name.ts'
import { Type } from '../dns/types.ts'
import { compressible, targetsOf } from './compiled.ts'
import type { Query } from './query.ts'
import type { Negative, RRset } from './zone.ts'

const optSize = 11
/** Where writing stands when something did not fit: past every limit. */
const overflow = 0x10000

export class Reply {
  out: Uint8Array
  at = 12
  /** Octets that records may fill; the OPT record has its room beyond. */
  private room = 0
  private query: Query | undefined
  private counts = new Uint16Array(3)
  private names: Map<string, number> | undefined
  private message: Uint8Array | undefined
  truncated = false

  constructor() {
    this.out = new Uint8Array(0xffff)
  }

  /** Begins with the header's id, opcode and RD and the question as they came. `limit` is the whole reply's. */
  begin(out: Uint8Array, message: Uint8Array, query: Query, limit: number): void {
    this.out = out
    this.message = message
    this.query = query
    this.names = undefined
    this.truncated = false
    this.counts.fill(0)
    for (let i = 12; i < query.end; i++) out[i] = message[i] as number
    this.at = query.end
    this.room = limit - (query.edns ? optSize : 0)
  }

  /** Records of an RRset at the question's own name that need no compression. False, and nothing written, if they do not fit. */
  copyWire(wire: Uint8Array, count: number): boolean {
    const { at } = this
    const end = at + wire.length
    if (end > this.room) return false
    if (wire.length > 64) this.out.set(wire, at)
    else for (let i = 0; i < wire.length; i++) this.out[at + i] = wire[i] as number
    this.at = end
    this.counts[0] = (this.counts[0] as number) + count
    return true
  }

  /** The SOA of a negative answer; `apexAt` is where the zone's name stands in the question. False if it does not fit. */
  copyNegative({ wire, pointers }: Negative, apexAt: number): boolean {
    const { at } = this
    if (at + wire.length > this.room) return false
    for (let i = 0; i < wire.length; i++) this.out[at + i] = wire[i] as number
    for (let i = 0; i < pointers.length; i++) this.put16(at + (pointers[i] as number), 0xc000 | apexAt)
    this.at = at + wire.length
    this.counts[1] = (this.counts[1] as number) + 1
    return true
  }

  /** Some records of equal size out of such an RRset, in the order given. */
  copyChosen(wire: Uint8Array, size: number, chosen: Uint16Array, count: number): boolean {
    if (this.at + count * size > this.room) return false
    for (let i = 0; i < count; i++) {
      const from = (chosen[i] as number) * size
      for (let j = 0; j < size; j++) this.out[this.at + j] = wire[from + j] as number
      this.at += size
    }
    this.counts[0] = (this.counts[0] as number) + count
    return true
  }

  /**
   * An RRset, or those of its records that `chosen` names, in a section: 0 answer, 1 authority, 2 additional. False, and
   * nothing written, if it does not fit.
   */
  addRrset(section: 0 | 1 | 2, owner: WireName, rrset: RRset, ttl = rrset.ttl, chosen?: Uint16Array): boolean {
    const before = this.at
    const count = chosen?.length ?? rrset.datas.length
    for (let i = 0; i < count; i++) {
      this.record(owner, rrset, ttl, chosen === undefined ? i : (chosen[i] as number))
      if (this.at > this.room) {
        this.rewind(before)
        return false
      }
    }
    this.counts[section] = (this.counts[section] as number) + count
    return true
  }

  /** One record that stands in no zone, such as the CNAME made of a DNAME: the rdata is a name. */
  addMade(owner: WireName, type: number, ttl: number, target: WireName): boolean {
    const before = this.at
    const lengthAt = this.head(owner, type, ttl)
    if (lengthAt > 0) {
      this.name(target)
      this.patchLength(lengthAt)
    }
    if (lengthAt === 0 || this.at > this.room) {
      this.rewind(before)
      return false
    }
    this.counts[0] = (this.counts[0] as number) + 1
    return true
  }

  /** Writes OPT and header and returns the length. Sections written so far stay. */
  finish(rcode: number, aa: boolean): number {
    const { out, query, message, counts } = this
    if (query === undefined || message === undefined) return 0
    let additionals = counts[2] as number
    if (query.edns) {
      additionals++
      this.opt(query, rcode)
    }
    out[0] = message[0] as number
    out[1] = message[1] as number
    const rd = query.opcode === 0 ? (message[2] as number) & 1 : 0
    out[2] = 0x80 | (query.opcode << 3) | (aa ? 4 : 0) | (this.truncated ? 2 : 0) | rd
    out[3] = rcode & 15
    this.put16(4, query.end > 12 ? 1 : 0)
    this.put16(6, counts[0] as number)
    this.put16(8, counts[1] as number)
    this.put16(10, additionals)
    return this.at
  }

  private opt(query: Query, rcode: number): void {
    const { out, at } = this
    out[at] = 0
    this.put16(at + 1, Type.OPT)
    this.put16(at + 3, serverUdpSize)
    out[at + 5] = rcode >> 4
    out[at + 6] = 0
    out[at + 7] = query.do ? 0x80 : 0
    out[at + 8] = 0
    out[at + 9] = 0
    out[at + 10] = 0
    this.at = at + optSize
  }

  private record(owner: WireName, rrset: RRset, ttl: number, index: number): void {
    const lengthAt = this.head(owner, rrset.type, ttl)
    if (lengthAt === 0) return
    const data = rrset.datas[index] as Uint8Array
    if (this.at + data.length > this.room) {
      this.at = overflow
      return
    }
    if (compressible(rrset.type)) this.dataWithNames(rrset, data, index)
    else {
      this.out.set(data, this.at)
      this.at += data.length
    }
    this.patchLength(lengthAt)
  }

  private dataWithNames(rrset: RRset, data: Uint8Array, index: number): void {
    const targets = targetsOf(rrset)
    const each = targets.length / rrset.datas.length
    const skip = rrset.type === Type.MX ? 2 : 0
    let from = skip
    for (let i = 0; i < skip; i++) this.out[this.at++] = data[i] as number
    for (let i = 0; i < each; i++) {
      const target = targets[index * each + i] as WireName
      this.name(target)
      from += target.length
    }
    for (let i = from; i < data.length; i++) this.out[this.at++] = data[i] as number
  }

  /** Owner to TTL; returns where the length of the rdata goes, or 0 when there is no room for it. */
  private head(owner: WireName, type: number, ttl: number): number {
    if (this.at + owner.length + 10 > this.room) {
      this.at = overflow
      return 0
    }
    this.name(owner)
    this.put16(this.at, type)
    this.put16(this.at + 2, 1)
    this.put16(this.at + 4, ttl >>> 16)
    this.put16(this.at + 6, ttl & 0xffff)
    this.at += 10
    return this.at - 2
  }

  private name(name: WireName): void {
    const names = this.knownNames()
    const { out } = this
    let i = 0
    for (;;) {
      const label = name.charCodeAt(i)
      if (label === 0) {
        out[this.at++] = 0
        return
      }
      const suffix = i === 0 ? name : name.slice(i)
      const known = names.get(suffix)
      if (known !== undefined) {
        this.put16(this.at, 0xc000 | known)
        this.at += 2
        return
      }
      if (this.at < 0x4000) names.set(suffix, this.at)
      for (const end = i + 1 + label; i < end; i++) out[this.at++] = name.charCodeAt(i)
    }
  }

  /** Suffixes that stand in the reply, and where; those of the question from the beginning. */
  private knownNames(): Map<string, number> {
    if (this.names !== undefined) return this.names
    this.names = new Map()
    if (this.query !== undefined && this.message !== undefined && this.query.end > 12) {
      const question = this.query.nameIn(this.message)
      for (let i = 0; question.charCodeAt(i) !== 0; i += 1 + question.charCodeAt(i))
        this.names.set(question.slice(i), 12 + i)
    }
    return this.names
  }

  private rewind(to: number): void {
    this.at = to
    for (const [suffix, at] of this.names ?? []) if (at >= to) this.names?.delete(suffix)
  }

  private patchLength(at: number): void {
    this.put16(at, this.at - at - 2)
  }

  private put16(at: number, value: number): void {
    this.out[at] = value >> 8
    this.out[at + 1] = value & 255
  }
}

/** What the server says of itself in OPT (RFC 9715). */
export const serverUdpSize = 1232
