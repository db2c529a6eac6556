/** The configuration of a region as its operator wants it: the shape's own, and what was changed since. */
import { digestOf } from '../src/base/bytes.ts'
import { isNonEmpty, type NonEmpty } from '../src/base/nonempty.ts'
import type { IpAddress } from '../src/model/address.ts'
import { isOwner } from '../src/model/marker.ts'
import type { Name } from '../src/model/name.ts'
import {
  type Endpoint,
  type Limits,
  type Policy,
  type Pool,
  type Target,
  usualLimits,
  type Zone,
} from '../src/model/policy.ts'
import type { Shape } from './story.ts'

export const owner = 'lab'
if (!isOwner(owner)) throw new Error(`expected a name for an owner, found ${owner}`)

/** The usual ones, at a third of the time. */
export const regionLimits: Limits = {
  ...usualLimits,
  poolBudget: 0.34,
  siteBudget: 0.5,
  windowMs: 20_000,
  floor: 0.5,
  failOpenDwellMs: 10_000,
  correlationWindowMs: 3_000,
  undoMs: 40_000,
}

/** A site is back, and another may go, before a story ends. */
const quickLimits: Limits = {
  ...regionLimits,
  evacuation: { ...regionLimits.evacuation, everyMs: 15_000, healthyMs: 6_000 },
}

/** What an operator may change about the policy; the policy is made anew from it. */
export interface Wishes {
  ttl: number
  /** Endpoints that were added to the shape's own. */
  readonly added: Name[]
  /** Aliases that were added, and of what. */
  readonly addedAliases: Map<Name, Name>
  readonly removed: Set<Name>
  /** Endpoints that are something else now: an alias has addresses of its own, others are aliases. */
  readonly turned: Set<Name>
  /** Indexes of pools that were given up: what they answered has one fixed address. */
  readonly unpooled: Set<number>
  /** `<pool>/<target>`, both indexes, of targets that were taken out. */
  readonly withoutTargets: Set<string>
  /** What the source leaves out of its endpoints, because whoever writes it was cut short. */
  withheld: 'nothing' | 'half' | 'all'
  readable: boolean
  /** Counts changes: the file's modification time. */
  edits: number
}

export const noWishes = (): Wishes => ({
  ttl: 30,
  added: [],
  addedAliases: new Map(),
  removed: new Set(),
  turned: new Set(),
  unpooled: new Set(),
  withoutTargets: new Set(),
  withheld: 'nothing',
  readable: true,
  edits: 0,
})

const sites = ['east', 'west', 'north'] as const

/** Of targets and of probers, by their index. */
export const siteOf = (index: number): string => sites[index % sites.length] as string
export const addressOf = (pool: number, target: number): IpAddress => `10.0.${pool}.${target + 1}` as IpAddress
export const addressOfZone = (zone: number) => ({ host: `10.1.${zone}.1`, port: 53 })
export const zoneName = (zone: number): Name => `z${zone}.test.` as Name

/** Made anew on every edit; equal wishes give equal digests. */
export function policyOf(shape: Shape, wishes: Wishes): Policy {
  const zones = new Map<Name, Zone>()
  for (let zone = 0; zone < shape.zones; zone++)
    zones.set(zoneName(zone), {
      name: zoneName(zone),
      authority: { kind: 'rfc2136', address: addressOfZone(zone) },
      key: 'key.' as Name,
    })
  const pools = poolsOf(shape, wishes)
  const endpoints = endpointsOf(shape, wishes, [...zones.keys()])
  withhold(endpoints, wishes)
  const body = JSON.stringify([[...zones], [...pools], [...endpoints]])
  return {
    digest: digestOf(body),
    owner,
    zones,
    pools,
    endpoints,
    keepPlans: shape.keepPlans,
    coalesceMs: shape.coalesceMs,
  }
}

function poolsOf(shape: Shape, wishes: Wishes): Map<string, Pool> {
  const pools = new Map<string, Pool>()
  for (const [index, count] of shape.pools.entries()) {
    if (wishes.unpooled.has(index)) continue
    const all = Array.from(
      { length: count },
      (_, target): Target => ({
        id: `t${target}`,
        site: siteOf(target),
        addresses: [addressOf(index, target)],
        capacity: 100,
      }),
    )
    const kept = all.filter((_, target) => !wishes.withoutTargets.has(`${index}/${target}`))
    pools.set(`pool${index}`, {
      id: `pool${index}`,
      targets: isNonEmpty(kept) ? kept : (all as unknown as NonEmpty<Target>),
      check: { kind: 'http', port: 80, path: '/', host: null, status: [200] },
      intervalMs: 1_000,
      timeoutMs: 400,
      fall: 3,
      rise: 2,
      rampMs: shape.rampMs,
      graceMs: 20_000,
      holdMs: 2_000,
      holdMaxMs: 8_000,
      limits: shape.quickSites === true ? quickLimits : regionLimits,
    })
  }
  return pools
}

const fixedAt = (address: string): Endpoint['from'] => ({
  kind: 'addresses',
  addresses: [{ address: address as IpAddress, weight: 1 }],
})

function endpointsOf(shape: Shape, wishes: Wishes, zones: readonly Name[]): Map<Name, Endpoint> {
  const endpoints = new Map<Name, Endpoint>()
  const fromPool = (pool: number): Endpoint['from'] =>
    wishes.unpooled.has(pool) ? fixedAt(addressOf(pool, 0)) : { kind: 'pool', pool: `pool${pool}` }
  const put = (name: Name, zone: Name, from: Endpoint['from']) => {
    if (!wishes.removed.has(name)) endpoints.set(name, { name, zone, ttl: wishes.ttl, from, adopt: false })
  }
  const add = (label: string, zone: number, from: Endpoint['from']) => {
    const apex = zoneName(zone % shape.zones)
    put(`${label}.${apex}` as Name, apex, from)
  }
  for (const pool of shape.pools.keys())
    for (let i = 0; i < shape.endpointsPerPool; i++) add(`pool${pool}-${i}`, i, fromPool(pool))
  for (let i = 0; i < shape.fixed; i++) add(`fixed${i}`, i, fixedAt(`10.9.0.${i + 1}`))
  const aliasTargets = [...endpoints.keys()]
  for (let i = 0; i < shape.aliases; i++) {
    const of = aliasTargets[i % aliasTargets.length]
    if (of !== undefined) add(`alias${i}`, i + 1, { kind: 'alias', of })
  }
  const zoneOf = (name: Name) => zones.find((apex) => name.endsWith(`.${apex}`)) ?? zoneName(0)
  for (const name of wishes.added) put(name, zoneOf(name), fromPool(0))
  for (const [name, of] of wishes.addedAliases) put(name, zoneOf(name), { kind: 'alias', of })
  turn(endpoints, wishes)
  return endpoints
}

/** All aliases that come of it lead to one name, which is none: so there is no circle. */
function turn(endpoints: Map<Name, Endpoint>, { turned }: Wishes): void {
  const end = [...endpoints.values()].find(({ from }) => from.kind !== 'alias')
  if (end === undefined) return
  for (const [name, endpoint] of endpoints)
    if (turned.has(name) && name !== end.name)
      endpoints.set(name, {
        ...endpoint,
        from: endpoint.from.kind === 'alias' ? fixedAt('10.9.1.1') : { kind: 'alias', of: end.name },
      })
}

/** An alias of a name that was taken away goes with it: the configuration refuses anything else. */
function withhold(endpoints: Map<Name, Endpoint>, { withheld }: Wishes): void {
  if (withheld !== 'nothing')
    for (const name of [...endpoints.keys()].slice(withheld === 'all' ? 0 : Math.ceil(endpoints.size / 2)))
      endpoints.delete(name)
  for (let before = -1; before !== endpoints.size; ) {
    before = endpoints.size
    for (const [name, { from }] of endpoints)
      if (from.kind === 'alias' && !endpoints.has(from.of)) endpoints.delete(name)
  }
}
