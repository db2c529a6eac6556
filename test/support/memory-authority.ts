/**
 * An authority in memory with the semantics of a DNS UPDATE: a change happens whole, if exactly what
 * it expects stands there, or not at all. `tamper` is the hand that edits behind everybody's back.
 */

import type { IpAddress } from '../../src/model/address.ts'
import { markerStrings } from '../../src/model/marker.ts'
import type { Name } from '../../src/model/name.ts'
import type { Change, Provider, Published, WriteOutcome } from '../../src/providers/provider.ts'

export interface MemoryAuthority {
  at(name: Name): Published
  /** Changes what stands there, without asking anybody. */
  tamper(name: Name, change: Partial<Omit<Published, 'name'>>): void
  apply(change: Change): WriteOutcome
  confirms(expected: Published): boolean
  /** What a resolver gets: the addresses at the end of the aliases, or none. */
  resolve(name: Name): readonly IpAddress[]
  names(): readonly Name[]
  /** The same as a provider, without any delay. */
  provider(): Provider
  /** Called after every change, with what stood there before. */
  onChange: (before: Published, after: Published, change: Change | null) => void
}

export function memoryAuthority(): MemoryAuthority {
  const records = new Map<Name, Published>()
  const nothing = (name: Name): Published => ({ name, marker: [], addresses: [], alias: null, ttl: null })
  const at = (name: Name) => records.get(name) ?? nothing(name)
  const authority: MemoryAuthority = {
    onChange: () => {},
    at,
    names: () => [...records.keys()],
    tamper(name, change) {
      const before = at(name)
      records.set(name, { ...before, ...change })
      authority.onChange(before, at(name), null)
    },
    apply(change) {
      const { name, expected, answer, marker } = change
      const before = at(name)
      if (!same(before, expected)) return { kind: 'conflict', reason: 'NXRRSET' }
      records.set(name, {
        name,
        marker: [markerStrings(marker)],
        addresses: answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address) : [],
        alias: answer.kind === 'alias' ? answer.target : null,
        ttl: answer.kind === 'retired' ? null : answer.ttl,
      })
      authority.onChange(before, at(name), change)
      return { kind: 'accepted' }
    },
    confirms: (expected) => same(at(expected.name), expected),
    resolve(name) {
      let found = at(name)
      for (let hops = 0; found.alias !== null && hops < 10; hops++) found = at(found.alias)
      return found.alias === null ? found.addresses : []
    },
    provider: () => ({
      guarantee: 'atomic-conditional',
      read: async (_zone, names) => names.map((name) => ({ kind: 'published', published: at(name) })),
      write: async (_zone, changes) => changes.map(authority.apply),
      confirm: async (_zone, expected) => expected.map(authority.confirms),
    }),
  }
  return authority
}

/** As RFC 2136 compares: sets of values, without times to live. */
function same(found: Published, expected: Published): boolean {
  const text = ({ marker, addresses, alias }: Published) =>
    JSON.stringify([marker.map((strings) => strings.join(' ')).sort(), [...addresses].sort(), alias])
  return text(found) === text(expected)
}
