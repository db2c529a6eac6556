import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyName } from '../../test/support/dns-arbitraries.ts'
import { apexRecords, ask, replyTo, seeded, tableOf, update, wire, zoneFromText } from '../../test/support/serve.ts'
import { decodeMessage, ednsOf, encodeMessage, isMalformed, messageOf } from '../dns/message.ts'
import type { WireName } from '../dns/name.ts'
import { ipFromData } from '../dns/rdata.ts'
import { Class, Opcode, Rcode, Type } from '../dns/types.ts'
import { chooseWeighted } from './weigh.ts'

const many = (count: number) => Array.from({ length: count }, (_, n) => `many 60 IN A 192.0.2.${n}`).join('\n')
const table = tableOf(
  zoneFromText(
    'example.test.',
    `${apexRecords()}
${many(60)}
www 60 IN CNAME many
big 60 IN TXT ${Array.from({ length: 5 }, () => `"${'x'.repeat(250)}"`).join(' ')}
two 60 IN TXT "a"
two 60 IN A 192.0.2.1
db 5 IN A 192.0.2.1
db 5 IN A 192.0.2.2
db 5 IN A 192.0.2.3
db 5 IN AAAA 2001:db8::1
db 5 IN AAAA 2001:db8::2
_holdfast.db 5 IN TXT "v=holdfast1" "g=4" "d=0123456789abcdef" "o=t" "w=192.0.2.1*100 192.0.2.2*25 192.0.2.3*1 2001:db8::1*10 2001:db8::2*10"
mail 60 IN MX 10 db
sub 60 IN NS a.sub
sub 60 IN NS ns.other
a.sub 60 IN A 192.0.2.53
${Array.from({ length: 60 }, (_, n) => `wide 60 IN NS ns${n}.wide\nns${n}.wide 60 IN AAAA 2001:db8::${n.toString(16)}`).join('\n')}
ns.other 60 IN A 192.0.2.54
dn 60 IN DNAME ${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.example.test.
`,
  ),
  zoneFromText('sub.example.test.', `${apexRecords()}x 60 IN A 192.0.2.99\n`),
)

const addresses = (reply: ReturnType<typeof ask>) => reply.answers.map(({ data }) => ipFromData(data)).sort()

describe('weights', () => {
  test('show each address as often as its weight says, and those with the greatest always', () => {
    const random = seeded(7)
    const counts = new Map<string, number>()
    for (let i = 0; i < 4000; i++) {
      const shown = addresses(ask(table, 'db.example.test.', 'A', { random }))
      expect(shown).toContain('192.0.2.1')
      for (const address of shown) counts.set(address as string, (counts.get(address as string) ?? 0) + 1)
    }
    expect((counts.get('192.0.2.2') ?? 0) / 4000).toBeCloseTo(0.25, 1)
    expect(counts.get('192.0.2.3')).toBeLessThan(120)
    expect(counts.get('192.0.2.3')).toBeGreaterThan(5)
  })

  test('that are equal show everything, in any order', () => {
    const random = seeded(3)
    const orders = new Set<string>()
    for (let i = 0; i < 50; i++) {
      const reply = ask(table, 'db.example.test.', 'AAAA', { random })
      expect(addresses(reply)).toEqual(['2001:db8::1', '2001:db8::2'])
      orders.add(reply.answers.map(({ data }) => ipFromData(data)).join())
    }
    expect(orders.size).toBe(2)
  })

  test('are left out for those who may change the name: stored order, everything', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const reply = ask(table, 'db.example.test.', 'A', { whole: true, random: seeded(seed) })
      expect(reply.answers.map(({ data }) => ipFromData(data))).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    }
  })

  test('hold in additional records too, and change with the marker', () => {
    const own = tableOf(
      zoneFromText(
        'example.test.',
        `${apexRecords()}db 5 IN A 192.0.2.1\ndb 5 IN A 192.0.2.2\nmail 60 IN MX 10 db
_holdfast.db 5 IN TXT "v=holdfast1" "g=4" "d=0123456789abcdef" "o=t" "w=192.0.2.1*65535 192.0.2.2*1"\n`,
      ),
    )
    expect(ask(own, 'mail.example.test.', 'MX').additionals).toHaveLength(1)
    expect(ask(own, 'db.example.test.', 'A').answers).toHaveLength(1)
    const result = update(own, [
      'zone example.test.',
      'update delete _holdfast.db.example.test. TXT',
      'update add _holdfast.db.example.test. 5 TXT "v=holdfast1" "g=5" "d=0123456789abcdef" "o=t" "w=192.0.2.1*1 192.0.2.2*1"',
    ])
    expect(result.kind).toBe('accepted')
    expect(ask(own, 'db.example.test.', 'A').answers).toHaveLength(2)
  })

  test('choose at least one, each once, for any weights', () => {
    const chosen = new Uint16Array(64)
    fc.assert(
      fc.property(fc.uint16Array({ min: 1, minLength: 1, maxLength: 64 }), fc.integer({ min: 1 }), (weights, seed) => {
        const count = chooseWeighted(weights, seeded(seed), chosen)
        const indices = [...chosen.subarray(0, count)]
        expect(count).toBeGreaterThan(0)
        expect(new Set(indices).size).toBe(count)
        const greatest = Math.max(...weights)
        for (const [index, weight] of weights.entries()) if (weight === greatest) expect(indices).toContain(index)
      }),
    )
  })
})

describe('size', () => {
  test('512 without EDNS, 1232 at most with it, all over TCP', () => {
    expect(ask(table, 'many.example.test.', 'A')).toMatchObject({ tc: true, answers: [] })
    const edns = ednsOf({ udpSize: 4096 })
    expect(ask(table, 'many.example.test.', 'A', { edns })).toMatchObject({ tc: false })
    expect(ask(table, 'big.example.test.', 'TXT', { edns })).toMatchObject({
      tc: true,
      answers: [],
      edns: { udpSize: 1232 },
    })
    expect(ask(table, 'big.example.test.', 'TXT', { tcp: true })).toMatchObject({ tc: false, answers: [{}] })
  })

  test('what fits before the cut stays: the alias, not its target', () => {
    expect(ask(table, 'www.example.test.', 'A')).toMatchObject({ tc: true, answers: [{ type: Type.CNAME }] })
  })

  test('glue inside the delegation that does not fit sets TC, other glue does not', () => {
    expect(ask(table, 'x.wide.example.test.', 'A', { edns: ednsOf() }).tc).toBe(true)
    expect(ask(table, 'x.wide.example.test.', 'A', { tcp: true })).toMatchObject({ tc: false, aa: false })
  })

  test('a signature has its room', () => {
    const query = encodeMessage(
      messageOf({ questions: [{ name: wire('many.example.test.'), type: Type.A, class: Class.IN }], edns: ednsOf() }),
    )
    expect(replyTo(table, query)?.length).toBeGreaterThan(900)
    expect(replyTo(table, query, { reserve: 400 })?.length).toBeLessThan(832)
  })
})

describe('what RFCs leave to us or demand', () => {
  test('ANY over UDP is one RRset, over TCP all', () => {
    expect(ask(table, 'two.example.test.', 'ANY').answers).toHaveLength(1)
    expect(ask(table, 'two.example.test.', 'ANY', { tcp: true }).answers).toHaveLength(2)
  })

  test('the question comes back byte for byte', () => {
    const reply = ask(table, wire('Db.eXample.TEST.'), 'AAAA', { id: 7 })
    expect(reply).toMatchObject({ id: 7, rcode: Rcode.NOERROR, questions: [{ name: wire('Db.eXample.TEST.') }] })
    expect(reply.answers[0]?.name).toBe(wire('Db.eXample.TEST.'))
  })

  test("a child zone on the same server answers, and DS at its apex is the parent's", () => {
    expect(ask(table, 'x.sub.example.test.', 'A')).toMatchObject({ aa: true, answers: [{}] })
    const ds = ask(table, 'sub.example.test.', 'DS')
    expect(ds).toMatchObject({ aa: true, rcode: Rcode.NOERROR, answers: [] })
    expect(ds.authorities[0]?.name).toBe(wire('example.test.'))
  })

  test('a DNAME that makes a name too long is YXDOMAIN', () => {
    expect(ask(table, `${'q'.repeat(60)}.dn.example.test.`, 'A')).toMatchObject({
      rcode: Rcode.YXDOMAIN,
      answers: [{ type: Type.DNAME }],
    })
    expect(ask(table, 'a.dn.example.test.', 'A')).toMatchObject({
      rcode: Rcode.NXDOMAIN,
      answers: [{}, { type: Type.CNAME }],
    })
  })

  test.each([
    [
      'another class',
      { questions: [{ name: wire('db.example.test.'), type: Type.A, class: Class.CH }] },
      Rcode.REFUSED,
    ],
    ['no zone of ours', { questions: [{ name: wire('example.org.'), type: Type.A, class: Class.IN }] }, Rcode.REFUSED],
    [
      'AXFR without a signature',
      { questions: [{ name: wire('example.test.'), type: Type.AXFR, class: Class.IN }] },
      Rcode.REFUSED,
    ],
    [
      'two questions',
      { questions: [0, 1].map(() => ({ name: wire('db.example.test.'), type: Type.A, class: Class.IN })) },
      Rcode.FORMERR,
    ],
    ['no question', {}, Rcode.FORMERR],
    [
      'STATUS',
      { opcode: Opcode.STATUS, questions: [{ name: wire('db.example.test.'), type: Type.A, class: Class.IN }] },
      Rcode.NOTIMP,
    ],
    ['type OPT', { questions: [{ name: wire('db.example.test.'), type: Type.OPT, class: Class.IN }] }, Rcode.FORMERR],
    [
      'a cookie of five octets',
      {
        questions: [{ name: wire('db.example.test.'), type: Type.A, class: Class.IN }],
        edns: ednsOf({ options: [{ code: 10, data: new Uint8Array(5) }] }),
      },
      Rcode.FORMERR,
    ],
    [
      'EDNS version 1',
      { questions: [{ name: wire('db.example.test.'), type: Type.A, class: Class.IN }], edns: ednsOf({ version: 1 }) },
      Rcode.BADVERS,
    ],
  ])('%s', (_, fields, rcode) => {
    const reply = decodeMessage(replyTo(table, encodeMessage(messageOf(fields))) as Uint8Array)
    expect(reply).toMatchObject({ rcode, answers: [], qr: true })
  })

  test('what is itself a reply, or shorter than a header, gets none', () => {
    expect(replyTo(table, encodeMessage(messageOf({ qr: true })))).toBeUndefined()
    expect(replyTo(table, new Uint8Array(11))).toBeUndefined()
  })
})

const names = ['db', 'many', 'www', 'big', 'x.sub', 'a.dn', 'nothing', 'y.wide', 'mail'].map((name) =>
  wire(`${name}.example.test.`),
)

test('whatever comes, a reply is whole, belongs to the question and fits', () => {
  const types = fc.oneof(fc.constantFrom<number>(...Object.values(Type)), fc.integer({ min: 0, max: 65_535 }))
  const question = fc.record({
    name: fc.oneof(fc.constantFrom<WireName>(...names), anyName),
    type: types,
    class: fc.constantFrom<number>(1, 1, 1, 3, 255),
  })
  const query = fc
    .record({
      id: fc.integer({ min: 0, max: 65_535 }),
      opcode: fc.constantFrom(0, 0, 0, 0, 1, 2, 15),
      rd: fc.boolean(),
      questions: fc.array(question, { minLength: 1, maxLength: 1 }),
      edns: fc.option(fc.integer({ min: 0, max: 65_535 }).map((udpSize) => ednsOf({ udpSize }))),
    })
    .map((fields) => ({ fields, bytes: encodeMessage(messageOf(fields)) }))
  fc.assert(
    fc.property(query, fc.boolean(), fc.boolean(), ({ fields, bytes }, tcp, whole) => {
      const octets = replyTo(table, bytes, { tcp, whole }) as Uint8Array
      const reply = decodeMessage(octets)
      if (isMalformed(reply)) throw new Error(reply.reason)
      expect(reply).toMatchObject({ id: fields.id, qr: true, opcode: fields.opcode })
      if (fields.opcode === 0) expect(reply).toMatchObject({ rd: fields.rd, questions: fields.questions })
      if (!tcp)
        expect(octets.length).toBeLessThanOrEqual(
          fields.edns === null ? 512 : Math.min(1232, Math.max(512, fields.edns.udpSize)),
        )
    }),
    { numRuns: 1000 },
  )
})

test('whatever octets come, the answer is a reply or silence', () => {
  const valid = encodeMessage(
    messageOf({
      questions: [{ name: names[0] as WireName, type: Type.A, class: Class.IN }],
      edns: ednsOf({ options: [{ code: 3, data: new Uint8Array(2) }] }),
    }),
  )
  const mutated = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 })
    .map((changes) => {
      const bytes = valid.slice()
      for (const [at, value] of changes) bytes[at] = value
      return bytes
    })
  const cut = fc.nat(valid.length).map((length) => valid.slice(0, length))
  const seen = { replies: 0, silent: 0 }
  fc.assert(
    fc.property(fc.oneof(mutated, cut, fc.uint8Array({ maxLength: 80 })), fc.boolean(), (bytes, tcp) => {
      const octets = replyTo(table, bytes, { tcp })
      if (octets === undefined) {
        seen.silent++
        return
      }
      seen.replies++
      expect(isMalformed(decodeMessage(octets))).toBe(false)
      expect(octets.length).toBeLessThanOrEqual(tcp ? 65_535 : 1232)
    }),
    { numRuns: 3000 },
  )
  expect(Math.min(seen.replies, seen.silent)).toBeGreaterThan(100)
})
