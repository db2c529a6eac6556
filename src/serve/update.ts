/**
 * Dynamic update as RFC 2136 section 3 says, as a function: a message and the state that it is judged on in, the draft of
 * the next state or a refusal out. All or nothing; the serial rises with every message that changes a record; the SOA
 * goes only forward and the last NS of a zone stays; an alias never comes to stand beside other data.
 */
import type { Message, ResourceRecord } from '../dns/message.ts'
import { fold, isBelowOrAt, nameToText, type WireName } from '../dns/name.ts'
import { soaData, soaFields, validateRdata } from '../dns/rdata.ts'
import { Class, Rcode, Type, typeText } from '../dns/types.ts'
import { guardUpdate } from './guard.ts'
import { dnameAbove, nodeFault } from './load.ts'
import { TableDraft, type View } from './table.ts'
import { type Draft, hasData, isCut, type Names, RRset, sameData } from './zone.ts'

export type UpdateResult =
  /** What will be true. `changed` is false when everything already was as it was to be. */
  | { readonly kind: 'accepted'; readonly zone: WireName; readonly draft: TableDraft; readonly changed: boolean }
  /** Nothing is changed. `guard` names the rule if it was one of the guards (`guard.ts`). */
  | { readonly kind: 'refused'; readonly rcode: number; readonly reason: string; readonly guard: string | null }

/** Octets of rdata of one RRset: more than this would not fit into one answer. */
const maxRrsetOctets = 48_000

const refused = (rcode: number, reason: string, guard: string | null = null): UpdateResult => ({
  kind: 'refused',
  rcode,
  reason,
  guard,
})

/** The zone that an update is for: its apex in lower case, or a refusal. RFC 2136, section 3.1. */
export function updateZone(
  view: View,
  { questions }: Message,
): Names | { readonly rcode: number; readonly reason: string } {
  const [question] = questions
  if (question === undefined || questions.length !== 1 || question.type !== Type.SOA)
    return { rcode: Rcode.FORMERR, reason: 'expected one zone in the zone section, with type SOA' }
  const key = fold(question.name)
  const zone = question.class === Class.IN ? view.zoneOf(key) : undefined
  if (zone === undefined || zone.apex !== key)
    return { rcode: Rcode.NOTAUTH, reason: `expected a zone of this server, found ${nameToText(question.name)}` }
  return zone
}

/** Judges an update whose sender is allowed to make it. */
export function applyUpdate(view: View, message: Message): UpdateResult {
  const zone = updateZone(view, message)
  if ('rcode' in zone) return refused(zone.rcode, zone.reason)
  const unmet = checkPrerequisites(zone, message.answers)
  if (unmet !== undefined) return refused(...unmet)
  const unfit = scan(zone, message.authorities)
  if (unfit !== undefined) return refused(...unfit)

  const next = new TableDraft(view)
  const draft = next.draftOf(zone)
  for (const record of message.authorities) change(draft, record)
  if (!draft.prune()) return { kind: 'accepted', zone: zone.apex, draft: new TableDraft(view), changed: false }
  const fault = findFault(zone, draft)
  if (fault !== undefined) return refused(Rcode.REFUSED, fault)
  raiseSerial(zone, draft)
  next.noteAliases(draft.changes.values())
  const guarded = guardUpdate(view, next, zone.apex, draft.changes)
  if (guarded !== undefined) return refused(Rcode.REFUSED, guarded.reason, guarded.rule)
  return { kind: 'accepted', zone: zone.apex, draft: next, changed: true }
}

type Unfit = readonly [rcode: number, reason: string] | undefined

/** Section 3.2. */
function checkPrerequisites(zone: Names, prerequisites: readonly ResourceRecord[]): Unfit {
  const exact = new Map<string, { readonly name: WireName; readonly type: number; readonly datas: Uint8Array[] }>()
  for (const { name, type, class: klass, ttl, data } of prerequisites) {
    const key = fold(name)
    const shown = `${nameToText(name)} ${typeText(type)}`
    if (ttl !== 0) return [Rcode.FORMERR, `prerequisite ${shown}: expected TTL 0, found ${ttl}`]
    if (!isBelowOrAt(key, zone.apex))
      return [Rcode.NOTZONE, `prerequisite ${shown}: not in zone ${nameToText(zone.apex)}`]
    const node = zone.get(key)
    if (klass === Class.IN) {
      const wanted = exact.get(`${key}${type}`)
      if (type === Type.ANY) return [Rcode.FORMERR, `prerequisite ${shown}: expected a type`]
      if (wanted === undefined) exact.set(`${key}${type}`, { name, type, datas: [data] })
      else wanted.datas.push(data)
      continue
    }
    if ((klass !== Class.ANY && klass !== Class.NONE) || data.length > 0)
      return [Rcode.FORMERR, `prerequisite ${shown}: expected class ANY or NONE without rdata, or class IN`]
    const there = type === Type.ANY ? (node?.rrsets.length ?? 0) > 0 : node?.get(type) !== undefined
    if (klass === Class.ANY && !there)
      return [
        type === Type.ANY ? Rcode.NXDOMAIN : Rcode.NXRRSET,
        `prerequisite ${shown}: expected to exist, found nothing`,
      ]
    if (klass === Class.NONE && there)
      return [type === Type.ANY ? Rcode.YXDOMAIN : Rcode.YXRRSET, `prerequisite ${shown}: expected nothing, found it`]
  }
  for (const { name, type, datas } of exact.values()) {
    const rrset = zone.get(fold(name))?.get(type)
    const same =
      rrset !== undefined &&
      rrset.datas.length === datas.length &&
      datas.every((data) => hasData(rrset, data)) &&
      rrset.datas.every((data) => datas.some((other) => sameData(type, data, other)))
    if (!same)
      return [
        Rcode.NXRRSET,
        `prerequisite ${nameToText(name)} ${typeText(type)}: expected exactly the ${datas.length} records given, found ${rrset?.datas.length ?? 0} or others`,
      ]
  }
  return undefined
}

/** Section 3.4.1: everything is looked at before anything is done. */
function scan(zone: Names, updates: readonly ResourceRecord[]): Unfit {
  for (const { name, type, class: klass, ttl, data } of updates) {
    const shown = `update ${nameToText(name)} ${typeText(type)}`
    if (!isBelowOrAt(name, zone.apex)) return [Rcode.NOTZONE, `${shown}: not in zone ${nameToText(zone.apex)}`]
    if (klass === Class.IN) {
      if (!validateRdata(type, data))
        return [Rcode.FORMERR, `${shown}: expected rdata of this type, found ${data.length} octets that are not`]
      if (ttl >= 2 ** 31) return [Rcode.FORMERR, `${shown}: expected a TTL under 2^31, found ${ttl}`]
    } else if (klass === Class.ANY) {
      if (ttl !== 0 || data.length > 0)
        return [Rcode.FORMERR, `${shown}: expected TTL 0 and no rdata to delete an RRset`]
      if (isMeta(type) && type !== Type.ANY) return [Rcode.FORMERR, `${shown}: no type that can be deleted`]
    } else if (klass === Class.NONE) {
      if (ttl !== 0 || isMeta(type)) return [Rcode.FORMERR, `${shown}: expected TTL 0 and a type to delete a record`]
    } else return [Rcode.FORMERR, `${shown}: expected class IN, ANY or NONE, found ${klass}`]
  }
  return undefined
}

const isMeta = (type: number): boolean => type === 0 || type === Type.OPT || (type >= 128 && type <= 255)

/** Section 3.4.2. */
function change(draft: Draft, record: ResourceRecord): void {
  const { name, type, class: klass, data } = record
  if (klass === Class.IN) add(draft, record)
  else if (klass === Class.NONE) remove(draft, name, type, data)
  else if (type !== Type.ANY) removeAll(draft, name, type)
  else for (const rrset of draft.get(fold(name))?.rrsets ?? []) removeAll(draft, name, rrset.type)
}

function add(draft: Draft, { name, type, ttl, data }: ResourceRecord): void {
  const key = fold(name)
  const node = draft.get(key)
  const old = node?.get(type)
  if (type === Type.SOA) {
    const serials = [soaFields(data)?.serial, old && soaFields(old.datas[0] as Uint8Array)?.serial]
    if (key !== draft.apex || !isAfter(serials[0] ?? 0, serials[1] ?? 0)) return
  } else if (type === Type.CNAME) {
    if (node?.rrsets.some((other) => other.type !== Type.CNAME)) return
  } else if (node?.cname !== undefined) return
  const single = type === Type.SOA || type === Type.CNAME || type === Type.DNAME
  const others = single || old === undefined ? [] : old.datas
  const at = others.findIndex((other) => sameData(type, other, data))
  const datas = at < 0 ? [...others, data] : others.map((other, index) => (index === at ? data : other))
  draft.writeRrset(name, type, new RRset(type, ttl, datas))
}

function removeAll(draft: Draft, name: WireName, type: number): void {
  if (fold(name) === draft.apex && (type === Type.SOA || type === Type.NS)) return
  if (draft.get(fold(name))?.get(type) !== undefined) draft.writeRrset(name, type, undefined)
}

function remove(draft: Draft, name: WireName, type: number, data: Uint8Array): void {
  const key = fold(name)
  const old = draft.get(key)?.get(type)
  if (old === undefined || type === Type.SOA) return
  const datas = old.datas.filter((other) => !sameData(type, other, data))
  if (datas.length === old.datas.length || (datas.length === 0 && key === draft.apex && type === Type.NS)) return
  draft.writeRrset(name, type, datas.length === 0 ? undefined : new RRset(type, old.ttl, datas))
}

/** Section 3.6: one step for the message, unless it brought a newer SOA itself. Zero is left out, as some take it for "none". */
export function raiseSerial(before: Names, draft: Draft): void {
  const soa = draft.get(draft.apex)?.get(Type.SOA)
  const fields = soa && soaFields(soa.datas[0] as Uint8Array)
  const old = before.get(before.apex)?.get(Type.SOA)
  const oldSerial = old && soaFields(old.datas[0] as Uint8Array)?.serial
  if (soa === undefined || fields === undefined || fields.serial !== oldSerial) return
  const serial = (fields.serial + 1) >>> 0 || 1
  draft.writeRrset(draft.apex, Type.SOA, new RRset(Type.SOA, soa.ttl, [soaData({ ...fields, serial })]))
}

/** Serial arithmetic (RFC 1982). */
export const isAfter = (a: number, b: number): boolean => a !== b && (a - b) >>> 0 < 2 ** 31

/** What would break a rule of zones (`load.ts`) or a bound. */
export function findFault(before: Names, draft: Draft): string | undefined {
  for (const [key, node] of draft.changes) {
    if (node === null) continue
    const fault = nodeFault(node, draft.apex)
    if (fault !== undefined) return `${nameToText(key)}: expected ${fault.expected}, found ${fault.found}`
    for (const { type, datas } of node.rrsets) {
      const octets = datas.reduce((sum, data) => sum + data.length + 12, 0)
      if (octets > maxRrsetOctets)
        return `${nameToText(key)} ${typeText(type)}: expected at most ${maxRrsetOctets} octets in one RRset, found ${octets}`
    }
    const isNew = before.get(key) === undefined
    if (node.hasDname && node.children > 0 && !before.get(key)?.hasDname)
      return `${nameToText(key)}: expected nothing below a DNAME, found names`
    const above = isNew && draft.cuts > 0 ? dnameAbove(draft, key) : undefined
    if (above !== undefined && !isCut(before.get(key), draft.apex))
      return `${nameToText(key)}: expected nothing below the DNAME of ${nameToText(above.key)}, found a new name`
  }
  return undefined
}
