/**
 * S3 whole, from outside: what a resolver hears of a name over the network is what stood there at some moment between
 * its question and the reply: nothing older, nothing newer, no mixture, and not nothing where something stood all along.
 */
import type { Name } from '../../src/model/name.ts'
import type { Standing } from '../sim/authority.ts'
import type { Heard } from '../witness.ts'
import type { Check, Scene } from './check.ts'

/** A reply takes no longer than this. */
const keptMs = 10_000

export function asTold(scene: Pick<Scene, 'now' | 'standing'>): Check {
  /** What stood at each name before, and until when, oldest first. */
  const past = new Map<Name, { readonly standing: Standing; readonly until: number }[]>()
  return {
    invariant: 'S3',
    onRecords(name, before) {
      const now = scene.now()
      const all = (past.get(name) ?? []).filter(({ until }) => now - until < keptMs)
      past.set(name, [...all, { standing: before, until: now }])
      return null
    },
    onHeard(name, heard, asked) {
      const since = (past.get(name) ?? []).filter(({ until }) => until >= asked).map(({ standing }) => standing)
      if ([...since, scene.standing(name)].some((standing) => isPartOf(heard, standing))) return null
      const said = heard.alias ?? (heard.addresses.join(' ') || 'nothing')
      return { invariant: 'S3', text: `a resolver heard ${said} of ${name}, which did not stand there` }
    },
  }
}

/** All addresses, or as many as their weights let be shown at once; never none of some. */
function isPartOf({ addresses, alias }: Heard, standing: Standing): boolean {
  if (alias !== standing.alias) return false
  if (addresses.length === 0) return standing.addresses.length === 0
  return addresses.every((address) => (standing.addresses as readonly string[]).includes(address))
}
