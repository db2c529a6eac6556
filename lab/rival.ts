/** Another owner in the same zones: a second deployment with a name of its own, or a person. */
import type { Name } from '../src/model/name.ts'
import type { Region } from './region.ts'
import { SimulatedServer } from './sim/server.ts'
import type { Happening } from './story.ts'

const recordsOf = (generation: number | null, address: string) => ({
  marker:
    generation === null ? [] : [['v=holdfast1', `g=${generation}`, 'd=0123456789abcdef', 'o=other', `w=${address}*1`]],
  addresses: [address as never],
  alias: null,
  ttl: 60,
})

/** Records at a name that is theirs from now on; `generation`: of their marker, null if they have none. */
export function placeRival(region: Region, name: Name, generation: number | null): void {
  const authority = region.authorityOf(name)
  // By then an enactor could have been first: what hands do at a running server takes its time.
  if (authority instanceof SimulatedServer && authority.wasStarted) return
  region.foreign.add(name)
  authority.tamper(name, recordsOf(generation, '198.51.100.7'))
}

export function rivalDoes(region: Region, { name: index, what }: Happening & { readonly kind: 'rival' }): void {
  const names = [...region.foreign]
  const name = names[index % Math.max(1, names.length)]
  if (name === undefined) return
  const authority = region.authorityOf(name)
  if (what === 'leave') {
    // A running server does not let go of a marker, whoever asks.
    if (authority instanceof SimulatedServer) return
    region.foreign.delete(name)
    authority.tamper(name, { marker: [], addresses: [], alias: null, ttl: null })
    return
  }
  const [marker] = authority.at(name).marker
  const generation = marker === undefined ? null : Number(marker[1]?.slice(2)) + 1
  authority.tamper(name, recordsOf(generation, `198.51.100.${8 + (index % 64)}`))
}
