/**
 * L4 static stability of the server: after its own restart, and after a disk that failed, it answers what it
 * answered before, save what an update had made durable that nobody had heard the end of.
 */
import type { Standing } from '../sim/authority.ts'
import { type Check, generationAt } from './check.ts'

export function comesBack(): Check {
  return {
    invariant: 'L4',
    onRecords: (name, before, after, by) =>
      by === 'restart'
        ? { invariant: 'L4', text: `${name} answered ${describe(before)}, and ${describe(after)} after the restart` }
        : null,
  }
}

const describe = (standing: Standing): string => {
  const records = standing.alias ?? standing.addresses.join(' ')
  return `[${generationAt(standing) ?? '-'}: ${records}]`
}
