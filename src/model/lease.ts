/** What lease managers keep in the store. Leases of hosts are in their memory alone, and rebuilt from reports. */
import type { EpochMs } from '../world/world.ts'

/** Who may grant leases to the hosts of one shard. Taken over by compare-and-swap; `epoch` only rises. */
export interface ShardLease {
  /** The manager's id; empty: given up. */
  readonly owner: string
  /** Of the manager: a restart is another life, and has to take the shard anew. */
  readonly life: string
  /** Stands in front of every epoch that the owner writes at the dependency, so that nobody older can. */
  readonly epoch: number
  readonly at: EpochMs
}

/** A manager that lives, written again and again: whose document no longer changes, its shards are taken. */
export interface LeaseManager {
  readonly life: string
  /** Where hosts reach it: `http://ADDRESS:PORT`. */
  readonly url: string
  readonly beat: number
  readonly at: EpochMs
}

/** What a manager knows of its part of the fleet. Numbers are hosts, operations, milliseconds, and a second. */
export interface FleetPart {
  readonly at: EpochMs
  readonly url: string
  readonly shards: number
  readonly known: number
  readonly leased: number
  /** By class: fencing, renewal, running, idle, interactive, background. */
  readonly waiting: readonly number[]
  readonly inFlight: number
  readonly limit: number
  readonly knee: number
  readonly mode: 'start' | 'cruise'
  readonly dependency: 'up' | 'degraded' | 'down' | 'recovering'
  readonly goodput: number
  readonly throughput: number
  readonly meanLatencyMs: number
  /** Until nobody waits any more; null: nobody can know. */
  readonly drainMs: number | null
  readonly ttlMs: number
  readonly overdue: number
  readonly expired: number
  readonly expirySuspended: boolean
  /** The stage behind, such as the network that a host needs next; null where there is none. */
  readonly downstream: {
    readonly waiting: number
    readonly inFlight: number
    readonly limit: number
    readonly goodput: number
    readonly drainMs: number | null
    readonly dependency: FleetPart['dependency']
  } | null
  readonly ails: readonly string[]
}

/** What one recovery leaves to the next: where the knee was, by dependency. */
export interface LeaseHint {
  readonly throughput: number
  readonly limit: number
  readonly aloneMs?: number
}

/** With what managers recognise a lease that one of them granted. Made by the first, for all. */
export interface LeaseKey {
  readonly base64: string
}

/** A lease as the dependency keeps it, where that is the store itself. */
export interface HostLease {
  readonly epoch: number
  readonly site: string
  readonly at: EpochMs
}
