/** Where a name stands in a zone: RFC 1034 section 4.3.2, RFC 4592, RFC 6672, as one function without effects. */
import { parentOf, type WireName, wildcardBelow } from '../dns/name.ts'
import { Type } from '../dns/types.ts'
import type { Names, Node } from './zone.ts'

/**
 * - `node`: the name exists, or a wildcard stands for it; perhaps an empty non-terminal.
 * - `cut`: the name is at or below a delegation, whose NS records `node` has.
 * - `dname`: the name is below `node`, which redirects it.
 * - `none`: there is no such name.
 */
export type Place =
  | { readonly kind: 'node'; readonly node: Node; readonly wildcard: boolean }
  | { readonly kind: 'cut'; readonly node: Node }
  | { readonly kind: 'dname'; readonly node: Node }
  | { readonly kind: 'none' }

const none: Place = { kind: 'none' }

/** `key` in lower case, at or below the apex. A question for DS at a cut is the parent's to answer (RFC 4035, section 3.1.4.1). */
export function lookUp(zone: Names, key: WireName, type: number): Place {
  if (zone.cuts > 0) {
    const cut = highestCut(zone, key, type)
    if (cut !== undefined) return cut
  }
  const node = zone.get(key)
  if (node !== undefined) return { kind: 'node', node, wildcard: false }
  let encloser = parentOf(key)
  while (encloser.length >= zone.apex.length && zone.get(encloser) === undefined) encloser = parentOf(encloser)
  const wildcard = zone.get(wildcardBelow(encloser))
  return wildcard === undefined ? none : { kind: 'node', node: wildcard, wildcard: true }
}

/** The first delegation or DNAME on the way from the apex down to the name. */
function highestCut(zone: Names, key: WireName, type: number): Place | undefined {
  const apexAt = key.length - zone.apex.length
  const starts: number[] = []
  for (let at = 0; at < apexAt; at += 1 + key.charCodeAt(at)) starts.push(at)
  if (apexAt > 0) {
    const apex = zone.get(zone.apex)
    if (apex?.hasDname) return { kind: 'dname', node: apex }
  }
  for (let i = starts.length - 1; i >= 0; i--) {
    const at = starts[i] as number
    const node = zone.get((at === 0 ? key : key.slice(at)) as WireName)
    // Below a name that does not exist nothing does.
    if (node === undefined) return undefined
    if (node.hasNs && !(at === 0 && type === Type.DS)) return { kind: 'cut', node }
    if (node.hasDname && at > 0) return { kind: 'dname', node }
  }
  return undefined
}
