/**
 * An operator's instruction. It always says who gave it, why, when, and until when it holds; an
 * override past its expiry has no effect and is deleted by the planner.
 */
import type { EpochMs } from '../world/world.ts'
import type { Generation } from './generation.ts'
import type { Name } from './name.ts'

export type OverrideAction =
  /** Take a target out of every answer, however healthy. Never empties a name: then it waits. */
  | { readonly kind: 'drain'; readonly pool: string; readonly target: string }
  /** Take a whole site out of one pool, or of all (null), as one action; waits while what is left could not carry it. Taken back: it returns in steps. */
  | { readonly kind: 'evacuate'; readonly site: string; readonly pool: string | null }
  /** The same from one time until another, in every pool. */
  | { readonly kind: 'maintenance'; readonly site: string; readonly from: EpochMs; readonly until: EpochMs }
  /** Keep what this endpoint answers now, whatever its health says. */
  | { readonly kind: 'pin'; readonly name: Name }
  /** Publish nothing new at all. */
  | { readonly kind: 'freeze' }
  /** Answer again, under a new generation, what that plan answered, and stay there. */
  | { readonly kind: 'rollback'; readonly to: Generation }
  /** Give a name up for good. Used up by the plan that carries it out. */
  | { readonly kind: 'retire'; readonly name: Name }

export interface Override {
  readonly action: OverrideAction
  readonly author: string
  readonly reason: string
  readonly at: EpochMs
  /** Null: until taken back. */
  readonly expires: EpochMs | null
  /** Safety rules that this instruction may break, by name (such as `S5`); the refusal named them. */
  readonly breaks: readonly string[]
}

/** What the override is filed under: one per subject, a later one replaces it. */
export function subjectOf(action: OverrideAction): string {
  switch (action.kind) {
    case 'drain':
      return `drain/${action.pool}/${action.target}`
    case 'evacuate':
      return action.pool === null ? `evacuate/${action.site}` : `evacuate/${action.site}/${action.pool}`
    case 'maintenance':
      return `maintenance/${action.site}`
    case 'pin':
      return `pin/${action.name}`
    case 'retire':
      return `retire/${action.name}`
    case 'freeze':
      return 'freeze'
    case 'rollback':
      return 'rollback'
  }
}

/** Whether a maintenance window stands open. */
export const isOpenWindow = (
  { from, until }: { readonly from: EpochMs; readonly until: EpochMs },
  now: EpochMs,
): boolean => from <= now && now < until

export function inForce(override: Override, now: EpochMs): boolean {
  return override.expires === null || now < override.expires
}
