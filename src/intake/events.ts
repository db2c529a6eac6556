/** What the intake says it took and did. Logs and metrics are made of these and of nothing else. */
import type { TraceEvent, World } from '../world/world.ts'

export type IntakeEvent =
  /** `agent` said something new of the state of a target. `from` is empty if nobody had said anything. */
  | {
      readonly event: 'intake.turned'
      readonly pool: string
      readonly target: string
      readonly agent: string
      readonly from: string
      readonly to: string
      readonly detail: string
    }
  /** One request, with how many of its observations were taken; `status` is that of HTTP. */
  | { readonly event: 'intake.received'; readonly agent: string; readonly accepted: number; readonly refused: number }
  /** Observations or requests that were not taken. `why` is one of few words: `stale`, `future`, `sequence`, `target`, `token`, `rate`, `shape`, `large`. */
  | { readonly event: 'intake.refused'; readonly agent: string; readonly why: string; readonly count: number }
  /** The token of an agent cannot be used: it is not let in. */
  | { readonly event: 'intake.agent_unusable'; readonly agent: string; readonly why: string }
  | { readonly event: 'intake.listening'; readonly url: string }
  /** How much of a pool's capacity is needed, as asked. */
  | { readonly event: 'intake.demand_asked'; readonly pool: string; readonly value: number; readonly ms: number }
  /** Nobody could say; what was said before ages out. Told when it begins and when the reason changes. */
  | { readonly event: 'intake.demand_lost'; readonly pool: string; readonly source: string; readonly why: string }
  | { readonly event: 'intake.demand_found'; readonly pool: string; readonly source: string }
  | { readonly event: 'intake.store_lost'; readonly reason: string; readonly retryMs: number }
  | { readonly event: 'intake.store_found' }
  | { readonly event: 'intake.policy_unreadable'; readonly reason: string }
  | { readonly event: 'intake.policy_changed'; readonly digest: string; readonly pools: number }

type Conforms<T extends TraceEvent> = T
export type AnyIntakeEvent = Conforms<IntakeEvent>

/** `world.trace`, for this role's events only. */
export function trace(world: World, event: AnyIntakeEvent): void {
  world.trace(event)
}
