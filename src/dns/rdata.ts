/**
 * Rdata: from text (RFC 1035 section 5.1, RFC 3597), to text, checked, and in small typed pieces.
 *
 * Text is held to every rule of its type. Octets that come from elsewhere, also as `\# length hex`, have to be sound in
 * structure only, so that a record which another server took is not lost here.
 */
import { assert } from '../base/assert.ts'
import { type Problem, problem } from '../base/problem.ts'
import type { IpAddress } from '../model/address.ts'
import * as field from './fields.ts'
import { ipText, ipv4Octets, ipv6Octets } from './ip.ts'
import { location } from './loc.ts'
import { latin1, nameInBytes, nameToBytes, type WireName } from './name.ts'
import { parameters, paramsIn } from './svcb.ts'
import { linesOf, type Token } from './tokens.ts'
import { Type, typeText } from './types.ts'

interface Layout {
  readonly fields: readonly field.Field[]
  /** What text has to obey besides: the expectation that fails. */
  readonly strict?: (data: Uint8Array) => string | undefined
  /** Where it is not "the fields can be shown". */
  readonly valid?: (data: Uint8Array) => boolean
}

const { u8, u16, u32, seconds, name, string } = field

/** Octets of a digest by its number; others may have any length. */
function digest(
  at: number,
  numberAt: number,
  lengths: Readonly<Record<number, number>>,
): (data: Uint8Array) => string | undefined {
  return (data) => {
    const length = lengths[data[numberAt] as number]
    return length === undefined || data.length - at === length ? undefined : `a digest of ${length} octets`
  }
}

const serviceBinding: Layout = {
  fields: [u16, name, parameters],
  valid(data) {
    const target = data.length < 3 ? undefined : nameInBytes(data, 2)
    return target !== undefined && paramsIn(data, target.end) !== undefined
  },
}
const delegationSigner: Layout = {
  fields: [u16, field.algorithm, u8, field.hex],
  strict: digest(4, 3, { 1: 20, 2: 32, 3: 32, 4: 48 }),
}
const dnsKey: Layout = { fields: [u16, u8, field.algorithm, field.base64] }
const oneName: Layout = { fields: [name] }

const layouts: ReadonlyMap<number, Layout> = new Map<number, Layout>([
  [Type.A, { fields: [field.ipv4] }],
  [Type.NS, oneName],
  [Type.CNAME, oneName],
  [Type.SOA, { fields: [name, name, u32, seconds, seconds, seconds, seconds] }],
  [Type.PTR, oneName],
  [Type.HINFO, { fields: [string, string] }],
  [Type.MINFO, { fields: [name, name] }],
  [Type.MX, { fields: [u16, name] }],
  [Type.TXT, { fields: [field.strings] }],
  [Type.RP, { fields: [name, name] }],
  [Type.AFSDB, { fields: [u16, name] }],
  [Type.AAAA, { fields: [field.ipv6] }],
  [Type.LOC, { fields: [location] }],
  [Type.SRV, { fields: [u16, u16, u16, name] }],
  [Type.NAPTR, { fields: [u16, u16, string, string, string, name] }],
  [Type.KX, { fields: [u16, name] }],
  [Type.DNAME, oneName],
  [Type.DS, delegationSigner],
  [Type.SSHFP, { fields: [u8, u8, field.hex], strict: digest(2, 1, { 1: 20, 2: 32 }) }],
  [Type.DNSKEY, dnsKey],
  [Type.TLSA, { fields: [u8, u8, u8, field.hex] }],
  [Type.SMIMEA, { fields: [u8, u8, u8, field.hex] }],
  [Type.CDS, delegationSigner],
  [Type.CDNSKEY, dnsKey],
  [Type.OPENPGPKEY, { fields: [field.base64] }],
  [Type.SVCB, serviceBinding],
  [Type.HTTPS, serviceBinding],
  [Type.SPF, { fields: [field.strings] }],
  [Type.URI, { fields: [u16, u16, field.text(1)] }],
  [Type.CAA, { fields: [u8, field.tag, field.text(0)] }],
])

const maxOctets = 0xffff

/** Rdata in presentation form; names without the final dot stand below `origin`. The problem's `at` is the type. */
export function rdataFromText(type: number, text: string, origin?: WireName): Uint8Array | Problem {
  const [line, more] = linesOf(text)
  const wrong = line?.error ?? (more === undefined ? undefined : 'several lines without parentheses')
  if (wrong !== undefined) return problem(typeText(type), 'rdata', wrong, 'correct the record')
  return rdataFromTokens(type, line?.tokens ?? [], origin)
}

export function rdataFromTokens(type: number, tokens: readonly Token[], origin?: WireName): Uint8Array | Problem {
  const cursor = new field.Cursor(tokens)
  const refuse = (expected: string) =>
    problem(
      typeText(type),
      expected,
      tokens.length === 0
        ? 'nothing'
        : tokens
            .map(({ text }) => text)
            .join(' ')
            .slice(0, 200),
      'correct the record',
    )
  if (tokens[0]?.text === '\\#' && !tokens[0].quoted) return genericFromTokens(type, tokens, refuse)
  const layout = layouts.get(type)
  if (layout === undefined)
    return refuse(
      '\\# followed by the length and hexadecimal digits (RFC 3597), the form for types without one of their own',
    )
  const octets: number[] = []
  for (const part of layout.fields) {
    const parsed = part.parse(cursor, origin)
    if (typeof parsed === 'string') return refuse(parsed)
    for (const octet of parsed) octets.push(octet)
  }
  if (cursor.at < tokens.length) return refuse(`nothing after ${tokens[cursor.at - 1]?.text}`)
  const data = Uint8Array.from(octets)
  const wrong = layout.strict?.(data) ?? (data.length > maxOctets ? `at most ${maxOctets} octets` : undefined)
  return wrong === undefined ? data : refuse(wrong)
}

function genericFromTokens(
  type: number,
  [, length, ...digits]: readonly Token[],
  refuse: (expected: string) => Problem,
) {
  const hexadecimal = digits.map(({ text }) => text).join('')
  const data = hexadecimal === '' ? new Uint8Array() : field.hexOctets(hexadecimal)
  if (
    data === undefined ||
    length === undefined ||
    !/^[0-9]{1,5}$/.test(length.text) ||
    Number(length.text) !== data.length
  ) {
    return refuse('\\#, a length, and that many octets in hexadecimal')
  }
  return validateRdata(type, data) ? data : refuse(`rdata that is sound for type ${typeText(type)}`)
}

/** Presentation form; `\# length hex` for types without one, and for octets that their type has no form for. */
export function rdataToText(type: number, data: Uint8Array): string {
  const shown = shownFields(layouts.get(type), data)
  return shown ?? `\\# ${data.length}${data.length > 0 ? ` ${field.hexText(data)}` : ''}`
}

/**
 * Whether these octets may be stored as rdata of this type: sound in structure for the types known here, anything for
 * the others. False for what is no data: OPT, and the types from 128 to 255 (RFC 6895 section 3.1).
 */
export function validateRdata(type: number, data: Uint8Array): boolean {
  if (type === 0 || type === Type.OPT || (type >= 128 && type <= 255) || data.length > maxOctets) return false
  const layout = layouts.get(type)
  if (layout === undefined) return true
  return layout.valid?.(data) ?? shownFields(layout, data) !== undefined
}

function shownFields(layout: Layout | undefined, data: Uint8Array): string | undefined {
  if (layout === undefined) return undefined
  const texts: string[] = []
  let at = 0
  for (const part of layout.fields) {
    const shown = part.show(data, at)
    if (shown === undefined) return undefined
    if (shown.text !== '') texts.push(shown.text)
    at = shown.end
  }
  return at === data.length ? texts.join(' ') : undefined
}

/** Rdata of A. The text has to be an IPv4 address. */
export function aData(text: string): Uint8Array {
  const data = ipv4Octets(text)
  assert(data !== undefined, `expected an IPv4 address, found ${JSON.stringify(text)}`)
  return data
}

/** Rdata of AAAA. The text has to be an IPv6 address. */
export function aaaaData(text: string): Uint8Array {
  const data = ipv6Octets(text)
  assert(data !== undefined, `expected an IPv6 address, found ${JSON.stringify(text)}`)
  return data
}

/** The address in rdata of A or AAAA, in canonical text; undefined unless there are 4 or 16 octets. */
export const ipFromData = (data: Uint8Array): IpAddress | undefined => ipText(data)

/** Rdata of TXT: at least one string, each of at most 255 characters from 0 to 255, one an octet. */
export function txtData(strings: readonly string[]): Uint8Array {
  assert(strings.length > 0, 'expected at least one character string, found none')
  const octets: number[] = []
  for (const text of strings) {
    assert(text.length <= 255, `expected at most 255 octets in a character string, found ${text.length}`)
    octets.push(text.length)
    for (let i = 0; i < text.length; i++) {
      assert(text.charCodeAt(i) <= 255, `expected octets as characters, found ${JSON.stringify(text[i])}`)
      octets.push(text.charCodeAt(i))
    }
  }
  return Uint8Array.from(octets)
}

/** The strings of a TXT record, one character an octet; undefined unless the rdata is whole. */
export function txtStrings(data: Uint8Array): readonly string[] | undefined {
  const strings: string[] = []
  let at = 0
  do {
    const end = at + 1 + (data[at] ?? maxOctets)
    if (end > data.length) return undefined
    strings.push(latin1(data, at + 1, end))
    at = end
  } while (at < data.length)
  return strings
}

/** Rdata of NS, CNAME, DNAME, PTR. */
export const nameData = (target: WireName): Uint8Array => nameToBytes(target)

/** The name in rdata of NS, CNAME, DNAME, PTR; undefined unless it is that and nothing more. */
export function nameFromData(data: Uint8Array): WireName | undefined {
  const found = nameInBytes(data)
  return found?.end === data.length ? found.name : undefined
}

export interface SoaFields {
  readonly mname: WireName
  readonly rname: WireName
  readonly serial: number
  /** Seconds, as the next three. */
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  /** TTL of negative answers, in seconds (RFC 2308). */
  readonly minimum: number
}

export function soaData({ mname, rname, serial, refresh, retry, expire, minimum }: SoaFields): Uint8Array {
  const data = new Uint8Array(mname.length + rname.length + 20)
  data.set(nameToBytes(mname))
  data.set(nameToBytes(rname), mname.length)
  const view = new DataView(data.buffer)
  for (const [index, value] of [serial, refresh, retry, expire, minimum].entries())
    view.setUint32(data.length - 20 + 4 * index, value)
  return data
}

/** Undefined unless the rdata is whole. */
export function soaFields(data: Uint8Array): SoaFields | undefined {
  const mname = nameInBytes(data)
  const rname = mname && nameInBytes(data, mname.end)
  if (rname === undefined || data.length !== rname.end + 20) return undefined
  const view = new DataView(data.buffer, data.byteOffset + rname.end, 20)
  const [serial, refresh, retry, expire, minimum] = [0, 4, 8, 12, 16].map((at) => view.getUint32(at)) as [
    number,
    number,
    number,
    number,
    number,
  ]
  return { mname: mname?.name as WireName, rname: rname.name, serial, refresh, retry, expire, minimum }
}
