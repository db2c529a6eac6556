/**
 * All zones of a server, and who points where: the table that questions are answered from, and the draft of its next
 * state that updates are judged on.
 */
import { fold, parentOf, root, type WireName } from '../dns/name.ts'
import { endpointKeyOf } from './guarded.ts'
import { Draft, type Names, Node, namesIn, RRset, type Zone } from './zone.ts'

export interface View {
  /** The closest enclosing zone. `key` in lower case. */
  zoneOf(key: WireName): Names | undefined
  /** Owners of CNAME records that point, or not long ago pointed, at this name: candidates, to be looked up. */
  aliasesOf(target: WireName): Iterable<WireName>
  /** Every name that `aliasesOf` may have something for. */
  targets(): Iterable<WireName>
}

export class Table implements View {
  readonly zones = new Map<WireName, Zone>()
  private readonly aliases = new Map<WireName, Set<WireName>>()

  zoneOf(key: WireName): Zone | undefined {
    const { zones } = this
    for (let name = key; ; name = parentOf(name)) {
      const zone = zones.get(name)
      if (zone !== undefined) return zone
      if (name === root) return undefined
    }
  }

  aliasesOf(target: WireName): Iterable<WireName> {
    return this.aliases.get(target) ?? []
  }

  targets(): Iterable<WireName> {
    return this.aliases.keys()
  }

  /** Begins to serve a zone, in place of one with the same name. */
  add(zone: Zone): void {
    const old = this.zones.get(zone.apex)
    if (old !== undefined) for (const node of old.nodes.values()) this.unlink(node)
    this.zones.set(zone.apex, zone)
    for (const node of zone.nodes.values()) this.link(node)
  }

  /** Makes a draft's changes visible, all in one turn of the event loop. */
  apply(draft: TableDraft): void {
    for (const [apex, { changes }] of draft.drafts) {
      const zone = this.zones.get(apex)
      if (zone === undefined) continue
      for (const [key, node] of changes) {
        this.unlink(zone.get(key))
        zone.replace(key, node)
        if (node !== null) this.link(node)
      }
      for (const key of changes.keys()) forgetWeights(zone, key)
    }
  }

  private link(node: Node): void {
    const target = aliasTarget(node)
    if (target === undefined) return
    const owners = this.aliases.get(target)
    if (owners === undefined) this.aliases.set(target, new Set([node.key]))
    else owners.add(node.key)
  }

  private unlink(node: Node | undefined): void {
    const target = node && aliasTarget(node)
    if (node === undefined || target === undefined) return
    const owners = this.aliases.get(target)
    owners?.delete(node.key)
    if (owners?.size === 0) this.aliases.delete(target)
  }
}

/** What a name's CNAME points at, in lower case. */
export function aliasTarget(node: Node): WireName | undefined {
  if (node.cname === undefined) return undefined
  const [target] = namesIn(node.cname.type, node.cname.datas[0] as Uint8Array)
  return target && fold(target)
}

/** Weights come from the marker, so a new marker makes the endpoint's RRsets work them out again. */
function forgetWeights(zone: Zone, key: WireName): void {
  const endpoint = endpointKeyOf(key)
  const node = endpoint && zone.get(endpoint)
  if (node === undefined) return
  const fresh = node.rrsets.map(({ type, ttl, datas }) => new RRset(type, ttl, datas))
  zone.replace(node.key, new Node(node.name, node.key, fresh, node.children))
}

/** Changes of several zones above a table or above another such draft. */
export class TableDraft implements View {
  readonly base: View
  readonly drafts = new Map<WireName, Draft>()
  private readonly aliases = new Map<WireName, Set<WireName>>()

  constructor(base: View) {
    this.base = base
  }

  zoneOf(key: WireName): Names | undefined {
    const zone = this.base.zoneOf(key)
    return zone && (this.drafts.get(zone.apex) ?? zone)
  }

  /** The draft of this zone, which has to exist in the base. */
  draftOf(zone: Names): Draft {
    let draft = this.drafts.get(zone.apex)
    if (draft === undefined) {
      draft = new Draft(zone)
      this.drafts.set(zone.apex, draft)
    }
    return draft
  }

  *aliasesOf(target: WireName): Iterable<WireName> {
    yield* this.aliases.get(target) ?? []
    yield* this.base.aliasesOf(target)
  }

  *targets(): Iterable<WireName> {
    yield* this.aliases.keys()
    yield* this.base.targets()
  }

  /** Tells the draft of aliases among changed nodes; to be called before they are judged. */
  noteAliases(changes: Iterable<Node | null>): void {
    for (const node of changes) {
      const target = node === null ? undefined : aliasTarget(node)
      if (node === null || target === undefined) continue
      const owners = this.aliases.get(target)
      if (owners === undefined) this.aliases.set(target, new Set([node.key]))
      else owners.add(node.key)
    }
  }

  /** Takes over a draft that was made above this one. */
  absorb(above: TableDraft): void {
    for (const draft of above.drafts.values()) {
      const mine = this.drafts.get(draft.apex)
      if (mine === undefined) this.drafts.set(draft.apex, draft)
      else mine.absorb(draft)
      this.noteAliases(draft.changes.values())
    }
  }

  get changed(): boolean {
    for (const { changes } of this.drafts.values()) if (changes.size > 0) return true
    return false
  }
}
