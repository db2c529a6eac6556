/**
 * What a store is apart from how it is reached: one linearizable state, its revisions, and what changed in
 * which. The simulated store and the store of tests are this, behind links or without.
 */
import {
  type Commit,
  type Compare,
  type Entry,
  never,
  type Range,
  type Revision,
  type Watched,
  type Write,
} from '../../src/store/store.ts'

interface Stored {
  readonly value: Uint8Array
  readonly revision: Revision
}

export interface StoreCopy {
  readonly entries: ReadonlyMap<string, Stored>
  readonly revision: Revision
}

export class StoreState {
  #revision: Revision = never
  readonly #entries = new Map<string, Stored>()
  /** Keys in the order of their UTF-8 bytes; null when it has to be made again. */
  #sorted: string[] | null = null
  /** Revision and key of each write, in order. */
  #changes: { readonly revision: Revision; readonly key: string }[] = []
  #floor: Revision = never
  readonly #keepChanges: number

  /** So many changes are remembered for who watches. */
  constructor(keepChanges: number) {
    this.#keepChanges = keepChanges
  }

  get revision(): Revision {
    return this.#revision
  }

  /** As it is kept: not to be changed. */
  peek(key: string): Uint8Array | undefined {
    return this.#entries.get(key)?.value
  }

  keys(prefix: string): readonly string[] {
    this.#sorted ??= [...this.#entries.keys()].sort(byUtf8)
    return this.#sorted.filter((key) => key.startsWith(prefix))
  }

  get(key: string): Entry | undefined {
    const stored = this.#entries.get(key)
    return stored && { key, value: stored.value.slice(), revision: stored.revision }
  }

  range(prefix: string, after: string | undefined, most: number): Range {
    const matching = this.keys(prefix).filter((key) => after === undefined || byUtf8(key, after) > 0)
    const entries = matching.slice(0, most).map((key) => this.get(key) as Entry)
    return { entries, revision: this.#revision, more: matching.length > most }
  }

  commit(compares: readonly Compare[], writes: readonly Write[]): Commit {
    const failed = compares
      .map((compare) => ({ ...compare, found: this.#entries.get(compare.key)?.revision ?? never }))
      .filter((compare) => compare.found !== compare.revision)
    if (failed.length > 0) return { kind: 'conflict', failed }
    if (writes.length === 0) return { kind: 'committed', revision: this.#revision }
    const revision = (this.#revision + 1) as Revision
    this.#revision = revision
    for (const write of writes) {
      if (write.kind === 'delete' || !this.#entries.has(write.key)) this.#sorted = null
      if (write.kind === 'delete') this.#entries.delete(write.key)
      else this.#entries.set(write.key, { value: write.value.slice(), revision })
      this.#changes.push({ revision, key: write.key })
    }
    const dropped = this.#changes[this.#changes.length - this.#keepChanges - 1]
    if (dropped !== undefined) this.#floor = dropped.revision
    if (this.#changes.length > 2 * this.#keepChanges) this.#changes = this.#changes.slice(-this.#keepChanges)
    return { kind: 'committed', revision }
  }

  /** What a watch that begins after `after` is told at once; undefined: nothing yet. */
  since(prefix: string, after: Revision): Watched | undefined {
    if (after < this.#floor || after > this.#revision) return { kind: 'compacted', revision: this.#revision }
    const keys = new Set<string>()
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const change = this.#changes[index]
      if (change === undefined || change.revision <= after) break
      if (change.key.startsWith(prefix)) keys.add(change.key)
    }
    return keys.size === 0 ? undefined : { kind: 'changed', keys: [...keys].reverse(), revision: this.#revision }
  }

  /** What is there now, to be put back later. */
  copy(): StoreCopy {
    return { entries: new Map(this.#entries), revision: this.#revision }
  }

  /** As a copy of the file put back: revisions begin again where they were. What that changes, as writes. */
  putBack({ entries, revision }: StoreCopy): readonly Write[] {
    const lost = this.keys('').filter((key) => !entries.has(key))
    const changed = [...entries].filter(([key, { revision }]) => this.#entries.get(key)?.revision !== revision)
    this.#entries.clear()
    for (const [key, stored] of entries) this.#entries.set(key, stored)
    this.#sorted = null
    this.#changes = this.#changes.filter((change) => change.revision <= revision)
    this.#revision = revision
    return [
      ...lost.map((key): Write => ({ kind: 'delete', key })),
      ...changed.map(([key, { value }]): Write => ({ kind: 'put', key, value })),
    ]
  }
}

/** By the bytes of their UTF-8: by code points, which UTF-16 units are not in the order of. */
function byUtf8(a: string, b: string): number {
  if (!hasSurrogates.test(a) && !hasSurrogates.test(b)) return a < b ? -1 : Number(a > b)
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

const hasSurrogates = /[\ud800-\udfff]/
