import { expect, test } from 'vitest'
import { decodeMessage, encodeMessage, type ResourceRecord } from './message.ts'
import { nameFromText, type WireName } from './name.ts'
import { aData, txtData } from './rdata.ts'
import { Class, Type } from './types.ts'
import {
  addRecord,
  deleteName,
  deleteRecord,
  deleteRrset,
  nameInUse,
  nameNotInUse,
  rrsetAbsent,
  rrsetExactly,
  rrsetExists,
  updateMessage,
} from './update.ts'

const name = (text: string) => nameFromText(text) as WireName
const a = name('a.z.')
const one = aData('192.0.2.1')
const two = aData('192.0.2.2')
const short = ({ type, class: klass, ttl, data }: ResourceRecord) => [type, klass, ttl, data.join('.')]

test('prerequisites have the classes and types of RFC 2136, section 2.4', () => {
  const lines = [
    rrsetExists(a, Type.A),
    rrsetAbsent(a, Type.A),
    nameInUse(a),
    nameNotInUse(a),
    rrsetExactly(a, Type.A, [one, two]),
  ]
  expect(lines.flatMap(({ records }) => records.map(short))).toEqual([
    [Type.A, Class.ANY, 0, ''],
    [Type.A, Class.NONE, 0, ''],
    [Type.ANY, Class.ANY, 0, ''],
    [Type.ANY, Class.NONE, 0, ''],
    [Type.A, Class.IN, 0, '192.0.2.1'],
    [Type.A, Class.IN, 0, '192.0.2.2'],
  ])
})

test('a value given twice is sent once; exactly nothing is absent', () => {
  expect(rrsetExactly(a, Type.A, [one, two, aData('192.0.2.1')]).records).toHaveLength(2)
  expect(rrsetExactly(a, Type.A, [])).toEqual(rrsetAbsent(a, Type.A))
})

test('updates have the classes and types of RFC 2136, section 2.5', () => {
  const lines = [addRecord(a, Type.A, 60, one), deleteRrset(a, Type.A), deleteName(a), deleteRecord(a, Type.A, one)]
  expect(lines.map(({ record }) => short(record))).toEqual([
    [Type.A, Class.IN, 60, '192.0.2.1'],
    [Type.A, Class.ANY, 0, ''],
    [Type.ANY, Class.ANY, 0, ''],
    [Type.A, Class.NONE, 0, '192.0.2.1'],
  ])
})

test('a message has zone, prerequisites and updates in their sections, in order', () => {
  const message = updateMessage(
    77,
    name('z.'),
    [rrsetExactly(a, Type.A, [one, two]), rrsetExists(a, Type.TXT)],
    [deleteRrset(a, Type.A), addRecord(a, Type.A, 60, two), addRecord(a, Type.TXT, 0, txtData(['x']))],
  )
  expect(message).toMatchObject({
    id: 77,
    opcode: 5,
    qr: false,
    questions: [{ name: name('z.'), type: Type.SOA, class: Class.IN }],
  })
  expect([message.answers.length, message.authorities.length, message.additionals.length]).toEqual([3, 3, 0])
  expect(decodeMessage(encodeMessage(message))).toEqual(message)
})
