/** What all enactors, this one too, have said in the store about what they published: it makes a name ours that lost its marker. */
import type { Generation } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Revision, Store } from '../store/store.ts'

export interface Evidence {
  /** @throws StoreOutage */
  read(): Promise<void>
  isOurs(entry: PlanEntry): boolean
  /** What was said about plans of a history that the store has lost says nothing about plans of the same numbers now. */
  forget(): void
}

interface Statement {
  readonly revision: Revision
  readonly enacted: Generation
  readonly notOurs: ReadonlySet<Name>
}

export function evidenceIn(store: Store): Evidence {
  const statements = new Map<string, Statement>()
  return {
    async read() {
      const range = await store.range(keys.progress.prefix, { limit: 1_000 })
      const present = new Set(range.entries.map(({ key }) => key))
      for (const key of statements.keys()) if (!present.has(key)) statements.delete(key)
      for (const { key, value, revision } of range.entries) {
        if (statements.get(key)?.revision === revision) continue
        const progress = keys.progress.decode(value)
        if (progress === undefined) continue
        const notOurs = new Set(progress.blocked.filter(({ ours }) => ours !== true).map(({ name }) => name))
        statements.set(key, { revision, enacted: progress.enacted, notOurs })
      }
    },
    isOurs({ name, born }) {
      for (const { enacted, notOurs } of statements.values()) if (enacted >= born && !notOurs.has(name)) return true
      return false
    },
    forget: () => statements.clear(),
  }
}
