/** What the planner tells: logs and metrics are made of these and nothing else. */
import type { World } from '../world/world.ts'

export type PlanEvent =
  /** A new plan is the head. `ms`: from the reading of its inputs to the acknowledged commit. */
  | {
      readonly event: 'plan.published'
      readonly generation: number
      readonly parent: number
      readonly changed: number
      readonly added: number
      readonly retired: number
      readonly total: number
      readonly shards: number
      readonly capacityRemoved: number
      readonly ms: number
    }
  /** The state of a pool in the plan just published. `capacity`: 0 to 1. */
  | {
      readonly event: 'plan.pool_weighed'
      readonly generation: number
      readonly pool: string
      readonly capacity: number
      readonly failOpen: boolean
      readonly serving: number
      readonly ramping: number
      readonly held: number
      readonly removed: number
      readonly drained: number
      readonly waiting: number
    }
  /** Another planner published first, or an instruction came meanwhile; this one reads again. */
  | { readonly event: 'plan.lost'; readonly generation: number; readonly key: string }
  /** The check refused a plan: one event for each violation, at most ten. */
  | {
      readonly event: 'plan.check_failed'
      readonly generation: number
      readonly rule: string
      readonly at: string
      readonly expected: string
      readonly found: string
      readonly todo: string
    }
  /** A gate between the checks and the answers of a pool did something, or something is remarkable about what is seen. */
  | { readonly event: 'plan.gate'; readonly pool: string; readonly gate: string; readonly text: string }
  /** Nothing was published, for a reason that is new. */
  | { readonly event: 'plan.held'; readonly reason: string }
  /** The policy in use changed. */
  | { readonly event: 'plan.policy_taken'; readonly digest: string; readonly endpoints: number; readonly pools: number }
  /** The policy cannot be used; the last good one stays in use. */
  | { readonly event: 'plan.policy_refused'; readonly problems: number; readonly first: string }
  /** Another planner's policy is in force. */
  | { readonly event: 'plan.stood_by'; readonly reason: string }
  /** The newest plan is missing or damaged in the store; the next one is issued above it. */
  | { readonly event: 'plan.damage_found'; readonly generation: number; readonly what: string }
  /** An override was deleted: expired, or carried out. */
  | { readonly event: 'plan.override_ended'; readonly subject: string; readonly because: string }
  /** A document under `override/` or `observation/` is none. */
  | { readonly event: 'plan.document_refused'; readonly key: string; readonly what: string }
  /** The store could not be read or written; tried again after `retryMs`. */
  | { readonly event: 'plan.store_failed'; readonly reason: string; readonly retryMs: number }

/** The only way from this folder into a trace. */
export const trace = (world: World, event: PlanEvent): void => world.trace(event)
