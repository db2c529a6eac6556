/**
 * S1 forward: no program takes a name back, neither below what a program published there before, nor
 * below what it finds there; and no program takes the head of the plans back. A request that set out before
 * a hand emptied the name (or that only came once more) can know no more than what it finds there.
 */
import type { Name } from '../../src/model/name.ts'
import { type Check, generationAt, json, type Scene } from './check.ts'

export function forward(scene: Pick<Scene, 'now'> = { now: () => 0 }): Check {
  const highest = new Map<Name, number>()
  /** When a hand last changed a name. */
  const touched = new Map<Name, number>()
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
    onRecords(name, before, after, by, sent = scene.now()) {
      if (by === 'hand') {
        touched.set(name, scene.now())
        return null
      }
      const now = generationAt(after) ?? 0
      const found = generationAt(before) ?? 0
      const published = Math.max(highest.get(name) ?? 0, found)
      highest.set(name, Math.max(published, now))
      const isBlind = by === 'replay' || sent < (touched.get(name) ?? Number.NEGATIVE_INFINITY)
      const known = isBlind ? found : published
      return now < known
        ? { invariant: 'S1', text: `${by} took ${name} from generation ${known} back to ${now}` }
        : null
    },
  }
}
