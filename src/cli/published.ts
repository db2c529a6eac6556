/** What the authorities answer now for some names, read with the key and without a cache, as enactors read. */
import type { Config } from '../config/config.ts'
import { addressText } from '../config/units.ts'
import { type Marker, parseMarker } from '../model/marker.ts'
import type { Name } from '../model/name.ts'
import { zoneOf } from '../model/name.ts'
import type { Policy, Zone } from '../model/policy.ts'
import type { Provider } from '../providers/provider.ts'
import { rfc2136Provider } from '../providers/rfc2136/rfc2136.ts'
import { quietWorld } from './server-health.ts'

export type Shown =
  | {
      readonly kind: 'published'
      readonly name: Name
      readonly authority: string
      readonly addresses: readonly string[]
      readonly alias: string | null
      readonly ttl: number | null
      /** Null: none, or damaged. */
      readonly marker: Marker | null
    }
  | { readonly kind: 'outage'; readonly name: Name; readonly authority: string; readonly reason: string }

/** Reads names at their authorities, keeping one connection to each. */
export function publishedReader(config: Pick<Config, 'policy' | 'keys'>): (names: readonly Name[]) => Promise<Shown[]> {
  const world = quietWorld('cli')
  const providers = new Map<string, Provider>()
  const providerOf = (zone: Zone): Provider | undefined => {
    const id = `${addressText(zone.authority.address)} ${zone.key}`
    const key = config.keys.get(zone.key)
    if (key === undefined) return undefined
    const provider =
      providers.get(id) ?? rfc2136Provider(world, { address: zone.authority.address, key, timeoutMs: 1500 })
    providers.set(id, provider)
    return provider
  }
  return async (names) => {
    const byZone = Map.groupBy(names, (name) => zoneIn(config.policy, name)?.name ?? ('' as Name))
    const shown = new Map<Name, Shown>()
    await Promise.all(
      [...byZone].map(async ([zoneName, members]) => {
        const zone = config.policy.zones.get(zoneName)
        if (zone === undefined) return
        const authority = addressText(zone.authority.address)
        const provider = providerOf(zone)
        const readings = await provider?.read(zone.name, members)
        for (const [index, name] of members.entries()) {
          const reading = readings?.[index]
          if (reading === undefined)
            shown.set(name, {
              kind: 'outage',
              name,
              authority,
              reason: `the secret of the key ${zone.key} is not here`,
            })
          else if (reading.kind !== 'published')
            shown.set(name, { kind: 'outage', name, authority, reason: reading.reason })
          else {
            const { addresses, alias, ttl, marker } = reading.published
            const whole = marker.length === 1 ? parseMarker(marker[0] ?? []) : undefined
            shown.set(name, { kind: 'published', name, authority, addresses, alias, ttl, marker: whole ?? null })
          }
        }
      }),
    )
    return names.flatMap((name) => shown.get(name) ?? [])
  }
}

export function zoneIn(policy: Policy, name: Name): Zone | undefined {
  const zone = zoneOf(name, policy.zones)
  return zone === undefined ? undefined : policy.zones.get(zone)
}
