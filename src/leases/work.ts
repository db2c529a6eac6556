/** The port to what has to be done for each host: a statement, a call, a document. It is the dependency. */

export interface WorkHost {
  readonly id: string
  /** Empty if the host does not say. */
  readonly site: string
}

/**
 * `refused`: the dependency works, and says no to this one: it has seen a higher epoch, or does not know the
 * host. `failed`: it does not work. `timeout`: nothing came in time, and the other side was told to stop; it
 * may have been done all the same, so another try needs a higher epoch.
 */
export type WorkOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused' | 'failed' | 'timeout'; readonly why: string }

export interface Work {
  /**
   * At most `timeoutMs`, and a little for the end of it; never throws. Writes `epoch` where a smaller one
   * stands. Called for many hosts at once, for one host once at a time.
   */
  grant(host: WorkHost, epoch: number, timeoutMs: number): Promise<WorkOutcome>
  /** How many at once it can take. */
  readonly atOnce: number
  /** What is wrong with it though it works, in a sentence for operators; empty or absent: nothing. */
  readonly ail?: string
  close(): Promise<void>
}
