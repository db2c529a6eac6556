/**
 * DNS messages as values (RFC 1035 section 4, RFC 6891), and the same as octets.
 *
 * Decoding never throws and ends after a number of steps bounded by the length: compression pointers go strictly
 * backward, a name has at most 255 octets and 127 pointers. UPDATE (RFC 2136) has the same shape: the zone is in
 * `questions`, prerequisites in `answers`, updates in `authorities`.
 */
import type { WireName } from './name.ts'

export interface Question {
  readonly name: WireName
  readonly type: number
  readonly class: number
}

export interface ResourceRecord {
  readonly name: WireName
  readonly type: number
  readonly class: number
  /** Seconds, 0 to 2^32 - 1 as the wire has it; what RFC 2181 section 8 says of the top bit is the reader's affair. */
  readonly ttl: number
  /** Rdata as on the wire, with every name in it uncompressed. */
  readonly data: Uint8Array
}

/** The OPT record (RFC 6891 section 6.1). */
export interface Edns {
  /** As the sender gave it, so perhaps under 512, which counts as 512. */
  readonly udpSize: number
  readonly version: number
  /** Upper eight bits of `Message.rcode`. On encoding the two are combined, so one may be left 0. */
  readonly extendedRcode: number
  readonly do: boolean
  /** The 15 flag bits below DO. */
  readonly flags: number
  readonly options: readonly { readonly code: number; readonly data: Uint8Array }[]
}

/** The TSIG record (RFC 8945 section 4.2), taken apart but not verified. */
export interface TsigRecord {
  /** Where the record begins in the message that was decoded; it reaches to the end. */
  readonly offset: number
  readonly key: WireName
  readonly algorithm: WireName
  /** Seconds since 1970, 48 bits. */
  readonly time: number
  readonly fudge: number
  readonly mac: Uint8Array
  readonly originalId: number
  readonly error: number
  readonly other: Uint8Array
}

export interface Message {
  readonly id: number
  readonly qr: boolean
  readonly opcode: number
  readonly aa: boolean
  readonly tc: boolean
  readonly rd: boolean
  readonly ra: boolean
  readonly z: boolean
  readonly ad: boolean
  readonly cd: boolean
  /** All twelve bits when there is an OPT record, four otherwise. */
  readonly rcode: number
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  /** Without OPT and TSIG, which are in the two fields below. */
  readonly additionals: readonly ResourceRecord[]
  readonly edns: Edns | null
  /** Only after decoding; `encodeMessage` leaves it out, `signMessage` writes it. */
  readonly tsig: TsigRecord | null
}

/** What could not be read as a message, with as much of it as an answer needs. */
export interface Malformed {
  readonly kind: 'malformed'
  readonly reason: string
  /** Null when there were fewer than 12 octets, which deserves no answer. */
  readonly header: Pick<Message, 'id' | 'qr' | 'opcode' | 'rd'> | null
  /** The first question, if that at least was whole. */
  readonly question: Question | null
}

export function isMalformed(value: Message | Malformed): value is Malformed {
  return 'kind' in value
}

const blank: Message = {
  id: 0,
  qr: false,
  opcode: 0,
  aa: false,
  tc: false,
  rd: false,
  ra: false,
  z: false,
  ad: false,
  cd: false,
  rcode: 0,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
  edns: null,
  tsig: null,
}

/** A message with everything zero, false, empty or null, save what is given. */
export function messageOf(fields: Partial<Message>): Message {
  return { ...blank, ...fields }
}

/** An OPT record for a query or a reply: version 0, no options, 1232 octets (RFC 9715), save what is given. */
export function ednsOf(fields: Partial<Edns> = {}): Edns {
  return { udpSize: 1232, version: 0, extendedRcode: 0, do: false, flags: 0, options: [], ...fields }
}

export { decodeMessage } from './decode.ts'
export { type EncodeOptions, encodeMessage } from './encode.ts'
