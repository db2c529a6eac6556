/** S6 mine only: records that somebody else put at a name, before Holdfast ever did, stay as they are. */
import type { Name } from '../../src/model/name.ts'
import type { Check } from './check.ts'

export function mineOnly(foreign: ReadonlySet<Name>): Check {
  return {
    invariant: 'S6',
    onRecords: (name, _before, _after, by) =>
      by !== 'hand' && foreign.has(name)
        ? { invariant: 'S6', text: `${by} changed ${name}, which belongs to somebody else` }
        : null,
  }
}
