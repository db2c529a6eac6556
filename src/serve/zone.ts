/**
 * A zone's data, made so that a change of one name costs one name.
 *
 * Names map to nodes; a node is never changed, only replaced. Empty non-terminals (RFC 4592, section 2.2.2) are nodes
 * without records, so "exists" is one look-up. Changes are drafted above what is served and become visible only when
 * somebody applies them, which is after they are on disk.
 */
import { assert } from '../base/assert.ts'
import { fold, nameInBytes, parentOf, type WireName } from '../dns/name.ts'
import { Type } from '../dns/types.ts'
import type { Ttl } from '../model/answer.ts'

/** At least one record of one type at one name; one TTL (RFC 2181, section 5.2); never changed. */
export class RRset {
  readonly type: number
  readonly ttl: Ttl
  /** Uncompressed rdata, in the order in which it was added. */
  readonly datas: readonly Uint8Array[]

  /** The four below are worked out when first needed, by `compiled.ts`. */
  wire: Uint8Array | undefined = undefined
  targets: readonly WireName[] | undefined = undefined
  /** Per record; null where the name is not guarded or all weights are equal. */
  weights: Uint16Array | null | undefined = undefined
  /** Of a SOA. */
  negative: Negative | undefined = undefined

  constructor(type: number, ttl: Ttl, datas: readonly Uint8Array[]) {
    assert(datas.length > 0, `expected at least one record of type ${type}, found none`)
    this.type = type
    this.ttl = ttl
    this.datas = datas
  }
}

/**
 * A SOA as it stands beside "no": whole, but for the pointers to the zone's name in the question, which go to `pointers`.
 */
export interface Negative {
  readonly wire: Uint8Array
  readonly pointers: readonly number[]
}

export class Node {
  /** In lower case: the key under which the node is found. */
  readonly key: WireName
  /** The same with the case in which it was first written. */
  readonly name: WireName
  readonly rrsets: readonly RRset[]
  /** How many nodes stand directly below; a node without records and without these does not exist. */
  readonly children: number
  readonly hasNs: boolean
  readonly hasDname: boolean
  readonly cname: RRset | undefined

  constructor(name: WireName, key: WireName, rrsets: readonly RRset[], children: number) {
    this.key = key
    this.name = name
    this.rrsets = rrsets
    this.children = children
    // One plain loop: a million of these are made when a server starts.
    let hasNs = false
    let hasDname = false
    let cname: RRset | undefined
    for (let i = 0; i < rrsets.length; i++) {
      const rrset = rrsets[i] as RRset
      if (rrset.type === Type.NS) hasNs = true
      else if (rrset.type === Type.DNAME) hasDname = true
      else if (rrset.type === Type.CNAME) cname = rrset
    }
    this.hasNs = hasNs
    this.hasDname = hasDname
    this.cname = cname
  }

  get(type: number): RRset | undefined {
    const { rrsets } = this
    for (let i = 0; i < rrsets.length; i++) if (rrsets[i]?.type === type) return rrsets[i]
    return undefined
  }

  get hasAddress(): boolean {
    return this.rrsets.some(({ type }) => type === Type.A || type === Type.AAAA)
  }
}

/** Something names can be looked up in: a zone as it is served, or as it will be. */
export interface Names {
  /** In lower case. */
  readonly apex: WireName
  /** How many nodes hand names over to somebody else: NS below the apex, or DNAME. Zero makes looking up cheap. */
  readonly cuts: number
  /** `key` in lower case. */
  get(key: WireName): Node | undefined
  /** Every name there is, and perhaps names that are gone: look them up. Costs what exists. */
  keys(): Iterable<WireName>
}

/** Whether names below (or, with NS, from here on) are handed over to somebody else. */
export const isCut = (node: Node | undefined | null, apex: WireName): boolean =>
  node != null && (node.hasDname || (node.hasNs && node.key !== apex))

export class Zone implements Names {
  readonly apex: WireName
  readonly nodes = new Map<WireName, Node>()
  cuts = 0
  records = 0

  constructor(apex: WireName) {
    this.apex = apex
  }

  get(key: WireName): Node | undefined {
    return this.nodes.get(key)
  }

  keys(): Iterable<WireName> {
    return this.nodes.keys()
  }

  /** Puts a node in place of what was there; null takes it away. Parents' counts are the caller's affair. */
  replace(key: WireName, node: Node | null): void {
    const old = this.nodes.get(key)
    this.cuts += Number(isCut(node, this.apex)) - Number(isCut(old, this.apex))
    this.records += recordsOf(node) - recordsOf(old)
    if (node === null) this.nodes.delete(key)
    else this.nodes.set(key, node)
  }

  get soa(): RRset {
    const soa = this.nodes.get(this.apex)?.get(Type.SOA)
    assert(soa !== undefined, 'expected a SOA record at the apex of a served zone, found none')
    return soa
  }
}

/** A zone from the names that have records, each given once. Empty non-terminals are found. */
export function zoneFromNames(
  apex: WireName,
  owners: Iterable<readonly [name: WireName, rrsets: readonly RRset[]]>,
): Zone {
  const zone = new Zone(apex)
  for (const [name, rrsets] of owners) {
    const key = fold(name)
    zone.replace(key, new Node(name, key, rrsets, 0))
  }
  // Nobody has seen these nodes yet, so their counts may still be made. Nodes added on the way come round later.
  for (const { name, key } of zone.nodes.values()) {
    if (key === apex) continue
    const above = parentOf(key)
    const parent = zone.nodes.get(above)
    if (parent === undefined) zone.replace(above, new Node(parentOf(name), above, [], 1))
    else (parent as { children: number }).children++
  }
  return zone
}

export function recordsOf(node: Node | null | undefined): number {
  let records = 0
  if (node != null) for (const { datas } of node.rrsets) records += datas.length
  return records
}

/** What is to change in a zone: nodes in place of others, null for what goes. Reads see the changes. */
export class Draft implements Names {
  readonly base: Names
  readonly changes = new Map<WireName, Node | null>()
  cuts: number

  constructor(base: Names) {
    this.base = base
    this.cuts = base.cuts
  }

  get apex(): WireName {
    return this.base.apex
  }

  get(key: WireName): Node | undefined {
    const changed = this.changes.get(key)
    return changed === undefined ? this.base.get(key) : (changed ?? undefined)
  }

  *keys(): Iterable<WireName> {
    yield* this.changes.keys()
    yield* this.base.keys()
  }

  /** Forgets changes that come to nothing. Whether any record is different. */
  prune(): boolean {
    let different = false
    for (const [key, node] of this.changes) {
      const old = this.base.get(key)
      if (!sameRecords(old, node)) different = true
      else if ((old?.children ?? -1) === (node?.children ?? -1)) this.changes.delete(key)
    }
    return different
  }

  /** Gives a name exactly these RRsets. Empty non-terminals above appear and disappear with it. */
  write(name: WireName, rrsets: readonly RRset[]): void {
    const key = fold(name)
    const old = this.get(key)
    if (old !== undefined) {
      if (rrsets.length > 0 || old.children > 0) this.put(key, new Node(old.name, key, rrsets, old.children))
      else this.removeWithParents(key)
    } else if (rrsets.length > 0) {
      this.put(key, new Node(name, key, rrsets, 0))
      this.addToParents(name)
    }
  }

  /** Gives a name one RRset in place of what it has of that type; undefined takes it away. */
  writeRrset(name: WireName, type: number, rrset: RRset | undefined): void {
    const others = (this.get(fold(name))?.rrsets ?? []).filter((other) => other.type !== type)
    this.write(name, rrset === undefined ? others : [...others, rrset])
  }

  /** Takes over the changes of a draft that was made above this one. */
  absorb(above: Draft): void {
    assert(above.base === this, 'expected a draft made above this one')
    for (const [key, node] of above.changes) this.put(key, node)
  }

  private put(key: WireName, node: Node | null): void {
    this.cuts += Number(isCut(node, this.apex)) - Number(isCut(this.get(key), this.apex))
    this.changes.set(key, node)
  }

  private addToParents(name: WireName): void {
    for (let child = name; fold(child) !== this.apex; ) {
      const above = parentOf(child)
      const key = fold(above)
      const parent = this.get(key)
      if (parent !== undefined) {
        this.put(key, new Node(parent.name, key, parent.rrsets, parent.children + 1))
        return
      }
      this.put(key, new Node(above, key, [], 1))
      child = above
    }
  }

  private removeWithParents(from: WireName): void {
    for (let key = from; ; ) {
      this.put(key, null)
      if (key === this.apex) return
      key = parentOf(key)
      const parent = this.get(key)
      assert(parent !== undefined, 'expected a node above every node of a zone, found none')
      if (parent.children > 1 || parent.rrsets.length > 0) {
        this.put(key, new Node(parent.name, key, parent.rrsets, parent.children - 1))
        return
      }
    }
  }
}

/** How many octets stand before the names in the rdata of a type, and how many names; of the types where it matters here. */
const namesInRdata: ReadonlyMap<number, readonly [skip: number, names: number]> = new Map([
  [Type.NS, [0, 1]],
  [Type.CNAME, [0, 1]],
  [Type.DNAME, [0, 1]],
  [Type.PTR, [0, 1]],
  [Type.MX, [2, 1]],
  [Type.SRV, [6, 1]],
  [Type.SVCB, [2, 1]],
  [Type.HTTPS, [2, 1]],
  [Type.SOA, [0, 2]],
  [Type.MINFO, [0, 2]],
  [Type.RP, [0, 2]],
  [Type.AFSDB, [2, 1]],
  [Type.RT, [2, 1]],
  [Type.KX, [2, 1]],
])

/** The names in one record's rdata. Validated rdata has them; anything else has none. */
export function namesIn(type: number, data: Uint8Array): readonly WireName[] {
  const layout = namesInRdata.get(type)
  if (layout === undefined) return []
  const names: WireName[] = []
  let at = layout[0]
  for (let left = layout[1]; left > 0; left--) {
    const found = nameInBytes(data, at)
    if (found === undefined) return []
    names.push(found.name)
    at = found.end
  }
  return names
}

/** Whether two rdata are the same record: names in them are equal without regard to case (RFC 2136, section 1.1.1). */
export function sameData(type: number, a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  const [skip, names] = namesInRdata.get(type) ?? [a.length, 0]
  // Length octets of labels are under 64, so folding them with the rest does no harm; what follows is compared as it is.
  let end = skip
  if (names > 0) {
    for (let left = names; left > 0; left--) {
      const found = nameInBytes(a, end)
      if (found === undefined) break
      end = found.end
    }
  }
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number
    const y = b[i] as number
    if (x !== y && !(i >= skip && i < end && lower(x) === lower(y))) return false
  }
  return true
}

const lower = (octet: number): number => (octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet)

export function hasData(rrset: RRset, data: Uint8Array): boolean {
  return rrset.datas.some((other) => sameData(rrset.type, other, data))
}

/** The same records with the same TTL, in any order. */
export function sameRrset(a: RRset, b: RRset): boolean {
  if (a === b) return true
  return (
    a.type === b.type &&
    a.ttl === b.ttl &&
    a.datas.length === b.datas.length &&
    a.datas.every((data) => hasData(b, data))
  )
}

export function sameRecords(a: Node | null | undefined, b: Node | null | undefined): boolean {
  const [left, right] = [a?.rrsets ?? [], b?.rrsets ?? []]
  return (
    left.length === right.length &&
    left.every((rrset) => right.some((other) => other.type === rrset.type && sameRrset(rrset, other)))
  )
}
