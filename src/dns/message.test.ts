import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as packet from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyMessage } from '../../test/support/dns-arbitraries.ts'
import {
  decodeMessage,
  ednsOf,
  encodeMessage,
  isMalformed,
  type Malformed,
  type Message,
  messageOf,
  type ResourceRecord,
} from './message.ts'
import { nameFromText, nameToBytes, root, type WireName } from './name.ts'
import { aData, ipFromData, nameData, rdataToText, txtData } from './rdata.ts'
import { Class, Opcode, Rcode, Type } from './types.ts'

const name = (text: string) => nameFromText(text) as WireName
const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replace(/\s+/g, ''), 'hex'))
const ascii = (text: string) => Buffer.from(text).toString('hex')
const record = (owner: string, type: number, data: Uint8Array, ttl = 60): ResourceRecord => ({
  name: name(owner),
  type,
  class: Class.IN,
  ttl,
  data,
})

function decoded(bytes: Uint8Array): Message {
  const message = decodeMessage(bytes)
  if (isMalformed(message)) throw new Error(message.reason)
  return message
}

function refused(bytes: Uint8Array): Malformed {
  const message = decodeMessage(bytes)
  if (!isMalformed(message)) throw new Error('expected a malformed message, found a good one')
  return message
}

describe('octets written out by hand', () => {
  test('the names of RFC 1035, section 4.1.4: F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA and the root, compressed', () => {
    const header = '0007 8400 0000 0004 0000 0000'
    const rest = '0010 0001 0000003c 0002 0161'
    const first = `0146 03${ascii('ISI')} 04${ascii('ARPA')} 00`
    const bytes = octets(`${header} ${first} ${rest} 03${ascii('FOO')} c00c ${rest} c012 ${rest} 00 ${rest}`)
    const message = decoded(bytes)
    expect(message.answers.map((r) => r.name)).toEqual(['F.ISI.ARPA', 'FOO.F.ISI.ARPA', 'ARPA', '.'].map(name))
    expect(message).toMatchObject({ id: 7, qr: true, aa: true, rcode: 0, edns: null, tsig: null })
    expect(encodeMessage(message)).toEqual(bytes)
  })

  test('a query with EDNS: DO, 1232 octets and a cookie', () => {
    const bytes = octets(
      `abcd 0120 0001 0000 0000 0001 01${ascii('a')} 00 001c 0001 00 0029 04d0 0000 8000 000c 000a 0008 0102030405060708`,
    )
    const message = decoded(bytes)
    expect(message).toMatchObject({
      id: 0xabcd,
      rd: true,
      ad: true,
      questions: [{ name: name('a.'), type: Type.AAAA, class: 1 }],
      additionals: [],
    })
    expect(message.edns).toEqual({ ...ednsOf({ do: true }), options: [{ code: 10, data: octets('0102030405060708') }] })
    expect(encodeMessage(message)).toEqual(bytes)
  })

  test('pointers inside the rdata of the old types are expanded, also in SRV where old servers put them', () => {
    const question = `01${ascii('a')} 00 00ff 0001`
    const answers = [
      '000f 0001 00000000 0004 000a c00c',
      '0021 0001 00000000 0008 0001 0002 0003 c00c',
      '0006 0001 00000000 0018 c00c c00c 00000001 00000002 00000003 00000004 00000005',
    ]
    const message = decoded(
      octets(`0000 8000 0001 0003 0000 0000 ${question} ${answers.map((a) => `c00c ${a}`).join(' ')}`),
    )
    expect(message.answers.map(({ type, data }) => rdataToText(type, data))).toEqual([
      '10 a.',
      '1 2 3 a.',
      'a. a. 1 2 3 4 5',
    ])
  })

  test('an extended RCODE is put together from header and OPT', () => {
    const message = messageOf({ qr: true, rcode: Rcode.BADVERS, edns: ednsOf() })
    const bytes = encodeMessage(message)
    expect((bytes[3] as number) & 15).toBe(0)
    expect(decoded(bytes)).toMatchObject({ rcode: 16, edns: { extendedRcode: 1 } })
    expect(() => encodeMessage({ ...message, edns: null })).toThrow('OPT')
  })

  test('UPDATE: empty rdata of class ANY and NONE', () => {
    const empty = new Uint8Array()
    const message = messageOf({
      opcode: Opcode.UPDATE,
      questions: [{ name: name('z.'), type: Type.SOA, class: Class.IN }],
      answers: [{ name: name('a.z.'), type: Type.A, class: Class.NONE, ttl: 0, data: empty }],
      authorities: [{ name: name('a.z.'), type: Type.MX, class: Class.ANY, ttl: 0, data: empty }],
    })
    expect(decoded(encodeMessage(message))).toEqual(message)
  })
})

describe('what is refused', () => {
  const header = (counts = '0001 0000 0000 0000') => `1234 0100 ${counts}`
  const question = `01${ascii('a')} 00 0001 0001`
  const opt = '00 0029 0200 00000000 0000'
  test.each([
    ['a header cut off', '1234', /at least 12/],
    ['no question where one is counted', header(), /cut off/],
    ['a question cut off', `${header()} 01${ascii('a')} 00 0001`, /2 more octets/],
    ['octets after the end', `${header()} ${question} 00`, /the end/],
    ['a pointer to itself', `${header()} c00c 0001 0001`, /pointer/],
    ['a pointer forward', `${header()} c010 0001 0001 00`, /pointer/],
    ['a pointer into the header', `${header()} c000 0001 0001`, /pointer/],
    ['a label type that nobody uses', `${header()} 41${'61'.repeat(65)} 0001 0001`, /label type 1/],
    ['a loop over a label', `${header()} 01${ascii('a')} c00c 0001 0001`, /pointer/],
    [
      'a name of 256 octets',
      `${header()} ${`3f${'61'.repeat(63)}`.repeat(3)} 3e${'61'.repeat(62)} 00 0001 0001`,
      /over 255/,
    ],
    [
      'rdata cut off',
      `${header('0001 0001 0000 0000')} ${question} c00c 0001 0001 00000000 0004 7f00`,
      /4 more octets/,
    ],
    [
      'a name longer than its rdata',
      `${header('0001 0001 0000 0000')} ${question} c00c 0002 0001 00000000 0001 0161 00`,
      /cut off/,
    ],
    ['MX without a name', `${header('0001 0001 0000 0000')} ${question} c00c 000f 0001 00000000 0002 000a`, /cut off/],
    ['two OPT records', `${header('0001 0000 0000 0002')} ${question} ${opt} ${opt}`, /two OPT/],
    ['an OPT with an owner', `${header('0001 0000 0000 0001')} ${question} c00c ${opt.slice(3)}`, /root/],
    ['an OPT in the answer', `${header('0001 0001 0000 0000')} ${question} ${opt}`, /outside/],
    [
      'an option cut off',
      `${header('0001 0000 0000 0001')} ${question} 00 0029 0200 00000000 0005 000a 0008 00`,
      /option/,
    ],
  ])('%s', (_what, hex, reason) => {
    expect(refused(octets(hex)).reason).toMatch(reason)
  })

  test('what an answer needs is kept', () => {
    const malformed = refused(octets(`1234 2900 0001 0001 0000 0000 ${question}`))
    expect(malformed.header).toEqual({ id: 0x1234, qr: false, opcode: 5, rd: true })
    expect(malformed.question).toEqual({ name: name('a.'), type: 1, class: 1 })
    expect(refused(new Uint8Array(11)).header).toBeNull()
    expect(refused(octets(header())).question).toBeNull()
  })
})

test('encode and decode are inverse, octets above 127, case and all', () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      expect(decodeMessage(encodeMessage(message))).toEqual(message)
    }),
    { numRuns: 500 },
  )
})

describe('compression', () => {
  const many = messageOf({
    qr: true,
    questions: [{ name: name('www.example.test.'), type: Type.MX, class: Class.IN }],
    answers: [1, 2, 3].map((n) =>
      record('www.example.test.', Type.MX, Uint8Array.of(0, n, ...nameToBytes(name(`mx${n}.example.test.`)))),
    ),
    additionals: [1, 2, 3].map((n) => record(`mx${n}.example.test.`, Type.A, aData(`192.0.2.${n}`))),
  })

  test('owners and rdata of old types share suffixes', () => {
    const question = 12 + 18 + 4
    // Owner pointer 2, fixed 10, preference 2, label 4, pointer 2; then owner pointer 2, fixed 10, address 4.
    expect(encodeMessage(many)).toHaveLength(question + 3 * 20 + 3 * 16)
  })

  test('names in SRV, DNAME and unknown rdata stay whole', () => {
    const target = nameToBytes(name('www.example.test.'))
    for (const type of [Type.SRV, Type.DNAME, Type.SVCB, 65_280]) {
      const data = type === Type.DNAME ? target : Uint8Array.of(0, 1, 0, 0, 0, 0, ...target)
      const bytes = encodeMessage({ ...many, answers: [record('www.example.test.', type, data)], additionals: [] })
      expect(Buffer.from(bytes).includes(Buffer.from(data))).toBe(true)
    }
  })

  test('an independent decoder reads the same', () => {
    const other = packet.decode(Buffer.from(encodeMessage(many)))
    expect(other.questions?.[0]).toMatchObject({ name: 'www.example.test', type: 'MX', class: 'IN' })
    expect(other.answers).toMatchObject(
      [1, 2, 3].map((n) => ({
        name: 'www.example.test',
        ttl: 60,
        data: { preference: n, exchange: `mx${n}.example.test` },
      })),
    )
    expect(other.additionals).toMatchObject(
      [1, 2, 3].map((n) => ({ name: `mx${n}.example.test`, data: `192.0.2.${n}` })),
    )
  })

  test('offsets from 16,384 on are not pointed at', () => {
    const long = Array.from({ length: 90 }, (_, n) => record(`t${n}.test.`, Type.TXT, txtData(['x'.repeat(200)])))
    const tail = [
      record('late.example.', Type.A, aData('192.0.2.1')),
      record('late.example.', Type.A, aData('192.0.2.2')),
    ]
    const message = messageOf({ qr: true, answers: [...long, ...tail] })
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
  })
})

describe('against an independent encoder', () => {
  const host = fc.constantFrom('a.example', 'www.example', 'example', 'very-long-label-here.a.b.c.example')
  const answer = fc.oneof(
    fc.record({ type: fc.constant('A' as const), name: host, ttl: fc.nat(), data: fc.ipV4() }),
    fc.record({ type: fc.constant('AAAA' as const), name: host, ttl: fc.nat(), data: fc.ipV6() }),
    fc.record({
      type: fc.constantFrom('NS' as const, 'CNAME' as const, 'PTR' as const, 'DNAME' as const),
      name: host,
      ttl: fc.nat(),
      data: host,
    }),
    fc.record({
      type: fc.constant('MX' as const),
      name: host,
      ttl: fc.nat(),
      data: fc.record({ preference: fc.nat(65_535), exchange: host }),
    }),
  )
  test('what dns-packet writes is read as it meant it', () => {
    fc.assert(
      fc.property(fc.nat(65_535), fc.array(answer, { maxLength: 5 }), (id, answers) => {
        const bytes = packet.encode({ type: 'response', id, flags: packet.AUTHORITATIVE_ANSWER, answers })
        const message = decoded(bytes)
        expect(message).toMatchObject({ id, qr: true, aa: true, tc: false })
        expect(message.answers).toHaveLength(answers.length)
        for (const [index, { type, name: owner, ttl, data }] of answers.entries()) {
          const found = message.answers[index] as ResourceRecord
          expect(found).toMatchObject({ name: name(owner), ttl, type: Type[type] })
          if (typeof data !== 'string')
            expect(rdataToText(found.type, found.data)).toBe(`${data.preference} ${data.exchange}.`)
          else if (type === 'A') expect(ipFromData(found.data)).toBe(data)
          else if (type !== 'AAAA') expect(found.data).toEqual(nameData(name(data)))
        }
        expect(packet.decode(Buffer.from(encodeMessage(message))).answers).toEqual(packet.decode(bytes).answers)
      }),
    )
  })
})

describe('cutting to a limit', () => {
  const rrset = (owner: string, count: number) =>
    Array.from({ length: count }, (_, n) => record(owner, Type.A, aData(`192.0.2.${n}`)))
  const reply = messageOf({
    qr: true,
    questions: [{ name: name('a.test.'), type: Type.A, class: Class.IN }],
    answers: [...rrset('a.test.', 3), ...rrset('b.test.', 3)],
    authorities: [record('test.', Type.NS, nameData(name('ns.test.')))],
    additionals: rrset('ns.test.', 2),
    edns: ednsOf(),
  })
  const whole = encodeMessage(reply).length

  test('whole RRsets only; question and OPT stay; the exact length fits', () => {
    for (let limit = 12 + 12 + 11; limit <= whole; limit++) {
      const bytes = encodeMessage(reply, { limit })
      expect(bytes.length).toBeLessThanOrEqual(limit)
      const message = decoded(bytes)
      expect(message.questions).toEqual(reply.questions)
      expect(message.edns).toEqual(reply.edns)
      expect([0, 3, 6]).toContain(message.answers.length)
      expect(message.tc).toBe(message.answers.length < 6 || message.authorities.length < 1)
      if (message.tc) expect(message.additionals).toEqual([])
    }
    expect(decodeMessage(encodeMessage(reply, { limit: whole }))).toEqual(reply)
    expect(decoded(encodeMessage(reply, { limit: whole - 1 }))).toMatchObject({ tc: false, additionals: [] })
  })

  test('glue that does not fit sets TC, other additional data does not', () => {
    expect(decoded(encodeMessage(reply, { limit: whole - 1, glue: 2 }))).toMatchObject({ tc: true, additionals: [] })
    expect(decoded(encodeMessage(reply, { limit: whole, glue: 2 })).tc).toBe(false)
  })

  test('after an RRset was taken back, nothing points into it', () => {
    const big = [
      record('x.deep.test.', Type.TXT, txtData(['y'.repeat(255)])),
      record('x.deep.test.', Type.TXT, txtData(['z'.repeat(255)])),
    ]
    const message = {
      ...reply,
      answers: [],
      authorities: [],
      additionals: [...big, record('deep.test.', Type.A, aData('192.0.2.1'))],
    }
    expect(decoded(encodeMessage(message, { limit: 512 })).additionals).toEqual(message.additionals.slice(2))
  })

  test('a request is never cut', () => {
    const update = { ...reply, qr: false, opcode: Opcode.UPDATE }
    expect(decodeMessage(encodeMessage(update, { limit: 50 }))).toEqual(update)
  })
})

describe('hostile octets', () => {
  /** Processor time, as other programs share the machine: far above what any of these takes, far below anything quadratic. */
  const boundMs = 500
  function timed(bytes: Uint8Array): void {
    const start = process.cpuUsage()
    const message = decodeMessage(bytes)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1000).toBeLessThan(boundMs)
    if (isMalformed(message)) expect(message.reason).not.toBe('')
  }

  test('random', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), timed), { numRuns: 5000 })
  })

  test('good messages with a few octets changed, cut or doubled', () => {
    const edits = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(anyMessage, edits, fc.nat(400), fc.boolean(), (message, changes, length, cut) => {
        const bytes = encodeMessage(message)
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
        timed(cut ? bytes.subarray(0, length) : bytes)
      }),
      { numRuns: 2000 },
    )
  })

  test('what decodes encodes again, and then says the same', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(400), fc.integer({ min: 0, max: 255 }), (message, at, value) => {
        const bytes = encodeMessage(message)
        if (at < bytes.length) bytes[at] = value
        const first = decodeMessage(bytes)
        if (isMalformed(first) || first.tsig !== null) return
        expect(decodeMessage(encodeMessage(first))).toEqual(first)
      }),
      { numRuns: 1000 },
    )
  })

  /** Two records: the rdata of the first is a row of pointers, each to the one before; the owner of the second points at the last. */
  function pointerChain(length: number): Uint8Array {
    const rdataAt = 12 + 11
    const row = Array.from({ length }, (_, n) => (n === 0 ? 12 : rdataAt + 2 * (n - 1))).flatMap((target) => [
      0xc0 | (target >> 8),
      target & 255,
    ])
    const last = rdataAt + 2 * (length - 1)
    const first = [0, 0, Type.TXT, 0, 1, 0, 0, 0, 0, (2 * length) >> 8, (2 * length) & 255, ...row]
    const second = [0xc0 | (last >> 8), last & 255, 0, Type.TXT, 0, 1, 0, 0, 0, 0, 0, 0]
    return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, ...first, ...second)
  }

  test('a chain of pointers is followed for as many steps as a name can have labels, and no further', () => {
    expect(decoded(pointerChain(126)).answers[1]?.name).toBe(root)
    expect(refused(pointerChain(127)).reason).toContain('over 127 pointers')
    timed(pointerChain(8000))
  })

  test('64 kB of records whose names all take the longest way', () => {
    // 127 labels of one octet at the front, then records whose owner is a pointer to them and whose rdata is one too.
    const labels = Array.from({ length: 126 }, () => [1, 97]).flat()
    const head = [...labels, 0, 0, 1, 0, 1]
    const one = [0xc0, 12, 0, Type.MINFO, 0, 1, 0, 0, 0, 0, 0, 4, 0xc0, 12, 0xc0, 12]
    const count = Math.floor((65_535 - 12 - head.length) / one.length)
    const bytes = Uint8Array.of(
      0,
      0,
      0,
      0,
      0,
      1,
      count >> 8,
      count & 255,
      0,
      0,
      0,
      0,
      ...head,
      ...Array.from({ length: count }, () => one).flat(),
    )
    const message = decoded(bytes)
    expect(message.answers).toHaveLength(count)
    timed(bytes)
  })

  test('a root owner with nothing else decodes', () => {
    expect(
      decoded(encodeMessage(messageOf({ questions: [{ name: root, type: 2, class: 1 }] }))).questions[0]?.name,
    ).toBe(root)
  })
})

const corpus = new URL('../../../shared/conformance/fuzz.jsonl.gz', import.meta.url)
const present = existsSync(corpus)

test.skipIf(!present)(
  `conformance data: malformed messages${present ? '' : ' (skipped: ../shared/conformance is not here)'}`,
  () => {
    const rows = gunzipSync(readFileSync(corpus)).toString().trim().split('\n')
    const messages = rows
      .map((row) => JSON.parse(row) as { kind: string; hex: string })
      .filter(({ kind }) => kind === 'message')
    expect(messages.length).toBeGreaterThan(100)
    for (const { hex } of messages) {
      const message = decodeMessage(octets(hex))
      if (!isMalformed(message) && message.tsig === null) expect(decodeMessage(encodeMessage(message))).toEqual(message)
    }
  },
)
