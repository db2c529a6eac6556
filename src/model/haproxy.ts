/** What is known of an HAProxy that gets weights: how it is reached, which pools it serves, what a balancer says of it. */
import type { Address, EpochMs } from '../world/world.ts'
import type { Generation } from './generation.ts'

/** Where HAProxy's runtime API listens (`stats socket`). It has no password: a file, or loopback. */
export type RuntimeAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly address: Address }

export interface HaproxyPool {
  readonly pool: string
  readonly backend: string
  /** Of every target. */
  readonly port: number
  /** How many slots `holdfast haproxy config` writes; a balancer counts those that are there. */
  readonly slots: number
  readonly mode: 'tcp' | 'http'
  /** Where the generated frontend listens; null: no frontend is written. */
  readonly bind: Address | null
}

export interface Haproxy {
  readonly socket: RuntimeAddress
  /** HAProxy's `server-state-file`, kept up to date by the balancer; null: somebody else dumps it before a reload. Absolute. */
  readonly stateFile: string | null
  readonly pools: readonly HaproxyPool[]
}

export type SlotState = 'ready' | 'drain' | 'maint'

export interface SlotReport {
  readonly slot: string
  /** Null: free. */
  readonly target: string | null
  /** `address:port`. */
  readonly at: string
  /** 0 to 256. */
  readonly weight: number
  readonly state: SlotState
}

export interface BackendReport {
  readonly backend: string
  /** What stands in HAProxy's own marker; null: none, or none of ours. */
  readonly generation: Generation | null
  readonly slots: readonly SlotReport[]
  /** Servers of the backend that are not ours: never touched. At most 100. */
  readonly foreign: readonly string[]
  /** Slots found otherwise than they were pushed, since this balancer began. */
  readonly repaired: number
  /** What was repaired last, in words; empty: nothing. */
  readonly lastRepair: string
}

/** What a balancer says of itself in the store. */
export interface Balancing {
  readonly at: EpochMs
  /** The plan whose weights it pushes; 0: none yet. */
  readonly working: Generation
  /** A generation above the newest plan was found in HAProxy: the store has lost history, the planner must go on above it. */
  readonly ahead: Generation | null
  /** Version; null while HAProxy cannot be used. */
  readonly haproxy: string | null
  /** By pool. */
  readonly pools: Readonly<Record<string, BackendReport>>
}
