/**
 * Bringing the settings' records into a zone: all of them when it is made, afterwards what changed since the last time.
 *
 * The zone on disk is the truth. Only records that came from the settings are taken out again, and nothing that belongs
 * to a guarded name (its addresses, its alias, its marker) is touched.
 */
import type { Problem } from '../base/problem.ts'
import { masterLine, readMaster } from '../dns/master.ts'
import { type Message, messageOf, type ResourceRecord } from '../dns/message.ts'
import { fold, nameFromText, root, type WireName } from '../dns/name.ts'
import { nameData, soaData, soaFields } from '../dns/rdata.ts'
import { Class, Opcode, Type } from '../dns/types.ts'
import { endpointKeyOf, markerOf } from './guarded.ts'
import type { ServedZone } from './settings.ts'
import { type Names, sameData } from './zone.ts'

/** SOA with serial 0, NS and the other records, absolute; or what is wrong with the text. */
export function settingsRecords(settings: ServedZone): readonly ResourceRecord[] | readonly Problem[] {
  const apex = wire(settings.name)
  const { mname, rname, ttl, ...times } = settings.soa
  const records: ResourceRecord[] = []
  const add = (type: number, data: Uint8Array) => records.push({ name: apex, type, class: Class.IN, ttl, data })
  add(Type.SOA, soaData({ mname: wire(mname), rname: wire(rname), serial: 0, ...times }))
  for (const server of settings.ns) add(Type.NS, nameData(wire(server)))
  const read = readMaster(settings.records, { origin: apex, file: settings.recordsAt ?? `zone ${settings.name}` })
  return 'kind' in read ? read.problems : [...records, ...read]
}

export const areProblems = (found: readonly ResourceRecord[] | readonly Problem[]): found is readonly Problem[] =>
  found[0] !== undefined && 'todo' in found[0]

const wire = (name: string): WireName => nameFromText(name) as WireName

/** The same records with the serial in their SOA. */
export function withSerial(records: readonly ResourceRecord[], serial: number): ResourceRecord[] {
  return records.map((record) => {
    const fields = record.type === Type.SOA ? soaFields(record.data) : undefined
    return fields === undefined ? record : { ...record, data: soaData({ ...fields, serial }) }
  })
}

/** How the settings are remembered beside the zone. */
export const settingsLines = (records: readonly ResourceRecord[]): readonly string[] => records.map(masterLine).sort()

export interface Settlement {
  /** An update of the zone as RFC 2136 has it; null if there is nothing to do. */
  readonly message: Message | null
  /** The records that are to be there afterwards, besides those that were. */
  readonly brought: readonly ResourceRecord[]
  /** Records left alone because they are the business of a guarded name. */
  readonly skipped: number
}

/** What changed in the settings since `last`, as an update of the zone as it is. */
export function settle(zone: Names, last: readonly string[], records: readonly ResourceRecord[]): Settlement {
  const before = linesToRecords(last)
  const lines = new Set(last)
  const added = records.filter((record) => !lines.has(masterLine(record)))
  const stays = ({ name, type, data }: ResourceRecord) =>
    records.some((other) => other.type === type && fold(other.name) === fold(name) && sameData(type, other.data, data))
  const removed = before.filter((record) => record.type !== Type.SOA && !stays(record))
  const touchable = (record: ResourceRecord) => !isOwned(zone, record)
  const serial = (currentSerial(zone) + 1) >>> 0 || 1
  const brought = withSerial(added.filter(touchable), serial)
  const taken = removed.filter(touchable).map((record): ResourceRecord => ({ ...record, class: Class.NONE, ttl: 0 }))
  // What goes makes room for what comes (an address for an alias), except for the zone's NS, of which the last would stay.
  const isApexNs = ({ name, type }: ResourceRecord) => type === Type.NS && fold(name) === zone.apex
  const updates = [...taken.filter((record) => !isApexNs(record)), ...brought, ...taken.filter(isApexNs)]
  const skipped = [...added, ...removed].length - updates.length
  if (updates.length === 0) return { message: null, brought, skipped }
  return {
    message: messageOf({
      opcode: Opcode.UPDATE,
      questions: [{ name: zone.apex, type: Type.SOA, class: Class.IN }],
      authorities: updates,
    }),
    brought,
    skipped,
  }
}

function linesToRecords(lines: readonly string[]): readonly ResourceRecord[] {
  const read = readMaster(lines.join('\n'), { origin: root })
  return 'kind' in read ? [] : read
}

function isOwned(zone: Names, { name, type }: ResourceRecord): boolean {
  const key = fold(name)
  if (type === Type.A || type === Type.AAAA || type === Type.CNAME) return markerOf(zone, key) !== undefined
  const endpoint = endpointKeyOf(key)
  return type === Type.TXT && endpoint !== undefined && markerOf(zone, endpoint) !== undefined
}

function currentSerial(zone: Names): number {
  const soa = zone.get(zone.apex)?.get(Type.SOA)
  return (soa && soaFields(soa.datas[0] as Uint8Array)?.serial) ?? 0
}
