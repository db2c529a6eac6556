/**
 * One endpoint as DNS messages: the answers that tell what is published, and the update that
 * replaces exactly that (RFC 2136, section 5: the marker pattern).
 *
 * The condition names the old marker *and* the old records. A marker alone stops only writers that
 * honour it; with the records, an edit by hand is a conflict that is seen, not an edit that is half
 * overwritten.
 */

import { assert } from '../../base/assert.ts'
import type { ResourceRecord } from '../../dns/message.ts'
import { fold, nameFromText, nameToText, type WireName } from '../../dns/name.ts'
import { aaaaData, aData, ipFromData, nameData, nameFromData, txtData, txtStrings } from '../../dns/rdata.ts'
import { Type } from '../../dns/types.ts'
import {
  addRecord,
  deleteRrset,
  nameNotInUse,
  type Prerequisite,
  rrsetAbsent,
  rrsetExactly,
  type Update,
} from '../../dns/update.ts'
import type { IpAddress } from '../../model/address.ts'
import { isIpv6 } from '../../model/address.ts'
import { markerStrings } from '../../model/marker.ts'
import { markerNameOf, type Name } from '../../model/name.ts'
import type { Change, Published } from '../provider.ts'

export interface Transaction {
  readonly prerequisites: readonly Prerequisite[]
  readonly updates: readonly Update[]
}

/**
 * Types that must not stand beside a CNAME (RFC 1034, section 3.6.2). A server that is asked to put
 * one there says NOERROR and skips it, after it has deleted the addresses: the name would be empty.
 * `name is not in use` cannot be said of a name whose addresses are to be replaced, so an address
 * that becomes an alias is conditional on the absence of each of these.
 */
const besideNoAlias: readonly number[] = [
  Type.NS,
  Type.SOA,
  Type.WKS,
  Type.PTR,
  Type.HINFO,
  Type.MINFO,
  Type.MX,
  Type.TXT,
  Type.RP,
  Type.AFSDB,
  Type.RT,
  Type.PX,
  Type.LOC,
  Type.SRV,
  Type.NAPTR,
  Type.KX,
  Type.CERT,
  Type.DNAME,
  Type.APL,
  Type.DS,
  Type.SSHFP,
  Type.IPSECKEY,
  Type.DHCID,
  Type.TLSA,
  Type.SMIMEA,
  Type.HIP,
  Type.OPENPGPKEY,
  Type.SVCB,
  Type.HTTPS,
  Type.SPF,
  Type.URI,
  Type.CAA,
]

export function wireName(name: Name): WireName {
  const wire = nameFromText(name)
  assert(wire !== undefined, `expected a domain name, found ${JSON.stringify(name)}`)
  return wire
}

/** The record sets of one endpoint, as data of records. */
interface Sets {
  readonly a: readonly Uint8Array[]
  readonly aaaa: readonly Uint8Array[]
  readonly cname: readonly Uint8Array[]
}

function setsOf(addresses: readonly IpAddress[], alias: Name | null): Sets {
  return {
    a: addresses.filter((address) => !isIpv6(address)).map(aData),
    aaaa: addresses.filter(isIpv6).map(aaaaData),
    cname: alias === null ? [] : [nameData(wireName(alias))],
  }
}

/** The update that carries out a change, if exactly what was read is still there. */
export function transactionOf({ name, expected, answer, marker }: Change): Transaction {
  const owner = wireName(name)
  const markerOwner = wireName(markerNameOf(name))
  const before = setsOf(expected.addresses, expected.alias)
  const after = setsOf(
    answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address) : [],
    answer.kind === 'alias' ? answer.target : null,
  )
  const ttl = answer.kind === 'retired' ? 0 : answer.ttl

  const updates: Update[] = []
  const replace = (type: number, old: readonly Uint8Array[], now: readonly Uint8Array[]) => {
    if (old.length > 0) updates.push(deleteRrset(owner, type))
    return () => updates.push(...now.map((data) => addRecord(owner, type, ttl, data)))
  }
  // All deletions first: an address is skipped where a CNAME still stands, and the other way round.
  const additions = [
    replace(Type.A, before.a, after.a),
    replace(Type.AAAA, before.aaaa, after.aaaa),
    replace(Type.CNAME, before.cname, after.cname),
  ]
  for (const add of additions) add()
  if (expected.marker.length > 0) updates.push(deleteRrset(markerOwner, Type.TXT))
  updates.push(addRecord(markerOwner, Type.TXT, markerTtl, txtData(markerStrings(marker))))

  return { prerequisites: [...conditionsOf(expected), ...aliasConditions(owner, before, after)], updates }
}

/** Nobody caches markers on purpose; enactors ask the authority itself. */
const markerTtl = 0

function aliasConditions(owner: WireName, before: Sets, after: Sets): Prerequisite[] {
  if (after.cname.length === 0 || before.cname.length > 0) return []
  if (before.a.length === 0 && before.aaaa.length === 0) return [nameNotInUse(owner)]
  return besideNoAlias.map((type) => rrsetAbsent(owner, type))
}

/** That marker and records are exactly those read: no more, no fewer, no others. */
export function conditionsOf({ name, marker, addresses, alias }: Published): Prerequisite[] {
  const owner = wireName(name)
  const { a, aaaa, cname } = setsOf(addresses, alias)
  return [
    rrsetExactly(wireName(markerNameOf(name)), Type.TXT, marker.map(txtData)),
    rrsetExactly(owner, Type.A, a),
    rrsetExactly(owner, Type.AAAA, aaaa),
    rrsetExactly(owner, Type.CNAME, cname),
  ]
}

/** That exactly what this change writes stands there. */
export function conditionsAfter({ name, answer, marker }: Change): Prerequisite[] {
  return conditionsOf({
    name,
    marker: [markerStrings(marker)],
    addresses: answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address) : [],
    alias: answer.kind === 'alias' ? answer.target : null,
    ttl: null,
  })
}

/**
 * What the answers to three questions (TXT at the marker's name, A and AAAA at the endpoint) say. An
 * answer may go on along an alias: only records whose owner is the name asked for count.
 */
export function publishedOf(
  name: Name,
  answers: {
    readonly txt: readonly ResourceRecord[]
    readonly a: readonly ResourceRecord[]
    readonly aaaa: readonly ResourceRecord[]
  },
): Published {
  const owner = wireName(name)
  const markerOwner = wireName(markerNameOf(name))
  const at = (records: readonly ResourceRecord[], place: WireName, type: number) =>
    records.filter((record) => record.type === type && fold(record.name) === place)
  const addressRecords = [...at(answers.a, owner, Type.A), ...at(answers.aaaa, owner, Type.AAAA)]
  // Both answers show it; one is enough, and they may be of different moments.
  const [aliasRecord] = [...at(answers.a, owner, Type.CNAME), ...at(answers.aaaa, owner, Type.CNAME)]
  const alias = aliasRecord === undefined ? undefined : nameFromData(aliasRecord.data)
  const ttls = [...addressRecords, ...(aliasRecord === undefined ? [] : [aliasRecord])].map(({ ttl }) => ttl)
  return {
    name,
    marker: at(answers.txt, markerOwner, Type.TXT).map(({ data }) => txtStrings(data) ?? ['']),
    addresses: addressRecords.flatMap(({ data }) => ipFromData(data) ?? []),
    alias: alias === undefined ? null : (nameToText(alias) as Name),
    ttl: ttls.length === 0 ? null : Math.max(...ttls),
  }
}
