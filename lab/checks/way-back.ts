/**
 * S4 a way back: head's plan, its last K ancestors, every plan that an enactor says it works from, and
 * the words of every published name exist, whole, with all their shards; and a new head goes on from the
 * head before it, as long as that is whole. What hands delete is for L1; what programs delete, or publish
 * in parts, is a violation.
 */
import type { Name } from '../../src/model/name.ts'
import type { Write } from '../../src/store/store.ts'
import type { Standing } from '../sim/authority.ts'
import {
  type Check,
  generationAt,
  json,
  linesOf,
  type PlanDocument,
  planKey,
  type Scene,
  type Violation,
} from './check.ts'

const violation = (text: string): Violation => ({ invariant: 'S4', text })

export function wayBack(scene: Scene, keepPlans: number): Check {
  /** Deleted by hands, and not written since. */
  const lost = new Set<string>()
  /** `name since` to the shards that said so. */
  const saidIn = new Map<string, Set<string>>()
  /** What programs published, and no hand has touched since. */
  const published = new Map<Name, number>()
  /** In order of commits: when head and each claim were last written. */
  const written = new Map<string, number>()
  /** What each plan referred to: who deletes a plan leaves its shards to the sweep. */
  const shardsOf = new Map<string, readonly string[]>()
  let commits = 0
  /** As the last program left it; 0 when a hand has touched it since. */
  let headBefore = 0

  const isWhole = (generation: number): string | null => {
    const plan = json<PlanDocument>(scene.stored(planKey(generation)))
    if (plan === null) return lost.has(planKey(generation)) ? null : `plan ${generation}`
    const missing = plan.shards.find((digest) => {
      const key = `shard/${digest}`
      return scene.stored(key) === undefined && !lost.has(key)
    })
    return missing === undefined ? null : `a shard of plan ${generation}`
  }

  const headGeneration = (): number => json<{ readonly generation: number }>(scene.stored('head'))?.generation ?? 0

  const isUntouched = (generation: number): boolean =>
    [planKey(generation), ...(shardsOf.get(planKey(generation)) ?? []).map((digest) => `shard/${digest}`)].every(
      (key) => !lost.has(key),
    )

  /**
   * A line that was broken before this deletion stays so: after damage a head may go on from an older
   * plan, whose own ancestors were swept, rightly, while it was further down the line.
   */
  const ancestors = (deleted: ReadonlySet<string>, by: string): Violation | null => {
    let at = headGeneration()
    for (let depth = 0; depth <= keepPlans && at > 0; depth++) {
      if (lost.has(planKey(at))) return null
      const plan = json<PlanDocument>(scene.stored(planKey(at)))
      const needed = [planKey(at), ...(plan?.shards ?? []).map((digest) => `shard/${digest}`)]
      if (needed.some((key) => deleted.has(key) && !lost.has(key)))
        return violation(`${by} deleted plan ${at}, or a shard of it, ancestor ${depth} of head`)
      at = plan?.parent ?? 0
    }
    return null
  }

  /** The deletion is conditional on head, and claims are read after it: what was claimed before head moved was seen. */
  const claimed = (deleted: ReadonlySet<string>, by: string): Violation | null => {
    for (const key of scene.storedKeys('claim/')) {
      const claim = json<{ readonly generation: number }>(scene.stored(key))
      if (claim === null || !deleted.has(planKey(claim.generation))) continue
      if ((written.get(key) ?? 0) < (written.get('head') ?? 0))
        return violation(`${by} deleted plan ${claim.generation}, which ${key.slice(6)} works from`)
    }
    return null
  }

  const words = (by: string): Violation | null => {
    const blocked = new Set<string>()
    for (const key of scene.storedKeys('progress/'))
      for (const { name } of json<{ blocked?: { name: string }[] }>(scene.stored(key))?.blocked ?? []) blocked.add(name)
    for (const [name, generation] of published) {
      if (blocked.has(name)) continue
      const shards = saidIn.get(`${name} ${generation}`)
      if (shards === undefined || [...shards].some((key) => lost.has(key) || scene.stored(key) !== undefined)) continue
      return violation(`${by} deleted the last plan that says what ${name} answers, under ${generation}`)
    }
    return null
  }

  return {
    invariant: 'S4',
    onCommit(writes: readonly Write[], by: string): Violation | null {
      commits += 1
      let headMoved = false
      const passedBy = headBefore > 0 && isUntouched(headBefore) ? headBefore : 0
      const deleted = new Set<string>()
      for (const write of writes) {
        if (write.key === 'head' || write.key.startsWith('claim/')) written.set(write.key, commits)
        if (by === 'tamper') {
          if (/^(head|plan|shard)/.test(write.key)) lost.add(write.key)
          if (write.key === 'head') headBefore = 0
          for (const digest of shardsOf.get(write.key) ?? []) lost.add(`shard/${digest}`)
        } else if (write.kind === 'put') {
          lost.delete(write.key)
          headMoved ||= write.key === 'head'
          if (write.key.startsWith('plan/')) shardsOf.set(write.key, json<PlanDocument>(write.value)?.shards ?? [])
        } else if (/^(plan|shard)\//.test(write.key)) deleted.add(write.key)
        if (write.kind === 'put' && write.key.startsWith('shard/'))
          for (const { name, since } of linesOf(write.value)) {
            const key = `${name} ${since}`
            saidIn.set(key, (saidIn.get(key) ?? new Set()).add(write.key))
          }
      }
      if (headMoved) {
        const head = headGeneration()
        const missing = isWhole(head)
        if (missing !== null) return violation(`${by} made plan ${head} head without ${missing}`)
        const parent = json<PlanDocument>(scene.stored(planKey(head)))?.parent ?? 0
        headBefore = head
        if (passedBy > 0 && parent !== passedBy)
          return violation(`${by} made plan ${head} from plan ${parent}, while plan ${passedBy} was head and whole`)
      }
      return deleted.size === 0 ? null : (ancestors(deleted, by) ?? claimed(deleted, by) ?? words(by))
    },
    onRecords(name: Name, _before: Standing, after: Standing, by: string): null {
      const generation = generationAt(after)
      if (by === 'hand' || generation === null) published.delete(name)
      else published.set(name, generation)
      return null
    },
  }
}
