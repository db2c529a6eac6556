/**
 * The guards: what the server refuses on its own authority, whoever sends the update and with whatever key.
 *
 * A name is guarded while a valid marker stands beside it. Then its published generation never falls (S1), and it is
 * never left without an address, by itself or through its aliases, unless it is retired by its marker (S2). States that
 * are broken already may be changed in any way that does not break them further: repair is never refused.
 */
import { fold, isBelowOrAt, isWildcard, nameToText, parentOf, type WireName } from '../dns/name.ts'
import { Type } from '../dns/types.ts'
import { type Marker, markerStrings } from '../model/marker.ts'
import { targetsOf } from './compiled.ts'
import { endpointKeyOf, markerOf } from './guarded.ts'
import { lookUp } from './lookup.ts'
import { aliasTarget, type View } from './table.ts'
import { isCut, type Names, type Node, type RRset } from './zone.ts'

export type Rule =
  /** The marker was deleted, or replaced by something that is none. */
  | 'marker-kept'
  /** The generation would fall. */
  | 'generation-forward'
  /** The generation stays, but something else in the marker would change. */
  | 'generation-says-all'
  /** A live name would have neither address nor alias. */
  | 'never-empty'
  /** A live name would be handed over by a delegation or a DNAME above it. */
  | 'never-hidden'
  /** A name that a guarded alias leads to would have no address any more. */
  | 'target-kept'
  /** A guarded alias would lead to a name of this server that has no address. */
  | 'target-answers'

export interface GuardRefusal {
  readonly rule: Rule
  /** One line: name, expected, found. */
  readonly reason: string
}

/** Judges the changes of one update in one zone. Costs what changed, save for new delegations and changed wildcards. */
export function guardUpdate(
  before: View,
  after: View,
  apex: WireName,
  changes: ReadonlyMap<WireName, Node | null>,
): GuardRefusal | undefined {
  const [zoneBefore, zoneAfter] = [before.zoneOf(apex), after.zoneOf(apex)]
  if (zoneBefore === undefined || zoneAfter === undefined) return undefined
  const endpoints = new Set<WireName>()
  for (const key of changes.keys()) {
    endpoints.add(key)
    const endpoint = endpointKeyOf(key)
    if (endpoint !== undefined) endpoints.add(endpoint)
  }
  for (const key of endpoints) {
    const refusal = judgeEndpoint(zoneBefore, zoneAfter, after, key)
    if (refusal !== undefined) return refusal
  }
  for (const [key, node] of changes) {
    const refusal = judgeTargets(before, after, zoneBefore, key, node) ?? judgeHidden(zoneBefore, zoneAfter, key, node)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

const refuse = (rule: Rule, key: WireName, expected: string, found: string): GuardRefusal => ({
  rule,
  reason: `${nameToText(key)}: expected ${expected}, found ${found}`,
})

function judgeEndpoint(zoneBefore: Names, zoneAfter: Names, after: View, key: WireName): GuardRefusal | undefined {
  const [old, next] = [markerOf(zoneBefore, key), markerOf(zoneAfter, key)]
  if (next === undefined)
    return (
      old && refuse('marker-kept', key, `a marker of generation ${old.generation} or later`, 'none that can be read')
    )
  if (old !== undefined && next.generation < old.generation)
    return refuse('generation-forward', key, `generation ${old.generation} or later`, `generation ${next.generation}`)
  const sameMarker = old !== undefined && textOf(old) === textOf(next)
  if (old !== undefined && next.generation === old.generation && !sameMarker)
    return refuse(
      'generation-says-all',
      key,
      `the marker of generation ${old.generation} as it stands`,
      'another one with the same generation',
    )
  if (next.retired) return undefined
  const [nodeBefore, node] = [zoneBefore.get(key), zoneAfter.get(key)]
  const wasEmpty = isEmpty(nodeBefore)
  if (isEmpty(node) && !(wasEmpty && sameMarker))
    return refuse('never-empty', key, 'an address or an alias, as it is guarded and not retired', 'neither')
  if (isHidden(zoneAfter, key) && !(sameMarker && isHidden(zoneBefore, key)))
    return refuse('never-hidden', key, 'a name that this zone answers for', 'a delegation or a DNAME at or above it')
  const target = node && aliasTarget(node)
  const known = nodeBefore && aliasTarget(nodeBefore)
  if (target !== undefined && !(sameMarker && known === target) && !answersAddress(after, target))
    return refuse(
      'target-answers',
      key,
      `a target of its alias that has an address`,
      `${nameToText(target)}, which has none`,
    )
  return undefined
}

const textOf = (marker: Marker): string => markerStrings(marker).join('\n')

const isEmpty = (node: Node | undefined): boolean =>
  node === undefined || !(node.hasAddress || node.cname !== undefined)

/** At or below a delegation, or below a DNAME: the records are there, and nobody is shown them. */
const isHidden = (zone: Names, key: WireName): boolean => {
  const { kind } = lookUp(zone, key, Type.A)
  return kind === 'cut' || kind === 'dname'
}

/** Names that lose their addresses by the change of one node, and that guarded aliases lead to. */
function judgeTargets(
  before: View,
  after: View,
  zoneBefore: Names,
  key: WireName,
  node: Node | null,
): GuardRefusal | undefined {
  for (const target of affectedTargets(after, zoneBefore, key, node)) {
    if (!answersAddress(before, target) || answersAddress(after, target)) continue
    const alias = guardedAliasOf(after, target)
    if (alias !== undefined) return refuse('target-kept', target, `an address, as ${alias} leads to it`, 'none')
  }
  return undefined
}

/** The name itself; with a wildcard or a new delegation also the aliases' targets that it speaks for or hides. */
function* affectedTargets(after: View, zoneBefore: Names, key: WireName, node: Node | null): Iterable<WireName> {
  yield key
  const hides = node !== null && isCut(node, zoneBefore.apex) && !isCut(zoneBefore.get(key), zoneBefore.apex)
  const above = isWildcard(key) ? parentOf(key) : hides ? key : undefined
  if (above !== undefined)
    for (const target of after.targets()) if (target !== key && isBelowOrAt(target, above)) yield target
}

/** Guarded, living names below a new delegation or DNAME. */
function judgeHidden(zoneBefore: Names, zoneAfter: Names, key: WireName, node: Node | null): GuardRefusal | undefined {
  if (node === null || node.children === 0) return undefined
  if (!isCut(node, zoneAfter.apex) || isCut(zoneBefore.get(key), zoneAfter.apex)) return undefined
  for (const below of zoneAfter.keys()) {
    const endpoint = endpointKeyOf(below)
    if (endpoint === undefined || !isBelowOrAt(endpoint, key) || markerOf(zoneAfter, endpoint)?.retired !== false)
      continue
    if (!isHidden(zoneBefore, endpoint))
      return refuse(
        'never-hidden',
        endpoint,
        'no delegation above a guarded name',
        `${nameToText(key)} delegated or redirected`,
      )
  }
  return undefined
}

const maxChain = 16
const maxAliases = 100_000

/**
 * Whether a name leads to an address, as far as this server can know: a name of somebody else's zone, and one below a
 * delegation, is taken to.
 */
export function answersAddress(view: View, name: WireName): boolean {
  let key = fold(name)
  for (let hop = 0; hop < maxChain; hop++) {
    const zone = view.zoneOf(key)
    if (zone === undefined) return true
    const place = lookUp(zone, key, Type.A)
    if (place.kind === 'none') return false
    if (place.kind === 'cut') return true
    if (place.kind === 'dname') {
      const [target] = targetsOf(place.node.get(Type.DNAME) as RRset)
      key = (key.slice(0, key.length - place.node.key.length) + fold(target as WireName)) as WireName
      if (key.length > 255) return false
      continue
    }
    if (place.node.hasAddress) return true
    const target = aliasTarget(place.node)
    if (target === undefined) return false
    key = target
  }
  return false
}

/** A guarded, living alias that leads to `name`, directly or through others. Text for people; undefined if there is none. */
function guardedAliasOf(view: View, name: WireName): string | undefined {
  const seen = new Set<WireName>([name])
  for (const target of seen) {
    for (const owner of view.aliasesOf(target)) {
      if (seen.has(owner)) continue
      const zone = view.zoneOf(owner)
      const node = zone?.get(owner)
      if (zone === undefined || node === undefined || aliasTarget(node) !== target) continue
      if (markerOf(zone, owner)?.retired === false) return nameToText(owner)
      seen.add(owner)
      // Nobody can say any more: then it is taken to be so.
      if (seen.size > maxAliases) return `one of more than ${maxAliases} aliases`
    }
  }
  return undefined
}
