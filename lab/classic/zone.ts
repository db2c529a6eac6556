/**
 * The phone book of October 2025 as its writers saw it: a zone behind a control API whose batches happen
 * whole or not at all.
 *
 * DELETE must name exactly what stands there, CREATE fails if something does, and an alias cannot be
 * created to a record that does not exist. Nothing keeps anybody from deleting a record that an alias
 * leads to: then the name answers NOERROR, and no address.
 */

/** A record set by name; `value` is its whole text, as a DELETE has to repeat it. */
export interface Item {
  readonly action: 'CREATE' | 'DELETE'
  readonly name: string
  readonly value: string
}

export type BatchResult =
  | { readonly kind: 'done' }
  /** Nothing was changed. `name` is the record that stood in the way. */
  | { readonly kind: 'refused'; readonly name: string; readonly reason: string }

/** TXT `<host> <epoch>`: who may write this endpoint. */
export const lockOf = (endpoint: string): string => `lock.${endpoint}`
/** Alias of a plan's tree: the name that customers ask for. */
export const rootOf = (endpoint: string): string => endpoint
/** Alias of the tree that was active before. */
export const rollbackOf = (endpoint: string): string => `rollback.${endpoint}`
/** Weighted record of one plan: `<leaf>*<weight>` for each load balancer. */
export const treeOf = (endpoint: string, plan: number): string => `plan-${plan}.${endpoint}`
/** Address of one load balancer in one plan. */
export const leafOf = (balancer: string, tree: string): string => `${balancer}.${tree}`

export const planOfTree = (tree: string): number => Number(/^plan-(\d+)\./.exec(tree)?.[1] ?? Number.NaN)

export class ClassicZone {
  readonly #records: Map<string, string>

  constructor(records: Iterable<readonly [name: string, value: string]> = []) {
    this.#records = new Map(records)
  }

  get(name: string): string | undefined {
    return this.#records.get(name)
  }

  names(): readonly string[] {
    return [...this.#records.keys()].sort()
  }

  batch(items: readonly Item[]): BatchResult {
    const after = new Map(this.#records)
    for (const { action, name, value } of items) {
      const found = after.get(name)
      if (action === 'DELETE') {
        if (found === undefined) return refused(name, `tried to delete ${name}, but it was not found`)
        if (found !== value)
          return refused(name, `tried to delete ${name} "${value}", but the values provided do not match "${found}"`)
        after.delete(name)
      } else {
        if (found !== undefined) return refused(name, `tried to create ${name}, but it already exists`)
        after.set(name, value)
      }
    }
    for (const { action, name, value } of items)
      if (action === 'CREATE' && isAlias(value) && !after.has(targetOf(value)))
        return refused(name, `tried to create ${name} as an alias of ${targetOf(value)}, but the target was not found`)
    this.#records.clear()
    for (const [name, value] of after) this.#records.set(name, value)
    return { kind: 'done' }
  }

  /** What a resolver gets for this endpoint, NOERROR in any case; and the plan behind it, if a root stands. */
  answer(endpoint: string): { readonly addresses: readonly string[]; readonly plan: number | null } {
    const root = this.#records.get(rootOf(endpoint))
    if (root === undefined) return { addresses: [], plan: null }
    const tree = targetOf(root)
    const leaves = this.#records.get(tree)?.split(' ') ?? []
    const addresses = leaves.flatMap((leaf) => this.#records.get(leaf.slice(0, leaf.lastIndexOf('*'))) ?? [])
    return { addresses, plan: planOfTree(tree) }
  }
}

export const aliasTo = (tree: string): string => `ALIAS ${tree}`
export const targetOf = (value: string): string => value.slice('ALIAS '.length)
const isAlias = (value: string): boolean => value.startsWith('ALIAS ')

const refused = (name: string, reason: string): BatchResult => ({ kind: 'refused', name, reason })
