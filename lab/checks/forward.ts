/**
 * S1 forward: no program takes a name back, neither below what a program published there before, nor
 * below what it finds there; and no program takes the head of the plans back.
 */
import type { Name } from '../../src/model/name.ts'
import { type Check, generationAt, json } from './check.ts'

export function forward(): Check {
  const highest = new Map<Name, number>()
  let head = 0
  return {
    invariant: 'S1',
    onCommit(writes, by) {
      for (const write of writes) {
        if (write.key !== 'head') continue
        const now = write.kind === 'put' ? (json<{ generation: number }>(write.value)?.generation ?? 0) : 0
        const known = head
        head = now
        if (by !== 'tamper' && now < known)
          return { invariant: 'S1', text: `${by} took head from plan ${known} back to ${now}` }
      }
      return null
    },
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
