/**
 * L2 no starvation: while plans follow one another and nothing is broken, every name keeps up: what it
 * answers was replaced in the plans a bounded time ago. Whoever loses drops its plan and reads the
 * newest, so somebody gets on. Nor do planners make plan after plan without end, each undoing what the
 * other wrote: nobody could keep up with that.
 */
import type { Name } from '../../src/model/name.ts'
import { type Check, generationAt, linesOf, type RunScene } from './check.ts'

export const keepsUpWithinMs = 8_000
/** After healing, before this is asked for: restarts and back-offs have to end. */
const settledAfterMs = 20_000
/** So many plans in such a time are of nobody's wishing: twenty changes a second of everything would not need them. */
const stormPlans = 500
const stormMs = 5_000

export function noStarvation(scene: RunScene): Check {
  /** When each name was first said anew, in order; only the latest are of interest. */
  const said = new Map<Name, { readonly since: number; readonly at: number }[]>()
  /** When the latest plans became head. */
  const heads: number[] = []
  const leadsToForeign = (text: string) => [...scene.foreign].some((name) => text.endsWith(` alias ${name}`))
  return {
    invariant: 'L2',
    onCommit(writes, by) {
      // What lost plans said is not waited for.
      if (by === 'tamper' && writes.some(({ key }) => /^(head|plan|shard)/.test(key))) said.clear()
      for (const write of writes) {
        if (by !== 'tamper' && write.key === 'head') {
          heads.push(scene.now())
          if (heads.length > stormPlans) heads.shift()
          if (heads.length === stormPlans && scene.now() - (heads[0] as number) < stormMs)
            return { invariant: 'L2', text: `${stormPlans} plans within ${stormMs} ms, the latest by ${by}` }
        }
        if (write.kind !== 'put' || !write.key.startsWith('shard/')) continue
        for (const { name, since, text } of linesOf(write.value)) {
          if (leadsToForeign(text)) {
            said.delete(name)
            continue
          }
          const known = said.get(name) ?? []
          if (known.some((one) => one.since === since)) continue
          known.push({ since, at: scene.now() })
          said.set(name, known.slice(-64))
        }
      }
      return null
    },
    onTime() {
      const healed = scene.healedAt()
      if (healed === null || scene.now() < healed + settledAfterMs) return null
      for (const [name, all] of said) {
        if (scene.foreign.has(name)) continue
        const standing = generationAt(scene.standing(name))
        if (standing === null) continue
        const replaced = all.find(({ since }) => since > standing)
        if (replaced === undefined) continue
        const behind = Math.round(scene.now() - Math.max(replaced.at, healed + settledAfterMs))
        if (behind > keepsUpWithinMs)
          return {
            invariant: 'L2',
            text: `${name} answers generation ${standing}, replaced ${behind} ms ago by ${replaced.since}, and nobody gets there`,
          }
      }
      return null
    },
  }
}
