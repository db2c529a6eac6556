/**
 * Reads a query without making objects: what it asks goes into one `Query` that is used again and again. Checks what
 * RFC 1035, 6891 and 9619 let a server check before it looks anything up.
 */
import type { WireName } from '../dns/name.ts'
import { Class, Opcode, Rcode, Type } from '../dns/types.ts'

/** What to do with a message. The other kinds than `query` are answered by somebody else, or not at all. */
export const Reading = {
  /** No answer: shorter than a header, or itself a reply. */
  silent: 0,
  /** A question to be looked up. */
  query: 1,
  /** An answer that is only a header, perhaps with question and OPT: see `rcode`. */
  refusal: 2,
  /** Signed, or not a query: takes more time and state. */
  handoff: 3,
} as const

const folded = Buffer.alloc(256)
const asSent = Buffer.alloc(256)

export class Query {
  opcode = 0
  rcode = 0
  /** Where the question ends; 12 when there is none to repeat. */
  end = 12
  /** The question's name in lower case. */
  key = '' as WireName
  type = 0
  edns = false
  /** As the client gave it, at least 512. */
  udpSize = 512
  do = false

  /** The question's name with the case it came in. */
  nameIn(message: Uint8Array): WireName {
    const length = this.end - 16
    for (let i = 0; i < length; i++) asSent[i] = message[12 + i] as number
    return asSent.toString('latin1', 0, length) as WireName
  }
}

/** Length octets are under 64, so folding a whole name leaves them as they are. */
const lowerCase = Uint8Array.from({ length: 256 }, (_, octet) => (octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet))

/** Fills `query` and says what to do. Ends after at most as many steps as there are octets. */
export function readQuery(message: Uint8Array, length: number, query: Query): number {
  query.end = 12
  query.edns = false
  query.udpSize = 512
  query.do = false
  if (length < 12 || (message[2] as number) >= 0x80) return Reading.silent
  const opcode = ((message[2] as number) >> 3) & 15
  query.opcode = opcode
  if (opcode !== Opcode.QUERY) {
    if (opcode === Opcode.UPDATE || opcode === Opcode.NOTIFY) return Reading.handoff
    return refuse(query, Rcode.NOTIMP)
  }
  if (message[4] !== 0 || message[5] !== 1) return refuse(query, Rcode.FORMERR)
  const nameEnd = readName(message, length)
  if (nameEnd === 0 || nameEnd + 4 > length) return refuse(query, Rcode.FORMERR)
  query.key = folded.toString('latin1', 0, nameEnd - 12) as WireName
  query.type = ((message[nameEnd] as number) << 8) | (message[nameEnd + 1] as number)
  const klass = ((message[nameEnd + 2] as number) << 8) | (message[nameEnd + 3] as number)
  query.end = nameEnd + 4
  if (nameEnd + 4 < length || message[11] !== 0 || message[10] !== 0 || message[9] !== 0 || message[7] !== 0) {
    const reading = readRest(message, length, query)
    if (reading !== Reading.query) return reading
  }
  if (klass !== Class.IN) return refuse(query, Rcode.REFUSED)
  const { type } = query
  if (type === Type.OPT || type === Type.TSIG || type === Type.TKEY) return refuse(query, Rcode.FORMERR)
  if (type === Type.AXFR || type === Type.IXFR) return refuse(query, Rcode.REFUSED)
  return Reading.query
}

function refuse(query: Query, rcode: number): number {
  query.rcode = rcode
  return Reading.refusal
}

/** Where the question's name ends; 0 if it does not, is over 255 octets, or has anything but plain labels. */
function readName(message: Uint8Array, length: number): number {
  let at = 12
  for (;;) {
    if (at >= length) return 0
    const label = message[at] as number
    folded[at - 12] = label
    at++
    if (label === 0) return at - 12 <= 255 ? at : 0
    if (label > 63 || at + label - 12 > 254 || at + label > length) return 0
    for (const end = at + label; at < end; at++) folded[at - 12] = lowerCase[message[at] as number] as number
  }
}

/** The records behind the question: of them only OPT and TSIG matter, the others only have to be well formed. */
function readRest(message: Uint8Array, length: number, query: Query): number {
  const before = u16(message, 6) + u16(message, 8)
  const total = before + u16(message, 10)
  let at = query.end
  let badVersion = false
  for (let index = 0; index < total; index++) {
    const owner = at
    at = skipName(message, length, at)
    if (at === 0 || at + 10 > length) return malformed(query)
    const type = u16(message, at)
    const end = at + 10 + u16(message, at + 8)
    if (end > length) return malformed(query)
    if (type === Type.TSIG) return index === total - 1 && index >= before ? Reading.handoff : malformed(query)
    if (type === Type.OPT) {
      if (query.edns || index < before || message[owner] !== 0) return malformed(query)
      if (!optionsAreWhole(message, at + 10, end)) return malformed(query)
      query.edns = true
      query.udpSize = Math.max(512, u16(message, at + 2))
      query.do = (message[at + 6] as number) >= 0x80
      badVersion = message[at + 5] !== 0
    }
    at = end
  }
  if (at !== length) return malformed(query)
  return badVersion ? refuse(query, Rcode.BADVERS) : Reading.query
}

/** A malformed body gets a bare header back: nothing of it can be relied on. */
function malformed(query: Query): number {
  query.end = 12
  query.edns = false
  return refuse(query, Rcode.FORMERR)
}

/** The end of a name that may end in a pointer; 0 if it has none. */
function skipName(message: Uint8Array, length: number, from: number): number {
  let at = from
  for (;;) {
    if (at >= length) return 0
    const label = message[at] as number
    if (label === 0) return at - from < 255 ? at + 1 : 0
    if (label >= 0xc0) {
      if (at + 2 > length) return 0
      return (((label & 63) << 8) | (message[at + 1] as number)) < from ? at + 2 : 0
    }
    if (label > 63) return 0
    at += 1 + label
  }
}

function optionsAreWhole(message: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    if (at + 4 > end) return false
    const code = u16(message, at)
    const size = u16(message, at + 2)
    if (at + 4 + size > end) return false
    // COOKIE (RFC 7873, section 5.2.2): the client's eight octets, and perhaps 8 to 32 of a server.
    if (code === 10 && size !== 8 && (size < 16 || size > 40)) return false
    at += 4 + size
  }
  return true
}

const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
