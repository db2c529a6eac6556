/** What planted bugs are made of: wrappers round providers and stores, and programs that run beside others. */
import { fromUtf8 } from '../../src/base/bytes.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import { type PlanEntry, parseEntryLine, shardLines } from '../../src/model/plan.ts'
import type { Limits, Policy, PolicySource, Zone } from '../../src/model/policy.ts'
import type { Provider, Published, Reading } from '../../src/providers/provider.ts'
import type { Entry, Range, Store } from '../../src/store/store.ts'
import type { Region, Role, Substitutes } from '../region.ts'
import { SimulatedAuthority } from '../sim/authority.ts'

export function substitute(region: Region, substitutes: Substitutes): void {
  region.substitutes = { ...region.substitutes, ...substitutes }
}

export function authorityFor(region: Region, zone: Zone): SimulatedAuthority {
  const authority = region.authorities[[...region.policy.zones.keys()].indexOf(zone.name)]
  if (!(authority instanceof SimulatedAuthority)) throw new Error(`expected a fake for ${zone.name}, found none`)
  return authority
}

/** A provider that shows something else than what stands there, but writes on the condition of what does. */
export function showing(provider: Provider, show: (published: Published) => Reading): Provider {
  const truth = new Map<string, Published>()
  return {
    guarantee: provider.guarantee,
    async read(zone, names) {
      const readings = await provider.read(zone, names)
      return readings.map((reading) => {
        if (reading.kind !== 'published') return reading
        const shown = show(reading.published)
        if (shown.kind === 'published') truth.set(JSON.stringify(shown.published), reading.published)
        return shown
      })
    },
    write: (zone, changes) =>
      provider.write(
        zone,
        changes.map((change) => ({
          ...change,
          expected: truth.get(JSON.stringify(change.expected)) ?? change.expected,
        })),
      ),
  }
}

export const published = (published: Published): Reading => ({ kind: 'published', published })

/** A store whose entries under a prefix read otherwise: undefined hides one. */
export function reading(store: Store, prefix: string, change: (entry: Entry) => Entry | undefined): Store {
  const changed = (entry: Entry) => (entry.key.startsWith(prefix) ? change(entry) : entry)
  return {
    ...store,
    async get(key) {
      const entry = await store.get(key)
      return entry && changed(entry)
    },
    async range(at, options): Promise<Range> {
      const range = await store.range(at, options)
      return { ...range, entries: range.entries.map(changed).filter((entry) => entry !== undefined) }
    },
  }
}

/** The JSON document of an entry, changed. What is no document stays as it is. */
export function edited<Document extends object>(
  entry: Entry,
  kind: { decode(value: Uint8Array): Document | undefined; encode(document: Document): Uint8Array },
  edit: (document: Document) => Document,
): Entry {
  const document = kind.decode(entry.value)
  return document === undefined ? entry : { ...entry, value: kind.encode(edit(document)) }
}

/** A store that remembers, for whoever reads plans through it, what they say. */
export function listening(store: Store, entries: Map<Name, PlanEntry>): Store {
  return reading(store, keys.shard.prefix, (entry) => {
    for (const line of shardLines(fromUtf8(entry.value))) {
      const said = parseEntryLine(line)
      if (said !== undefined) entries.set(said.name, said)
    }
    return entry
  })
}

/** A policy that reads otherwise for programs of this role. Its digest stays, so the roles do not disagree about it. */
export function policyFor(region: Region, role: Role, change: (policy: Policy) => Policy): void {
  substitute(region, {
    policy(source, asking): PolicySource {
      if (asking !== role) return source
      return {
        async read() {
          const found = await source.read()
          return found.kind === 'policy' ? { ...found, policy: change(found.policy) } : found
        },
      }
    },
  })
}

export function withLimits(policy: Policy, limits: Partial<Limits>): Policy {
  const pools = [...policy.pools].map(([id, pool]) => [id, { ...pool, limits: { ...pool.limits, ...limits } }] as const)
  return { ...policy, pools: new Map(pools) }
}

/** A store as programs of this role see it. */
export function storeFor(region: Region, role: Role, change: (store: Store) => Store): void {
  const before = region.substitutes.store
  substitute(region, {
    store(store, asking, self) {
      const below = before?.(store, asking, self) ?? store
      return asking === role ? change(below) : below
    },
  })
}
