/**
 * The store: where plans, claims, observations and overrides live, shared by all programs.
 *
 * One key space, one revision that counts commits, and a transaction of compares and writes, as in
 * etcd. Every implementation passes the same suite (`test/support/store-contract.ts`). Linearizable: a read that starts
 * after a commit was acknowledged sees it, in any process.
 */

import type { Brand } from '../base/brand.ts'
import type { Problem } from '../base/problem.ts'

/** Counts commits of the whole store, from 1; 0 means "never". */
export type Revision = Brand<number, 'Revision'>
export const never = 0 as Revision

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
  /** The commit that last wrote this key. */
  readonly revision: Revision
}

/** Holds if the key was last written by exactly that commit; `never`: if it does not exist. */
export interface Compare {
  readonly key: string
  readonly revision: Revision
}

export type Write =
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: string }

export type Commit =
  | { readonly kind: 'committed'; readonly revision: Revision }
  /** Nothing was written. The compares that failed, with what is there now. */
  | { readonly kind: 'conflict'; readonly failed: readonly (Compare & { readonly found: Revision })[] }
  /** Nothing was written, and trying again will not help until somebody acts: full, read-only, newer version. */
  | { readonly kind: 'refused'; readonly problem: Problem }
  /** It may or may not have been written: read before you decide. */
  | { readonly kind: 'unknown'; readonly reason: string }

export type Watched =
  /** The keys under the prefix written or deleted after `after`, each once, in order of their last change. */
  | { readonly kind: 'changed'; readonly keys: readonly string[]; readonly revision: Revision }
  /** Nothing until the time was up. */
  | { readonly kind: 'quiet'; readonly revision: Revision }
  /** Too long ago, or never reached (another store stands there now): the list of changes does not tell. Read everything, then go on from `revision`. */
  | { readonly kind: 'compacted'; readonly revision: Revision }

export interface Range {
  readonly entries: readonly Entry[]
  /** The store's revision at the time of the read: watch from here to miss nothing. */
  readonly revision: Revision
  /** More keys follow; go on after the last one. */
  readonly more: boolean
}

/** A read that could not be made. Commits return their outcome instead, because a write's outcome matters. */
export class StoreOutage extends Error {
  override readonly name = 'StoreOutage'
  readonly problem: Problem
  constructor(problem: Problem) {
    super(`${problem.at}: expected ${problem.expected}, found ${problem.found}; ${problem.todo}`)
    this.problem = problem
  }
}

export interface Store {
  /** @throws StoreOutage */
  get(key: string): Promise<Entry | undefined>
  /**
   * Keys that start with `prefix`, in the order of their UTF-8 bytes, from the first one after `after`; at most
   * `limit` (default and maximum 10,000), and fewer when their values are very large: go on while `more`. @throws StoreOutage
   */
  range(prefix: string, options?: { readonly after?: string; readonly limit?: number }): Promise<Range>
  /**
   * All compares hold and all writes happen, durably, or none. A key may be written once per commit, and its value must
   * not be changed before the outcome is known. Without writes it only compares. A closed store: @throws StoreOutage
   */
  commit(compares: readonly Compare[], writes: readonly Write[]): Promise<Commit>
  /** Waits until something under `prefix` was written after revision `after`, at most `timeoutMs`. No gaps. @throws StoreOutage */
  watch(prefix: string, after: Revision, timeoutMs: number): Promise<Watched>
  close(): Promise<void>
}
