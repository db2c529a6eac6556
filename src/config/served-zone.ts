/**
 * The zones of the built-in server as it wants them: SOA, NS and the records that are not Holdfast's,
 * checked against the endpoints, which must not stand on the same names.
 */
import { assert } from '../base/assert.ts'
import { isNonEmpty, type NonEmpty } from '../base/nonempty.ts'
import { isProblem } from '../base/problem.ts'
import { readMaster } from '../dns/master.ts'
import type { ResourceRecord } from '../dns/message.ts'
import { fold, nameFromText, nameToText, type WireName } from '../dns/name.ts'
import { Type, typeText } from '../dns/types.ts'
import { isIpv6, parseIp } from '../model/address.ts'
import { isWithin, type Name, parseName } from '../model/name.ts'
import { type Draft, type DraftZone, display, listed } from './draft.ts'
import { type Finding, type Path, type Place, quoted } from './problems.ts'
import type { ZoneShape } from './schema.ts'
import { durationMs, isUnspecified } from './units.ts'

/** As `ServedZone` in `src/serve/settings.ts`. */
export interface ServedZoneConfig {
  readonly name: Name
  readonly keys: readonly WireName[]
  readonly soa: {
    readonly mname: Name
    readonly rname: Name
    readonly refresh: number
    readonly retry: number
    readonly expire: number
    readonly minimum: number
    readonly ttl: number
  }
  readonly ns: NonEmpty<Name>
  readonly records: string
  readonly recordsAt: string
}

type Says = readonly [expected: string, found: string, todo: string]

export function servedZones(
  draft: Draft,
  file: string,
  placeInText: (path: Path, line: number) => Place,
): { readonly zones: readonly ServedZoneConfig[]; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const zones: ServedZoneConfig[] = []
  for (const zone of draft.zones.values()) {
    if (zone.rfc2136 !== null || zone.shape.authority !== 'builtin') continue
    const served = servedZone(zone, draft, findings, placeInText, `${file} ${zone.path.join('.')}.records`)
    if (served !== undefined) zones.push(served)
  }
  return { zones, findings }
}

function servedZone(
  zone: DraftZone,
  draft: Draft,
  findings: Finding[],
  placeInText: (path: Path, line: number) => Place,
  recordsAt: string,
): ServedZoneConfig | undefined {
  const { name, path, shape } = zone
  const report = (where: Path | Place, [expected, found, todo]: Says, severity: Finding['severity'] = 'error') =>
    findings.push({ where, severity, expected, found, todo })
  const readName = (text: string, where: Path): Name | undefined => {
    const read = parseName(text)
    if (!isProblem(read)) return read
    report(where, [read.expected, quoted(text), read.todo])
    return undefined
  }

  const recordsPath = [...path, 'records']
  const text = shape.records ?? ''
  const origin = nameFromText(name)
  assert(origin !== undefined, `expected the zone name ${name} to be a domain name, found otherwise`)
  const read = readMaster(text, { origin, file: '' })
  const records: StaticRecord[] = []
  if ('kind' in read) {
    for (const { at, expected, found, todo } of read.problems) {
      const line = Number(/^:([0-9]+)/.exec(at)?.[1] ?? 1)
      report(placeInText(recordsPath, line), [expected, found, todo])
    }
  } else {
    for (const record of read) records.push(staticRecord(record))
    for (const says of recordFindings(records, zone, draft)) report(recordsPath, says)
    for (const { where, says } of conflicts(records, name, draft)) report(where, says)
  }

  const ns: Name[] = []
  for (const [host, step] of listed<string>(shape.ns ?? [])) {
    const at = [...path, 'ns', ...step]
    const server = readName(host, at)
    if (server === undefined) continue
    ns.push(server)
    const known = records.some(({ owner, type }) => owner === server && isAddress(type)) || draft.endpoints.has(server)
    if (isWithin(server, name) && !known && !('kind' in read))
      report(
        at,
        [
          'the address of a name server inside its own zone',
          `none for ${quoted(display(server))}`,
          `add a record: ${display(server).slice(0, -name.length)} 3600 IN A …`,
        ],
        'warning',
      )
  }
  const own = shape.ns === undefined ? ownNameServer(name, draft, records) : undefined
  if (own !== undefined) ns.push(own.name)
  if (!isNonEmpty(ns)) {
    if (shape.ns === undefined && draft.server !== null && draft.server.listen.length > 0)
      report(path, [
        'the names of its servers, ns',
        'nothing, and a server that listens on every address',
        'add ns, and their addresses in records',
      ])
    return undefined
  }
  return {
    name,
    keys: keyOf(zone, draft),
    soa: soaOf(shape.soa, name, ns[0], path, readName),
    ns,
    records: own === undefined ? text : `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${own.record}`,
    recordsAt,
  }
}

function keyOf(zone: DraftZone, draft: Draft): readonly WireName[] {
  const key = zone.key ?? [...draft.keys.keys()][0]
  const wire = key === undefined ? undefined : nameFromText(key)
  return wire === undefined ? [] : [fold(wire)]
}

function soaOf(
  soa: ZoneShape['soa'],
  zone: Name,
  primary: Name,
  path: Path,
  readName: (text: string, where: Path) => Name | undefined,
): ServedZoneConfig['soa'] {
  const seconds = (text: string | undefined, otherwise: number) =>
    text === undefined ? otherwise : Math.max(1, Math.round((durationMs(text) ?? 0) / 1_000))
  const named = (field: 'mname' | 'rname', otherwise: Name) => {
    const text = soa?.[field]
    return text === undefined ? otherwise : (readName(text, [...path, 'soa', field]) ?? otherwise)
  }
  return {
    mname: named('mname', primary),
    rname: named('rname', `hostmaster.${zone}` as Name),
    refresh: seconds(soa?.refresh, 3_600),
    retry: seconds(soa?.retry, 600),
    expire: seconds(soa?.expire, 604_800),
    minimum: seconds(soa?.negative, 30),
    ttl: soa?.ttl ?? 3_600,
  }
}

interface StaticRecord {
  /** In lower case, absolute. */
  readonly owner: string
  readonly type: number
}

function staticRecord({ name, type }: ResourceRecord): StaticRecord {
  return { owner: nameToText(fold(name)), type }
}

const isAddress = (type: number) => type === Type.A || type === Type.AAAA

/** `ns1` in the zone, with the address that the server listens on, for who names no server. */
function ownNameServer(
  zone: Name,
  draft: Draft,
  records: readonly StaticRecord[],
): { readonly name: Name; readonly record: string } | undefined {
  const address = draft.server?.listen[0]
  if (address === undefined || isUnspecified(address.host)) return undefined
  const name = `ns1.${zone}` as Name
  const ip = parseIp(address.host)
  const known = records.some(({ owner }) => owner === name) || draft.endpoints.has(name)
  const record = `${name} 3600 IN ${ip !== undefined && isIpv6(ip) ? 'AAAA' : 'A'} ${address.host}\n`
  return { name, record: known ? '' : record }
}

/** Records that the zone's text must not hold. */
function* recordFindings(records: readonly StaticRecord[], { name }: DraftZone, draft: Draft): Generator<Says> {
  for (const { owner, type } of records) {
    const what = `${typeText(type)} at ${owner}`
    if (!isWithin(owner as Name, name)) yield [`records in ${display(name)}`, what, 'move it to the zone that it is in']
    else if (type === Type.SOA) yield ['no SOA record here', what, 'write its fields under soa']
    else if (type === Type.NS && owner === name)
      yield ['no NS record of the zone itself here', what, 'write the names under ns']
    else if (owner.split('.').includes('_holdfast'))
      yield ['no name with the label _holdfast', what, 'remove it: markers stand there']
    else if (
      [...draft.zones.keys()].some(
        (zone) =>
          zone !== name &&
          isWithin(zone, name) &&
          isWithin(owner as Name, zone) &&
          !(type === Type.NS && zone === owner),
      )
    )
      yield ['records of this zone alone', `${what}, in a zone of its own`, 'move it to that zone']
  }
}

/** Endpoints that stand where a record of the zone's text stands, or below a delegation. */
function* conflicts(
  records: readonly StaticRecord[],
  zone: Name,
  draft: Draft,
): Generator<{ readonly where: Path | Place; readonly says: Says }> {
  const types = new Map<string, Set<number>>()
  for (const { owner, type } of records) types.set(owner, (types.get(owner) ?? new Set()).add(type))
  if (types.size === 0) return
  for (const { endpoint, where } of draft.endpoints.values()) {
    const { name, from } = endpoint
    if (endpoint.zone !== zone) continue
    const here = types.get(name)
    if (here !== undefined) {
      const clash = [...here].find((type) => from.kind === 'alias' || isAddress(type) || type === Type.CNAME)
      if (clash !== undefined)
        yield {
          where,
          says: [
            'a name that zones.*.records leaves to Holdfast',
            `a ${typeText(clash)} record for ${display(name)} in zones.${display(zone)}.records`,
            'remove that record, or this endpoint',
          ],
        }
    }
    for (let rest: string = name; rest !== zone; rest = rest.slice(rest.indexOf('.') + 1))
      if (types.get(rest)?.has(Type.NS) === true)
        yield {
          where,
          says: [
            'a name that this zone answers for',
            `a name under the delegation at ${rest}`,
            'remove the delegation, or this endpoint',
          ],
        }
  }
}
