/** What balancers say they did. Logs and metrics are made of these and of nothing else. */
import type { TraceEvent, World } from '../world/world.ts'

export type BalanceEvent =
  | { readonly event: 'balance.policy_changed'; readonly digest: string; readonly pools: number }
  | { readonly event: 'balance.policy_unreadable'; readonly reason: string }
  /** The plan whose weights are pushed from now on. */
  | { readonly event: 'balance.followed'; readonly generation: number }
  /** After a restart, with nothing newer in sight: the weights that were pushed last. */
  | { readonly event: 'balance.resumed'; readonly generation: number }
  /** The last weights go on being pushed. */
  | { readonly event: 'balance.store_lost'; readonly reason: string; readonly retryMs: number }
  | { readonly event: 'balance.store_found' }
  /** The store would not take a report, or the last weights could not be written down. */
  | { readonly event: 'balance.refused'; readonly reason: string }
  /** The runtime API is usable; also after each reload, which brings a new process. */
  | { readonly event: 'balance.haproxy_found'; readonly version: string; readonly process: number }
  | { readonly event: 'balance.haproxy_lost'; readonly reason: string; readonly retryMs: number }
  /** The runtime socket answers somebody else: this one waits until it is free. */
  | { readonly event: 'balance.stood_by' }
  /** The process that was spoken to only ends what it has begun: there is a newer one. */
  | { readonly event: 'balance.haproxy_reloaded'; readonly process: number }
  /** Something about a backend, when this is first found or changes. Empty: nothing any more. */
  | { readonly event: 'balance.complained'; readonly pool: string; readonly reason: string }
  /** One push of all weights of all backends. */
  | {
      readonly event: 'balance.pushed'
      readonly generation: number
      readonly slots: number
      readonly commands: number
      /** More than weights was to be set. */
      readonly structural: boolean
      readonly ms: number
    }
  /** HAProxy holds a newer generation: nothing was pushed. */
  | { readonly event: 'balance.fenced'; readonly pool: string; readonly mine: number; readonly theirs: number }
  /** A slot was not as it was left: it is put right. */
  | {
      readonly event: 'balance.repaired'
      readonly pool: string
      readonly slot: string
      readonly expected: string
      readonly found: string
    }
  | { readonly event: 'balance.read_back'; readonly slots: number; readonly drift: number; readonly ms: number }

type Conforms<T extends TraceEvent> = T
export type AnyBalanceEvent = Conforms<BalanceEvent>

/** `world.trace`, for this role's events only. */
export function trace(world: World, event: AnyBalanceEvent): void {
  world.trace(event)
}
