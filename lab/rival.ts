/** Another owner in the same zones: a second deployment with a name of its own, or a person. */
import type { Name } from '../src/model/name.ts'
import type { Region } from './region.ts'
import type { Standing } from './sim/authority.ts'
import { SimulatedServer } from './sim/server.ts'
import type { Happening } from './story.ts'
import { owner } from './wishes.ts'

const recordsOf = (generation: number | null, address: string) => ({
  marker:
    generation === null ? [] : [['v=holdfast1', `g=${generation}`, 'd=0123456789abcdef', 'o=other', `w=${address}*1`]],
  addresses: [address as never],
  alias: null,
  ttl: 60,
})

const addresses = '198.51.100.'

/**
 * Keeps account of what belongs to somebody else, from what a hand did, or a disk that was replaced. Records
 * without a marker in the place of ours are no other owner's, but an edit.
 */
export function noteRivals(foreign: Set<Name>, name: Name, before: Standing, after: Standing, by: string): void {
  if (by !== 'hand' && by !== 'restart') return
  const isMarked = after.marker.some((strings) => strings.includes('o=other'))
  const isTheirs = after.addresses.some((address) => address.startsWith(addresses))
  const isOurs = before.marker.some((strings) => strings.includes(`o=${owner}`))
  if (isMarked || (isTheirs && !isOurs)) foreign.add(name)
  else foreign.delete(name)
}

/** Records at a name that are theirs; `generation`: of their marker, null if they have none. */
export function placeRival(region: Region, name: Name, generation: number | null): void {
  const authority = region.authorityOf(name)
  // By then an enactor could have been first: what hands do at a running server takes its time.
  if (authority instanceof SimulatedServer && authority.wasStarted) return
  region.foreign.add(name)
  authority.tamper(name, recordsOf(generation, `${addresses}7`))
}

export function rivalDoes(region: Region, { name: index, what }: Happening & { readonly kind: 'rival' }): void {
  const names = [...region.foreign]
  const name = names[index % Math.max(1, names.length)]
  if (name === undefined) return
  const authority = region.authorityOf(name)
  if (what === 'leave') {
    // A running server does not let go of a marker, whoever asks.
    if (authority instanceof SimulatedServer) return
    // Put back from before, nobody could tell whether it is ours.
    region.forgetCopies()
    authority.tamper(name, { marker: [], addresses: [], alias: null, ttl: null })
    return
  }
  const [marker] = authority.at(name).marker
  const generation = marker === undefined ? null : Number(marker[1]?.slice(2)) + 1
  authority.tamper(name, recordsOf(generation, `${addresses}${8 + (index % 64)}`))
}
