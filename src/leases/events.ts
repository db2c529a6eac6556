/** What a lease manager says it did. Logs and metrics are made of these and of nothing else. */
import type { TraceEvent, World } from '../world/world.ts'

export type LeaseEvent =
  | { readonly event: 'leases.listening'; readonly url: string }
  /** Shards that this manager now may grant for, and how many of them another one had before. */
  | { readonly event: 'leases.shards_taken'; readonly count: number; readonly from: string; readonly why: string }
  | { readonly event: 'leases.shards_given_up'; readonly count: number; readonly why: string }
  /** Another manager has them: their hosts are forgotten here. */
  | { readonly event: 'leases.shards_lost'; readonly count: number; readonly hosts: number; readonly why: string }
  /** The shard lease could not be renewed in time: nothing is granted until it can. */
  | { readonly event: 'leases.granting_stopped'; readonly why: string }
  | { readonly event: 'leases.granting' }
  /** The token of the fleet cannot be read, or is none. Without one from before (`isKept`), nobody is let in. */
  | { readonly event: 'leases.token_unusable'; readonly why: string; readonly isKept: boolean }
  | { readonly event: 'leases.token_found' }
  /** The dependency is in another state than before. */
  | {
      readonly event: 'leases.dependency'
      readonly stage: string
      readonly from: string
      readonly to: string
      readonly waiting: number
    }
  /** Everybody who waited holds a lease. */
  | { readonly event: 'leases.drained'; readonly hosts: number; readonly ms: number }
  /** Operations that did not succeed, in about a second; `why`: of the last. */
  | {
      readonly event: 'leases.not_done'
      readonly stage: string
      readonly outcome: string
      readonly count: number
      readonly why: string
    }
  /** Two hosts report under one identity: the one that started later has it. */
  | { readonly event: 'leases.identity_conflict'; readonly host: string; readonly count: number }
  /** Hosts that were not let in, or claimed what is not so. `why`: `full`, `not listed`, `epoch`. */
  | { readonly event: 'leases.host_refused'; readonly why: string; readonly host: string; readonly count: number }
  /** Leases that were taken away, in about a second. */
  | { readonly event: 'leases.expired'; readonly count: number; readonly host: string }
  /** Requests that were turned away. `why`: `token`, `shape`, `large`, `path`, `delay`, `sockets`. */
  | { readonly event: 'leases.turned_away'; readonly why: string; readonly count: number }
  /** Every few seconds: what metrics show. */
  | {
      readonly event: 'leases.counted'
      readonly known: number
      readonly leased: number
      readonly waiting: number
      readonly inFlight: number
      readonly limit: number
      readonly knee: number
      readonly goodput: number
      readonly drainSeconds: number
      readonly shards: number
      readonly reports: number
      readonly requests: number
      readonly granted: number
      readonly downstreamWaiting: number
    }
  | { readonly event: 'leases.store_lost'; readonly reason: string; readonly retryMs: number }
  | { readonly event: 'leases.store_found' }
  | { readonly event: 'leases.hint_unreadable'; readonly reason: string }
  /** Another program works under the same id. */
  | { readonly event: 'leases.twin'; readonly id: string }

type Conforms<T extends TraceEvent> = T
export type AnyLeaseEvent = Conforms<LeaseEvent>

/** `world.trace`, for this role's events only. */
export function trace(world: World, event: AnyLeaseEvent): void {
  world.trace(event)
}
