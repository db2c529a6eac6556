/**
 * S2 never empty: a name that answers, followed through its aliases, goes on answering at least one
 * address. Only a tombstone may end that, where an operator gave the name up. What hands empty is for L1; what programs empty is a violation.
 */
import type { Name } from '../../src/model/name.ts'
import type { Standing } from '../sim/authority.ts'
import { type Check, isTombstone, linesOf, type Scene } from './check.ts'

export function neverEmpty(scene: Scene): Check {
  const pointing = new Map<Name, Set<Name>>()
  const givenUp = new Set<string>()
  /** When a hand last changed a name: what leads there then may have been looked at just before. */
  const touched = new Map<Name, number>()
  const justTouched = (name: Name | null) =>
    name !== null && scene.now() - (touched.get(name) ?? Number.NEGATIVE_INFINITY) < underWayMs
  return {
    invariant: 'S2',
    onCommit(writes, by) {
      if (by === 'tamper')
        for (const { kind, key } of writes)
          if (kind === 'put' && key.startsWith(retirement)) givenUp.add(key.slice(retirement.length))
      return null
    },
    onRecords(name, before, after, by) {
      if (by === 'hand') touched.set(name, scene.now())
      if (before.alias !== null) pointing.get(before.alias)?.delete(name)
      if (after.alias !== null) pointing.set(after.alias, (pointing.get(after.alias) ?? new Set()).add(name))
      if (by === 'hand') return null
      if (!isTombstone(after) && !answers(scene, after) && !justTouched(after.alias))
        return { invariant: 'S2', text: `${by} left ${name} without an address: ${describe(after)}` }
      if (isTombstone(after) && !isTombstone(before) && !givenUp.has(name))
        return { invariant: 'S2', text: `${by} gave up ${name}, which no operator retired` }
      if (answers(scene, after)) return null
      for (const alias of pointing.get(name) ?? [])
        if (answers(scene, before) && isPlanned(scene, alias))
          return { invariant: 'S2', text: `${by} emptied ${name}, where ${alias} points` }
      return null
    },
  }
}

const retirement = 'override/retire/'
/** A write may be on its way so long. */
const underWayMs = 3_000

/** Whether any plan that is left knows of this name: what was forgotten with a lost store, nobody can look after. */
function isPlanned(scene: Scene, name: Name): boolean {
  return scene.storedKeys('shard/').some((key) => {
    const shard = scene.stored(key)
    return shard !== undefined && linesOf(shard).some((line) => line.name === name)
  })
}

function answers(scene: Scene, standing: Standing): boolean {
  let at = standing
  for (let hops = 0; hops < 16; hops++) {
    if (at.addresses.length > 0) return true
    if (at.alias === null) return false
    at = scene.standing(at.alias)
  }
  return false
}

const describe = ({ addresses, alias }: Standing): string =>
  alias === null ? `[${addresses.join(' ')}]` : `-> ${alias}`
