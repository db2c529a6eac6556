/** A zone from records: the rules that make it a zone (RFC 1035 section 5.2, 2181, 4592, 6672, 9471). */
import { type Problem, problem } from '../base/problem.ts'
import type { ResourceRecord } from '../dns/message.ts'
import { fold, isBelowOrAt, isWildcard, nameToText, parentOf, type WireName } from '../dns/name.ts'
import { rdataToText, soaFields, validateRdata } from '../dns/rdata.ts'
import { Class, Type, typeText } from '../dns/types.ts'
import { lookUp } from './lookup.ts'
import { type Node, namesIn, RRset, sameData, type Zone, zoneFromNames } from './zone.ts'

/** The zone, or everything that is wrong with it (at most 100 things). `at` says where the records came from. */
export function zoneOf(apex: WireName, records: readonly ResourceRecord[], at: string): Zone | readonly Problem[] {
  const problems: Problem[] = []
  const refuse = (name: WireName, expected: string, found: string) => {
    if (problems.length < 100)
      problems.push(problem(`${at}: ${nameToText(name)}`, expected, found, 'correct the record'))
  }
  const owners: [name: WireName, rrsets: RRset[]][] = []
  for (const [name, records_] of byOwner(records)) {
    if (!isBelowOrAt(name, apex)) refuse(name, `a name in ${nameToText(apex)}`, 'another one')
    else owners.push([(records_[0] as ResourceRecord).name, rrsetsOf(records_, refuse)])
  }
  const zone = zoneFromNames(fold(apex), owners)
  if (problems.length === 0) for (const node of zone.nodes.values()) checkNode(zone, node, refuse)
  checkApex(zone, refuse)
  return problems.length === 0 ? zone : problems
}

type Refuse = (name: WireName, expected: string, found: string) => void

function byOwner(records: readonly ResourceRecord[]): Map<WireName, ResourceRecord[]> {
  const owners = new Map<WireName, ResourceRecord[]>()
  for (const record of records) {
    const key = fold(record.name)
    const known = owners.get(key)
    if (known === undefined) owners.set(key, [record])
    else known.push(record)
  }
  return owners
}

function rrsetsOf(records: readonly ResourceRecord[], refuse: Refuse): RRset[] {
  const byType = new Map<number, { ttl: number; datas: Uint8Array[] }>()
  for (const { name, type, class: klass, ttl, data } of records) {
    if (klass !== Class.IN) refuse(name, 'class IN', `class ${klass}`)
    if (!validateRdata(type, data))
      refuse(name, `rdata of type ${typeText(type)}`, `${data.length} octets that are not`)
    if (ttl >= 2 ** 31) refuse(name, 'a TTL under 2^31 (RFC 2181, section 8)', String(ttl))
    const known = byType.get(type)
    if (known === undefined) byType.set(type, { ttl, datas: [data] })
    else {
      if (known.ttl !== ttl) refuse(name, `one TTL for all ${typeText(type)} records`, `${known.ttl} and ${ttl}`)
      if (known.datas.some((other) => sameData(type, other, data)))
        refuse(name, 'each record once', `${typeText(type)} ${rdataToText(type, data)} twice`)
      known.datas.push(data)
    }
  }
  return [...byType].map(([type, { ttl, datas }]) => new RRset(type, ttl, datas))
}

function checkApex(zone: Zone, refuse: Refuse): void {
  const apex = zone.get(zone.apex)
  const soa = apex?.get(Type.SOA)
  if (soa === undefined) refuse(zone.apex, 'one SOA record', 'none')
  else if (soa.datas.length > 1) refuse(zone.apex, 'one SOA record', `${soa.datas.length}`)
  else if (soaFields(soa.datas[0] as Uint8Array) === undefined)
    refuse(zone.apex, 'a SOA record', 'one that cannot be read')
  if (apex?.get(Type.NS) === undefined) refuse(zone.apex, 'at least one NS record', 'none')
}

function checkNode(zone: Zone, node: Node, refuse: Refuse): void {
  const { name, key } = node
  const fault = nodeFault(node, zone.apex)
  if (fault !== undefined) refuse(name, fault.expected, fault.found)
  if (node.hasDname && node.children > 0) refuse(name, 'nothing below a DNAME', 'records')
  // The servers of the zone itself may be endpoints, whose addresses come later.
  const ns = key === zone.apex ? undefined : node.get(Type.NS)
  for (const data of ns?.datas ?? []) {
    const [target] = namesIn(Type.NS, data)
    if (target !== undefined && isBelowOrAt(target, key) && !hasGlue(zone, fold(target)))
      refuse(name, `an address for its server ${nameToText(target)}`, 'none')
  }
}

/** What is wrong with the RRsets of one name by themselves. */
export function nodeFault(
  node: Node,
  apex: WireName,
): { readonly expected: string; readonly found: string } | undefined {
  const { rrsets, key } = node
  if (node.cname !== undefined) {
    if (rrsets.length > 1)
      return { expected: 'CNAME alone (RFC 1034, section 3.6.2)', found: 'other records beside it' }
    if (node.cname.datas.length > 1) return { expected: 'one CNAME', found: `${node.cname.datas.length}` }
  }
  if (node.hasDname) {
    if ((node.get(Type.DNAME)?.datas.length ?? 0) > 1) return { expected: 'one DNAME', found: 'several' }
    if (node.hasNs && key !== apex) return { expected: 'DNAME or NS', found: 'both' }
  }
  if (isWildcard(key) && (node.hasNs || node.hasDname || node.get(Type.SOA) !== undefined) && key !== apex)
    return { expected: 'no NS, DNAME or SOA at a wildcard (RFC 4592, section 4)', found: 'one' }
  if (key !== apex && node.get(Type.SOA) !== undefined) return { expected: 'SOA at the apex only', found: 'one here' }
  return undefined
}

/** An address at this name in the zone, or the name is somebody else's to answer. */
function hasGlue(zone: Zone, target: WireName): boolean {
  if (zone.get(target)?.hasAddress) return true
  const place = lookUp(zone, target, Type.A)
  if (place.kind === 'node') return place.node.hasAddress || place.node.cname !== undefined
  return place.kind === 'dname' || (place.kind === 'cut' && !isBelowOrAt(target, place.node.key))
}

/** The DNAME above a name, which would hide it. */
export function dnameAbove(
  zone: { get(key: WireName): Node | undefined; readonly apex: WireName },
  key: WireName,
): Node | undefined {
  for (let name = key; name !== zone.apex; ) {
    name = parentOf(name)
    const node = zone.get(name)
    if (node?.hasDname) return node
  }
  return undefined
}
