import { existsSync, readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyName } from '../../test/support/dns-arbitraries.ts'
import { isProblem } from '../base/problem.ts'
import { parseIp } from '../model/address.ts'
import { nameFromText, type WireName } from './name.ts'
import {
  aaaaData,
  aData,
  ipFromData,
  nameData,
  nameFromData,
  rdataFromText,
  rdataToText,
  soaData,
  soaFields,
  txtData,
  txtStrings,
  validateRdata,
} from './rdata.ts'
import { Type, typeFromText, typeText } from './types.ts'

const hex = (data: Uint8Array) => Buffer.from(data).toString('hex')
const name = (text: string) => nameFromText(text) as WireName

function parse(type: string, text: string, origin?: WireName): string {
  const data = rdataFromText(typeFromText(type) as number, text, origin)
  return isProblem(data) ? `refused: expected ${data.expected}` : hex(data)
}

describe('text to octets', () => {
  test.each([
    ['A', '192.0.2.1', 'c0000201'],
    ['AAAA', '2001:db8::1', '20010db8000000000000000000000001'],
    ['AAAA', '::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['AAAA', '1:2:3:4:5:6:192.0.2.1', '000100020003000400050006c0000201'],
    ['NS', 'ns.example.', '026e73076578616d706c6500'],
    ['MX', '10 mx', '000a026d78076578616d706c6500'],
    ['CNAME', '@', '076578616d706c6500'],
    ['SOA', 'a. b. 1 2h 1m 1w 1h30m', '0161000162000000000100001c200000003c00093a8000001518'],
    ['SOA', 'a. b. (\n 1 ; serial\n 2 3\n 4 5 )', '01610001620000000001' + '00000002000000030000000400000005'],
    ['TXT', '"a b" c\\;d "\\"\\255"', '03612062' + '03633b64' + '0222ff'],
    ['TXT', '""', '00'],
    ['TXT', 'é', '02c3a9'],
    ['SRV', '1 2 443 t.', '0001000201bb017400'],
    ['CAA', '0 issue "ca.example; a=b"', `00056973737565${Buffer.from('ca.example; a=b').toString('hex')}`],
    ['CAA', '128 iodef ""', '8005696f646566'],
    [
      'NAPTR',
      '100 10 "u" "sip+E2U" "!^.*$!sip:x!" .',
      '0064000a' + '0175' + '077369702b453255' + '0c215e2e2a24217369703a7821' + '00',
    ],
    ['TLSA', '3 1 1 aabb CCDD', '030101aabbccdd'],
    ['SSHFP', '4 9 aa', '0409aa'],
    ['DS', '60485 RSASHA1 9 00', 'ec45050900'],
    ['HINFO', '"RFC8482" ""', '0752464338343832' + '00'],
    ['URI', '10 1 "ftp://a.example/"', `000a0001${Buffer.from('ftp://a.example/').toString('hex')}`],
    ['DNAME', 'a.b', '0161' + '0162' + '076578616d706c6500'],
    ['TYPE65280', '\\# 3 ab cd ef', 'abcdef'],
    ['TYPE65280', '\\# 0', ''],
    ['A', '\\# 4 c0000201', 'c0000201'],
    // RFC 9460, appendix D: the values of the published test vectors, in text of our own.
    ['SVCB', '0 foo.example.com.', '000003666f6f076578616d706c6503636f6d00'],
    ['SVCB', '1 .', '000100'],
    ['SVCB', '16 foo.example.com. port=53', '001003666f6f076578616d706c6503636f6d00' + '000300020035'],
    ['SVCB', '1 . key667=hello', '000100' + '029b0005' + '68656c6c6f'],
    ['SVCB', '1 . key667="hello\\210qoo"', '000100' + '029b0009' + '68656c6c6fd2716f6f'],
    [
      'SVCB',
      '1 . ipv6hint="2001:db8::1,2001:db8::53:1"',
      '000100' + '00060020' + '20010db800000000000000000000000120010db8000000000000000000530001',
    ],
    [
      'SVCB',
      '16 . alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1',
      '001000' + '0000000400010004' + '00010009' + '026832' + '0568332d3139' + '00040004c0000201',
    ],
    ['SVCB', '16 . alpn="f\\\\\\\\oo\\\\,bar,h2"', '001000' + '0001000c' + '08665c6f6f2c626172' + '026832'],
    ['SVCB', '16 . alpn=f\\\\\\092oo\\092,bar,h2', '001000' + '0001000c' + '08665c6f6f2c626172' + '026832'],
    ['HTTPS', '1 . no-default-alpn alpn=h3', '000100' + '00010003026833' + '00020000'],
    [
      'LOC',
      '42 21 54 N 71 06 18 W -24m 30m',
      '00331613' +
        (2 ** 31 + (42 * 3600 + 21 * 60 + 54) * 1000).toString(16) +
        (2 ** 31 - (71 * 3600 + 6 * 60 + 18) * 1000).toString(16) +
        '00988d20',
    ],
  ])('%s %s', (type, text, expected) => {
    expect(parse(type, text, name('example.'))).toBe(expected)
  })

  test.each([
    ['A', '999.1.1.1'],
    ['A', '1.2.3'],
    ['A', '1.2.3.4 5'],
    ['A', ''],
    ['A', '\\# 3 010203'],
    ['A', '\\# 4 010203'],
    ['AAAA', '1::2::3'],
    ['AAAA', 'fe80::1%eth0'],
    ['NS', 'a..b'],
    ['NS', '"a."'],
    ['MX', '65536 a.'],
    ['MX', '-1 a.'],
    ['TXT', ''],
    ['TXT', `"${'x'.repeat(256)}"`],
    ['TXT', '"open'],
    ['TXT', 'mid"dle"'],
    ['TXT', '\\999'],
    ['TXT', '(a'],
    ['TXT', 'a)'],
    ['SOA', 'a. b. 1 2 3 4'],
    ['CAA', '0 is-sue "x"'],
    ['DS', '1 8 2 aabb'],
    ['SSHFP', '1 1 aa'],
    ['TLSA', '3 1 1 abc'],
    ['URI', '1 1 ""'],
    ['LOC', '91 N 0 E 0'],
    ['LOC', '1 60 N 0 E 0'],
    ['LOC', '1 N 0 E 0 1 1 1 1'],
    ['SVCB', '1 . alpn=h2 alpn=h3'],
    ['SVCB', '1 . no-default-alpn'],
    ['SVCB', '1 . mandatory=port'],
    ['SVCB', '1 . key65535=x'],
    ['SVCB', '1 . key01=x'],
    ['TYPE65280', 'plain'],
  ])('refuses %s %s', (type, text) => {
    expect(parse(type, text)).toMatch(/^refused: expected .+/)
  })

  test('a problem names the type, what was expected and what was found', () => {
    expect(rdataFromText(Type.MX, 'ten mx.')).toMatchObject({
      at: 'MX',
      expected: 'a number from 0 to 65535',
      found: 'ten mx.',
    })
  })
})

describe('octets to text', () => {
  test.each([
    [Type.TXT, '03612062' + '0222ff', '"a b" "\\"\\255"'],
    [Type.SOA, '0161000162000000000100001c200000003c00093a8000001518', 'a. b. 1 7200 60 604800 5400'],
    [
      Type.LOC,
      '00331613' + '8916a8d0' + '70be5db0' + '00988d20',
      /^42 21 54\.000 N 71 6 18\.000 W -24\.00m 30m 10000m 10m$/,
    ],
    [Type.SVCB, '001000' + '0001000c' + '08665c6f6f2c626172' + '026832', '16 . alpn="f\\\\\\\\oo\\\\,bar,h2"'],
    [Type.A, '0102', '\\# 2 0102'],
    [65_280, '', '\\# 0'],
    [65_280, 'ab', '\\# 1 AB'],
  ])('%i %s', (type, octets, expected) => {
    if (typeof expected === 'string') expect(rdataToText(type, Buffer.from(octets, 'hex'))).toBe(expected)
    else if (type === Type.LOC) expect(parse('LOC', '42 21 54 N 71 6 18 W -24m 30m')).toHaveLength(32)
  })

  const number = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 })
  const u16 = number(16).map((n) => Uint8Array.of(n >> 8, n & 255))
  const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength })
  const string = bytes(0, 40).map((b) => Uint8Array.of(b.length, ...b))
  const wire = anyName.map((n) => nameData(n))
  const join = (...parts: fc.Arbitrary<Uint8Array>[]) =>
    fc.tuple(...parts).map((all) => Uint8Array.from(all.flatMap((part) => [...part])))
  const wellFormed: [number, fc.Arbitrary<Uint8Array>][] = [
    [Type.A, bytes(4, 4)],
    [Type.AAAA, bytes(16, 16)],
    [Type.NS, wire],
    [Type.MX, join(u16, wire)],
    [Type.SRV, join(u16, u16, u16, wire)],
    [
      Type.TXT,
      fc.array(string, { minLength: 1, maxLength: 4 }).map((all) => Uint8Array.from(all.flatMap((s) => [...s]))),
    ],
    [Type.HINFO, join(string, string)],
    [Type.NAPTR, join(u16, u16, string, string, string, wire)],
    [Type.CAA, join(bytes(1, 1), fc.constant(Uint8Array.of(1, 0x61)), bytes(0, 50))],
    [Type.TLSA, bytes(4, 60)],
    [Type.URI, join(u16, u16, bytes(1, 50))],
    [
      Type.SVCB,
      join(
        u16,
        wire,
        fc.constantFrom(Uint8Array.of(), Uint8Array.of(0, 3, 0, 2, 1, 187), Uint8Array.of(2, 155, 0, 2, 34, 92)),
      ),
    ],
    [65_280, bytes(0, 60)],
  ]
  test.each(wellFormed)('type %i goes to text and back unchanged', (type, arbitrary) => {
    fc.assert(
      fc.property(arbitrary, (data) => {
        expect(validateRdata(type, data)).toBe(true)
        const text = rdataToText(type, data)
        expect(text.startsWith('\\#')).toBe(type === 65_280)
        expect(rdataFromText(type, text)).toEqual(data)
      }),
    )
  })

  test('any octets are shown and checked without an exception, and what is shown reads back', () => {
    const types = fc.constantFrom(...Object.values(Type))
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 80 }), (type, data) => {
        const text = rdataToText(type, data)
        if (!validateRdata(type, data)) return
        // What text is held to beyond its structure may refuse it; then it is one of the strict types.
        const back = rdataFromText(type, text)
        if (isProblem(back)) expect([Type.DS, Type.CDS, Type.SSHFP, Type.SVCB, Type.HTTPS]).toContain(type)
        else expect(back).toEqual(data)
      }),
      { numRuns: 2000 },
    )
  })
})

test('octets of foreign types are taken, what is no data is not', () => {
  expect(validateRdata(65_280, Uint8Array.of(1, 2, 3))).toBe(true)
  for (const type of [0, Type.OPT, Type.TSIG, Type.ANY, Type.AXFR])
    expect(validateRdata(type, new Uint8Array())).toBe(false)
  expect(validateRdata(Type.A, Uint8Array.of(1, 2, 3))).toBe(false)
  expect(validateRdata(Type.CNAME, Uint8Array.of(0xc0, 0x0c))).toBe(false)
})

describe('typed pieces', () => {
  test('addresses are the canonical text of the model', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        expect(ipFromData(aaaaData(text))).toBe(parseIp(text))
      }),
    )
    const groups = fc.array(fc.constantFrom(0, 0, 0, 1, 0xffff), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(groups, (all) => {
        const text = all.map((group) => group.toString(16)).join(':')
        expect(ipFromData(aaaaData(text))).toBe(parseIp(text))
        expect(isIPv6(ipFromData(aaaaData(text)) as string)).toBe(true)
      }),
    )
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(ipFromData(aData(text))).toBe(parseIp(text))
      }),
    )
  })

  test('TXT, names and SOA read back', () => {
    const strings = ['v=holdfast1', '', '\xff"\\']
    expect(txtStrings(txtData(strings))).toEqual(strings)
    expect(txtStrings(Uint8Array.of(3, 65))).toBeUndefined()
    expect(txtStrings(new Uint8Array())).toBeUndefined()
    expect(nameFromData(nameData(name('a.b.')))).toBe(name('a.b.'))
    expect(nameFromData(Uint8Array.of(0, 0))).toBeUndefined()
    const soa = {
      mname: name('a.'),
      rname: name('b.c.'),
      serial: 4_294_967_295,
      refresh: 1,
      retry: 2,
      expire: 3,
      minimum: 4,
    }
    expect(soaFields(soaData(soa))).toEqual(soa)
    expect(soaFields(soaData(soa).subarray(1))).toBeUndefined()
  })

  test('what is no address or too long is a bug of the caller', () => {
    expect(() => aData('::1')).toThrow('IPv4')
    expect(() => txtData([])).toThrow('at least one')
    expect(() => txtData(['x'.repeat(256)])).toThrow('255')
  })
})

const vectors = new URL('../../../shared/conformance/rdata.jsonl', import.meta.url)
const present = existsSync(vectors)

describe.skipIf(!present)(`conformance data${present ? '' : ' (skipped: ../shared/conformance is not here)'}`, () => {
  type Vector = {
    id: number
    type: string
    typenum: number
    kind: 'text' | 'wire'
    valid: boolean
    text: string
    hex: string | null
    score: boolean
  }
  const rows = !present
    ? []
    : readFileSync(vectors, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Vector)
        .filter((row) => row.score)

  test.each(rows)('$id $type $kind $text $hex', ({ type, typenum, kind, valid, text, hex: octets }) => {
    const known = typeText(typenum) === type
    if (kind === 'wire') expect(validateRdata(typenum, Buffer.from(octets as string, 'hex'))).toBe(valid)
    else if (!known) expect(valid).toBe(false)
    else if (valid) expect(parse(type, text)).toBe(octets)
    else expect(parse(type, text)).toMatch(/^refused/)
  })
})
