/** What enactors and the sweep say they did. Logs and metrics are made of these and of nothing else. */
import type { TraceEvent, World } from '../world/world.ts'

export type EnactEvent =
  /** The plan that this enactor works from now, announced in the store before its first write. */
  | { readonly event: 'enact.claimed'; readonly generation: number }
  /** An endpoint was written and read back. `plan` is the plan worked from, `generation` the one in the marker. */
  | {
      readonly event: 'enact.applied'
      readonly name: string
      readonly zone: string
      readonly generation: number
      readonly plan: number
      /** `newer`, `create` or `adopt`. */
      readonly why: string
    }
  /** The same for an endpoint whose plan had not changed: somebody else had changed or removed its records. */
  | {
      readonly event: 'enact.repaired'
      readonly name: string
      readonly zone: string
      readonly generation: number
      readonly plan: number
      /** `drift` or `unmarked`. */
      readonly why: string
    }
  /** The fence held this plan back: a newer generation stands at the name. */
  | {
      readonly event: 'enact.fenced'
      readonly name: string
      readonly zone: string
      readonly mine: number
      readonly theirs: number
    }
  /** What was read was no longer there when the write arrived. Nothing was changed; it is read again. */
  | { readonly event: 'enact.conflicted'; readonly name: string; readonly zone: string; readonly reason: string }
  /** The authority will not do it. */
  | { readonly event: 'enact.refused'; readonly name: string; readonly zone: string; readonly reason: string }
  /** The plan does not account for what the write would take out of the answer (S5): it was not sent. */
  | { readonly event: 'enact.removal_refused'; readonly name: string; readonly zone: string; readonly reason: string }
  /** No answer to a write: done or not, the next reading tells. */
  | { readonly event: 'enact.unanswered'; readonly name: string; readonly zone: string; readonly reason: string }
  /** The authority said yes, and the reading afterwards says no. */
  | { readonly event: 'enact.unapplied'; readonly name: string; readonly zone: string }
  /** A name that cannot be written, when this is first found or its reason changes. */
  | { readonly event: 'enact.blocked'; readonly name: string; readonly why: string }
  | { readonly event: 'enact.unblocked'; readonly name: string }
  /** A marker of ours is newer than the newest plan: the store has lost history, the planner must go on above it. */
  | {
      readonly event: 'enact.outrun'
      readonly name: string
      readonly zone: string
      readonly mine: number
      readonly theirs: number
    }
  /** Plan after plan is outrun by markers of this owner: another deployment seems to write with it. */
  | { readonly event: 'enact.twin_suspected'; readonly owner: string; readonly plan: number }
  /** Head moved during the pass: the rest of this plan is not written. */
  | { readonly event: 'enact.dropped'; readonly zone: string; readonly plan: number }
  /** The claimed plan, or a part of it, is not in the store. */
  | { readonly event: 'enact.vanished'; readonly generation: number; readonly what: string }
  /** One pass over one zone in which something had to be done; `retirements` stands for all zones. */
  | {
      readonly event: 'enact.passed'
      readonly zone: string
      readonly plan: number
      readonly read: number
      readonly written: number
      readonly waiting: number
      readonly ms: number
    }
  /** Every live endpoint of the zone, save blocked ones, has been seen published in this plan or a newer one. */
  | { readonly event: 'enact.completed'; readonly zone: string; readonly plan: number }
  | { readonly event: 'enact.authority_lost'; readonly zone: string; readonly reason: string }
  | { readonly event: 'enact.authority_found'; readonly zone: string }
  /** Nothing is written while the store cannot be read. */
  | { readonly event: 'enact.store_lost'; readonly reason: string; readonly retryMs: number }
  | { readonly event: 'enact.store_found' }
  /** The store would not take a claim or progress document. */
  | { readonly event: 'enact.store_refused'; readonly reason: string }
  | { readonly event: 'enact.policy_unreadable'; readonly reason: string }

export type SweepEvent =
  /** Old plans and shards were deleted from the store. Never touches DNS. */
  | { readonly event: 'sweep.deleted'; readonly plans: number; readonly shards: number; readonly oldestKept: number }
  /** Head moved since the roots were read: nothing was deleted, it is judged again. */
  | { readonly event: 'sweep.conflicted' }
  | { readonly event: 'sweep.failed'; readonly reason: string }

type Conforms<T extends TraceEvent> = T
export type AnyEnactEvent = Conforms<EnactEvent | SweepEvent>

/** `world.trace`, for this role's events only. */
export function trace(world: World, event: AnyEnactEvent): void {
  world.trace(event)
}
