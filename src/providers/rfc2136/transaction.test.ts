import { describe, expect, test } from 'vitest'
import type { ResourceRecord } from '../../dns/message.ts'
import { nameFromText, nameToText, type WireName } from '../../dns/name.ts'
import { aaaaData, aData, nameData, rdataToText, txtData } from '../../dns/rdata.ts'
import { Class, Rcode, Type, typeText } from '../../dns/types.ts'
import type { IpAddress } from '../../model/address.ts'
import type { Answer } from '../../model/answer.ts'
import type { Generation } from '../../model/generation.ts'
import { markerFor, markerStrings } from '../../model/marker.ts'
import type { Name } from '../../model/name.ts'
import type { Published } from '../provider.ts'
import { outcomeOf } from './rfc2136.ts'
import { conditionsAfter, conditionsOf, publishedOf, transactionOf } from './transaction.ts'

const name = 'db.example.test.' as Name
const wire = (text: string) => nameFromText(text) as WireName
const nothing: Published = { name, marker: [], addresses: [], alias: null, ttl: null }
const two: Answer = {
  kind: 'addresses',
  ttl: 5,
  addresses: [
    { address: '192.0.2.1' as IpAddress, weight: 1 },
    { address: '2001:db8::1' as IpAddress, weight: 2 },
  ],
}
const alias: Answer = { kind: 'alias', ttl: 7, target: 'www.example.test.' as Name }
const change = (expected: Published, answer: Answer, generation: number) => {
  const marker = markerFor(answer, generation as Generation, 'us')
  return { name, expected, answer, marker }
}
const standing = (answer: Answer, generation: number): Published => ({
  name,
  marker: [markerStrings(markerFor(answer, generation as Generation, 'us'))],
  addresses: answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address) : [],
  alias: answer.kind === 'alias' ? answer.target : null,
  ttl: 5,
})

/** As nsupdate would say it. */
function shown({ name: owner, type, class: klass, ttl, data }: ResourceRecord): string {
  const what = klass === Class.NONE ? 'none' : klass === Class.ANY ? 'any' : `${ttl} in`
  return `${nameToText(owner)} ${what} ${typeText(type)} ${data.length === 0 ? '' : rdataToText(type, data)}`.trim()
}
function text(expected: Published, answer: Answer, generation: number) {
  const { prerequisites, updates } = transactionOf(change(expected, answer, generation))
  return {
    conditions: prerequisites.flatMap(({ records }) => records.map(shown)),
    updates: updates.map(({ record }) => shown(record)),
  }
}

describe('the update of one endpoint', () => {
  test('a new one: if nothing is there', () => {
    expect(text(nothing, two, 4)).toEqual({
      conditions: [
        '_holdfast.db.example.test. none TXT',
        'db.example.test. none A',
        'db.example.test. none AAAA',
        'db.example.test. none CNAME',
      ],
      updates: [
        'db.example.test. 5 in A 192.0.2.1',
        'db.example.test. 5 in AAAA 2001:db8::1',
        expect.stringMatching(
          /^_holdfast.db.example.test. 0 in TXT "v=holdfast1" "g=4" "d=[0-9a-f]{16}" "o=us" "w=192.0.2.1\*1 2001:db8::1\*2"$/,
        ),
      ],
    })
  })

  test('a replacement: if marker and records are exactly those, no more and no fewer', () => {
    const lines = text(
      standing(two, 4),
      { kind: 'addresses', ttl: 9, addresses: [{ address: '192.0.2.3' as IpAddress, weight: 1 }] },
      5,
    )
    expect(lines.conditions.slice(1)).toEqual([
      'db.example.test. 0 in A 192.0.2.1',
      'db.example.test. 0 in AAAA 2001:db8::1',
      'db.example.test. none CNAME',
    ])
    expect(lines.conditions[0]).toContain('_holdfast.db.example.test. 0 in TXT "v=holdfast1" "g=4"')
    expect(lines.updates.slice(0, 4)).toEqual([
      'db.example.test. any A',
      'db.example.test. any AAAA',
      'db.example.test. 9 in A 192.0.2.3',
      '_holdfast.db.example.test. any TXT',
    ])
  })

  test('a new alias: if the name is not in use at all', () => {
    expect(text(nothing, alias, 4).conditions).toContain('db.example.test. none ANY')
  })

  test('addresses that become an alias: if no record of another type would keep the alias out', () => {
    const lines = text(standing(two, 4), alias, 5)
    for (const type of ['MX', 'TXT', 'SRV', 'CAA', 'HTTPS', 'NS'])
      expect(lines.conditions).toContain(`db.example.test. none ${type}`)
    expect(lines.updates.slice(0, 3)).toEqual([
      'db.example.test. any A',
      'db.example.test. any AAAA',
      'db.example.test. 7 in CNAME www.example.test.',
    ])
  })

  test('an alias that moves or goes: the old one is the condition, and is deleted before anything is added', () => {
    const lines = text(standing(alias, 4), two, 5)
    expect(lines.conditions).toContain('db.example.test. 0 in CNAME www.example.test.')
    expect(lines.updates.slice(0, 2)).toEqual(['db.example.test. any CNAME', 'db.example.test. 5 in A 192.0.2.1'])
  })

  test('a retirement deletes the records and leaves a tombstone, in one transaction', () => {
    const { updates } = text(standing(two, 4), { kind: 'retired' }, 5)
    expect(updates).toHaveLength(4)
    expect(updates[3]).toContain('"k=retired"')
  })

  test('what is conditional afterwards is what the change writes', () => {
    expect(conditionsAfter(change(nothing, two, 4))).toEqual(conditionsOf(standing(two, 4)))
  })
})

describe('reading', () => {
  const record = (owner: string, type: number, data: Uint8Array, ttl = 5): ResourceRecord => ({
    name: wire(owner),
    type,
    class: Class.IN,
    ttl,
    data,
  })

  test('takes only records whose owner is the name asked for, in any case', () => {
    const cname = record('DB.example.test.', Type.CNAME, nameData(wire('www.example.test.')), 9)
    const beyond = record('www.example.test.', Type.A, aData('192.0.2.9'))
    expect(
      publishedOf(name, {
        txt: [record('_holdfast.www.example.test.', Type.TXT, txtData(['x']))],
        a: [cname, beyond],
        aaaa: [cname],
      }),
    ).toEqual({
      ...nothing,
      alias: 'www.example.test.',
      ttl: 9,
    })
  })

  test('puts the answers together; of two times to live the greater', () => {
    const published = publishedOf(name, {
      txt: [record('_holdfast.db.example.test.', Type.TXT, txtData(['a', 'b']))],
      a: [record('db.example.test.', Type.A, aData('192.0.2.1'))],
      aaaa: [record('db.example.test.', Type.AAAA, aaaaData('2001:db8:0::1'), 60)],
    })
    expect(published).toEqual({
      name,
      marker: [['a', 'b']],
      addresses: ['192.0.2.1', '2001:db8::1'],
      alias: null,
      ttl: 60,
    })
  })
})

test.each([
  [Rcode.NOERROR, 'accepted'],
  [Rcode.NXRRSET, 'conflict'],
  [Rcode.YXRRSET, 'conflict'],
  [Rcode.NXDOMAIN, 'conflict'],
  [Rcode.YXDOMAIN, 'conflict'],
  [Rcode.REFUSED, 'refused'],
  [Rcode.NOTAUTH, 'refused'],
  [Rcode.NOTZONE, 'refused'],
  [Rcode.NOTIMP, 'refused'],
  [Rcode.FORMERR, 'refused'],
  // R17: perhaps only because of a neighbour in the same bulk.
  [Rcode.SERVFAIL, 'unknown'],
  [11, 'unknown'],
])('RCODE %i to an update means %s', (rcode, kind) => {
  expect(outcomeOf({ kind: 'reply', message: { rcode } }, 'here').kind).toBe(kind)
})

test('no answer means unknown; a message that was never sent, refused', () => {
  for (const reason of ['timeout', 'reset', 'closed', 'refused', 'unreachable', 'other'] as const)
    expect(outcomeOf({ kind: 'failure', reason, detail: '' }, 'here').kind).toBe('unknown')
  expect(outcomeOf({ kind: 'failure', reason: 'too-large', detail: '' }, 'here').kind).toBe('refused')
})
