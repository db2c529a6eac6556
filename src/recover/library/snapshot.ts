/** What can be watched of a governor. */
import type { Dependency } from '../dependency.ts'
import type { Hint } from '../hint.ts'
import type { Shed, TimedOut } from './errors.ts'
import type { ClassName } from './options.ts'

export interface Snapshot {
  /** `up`, `degraded` (many failures), `down` (one probe at a time), `recovering`. */
  readonly dependency: Dependency['state']
  /** Executions by class. */
  readonly waiting: Readonly<Record<ClassName, number>>
  readonly inFlight: number
  /** Runs at once allowed now, and where the knee is believed to be. */
  readonly limit: number
  readonly knee: number
  /** Runs that succeeded, a second: of the last window, and of the last one with as much to do as allowed. */
  readonly goodput: number
  readonly throughput: number
  readonly meanLatencyMs: number
  /** Since the beginning. `coalesced`: calls that shared another's execution. */
  readonly total: {
    readonly calls: number
    readonly coalesced: number
    readonly done: number
    readonly failed: number
    readonly timedOut: number
    readonly shed: number
  }
  /** Runs whose time was up twice over and that have not ended: the function does not heed its signal. */
  readonly abandoned: number
  /** To be kept, and given to the next process. */
  readonly hint: Hint | undefined
}

export interface Events {
  /** A call was refused. */
  shed: (error: Shed) => void
  /** A run took too long. */
  timeout: (error: TimedOut) => void
  /** The state of the dependency changed. */
  dependency: (now: Dependency['state'], before: Dependency['state']) => void
}
