/** Whom the hosts of a drill report to. */
import type { Standing } from './fleet.ts'
import type { Work as WorkDone } from './report.ts'

export type Answered = (host: number, standing: Standing, pollAfterMs: number) => void

export interface Service {
  /** Before anything is taken away. */
  open(): Promise<void>
  /** Each of them is `answered` once, now or later. */
  report(hosts: readonly number[], answered: Answered): void
  /** To be called every few hundredths of a second. */
  tick(): void
  /** Allowed in flight; undefined where the service does not say. */
  limit(): number | undefined
  /** Null where the service does not say. */
  work(): WorkDone | null
  close(): Promise<void>
}
