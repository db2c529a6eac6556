/** How old a result may be and still say something about now. */
import type { Pool } from '../model/policy.ts'

/** Older than this, a result says nothing about now. A result as far in the future is no better. */
export const staleAfterMs = (pool: Pick<Pool, 'intervalMs'>): number => Math.max(4 * pool.intervalMs, 3_000)
