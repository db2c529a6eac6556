/** What probers say they saw and did. Logs and metrics are made of these and of nothing else. */
import type { TraceEvent, World } from '../world/world.ts'

export type HealthEvent =
  /** A round of checks over one pool. `changed`: results that differ from the round before. */
  | {
      readonly event: 'health.probed'
      readonly pool: string
      readonly targets: number
      readonly passed: number
      readonly failed: number
      readonly changed: number
      readonly ms: number
    }
  /** A target's check came out differently from the one before; `result` is `pass` or `fail`. */
  | {
      readonly event: 'health.turned'
      readonly pool: string
      readonly target: string
      readonly result: string
      readonly detail: string
    }
  /** A round began more than one interval after its time: this prober was held up, and saw nothing meanwhile. */
  | { readonly event: 'health.delayed'; readonly pool: string; readonly lateMs: number }
  /** A round took longer than an interval, so that rounds were left out. */
  | { readonly event: 'health.overran'; readonly pool: string; readonly skipped: number }
  /** Targets of which a round learnt nothing, for reasons of this prober or its machine; `why`: the first of them. */
  | { readonly event: 'health.blinded'; readonly pool: string; readonly checks: number; readonly why: string }
  /** The canary does not answer: until it does, no round counts. */
  | { readonly event: 'health.canary_lost'; readonly why: string }
  | { readonly event: 'health.canary_found' }
  /** The event loop of this prober lags: its time-outs are doubled, and what it writes says so. */
  | { readonly event: 'health.strained'; readonly lateMs: number }
  | { readonly event: 'health.relieved' }
  /** A pool is probed from now on, on the `kept` results of an observation that is still fresh. */
  | { readonly event: 'health.started'; readonly pool: string; readonly targets: number; readonly kept: number }
  /** A pool is probed no more: it left the policy, or has no check. */
  | { readonly event: 'health.stopped'; readonly pool: string }
  /** Observations cannot be written; the newest ones wait, the rounds go on. */
  | { readonly event: 'health.store_lost'; readonly reason: string; readonly retryMs: number }
  | { readonly event: 'health.store_found' }
  /** The policy cannot be read: the last good one goes on. */
  | { readonly event: 'health.policy_unreadable'; readonly reason: string }
  | { readonly event: 'health.policy_changed'; readonly digest: string; readonly pools: number }

type Conforms<T extends TraceEvent> = T
export type AnyHealthEvent = Conforms<HealthEvent>

/** `world.trace`, for this role's events only. */
export function trace(world: World, event: AnyHealthEvent): void {
  world.trace(event)
}
