/**
 * The phone book of October 2025, as far as the race needs it: a zone behind a control API whose
 * batches happen whole or not at all. DELETE must name the exact old value, CREATE fails if something
 * stands there, and an alias cannot be created to a record that does not exist. Nothing keeps anybody
 * from deleting a record that an alias leads to.
 */
export type Item =
  | { readonly kind: 'create'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string; readonly value: string }

export const lockOf = (endpoint: string): string => `lock ${endpoint}`
export const rootOf = (endpoint: string): string => `root ${endpoint}`
export const rollbackOf = (endpoint: string): string => `rollback ${endpoint}`
export const treeOf = (endpoint: string, plan: number): string => `tree ${endpoint} ${plan}`

export class Zone {
  readonly records = new Map<string, string>()

  /** True if all of it was done; otherwise none was. */
  batch(items: readonly Item[]): boolean {
    const after = new Map(this.records)
    for (const { kind, key, value } of items) {
      if (kind === 'delete' ? after.get(key) !== value : after.has(key)) return false
      if (kind === 'delete') after.delete(key)
      else after.set(key, value)
    }
    const isAlias = (key: string) => key.startsWith('root ') || key.startsWith('rollback ')
    for (const { kind, key, value } of items) if (kind === 'create' && isAlias(key) && !after.has(value)) return false
    this.records.clear()
    for (const [key, value] of after) this.records.set(key, value)
    return true
  }

  /** What a resolver gets: NOERROR with the addresses, or NOERROR with nothing. */
  answer(endpoint: string): readonly string[] {
    const tree = this.records.get(rootOf(endpoint))
    return tree === undefined ? [] : (this.records.get(tree)?.split(' ') ?? [])
  }
}
