/** Dynamic update messages (RFC 2136) as pure functions: what has to hold, and what is to change. */
import { type Message, messageOf, type ResourceRecord } from './message.ts'
import type { WireName } from './name.ts'
import { Class, Opcode, Type } from './types.ts'

/** One line of the prerequisite section (section 2.4). */
export interface Prerequisite {
  readonly kind: 'prerequisite'
  readonly records: readonly ResourceRecord[]
}

/** One line of the update section (section 2.5). */
export interface Update {
  readonly kind: 'update'
  readonly record: ResourceRecord
}

const none = new Uint8Array()

function prerequisite(name: WireName, type: number, klass: number, datas: readonly Uint8Array[]): Prerequisite {
  return { kind: 'prerequisite', records: datas.map((data) => ({ name, type, class: klass, ttl: 0, data })) }
}

/** The name has no record of this type. Otherwise: YXRRSET. */
export const rrsetAbsent = (name: WireName, type: number): Prerequisite => prerequisite(name, type, Class.NONE, [none])

/** The name has at least one record of this type. Otherwise: NXRRSET. */
export const rrsetExists = (name: WireName, type: number): Prerequisite => prerequisite(name, type, Class.ANY, [none])

/**
 * The RRset consists of exactly these records, whatever its TTL. Otherwise: NXRRSET. A value that is given twice is sent
 * once, since servers differ on duplicates. An empty list means that the RRset is absent.
 */
export function rrsetExactly(name: WireName, type: number, datas: readonly Uint8Array[]): Prerequisite {
  if (datas.length === 0) return rrsetAbsent(name, type)
  const distinct = new Map(datas.map((data) => [data.join(), data]))
  return prerequisite(name, type, Class.IN, [...distinct.values()])
}

/** The name has no record at all; an empty non-terminal has none either. Otherwise: YXDOMAIN. */
export const nameNotInUse = (name: WireName): Prerequisite => prerequisite(name, Type.ANY, Class.NONE, [none])

/** The name has at least one record. Otherwise: NXDOMAIN. */
export const nameInUse = (name: WireName): Prerequisite => prerequisite(name, Type.ANY, Class.ANY, [none])

function update(name: WireName, type: number, klass: number, ttl: number, data: Uint8Array): Update {
  return { kind: 'update', record: { name, type, class: klass, ttl, data } }
}

/** Deletes all records of one type; no error if there are none. At the apex SOA and NS stay. */
export const deleteRrset = (name: WireName, type: number): Update => update(name, type, Class.ANY, 0, none)

/** Deletes all records of the name; no error if there are none. At the apex SOA and NS stay. */
export const deleteName = (name: WireName): Update => update(name, Type.ANY, Class.ANY, 0, none)

/** Deletes one record; no error if it is not there. The last apex NS stays. */
export const deleteRecord = (name: WireName, type: number, data: Uint8Array): Update =>
  update(name, type, Class.NONE, 0, data)

/** Adds a record. A server skips it silently, in spite of NOERROR, where a CNAME would stand beside other data. */
export function addRecord(name: WireName, type: number, ttl: number, data: Uint8Array): Update {
  return update(name, type, Class.IN, ttl, data)
}

/** All updates happen, in this order, if all prerequisites hold; otherwise none does (section 3). */
export function updateMessage(
  id: number,
  zone: WireName,
  prerequisites: readonly Prerequisite[],
  updates: readonly Update[],
): Message {
  return messageOf({
    id,
    opcode: Opcode.UPDATE,
    questions: [{ name: zone, type: Type.SOA, class: Class.IN }],
    answers: prerequisites.flatMap(({ records }) => records),
    authorities: updates.map(({ record }) => record),
  })
}
