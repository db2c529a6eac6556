/** A pool as arrays, worked out once for each pool: what one step over all targets reads again and again. */
import type { Pool } from '../model/policy.ts'

export interface Layout {
  readonly count: number
  readonly ids: readonly string[]
  readonly index: ReadonlyMap<string, number>
  readonly capacity: Float64Array
  readonly sites: readonly string[]
  /** By target: where its site stands in `sites`. */
  readonly siteOf: Uint16Array
}

const layouts = new WeakMap<Pool['targets'], Layout>()

/** The same for the same list of targets: policies are frozen. */
export function layoutOf({ targets }: Pick<Pool, 'targets'>): Layout {
  const known = layouts.get(targets)
  if (known !== undefined) return known
  const ids: string[] = []
  const index = new Map<string, number>()
  const sites = new Map<string, number>()
  const siteOf = new Uint16Array(targets.length)
  const capacity = new Float64Array(targets.length)
  for (const [i, target] of targets.entries()) {
    ids.push(target.id)
    index.set(target.id, i)
    const site = sites.get(target.site) ?? sites.size
    sites.set(target.site, site)
    siteOf[i] = site
    capacity[i] = target.capacity
  }
  const layout: Layout = { count: targets.length, ids, index, capacity, sites: [...sites.keys()], siteOf }
  layouts.set(targets, layout)
  return layout
}

/** Of a record that came from a document: a target may be called `constructor`. */
export function entryOf<Entry extends object>(record: Readonly<Record<string, Entry>>, id: string): Entry | undefined {
  const found: unknown = record[id]
  return typeof found === 'object' && found !== null ? (found as Entry) : undefined
}
