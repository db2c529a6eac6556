/** The kinds of fields that rdata is made of: each can be read from text and shown as text. */
import { ipText, ipv4Octets, ipv6Octets } from './ip.ts'
import { latin1, nameFromText, nameInBytes, nameToBytes, nameToText, type WireName } from './name.ts'
import { octetsOf, quote, type Token, ttlFromText } from './tokens.ts'

/** The tokens of one record's rdata, taken from the left. */
export class Cursor {
  readonly tokens: readonly Token[]
  at = 0

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens
  }

  next(): Token | undefined {
    return this.tokens[this.at++]
  }

  /** The texts of all tokens that are left. */
  rest(): string[] {
    const texts = this.tokens.slice(this.at).map(({ text }) => text)
    this.at = this.tokens.length
    return texts
  }
}

export interface Field {
  /** The octets, or what was expected. */
  parse(tokens: Cursor, origin: WireName | undefined): Uint8Array | string
  /** Undefined when the octets are not such a field. */
  show(data: Uint8Array, at: number): { readonly text: string; readonly end: number } | undefined
}

const bytesOf = (octets: string): Uint8Array => Uint8Array.from(octets, (c) => c.charCodeAt(0))

/** A field that one token stands for. */
function one(
  expected: string,
  read: (token: Token, origin: WireName | undefined) => Uint8Array | undefined,
): Field['parse'] {
  return (tokens, origin) => {
    const token = tokens.next()
    return (token && read(token, origin)) ?? expected
  }
}

function number(octets: 1 | 2 | 4, expected: string, read: (text: string) => number | undefined): Field {
  return {
    parse: one(expected, ({ text }) => {
      const value = read(text)
      if (value === undefined || value >= 2 ** (8 * octets)) return undefined
      const data = new Uint8Array(4)
      new DataView(data.buffer).setUint32(0, value)
      return data.subarray(4 - octets)
    }),
    show(data, at) {
      if (at + octets > data.length) return undefined
      let value = 0
      for (let i = 0; i < octets; i++) value = value * 256 + (data[at + i] as number)
      return { text: String(value), end: at + octets }
    },
  }
}

const decimal = (text: string): number | undefined => (/^[0-9]{1,10}$/.test(text) ? Number(text) : undefined)

export const u8 = number(1, 'a number from 0 to 255', decimal)
export const u16 = number(2, 'a number from 0 to 65535', decimal)
export const u32 = number(4, 'a number from 0 to 4294967295', decimal)
/** Seconds, with units if one likes. */
export const seconds = number(4, 'a time such as 3600 or 1h', ttlFromText)

const algorithms: Readonly<Record<string, number>> = {
  RSAMD5: 1,
  DH: 2,
  DSA: 3,
  RSASHA1: 5,
  'DSA-NSEC3-SHA1': 6,
  'RSASHA1-NSEC3-SHA1': 7,
  RSASHA256: 8,
  RSASHA512: 10,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
}
/** A DNSSEC algorithm, by number or mnemonic. */
export const algorithm = number(1, 'a DNSSEC algorithm', (text) => algorithms[text.toUpperCase()] ?? decimal(text))

export const name: Field = {
  parse: one('a domain name', ({ text, quoted }, origin) => {
    const found = quoted ? undefined : nameFromText(text, origin)
    return found && nameToBytes(found)
  }),
  show(data, at) {
    const found = nameInBytes(data, at)
    return found && { text: nameToText(found.name), end: found.end }
  },
}

function address(expected: string, length: number, read: (text: string) => Uint8Array | undefined): Field {
  return {
    parse: one(expected, ({ text }) => read(text)),
    show(data, at) {
      const text = at + length <= data.length ? ipText(data.subarray(at, at + length)) : undefined
      return text === undefined ? undefined : { text, end: at + length }
    },
  }
}

export const ipv4 = address('an IPv4 address', 4, ipv4Octets)
export const ipv6 = address('an IPv6 address', 16, ipv6Octets)

function characterString({ text }: Token): Uint8Array | undefined {
  const octets = octetsOf(text)
  return octets === undefined || octets.length > 255 ? undefined : bytesOf(String.fromCharCode(octets.length) + octets)
}

/** A length octet and that many octets (RFC 1035 section 3.3). */
export const string: Field = {
  parse: one('a character string of at most 255 octets', characterString),
  show(data, at) {
    const length = data[at]
    if (length === undefined || at + 1 + length > data.length) return undefined
    return { text: quote(latin1(data, at + 1, at + 1 + length)), end: at + 1 + length }
  },
}

/** One or more character strings, up to the end. */
export const strings: Field = {
  parse(tokens) {
    const found: number[] = []
    do {
      const token = tokens.next()
      const octets = token && characterString(token)
      if (octets === undefined) return string.parse(new Cursor([]), undefined)
      for (const octet of octets) found.push(octet)
    } while (tokens.at < tokens.tokens.length)
    return Uint8Array.from(found)
  },
  show(data, at) {
    const texts: string[] = []
    let end = at
    do {
      const shown = string.show(data, end)
      if (shown === undefined) return undefined
      texts.push(shown.text)
      end = shown.end
    } while (end < data.length)
    return { text: texts.join(' '), end }
  },
}

/** A length octet and letters and digits (the tag of CAA, RFC 8659 section 4.1). */
export const tag: Field = {
  parse: one('a tag of letters and digits', (token) =>
    /^[A-Za-z0-9]{1,255}$/.test(token.text) ? characterString(token) : undefined,
  ),
  show(data, at) {
    const length = data[at] ?? 0
    const text = latin1(data, at + 1, Math.min(data.length, at + 1 + length))
    return text.length === length && /^[A-Za-z0-9]+$/.test(text) ? { text, end: at + 1 + length } : undefined
  },
}

/** Text without a length octet, up to the end, of at least `least` octets (CAA, URI). */
export const text = (least: 0 | 1): Field => ({
  parse: one('a quoted text', (token) => {
    const octets = octetsOf(token.text)
    return octets === undefined || octets.length < least ? undefined : bytesOf(octets)
  }),
  show: (data, at) => (data.length - at < least ? undefined : { text: quote(latin1(data, at)), end: data.length }),
})

/** Hexadecimal digits, in as many tokens as one likes, up to the end; at least one octet. */
export const hex: Field = {
  parse: (tokens) => hexOctets(tokens.rest().join('')) ?? 'hexadecimal digits, an even number of them',
  show: (data, at) => (at < data.length ? { text: hexText(data.subarray(at)), end: data.length } : undefined),
}

/** Base 64, in as many tokens as one likes, up to the end; at least one octet. */
export const base64: Field = {
  parse: (tokens) => base64Octets(tokens.rest().join('')) ?? 'base 64',
  show: (data, at) => (at < data.length ? { text: base64Text(data.subarray(at)), end: data.length } : undefined),
}

export const hexText = (data: Uint8Array): string => Buffer.from(data).toString('hex').toUpperCase()

export function hexOctets(digits: string): Uint8Array | undefined {
  return /^(?:[0-9a-f]{2})+$/i.test(digits) ? Uint8Array.from(Buffer.from(digits, 'hex')) : undefined
}

export const base64Text = (data: Uint8Array): string => Buffer.from(data).toString('base64')

export function base64Octets(digits: string): Uint8Array | undefined {
  if (digits === '' || digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(digits)) return undefined
  return Uint8Array.from(Buffer.from(digits, 'base64'))
}
