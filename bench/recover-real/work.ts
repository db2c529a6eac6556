/** What has to be done at the dependency for each host: one operation, with a real time-out. */
import type { Outcome } from '../../src/recover/pump.ts'

export type EndedWork = (outcome: Outcome, latencyMs: number) => void

export interface Work {
  /** Starts one operation; `ended` is called exactly once, and not before this returns. */
  start(host: number, epoch: number, ended: EndedWork): void
  /** Lets go of every connection. What still runs may end as failed. */
  close(): Promise<void>
}
