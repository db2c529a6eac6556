import { describe, expect, test } from 'vitest'
import { apexRecords, ask, tableOf, update, updateFrom, wire, zoneFromText } from '../../test/support/serve.ts'
import { messageOf } from '../dns/message.ts'
import { rdataToText, soaFields } from '../dns/rdata.ts'
import { Class, Opcode, Rcode, Type } from '../dns/types.ts'
import type { Table } from './table.ts'
import { applyUpdate, isAfter } from './update.ts'

const fresh = (records = '', serial = 7) => tableOf(zoneFromText('example.test.', `${apexRecords(serial)}${records}`))
const zoneLine = 'zone example.test.'
const rcode = (table: Table, ...lines: string[]): number => {
  const result = update(table, [zoneLine, ...lines])
  return result.kind === 'refused' ? result.rcode : Rcode.NOERROR
}
const shown = (table: Table, name: string, type: string) =>
  ask(table, `${name}example.test.`, type, { tcp: true, whole: true }).answers.map(
    (record) => `${record.ttl} ${rdataToText(record.type, record.data)}`,
  )
const serialOf = (table: Table) => soaFields(ask(table, 'example.test.', 'SOA').answers[0]?.data as Uint8Array)?.serial

describe('section 3.2, prerequisites', () => {
  const table = () =>
    fresh('a 60 IN A 192.0.2.1\na 60 IN A 192.0.2.2\nb.ent 60 IN A 192.0.2.1\nmx 60 IN MX 10 Mail.Example.TEST.\n')
  test.each([
    ['a name in use', ['prereq yxdomain a.example.test.'], Rcode.NOERROR],
    ['an empty non-terminal is not in use', ['prereq yxdomain ent.example.test.'], Rcode.NXDOMAIN],
    ['a name not in use', ['prereq nxdomain ent.example.test.'], Rcode.NOERROR],
    [
      'exactly these records, in any order',
      ['prereq yxrrset a.example.test. A 192.0.2.2', 'prereq yxrrset a.example.test. A 192.0.2.1'],
      Rcode.NOERROR,
    ],
    ['some of them', ['prereq yxrrset a.example.test. A 192.0.2.2'], Rcode.NXRRSET],
    [
      'more than them',
      ['1', '2', '3'].map((last) => `prereq yxrrset a.example.test. A 192.0.2.${last}`),
      Rcode.NXRRSET,
    ],
    ['one of them twice', ['2', '2'].map((last) => `prereq yxrrset a.example.test. A 192.0.2.${last}`), Rcode.NXRRSET],
    [
      'all of them and one twice',
      ['1', '2', '2'].map((last) => `prereq yxrrset a.example.test. A 192.0.2.${last}`),
      Rcode.NXRRSET,
    ],
    [
      'names in rdata without regard to case',
      ['prereq yxrrset mx.example.test. MX 10 mail.example.test.'],
      Rcode.NOERROR,
    ],
    ['a name of another zone', ['prereq yxdomain example.org.'], Rcode.NOTZONE],
  ])('%s', (_, lines, expected) => {
    const one = table()
    expect(rcode(one, ...lines, 'update add done.example.test. 60 A 192.0.2.9')).toBe(expected)
    expect(shown(one, 'done.', 'A')).toHaveLength(expected === Rcode.NOERROR ? 1 : 0)
  })

  test.each([
    ['with a TTL', { class: Class.ANY, ttl: 1, type: Type.A, data: new Uint8Array() }],
    ['of class ANY with rdata', { class: Class.ANY, ttl: 0, type: Type.A, data: new Uint8Array(4) }],
    ['of class CH', { class: Class.CH, ttl: 0, type: Type.A, data: new Uint8Array() }],
    ['of class IN and type ANY', { class: Class.IN, ttl: 0, type: Type.ANY, data: new Uint8Array() }],
  ])('%s: FORMERR', (_, fields) => {
    const message = messageOf({
      opcode: Opcode.UPDATE,
      questions: [{ name: wire('example.test.'), type: Type.SOA, class: Class.IN }],
      answers: [{ name: wire('a.example.test.'), ...fields }],
    })
    expect(applyUpdate(table(), message)).toMatchObject({ kind: 'refused', rcode: Rcode.FORMERR })
  })
})

describe('section 3.4, changes', () => {
  test('all or nothing: one line that cannot be stops the others', () => {
    const table = fresh()
    expect(rcode(table, 'update add a.example.test. 60 A 192.0.2.1', 'update add a.example.org. 60 A 192.0.2.1')).toBe(
      Rcode.NOTZONE,
    )
    expect(shown(table, 'a.', 'A')).toEqual([])
    expect(serialOf(table)).toBe(7)
  })

  test('one serial step for a message, none when nothing changes', () => {
    const table = fresh()
    rcode(table, 'update add a.example.test. 60 A 192.0.2.1', 'update add b.example.test. 60 A 192.0.2.1')
    expect(serialOf(table)).toBe(8)
    rcode(table, 'update add a.example.test. 60 A 192.0.2.1', 'update delete c.example.test.')
    rcode(table, 'update delete a.example.test. A', 'update add a.example.test. 60 A 192.0.2.1')
    expect(serialOf(table)).toBe(8)
    rcode(table, 'update add a.example.test. 61 A 192.0.2.1')
    expect(serialOf(table)).toBe(9)
  })

  test('the serial goes round, leaving out zero, and a SOA goes only forward', () => {
    const table = fresh('', 4_294_967_295)
    rcode(table, 'update add a.example.test. 60 A 192.0.2.1')
    expect(serialOf(table)).toBe(1)
    const soa = (serial: number) =>
      `update add example.test. 60 SOA ns.elsewhere.example. h.elsewhere.example. ${serial} 1 2 3 4`
    rcode(table, soa(100))
    expect(serialOf(table)).toBe(100)
    rcode(table, soa(99))
    expect(serialOf(table)).toBe(100)
    rcode(table, 'update delete example.test. SOA')
    expect(serialOf(table)).toBe(100)
    expect([isAfter(1, 4_294_967_295), isAfter(4_294_967_295, 1), isAfter(5, 5)]).toEqual([true, false, false])
  })

  test('the last NS of the zone stays, in the order of the message', () => {
    const table = fresh()
    rcode(table, 'update add example.test. 60 NS ns2.elsewhere.example.')
    rcode(table, 'update delete example.test. NS')
    expect(shown(table, '', 'NS')).toHaveLength(2)
    rcode(
      table,
      'update delete example.test. NS ns.elsewhere.example.',
      'update delete example.test. NS ns2.elsewhere.example.',
    )
    expect(shown(table, '', 'NS')).toEqual(['60 ns2.elsewhere.example.'])
    rcode(table, 'update delete example.test.')
    expect(shown(table, '', 'NS')).toHaveLength(1)
  })

  test('an alias stays alone, silently, and is replaced by another', () => {
    const table = fresh('alias 60 IN CNAME a\na 60 IN A 192.0.2.1\n')
    expect(rcode(table, 'update add alias.example.test. 60 A 192.0.2.9')).toBe(Rcode.NOERROR)
    expect(rcode(table, 'update add a.example.test. 60 CNAME alias.example.test.')).toBe(Rcode.NOERROR)
    expect(shown(table, 'a.', 'A')).toEqual(['60 192.0.2.1'])
    expect(serialOf(table)).toBe(7)
    rcode(table, 'update add alias.example.test. 60 CNAME b.example.test.')
    expect(shown(table, 'alias.', 'CNAME')).toEqual(['60 b.example.test.'])
  })

  test('one TTL for an RRset: the newest', () => {
    const table = fresh('a 60 IN A 192.0.2.1\n')
    rcode(table, 'update add a.example.test. 30 A 192.0.2.2')
    expect(shown(table, 'a.', 'A').sort()).toEqual(['30 192.0.2.1', '30 192.0.2.2'])
  })

  test('empty non-terminals come and go with what is below', () => {
    const table = fresh()
    rcode(table, 'update add x.y.z.example.test. 60 A 192.0.2.1')
    expect(ask(table, 'z.example.test.', 'A')).toMatchObject({ rcode: Rcode.NOERROR })
    rcode(table, 'update delete x.y.z.example.test.')
    expect(ask(table, 'z.example.test.', 'A')).toMatchObject({ rcode: Rcode.NXDOMAIN })
    expect(table.zones.get(wire('example.test.'))?.nodes.size).toBe(1)
  })

  test.each([
    ['rdata that is none', { type: Type.A, data: new Uint8Array(3) }, Rcode.FORMERR],
    ['a type that is none', { type: Type.ANY, data: new Uint8Array() }, Rcode.FORMERR],
    ['NS at a wildcard', { name: '*.w', type: Type.NS, data: Uint8Array.from([1, 97, 0]) }, Rcode.REFUSED],
    ['a name below a DNAME', { name: 'x.dn', type: Type.A, data: new Uint8Array(4) }, Rcode.REFUSED],
    ['a DNAME above names', { name: 'above', type: Type.DNAME, data: Uint8Array.from([1, 97, 0]) }, Rcode.REFUSED],
    [
      'an RRset that fits no answer',
      { count: 300, type: Type.TXT, data: Uint8Array.from([200, ...new Uint8Array(200)]) },
      Rcode.REFUSED,
    ],
  ])(
    '%s',
    (_, {
      name = 'a',
      count = 1,
      type,
      data,
    }: { name?: string; count?: number; type: number; data: Uint8Array }, expected) => {
      const table = fresh('dn 60 IN DNAME elsewhere.example.\nx.above 60 IN A 192.0.2.1\n')
      const authorities = Array.from({ length: count }, (_, index) => {
        const octets = data.slice()
        if (count > 1) octets.set([index >> 8, index & 255], 1)
        return { name: wire(`${name}.example.test.`), type, class: Class.IN, ttl: 60, data: octets }
      })
      const message = { ...updateFrom([zoneLine]), authorities }
      expect(update(table, message)).toMatchObject({ kind: 'refused', rcode: expected })
    },
  )
})

test.each([
  ['another zone', [{ name: wire('example.org.'), type: Type.SOA, class: Class.IN }], Rcode.NOTAUTH],
  ['a name inside the zone', [{ name: wire('a.example.test.'), type: Type.SOA, class: Class.IN }], Rcode.NOTAUTH],
  ['another class', [{ name: wire('example.test.'), type: Type.SOA, class: Class.CH }], Rcode.NOTAUTH],
  ['another type', [{ name: wire('example.test.'), type: Type.A, class: Class.IN }], Rcode.FORMERR],
  ['no zone', [], Rcode.FORMERR],
])('section 3.1, %s', (_, questions, expected) => {
  expect(applyUpdate(fresh(), messageOf({ opcode: Opcode.UPDATE, questions }))).toMatchObject({ rcode: expected })
})
