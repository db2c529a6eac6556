/**
 * S4 a way back: head's plan, its last K ancestors, and the plan behind every published marker exist,
 * whole, with all their shards. What hands delete is for L1; what the sweep deletes is a violation.
 */
import type { Write } from '../../src/store/store.ts'
import type { Check, Scene, Violation } from './check.ts'

interface PlanDocument {
  readonly generation: number
  readonly parent: number
  readonly shards: readonly string[]
}

const decoder = new TextDecoder()
const planKey = (generation: number): string => `plan/${String(generation).padStart(16, '0')}`

export function wayBack(scene: Scene, keepPlans: number): Check {
  const lost = new Set<string>()
  return {
    invariant: 'S4',
    onCommit(writes: readonly Write[], by: string): Violation | null {
      for (const write of writes) {
        if (by === 'tamper') lost.add(write.key)
        else if (write.kind === 'put') lost.delete(write.key)
      }
      if (by === 'tamper' || !writes.some(({ kind, key }) => kind === 'delete' && /^(plan|shard)\//.test(key)))
        return null
      const head = read<{ readonly generation: number }>(scene, 'head')
      if (head === null) return null
      let at = head.generation
      for (let depth = 0; depth <= keepPlans && at > 0; depth++) {
        const key = planKey(at)
        if (lost.has(key)) return null
        const plan = read<PlanDocument>(scene, key)
        if (plan === null) return { invariant: 'S4', text: `${by} deleted plan ${at}, ancestor ${depth} of head` }
        for (const digest of plan.shards) {
          const shard = `shard/${digest}`
          if (scene.stored(shard) === undefined && !lost.has(shard))
            return { invariant: 'S4', text: `${by} deleted a shard of plan ${at}, ancestor ${depth} of head` }
        }
        at = plan.parent
      }
      return null
    },
  }
}

function read<T>(scene: Scene, key: string): T | null {
  const value = scene.stored(key)
  if (value === undefined) return null
  try {
    return JSON.parse(decoder.decode(value)) as T
  } catch {
    return null
  }
}
