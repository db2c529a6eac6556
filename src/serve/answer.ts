/**
 * The answer to a question, from a table: octets in, octets out, no sockets, no clock, nothing else changed.
 *
 * RFC 1034 section 4.3.2, with 2181, 2308, 4592, 6672, 6891, 8020, 8482 and 9471. Where good servers differ: no NS records
 * beside a positive answer; a CNAME is followed inside its zone only, at most 16 times, and a chain that is longer or a
 * circle is answered as far as it goes; ANY over UDP is one RRset.
 */
import { fold, isBelowOrAt, type WireName } from '../dns/name.ts'
import { Rcode, Type } from '../dns/types.ts'
import { compressible, negativeOf, targetsOf, weightsOf, wireOf } from './compiled.ts'
import { lookUp } from './lookup.ts'
import { Query, Reading, readQuery } from './query.ts'
import { Reply } from './reply.ts'
import type { Table } from './table.ts'
import { chooseWeighted } from './weigh.ts'
import type { Node, RRset, Zone } from './zone.ts'

export interface Asking {
  readonly tcp: boolean
  /** Octets of a reply over UDP at most, whatever the client offers. */
  readonly udpSize: number
  /** Octets to leave free at the end, for a signature. */
  readonly reserve: number
  /** Whole RRsets in stored order, for a client that may change them; otherwise weighted and shuffled. */
  readonly whole: boolean
  /** Whole numbers 0 <= n < 2^32. */
  readonly random: () => number
}

/** No answer is due. */
export const silence = 0
/** The message is signed, or is no query: `answer` does not know. */
export const handoff = -1

const maxChain = 16

// Used again by every answer: one thread, no await in between.
const query = new Query()
const reply = new Reply()
const chosen = new Uint16Array(0xffff)

/**
 * Answers the query in the first `length` octets of `message` into `out`, which has to have 65,535 octets. Returns the
 * length of the reply with its RCODE in the bits above 16 (`lengthOf`, `rcodeOf`), or `silence`, or `handoff`.
 */
export function answer(table: Table, message: Uint8Array, length: number, asking: Asking, out: Uint8Array): number {
  const reading = readQuery(message, length, query)
  if (reading === Reading.silent) return silence
  if (reading === Reading.handoff) return handoff
  const limit = asking.tcp ? 0xffff : Math.min(asking.udpSize, query.udpSize)
  reply.begin(out, message, query, limit - asking.reserve)
  if (reading === Reading.refusal) return pack(query.rcode, false)
  let zone = table.zoneOf(query.key)
  if (zone === undefined) return pack(Rcode.REFUSED, false)
  if (query.type === Type.DS && zone.apex === query.key) zone = parentZone(table, zone) ?? zone

  return quickAnswer(zone, asking) ?? new Walk(zone, query.nameIn(message), asking).run()
}

/** Most questions: what is asked for stands at the name itself, with nothing to follow, to compress or to add; or it does not exist. */
function quickAnswer(zone: Zone, asking: Asking): number | undefined {
  const { key, type } = query
  let node = zone.cuts === 0 ? zone.nodes.get(key) : undefined
  if (node === undefined) {
    const place = lookUp(zone, key, type)
    if (place.kind === 'none') return negative(zone, Rcode.NXDOMAIN)
    if (place.kind !== 'node') return undefined
    node = place.node
  }
  if (node.cname !== undefined || type === Type.ANY) return undefined
  const rrset = node.get(type)
  if (rrset === undefined) return negative(zone, Rcode.NOERROR)
  if (compressible(type) || hasAdditional(type)) return undefined
  addDirect(zone, node, rrset, asking)
  return pack(Rcode.NOERROR, true)
}

function negative(zone: Zone, rcode: number): number {
  if (!reply.copyNegative(negativeOf(zone.soa, zone.apex), 12 + query.key.length - zone.apex.length))
    reply.truncated = true
  return pack(rcode, true)
}

export const lengthOf = (result: number): number => result & 0xffff
export const rcodeOf = (result: number): number => result >>> 16

function pack(rcode: number, aa: boolean): number {
  return reply.finish(rcode, aa) | (rcode << 16)
}

function parentZone(table: Table, { apex }: Zone): Zone | undefined {
  return apex.length === 1 ? undefined : table.zoneOf(apex.slice(1 + apex.charCodeAt(0)) as WireName)
}

const hasAdditional = (type: number): boolean =>
  type === Type.SRV || type === Type.SVCB || type === Type.HTTPS || type === Type.MX || type === Type.NS

/** The RRset at the question's own name, into the answer section; TC if it does not fit. */
function addDirect(zone: Zone, node: Node, rrset: RRset, asking: Asking): void {
  const wire = wireOf(rrset)
  const count = rrset.datas.length
  let fits: boolean
  if (count === 1 || asking.whole || count > chosen.length) fits = reply.copyWire(wire, count)
  else {
    const shown = choose(zone, node, rrset, asking)
    if (wire.length === count * (12 + (rrset.datas[0] as Uint8Array).length) && sameSize(rrset))
      fits = reply.copyChosen(wire, wire.length / count, chosen, shown)
    else fits = reply.addRrset(0, query.key, rrset, rrset.ttl, chosen.subarray(0, shown))
  }
  if (!fits) reply.truncated = true
}

const sameSize = ({ type }: RRset): boolean => type === Type.A || type === Type.AAAA

/** Which records of an RRset to show, in `chosen`: all, from a random one on, unless a marker gives them weights. */
function choose(zone: Zone, node: Node, rrset: RRset, asking: Asking): number {
  const weights = weightsOf(zone, node, rrset)
  if (weights !== null) return chooseWeighted(weights, asking.random, chosen)
  const count = rrset.datas.length
  const start = Math.floor((asking.random() / 2 ** 32) * count)
  for (let i = 0; i < count; i++) chosen[i] = (start + i) % count
  return count
}

/** One question followed through a zone, with everything the three sections may need. */
class Walk {
  private readonly zone: Zone
  private readonly asking: Asking
  private owner: WireName
  /** What stands in the reply already, so that nothing stands there twice. */
  private readonly used = new Set<RRset>()
  /** Answered RRsets whose targets deserve their addresses in the additional section. */
  private readonly pointing: RRset[] = []
  private aa = true

  constructor(zone: Zone, question: WireName, asking: Asking) {
    this.zone = zone
    this.owner = question
    this.asking = asking
  }

  run(): number {
    const rcode = this.follow()
    if (!reply.truncated) this.addAdditional()
    return pack(rcode, this.aa)
  }

  private follow(): number {
    const seen: WireName[] = []
    for (let hop = 0; ; hop++) {
      const key = hop === 0 ? query.key : fold(this.owner)
      seen.push(key)
      const place = lookUp(this.zone, key, query.type)
      let target: WireName | undefined
      if (place.kind === 'none') {
        this.addSoa()
        return Rcode.NXDOMAIN
      }
      if (place.kind === 'cut') {
        if (hop === 0) this.aa = false
        this.addReferral(place.node)
        return Rcode.NOERROR
      }
      if (place.kind === 'dname') {
        const made = this.addDname(place.node)
        if (typeof made === 'number') return made
        target = made
      } else target = this.addNode(place.node)
      if (target === undefined || reply.truncated || hop === maxChain) return Rcode.NOERROR
      const targetKey = fold(target)
      if (!isBelowOrAt(targetKey, this.zone.apex) || seen.includes(targetKey)) return Rcode.NOERROR
      this.owner = target
    }
  }

  /** Adds what the node has of the type asked for, or says that it has none. Returns the target of an alias to follow. */
  private addNode(node: Node): WireName | undefined {
    const { type } = query
    if (node.cname !== undefined && type !== Type.CNAME && type !== Type.ANY) {
      this.addAnswer(node, node.cname)
      return targetsOf(node.cname)[0]
    }
    if (type === Type.ANY && node.rrsets.length > 0) {
      for (const rrset of this.asking.tcp || this.asking.whole ? node.rrsets : node.rrsets.slice(0, 1))
        this.addAnswer(node, rrset)
      return undefined
    }
    const rrset = node.get(type)
    if (rrset === undefined) this.addSoa()
    else this.addAnswer(node, rrset)
    return undefined
  }

  private addAnswer(node: Node, rrset: RRset): void {
    this.used.add(rrset)
    if (hasAdditional(rrset.type)) this.pointing.push(rrset)
    if (!this.add(0, this.owner, node, rrset)) reply.truncated = true
  }

  private add(section: 0 | 1 | 2, owner: WireName, node: Node, rrset: RRset): boolean {
    if (this.asking.whole || rrset.datas.length === 1 || rrset.datas.length > chosen.length)
      return reply.addRrset(section, owner, rrset)
    const shown = choose(this.zone, node, rrset, this.asking)
    return reply.addRrset(section, owner, rrset, rrset.ttl, chosen.subarray(0, shown))
  }

  /** RFC 6672, section 3.1: the DNAME, and the CNAME it comes to. Returns the new name, or an RCODE. */
  private addDname(node: Node): WireName | number {
    const dname = node.get(Type.DNAME) as RRset
    if (!this.used.has(dname)) {
      this.used.add(dname)
      const owner = this.owner.slice(this.owner.length - node.key.length) as WireName
      if (!reply.addRrset(0, owner, dname)) {
        reply.truncated = true
        return Rcode.NOERROR
      }
    }
    const target = (this.owner.slice(0, this.owner.length - node.key.length) +
      (targetsOf(dname)[0] as string)) as WireName
    if (target.length > 255) return Rcode.YXDOMAIN
    if (!reply.addMade(this.owner, Type.CNAME, dname.ttl, target)) {
      reply.truncated = true
      return Rcode.NOERROR
    }
    return query.type === Type.CNAME || query.type === Type.ANY ? Rcode.NOERROR : target
  }

  /** The SOA, for "no": of whatever name the chain came to, which is in the zone, as the question's is. */
  private addSoa(): void {
    if (!reply.copyNegative(negativeOf(this.zone.soa, this.zone.apex), 12 + query.key.length - this.zone.apex.length))
      reply.truncated = true
  }

  private addReferral(cut: Node): void {
    const ns = cut.get(Type.NS) as RRset
    this.used.add(ns)
    if (!this.add(1, cut.name, cut, ns)) {
      reply.truncated = true
      return
    }
    // Servers inside the delegation cannot be found without their addresses (RFC 9471); the others go last, while they fit.
    const [inside, others]: [Node[], Node[]] = [[], []]
    for (const target of targetsOf(ns)) {
      const key = fold(target)
      const node = isBelowOrAt(key, this.zone.apex) ? this.zone.get(key) : undefined
      if (node !== undefined) (isBelowOrAt(key, cut.key) ? inside : others).push(node)
    }
    for (const node of inside) if (!this.addAddresses(node)) reply.truncated = true
    if (!reply.truncated) for (const node of others) this.addAddresses(node)
  }

  private addAdditional(): void {
    for (const rrset of this.pointing) {
      for (const target of targetsOf(rrset)) {
        const key = fold(target)
        if (!isBelowOrAt(key, this.zone.apex)) continue
        const node = this.zone.cuts === 0 ? this.zone.get(key) : undefined
        if (node !== undefined) this.addAddresses(node)
        else {
          const place = lookUp(this.zone, key, Type.A)
          // At or below a cut the zone has only glue, which is good enough for the address of a server.
          const found =
            place.kind === 'node'
              ? place.node
              : place.kind === 'cut' && rrset.type === Type.NS
                ? this.zone.get(key)
                : undefined
          if (found !== undefined) this.addAddresses(found, target)
        }
      }
    }
  }

  /** False if one of them did not fit. */
  private addAddresses(node: Node, owner: WireName = node.name): boolean {
    let all = true
    for (const rrset of node.rrsets) {
      if ((rrset.type !== Type.A && rrset.type !== Type.AAAA) || this.used.has(rrset)) continue
      this.used.add(rrset)
      if (!this.add(2, owner, node, rrset)) all = false
    }
    return all
  }
}
