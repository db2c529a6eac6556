/** What answering needs of an RRset again and again, worked out once. */
import { fold, isBelowOrAt, type WireName } from '../dns/name.ts'
import { ipFromData } from '../dns/rdata.ts'
import { Type } from '../dns/types.ts'
import { markerOf } from './guarded.ts'
import { type Names, type Negative, type Node, namesIn, type RRset } from './zone.ts'

/** Types of RFC 1035 whose rdata may be compressed (RFC 3597, section 4), of those that a zone has. */
export const compressible = (type: number): boolean =>
  type === Type.NS ||
  type === Type.CNAME ||
  type === Type.SOA ||
  type === Type.PTR ||
  type === Type.MX ||
  type === Type.MINFO

/**
 * The records as they stand in an answer when their owner is the question's name, one after another: a pointer to
 * offset 12, type, class, TTL, length, rdata.
 */
export function wireOf(rrset: RRset): Uint8Array {
  if (rrset.wire !== undefined) return rrset.wire
  const { type, ttl, datas } = rrset
  const wire = new Uint8Array(datas.reduce((sum, data) => sum + 12 + data.length, 0))
  let at = 0
  for (const data of datas) {
    wire.set([0xc0, 12, type >> 8, type & 255, 0, 1, ttl >>> 24, (ttl >>> 16) & 255, (ttl >>> 8) & 255, ttl & 255], at)
    wire[at + 10] = data.length >> 8
    wire[at + 11] = data.length & 255
    wire.set(data, at + 12)
    at += 12 + data.length
  }
  rrset.wire = wire
  return wire
}

/**
 * The SOA of a negative answer (RFC 2308, section 3), with the time for which "no" may be kept. The zone's name stands at
 * the end of every question for the zone, so owner and names inside the zone are written as pointers to it.
 */
export function negativeOf(soa: RRset, apex: WireName): Negative {
  if (soa.negative !== undefined) return soa.negative
  const data = soa.datas[0] as Uint8Array
  const times = data.subarray(data.length - 20)
  const minimum = new DataView(times.buffer, times.byteOffset, 20).getUint32(16)
  const ttl = Math.min(soa.ttl, minimum)
  const octets = [0xc0, 0, 0, Type.SOA, 0, 1, ttl >>> 24, (ttl >>> 16) & 255, (ttl >>> 8) & 255, ttl & 255, 0, 0]
  const pointers = [0]
  for (const name of targetsOf(soa)) {
    const inside = isBelowOrAt(name, apex) && apex.length > 1
    const written = inside ? name.slice(0, name.length - apex.length) : name
    for (let i = 0; i < written.length; i++) octets.push(written.charCodeAt(i))
    if (!inside) continue
    pointers.push(octets.length)
    octets.push(0xc0, 0)
  }
  octets.push(...times)
  const wire = Uint8Array.from(octets)
  wire[10] = (wire.length - 12) >> 8
  wire[11] = (wire.length - 12) & 255
  soa.negative = { wire, pointers }
  return soa.negative
}

/** The names in the rdata, with the case they have there; as many for each record. */
export function targetsOf(rrset: RRset): readonly WireName[] {
  rrset.targets ??= rrset.datas.flatMap((data) => namesIn(rrset.type, data))
  return rrset.targets
}

/**
 * Weights of an address RRset of a guarded name, in the order of its records; null when all are to be shown alike. An
 * address that the marker does not know (somebody added it, and it will be taken out again) counts as the greatest.
 */
export function weightsOf(zone: Names, node: Node, rrset: RRset): Uint16Array | null {
  if (rrset.weights !== undefined) return rrset.weights
  rrset.weights = weightsFrom(zone, node, rrset)
  return rrset.weights
}

function weightsFrom(zone: Names, { key }: Node, { type, datas }: RRset): Uint16Array | null {
  if ((type !== Type.A && type !== Type.AAAA) || datas.length < 2) return null
  const marker = markerOf(zone, fold(key))
  if (marker === undefined || marker.weights.length === 0) return null
  const known = new Map<string, number>(marker.weights.map(({ address, weight }) => [address, weight]))
  const found = datas.map((data) => known.get(ipFromData(data) ?? ''))
  const greatest = Math.max(1, ...found.map((weight) => weight ?? 1))
  const weights = Uint16Array.from(found, (weight) => weight ?? greatest)
  return weights.every((weight) => weight === greatest) ? null : weights
}
