/**
 * S1 forward: no program takes a name back, neither below what a program published there before, nor
 * below what it finds there.
 */
import type { Name } from '../../src/model/name.ts'
import { type Check, generationAt } from './check.ts'

export function forward(): Check {
  const highest = new Map<Name, number>()
  return {
    invariant: 'S1',
    onRecords(name, before, after, by) {
      if (by === 'hand') return null
      const now = generationAt(after) ?? 0
      const known = Math.max(highest.get(name) ?? 0, generationAt(before) ?? 0)
      highest.set(name, Math.max(known, now))
      return now < known
        ? { invariant: 'S1', text: `${by} took ${name} from generation ${known} back to ${now}` }
        : null
    },
  }
}
