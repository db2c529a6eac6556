/**
 * In which order the entries of a plan are written, so that no alias ever leads to nothing: a target
 * stands before its alias does, and an alias is gone before its target goes.
 */
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'

/**
 * Live entries in waves, each to be finished before the next begins: addresses, then their aliases,
 * then aliases of those. Only the entries given count; a target elsewhere is looked at in DNS.
 */
export function liveWaves(entries: readonly PlanEntry[]): PlanEntry[][] {
  return waves(
    entries.filter(({ answer }) => answer.kind !== 'retired'),
    ({ answer }) => (answer.kind === 'alias' ? answer.target : null),
  )
}

/** Retirements in waves: what was published as an alias goes before what it led to. */
export function retirementWaves<T extends { readonly name: Name; readonly leadsTo: Name | null }>(
  retired: readonly T[],
): T[][] {
  return waves(retired, ({ leadsTo }) => leadsTo).reverse()
}

/** Wave n holds the items that stand n steps above the last one of their chain. A circle counts as broken where it was entered. */
function waves<T extends { readonly name: Name }>(items: readonly T[], below: (item: T) => Name | null): T[][] {
  const byName = new Map(items.map((item) => [item.name, item]))
  const depth = new Map<Name, number>()
  const result: T[][] = []
  for (const start of items) {
    const path: T[] = []
    const onPath = new Set<Name>()
    let at: T | undefined = start
    while (at !== undefined && !depth.has(at.name) && !onPath.has(at.name)) {
      path.push(at)
      onPath.add(at.name)
      const next: Name | null = below(at)
      at = next === null ? undefined : byName.get(next)
    }
    let under = at === undefined ? -1 : (depth.get(at.name) ?? -1)
    for (const item of path.reverse()) depth.set(item.name, ++under)
  }
  for (const item of items) {
    const wave = depth.get(item.name) ?? 0
    while (result.length <= wave) result.push([])
    result[wave]?.push(item)
  }
  return result
}

/**
 * The same list, begun at a place that depends on who works: redundant enactors start apart, so they
 * share the work instead of racing for the same names.
 */
export function rotated<T>(list: readonly T[], worker: string): T[] {
  if (list.length < 2) return [...list]
  let hash = 0x811c9dc5
  for (let i = 0; i < worker.length; i++) hash = Math.imul(hash ^ worker.charCodeAt(i), 0x01000193)
  // The last bits of FNV differ most between `enactor-1` and `enactor-2`: spread them over the whole range.
  const start = Math.floor(((Math.imul(hash, 0x9e3779b1) >>> 0) / 2 ** 32) * list.length)
  return [...list.slice(start), ...list.slice(0, start)]
}
