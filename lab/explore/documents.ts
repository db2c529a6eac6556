/** The store of an explored world: documents as numbers, and what its operations do to a state. */
import { assert } from '../../src/base/assert.ts'
import { fromUtf8 } from '../../src/base/bytes.ts'
import { type Generation, genesis } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
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
import type { EpochMs } from '../../src/world/world.ts'
import { Interned } from './intern.ts'
import type { Layout } from './layout.ts'
import type { State } from './world.ts'

export interface Document {
  readonly value: Uint8Array
  /** For the head the number of its plan; for others the same as long as the content is. */
  readonly revision: Revision
}

const stale = ' before head moved'

export class Documents {
  readonly #layout: Layout
  readonly #values = new Interned<Document>()
  readonly #told: Interned<unknown>

  constructor(layout: Layout, told: Interned<unknown>) {
    this.#layout = layout
    this.#told = told
  }

  document(value: number): Document | undefined {
    return this.#values.value(value)
  }

  number(key: string, value: Uint8Array): number {
    const kind = key.replace(/\/.*/, '')
    const name = /^(claim|progress)$/.test(kind) ? kind : key
    const head = key === keys.head.key() ? keys.head.decode(value)?.generation : undefined
    const text = `${name}: ${fromUtf8(value)}`
    return this.#values.number(text, () => ({
      value: value.slice(),
      revision: (head ?? revisionOf(text)) as Revision,
    }))
  }

  /** The generation of head, as its revision; 0 without one. */
  head(state: State): number {
    const value = this.#layout.at(state, 0)
    return value === 0 ? 0 : (this.document(value) as Document).revision
  }

  /** Whether what was claimed here was claimed before head moved last: then the sweep has to see it. */
  isStale(value: number): boolean {
    return this.#values.text(value).endsWith(stale)
  }

  makeStale(value: number): number {
    if (value === 0 || this.isStale(value)) return value
    const document = this.document(value) as Document
    return this.#values.number(`${this.#values.text(value)}${stale}`, () => document)
  }

  fresh(value: number): number {
    const text = this.#values.text(value)
    if (!text.endsWith(stale)) return value
    const document = this.document(value) as Document
    return this.#values.number(text.slice(0, -stale.length), () => document)
  }

  /** As far as the sweep goes by it: how much has been published. */
  asRoot(value: number): number {
    const document = this.document(value)
    const progress = document === undefined ? undefined : keys.progress.decode(document.value)
    if (progress === undefined) return value
    return this.root(progress.enacted)
  }

  /** What an enactor says that has seen this plan published, without the rest. */
  root(enacted: Generation): number {
    const said = { at: 0 as EpochMs, working: genesis, enacted, blocked: [], ahead: null }
    const progress = { ...said, applied: 0, repaired: 0, conflicts: 0, fenced: 0 }
    return this.number(keys.progress.prefix, keys.progress.encode(progress))
  }

  /** As it is when head moves no more. */
  claim(generation: Generation): number {
    return this.number(keys.claim.prefix, keys.claim.encode({ generation, at: 0 as EpochMs }))
  }

  get(state: State, key: string, slot: number | undefined): number {
    const value = slot === undefined ? 0 : this.#layout.at(state, slot)
    const found = value === 0 ? undefined : this.document(value)
    const isPlan = key.startsWith(keys.plan.prefix)
    const text =
      found === undefined ? 'nothing' : key === keys.head.key() ? `plan ${found.revision}` : isPlan ? 'found' : ''
    return this.#told.number(`${text}\n${key} ${value}`, () =>
      found === undefined ? undefined : ({ key, ...found } satisfies Entry),
    )
  }

  entries(prefix: string, found: readonly (readonly [key: string, value: number])[]): number {
    const text = found.map(([key, value]) => `${key}=${value}`).join(' ')
    return this.#told.number(`\nrange ${prefix} ${text}`, (): Range => {
      const entries = found.map(([key, value]): Entry => ({ key, ...(this.document(value) as Document) }))
      return { entries, revision: 1 as Revision, more: false }
    })
  }

  watch(state: State, after: Revision): number {
    const revision = this.head(state) as Revision
    const kind = revision === after ? 'quiet' : 'changed'
    return this.#told.number(
      `${kind} ${revision}`,
      (): Watched => (kind === 'quiet' ? { kind, revision } : { kind, keys: [keys.head.key()], revision }),
    )
  }

  /** A function that carries a commit out, if what it compares is so; `isDone` is told whether it was. */
  commit(
    compares: readonly Compare[],
    writes: readonly Write[],
    member: number,
  ): (state: State, isDone: (before: string) => void) => number {
    const layout = this.#layout
    const wanted = compares.map(({ key, revision }) => ({ key, slot: layout.slotOf(key, member), revision }))
    const changes = writes.map((write) => {
      const slot = layout.slotOf(write.key, member)
      assert(slot !== undefined, `expected a key of this world, found ${write.key}`)
      return { slot, value: write.kind === 'put' ? this.number(write.key, write.value) : 0 }
    })
    const head = changes.find(({ slot }) => slot === 0)?.value ?? 0
    const revision = (this.document(head)?.revision ?? 1) as Revision
    return (state, isDone) => {
      const failed = wanted.flatMap(({ key, slot, revision }) => {
        const value = slot === undefined ? 0 : layout.at(state, slot)
        const found = value === 0 ? never : (this.document(value) as Document).revision
        return found === revision ? [] : [{ key, revision, found }]
      })
      if (failed.length > 0)
        return this.#told.number(`conflict\n${JSON.stringify(failed)}`, (): Commit => ({ kind: 'conflict', failed }))
      const before = layout.text(state)
      for (const { slot, value } of changes) layout.put(state, slot, value)
      isDone(before)
      return this.#told.number(`done\n${revision}`, (): Commit => ({ kind: 'committed', revision }))
    }
  }
}

/** The same for the same content. */
function revisionOf(text: string): number {
  let hash = 1
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) >>> 1
  return hash + 1
}
