/**
 * Another deployment that writes the same names with the same owner. Its markers cannot be told from ours, so each of
 * the two takes the other's for a history that its store has lost, and goes on above it, for ever: no name goes back or
 * empty, and every name changes its answer again and again. A store that really lost its history goes above the markers
 * once.
 */
import type { Generation } from '../model/generation.ts'
import type { Instant } from '../world/world.ts'

const windowMs = 300_000
/** Plans that were outrun within the window, from which on it is no accident. */
const most = 3

export class Twin {
  readonly #outrun = new Map<Generation, { readonly by: Generation; readonly at: Instant }>()

  /** A marker of ours was found above the newest plan. */
  note(plan: Generation, by: Generation, now: Instant): void {
    if (!this.#outrun.has(plan)) this.#outrun.set(plan, { by, at: now })
    for (const [known, { at }] of this.#outrun) if (now - at > windowMs) this.#outrun.delete(known)
  }

  /** One sentence, or null. */
  complaint(owner: string, now: Instant): string | null {
    const recent = [...this.#outrun].filter(([, { at }]) => now - at <= windowMs)
    const [plan, outrun] = recent.at(-1) ?? []
    if (recent.length < most || outrun === undefined) return null
    return `another deployment seems to write with owner "${owner}": ${recent.length} plans in 5 minutes were outrun, plan ${plan} by generation ${outrun.by}; give each deployment an owner and names of its own`
  }
}
