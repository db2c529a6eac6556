/**
 * A region: the production planner, sweeper, enactors and probers as simulated processes, with the
 * targets that they look after, a store, and one authority for each zone.
 */
import { digestOf } from '../src/base/bytes.ts'
import type { NonEmpty } from '../src/base/nonempty.ts'
import { problem } from '../src/base/problem.ts'
import { enactor } from '../src/enact/enactor.ts'
import { sweeper } from '../src/enact/sweep.ts'
import { prober } from '../src/health/prober.ts'
import type { IpAddress } from '../src/model/address.ts'
import { isOwner } from '../src/model/marker.ts'
import type { Name } from '../src/model/name.ts'
import {
  type Endpoint,
  type Limits,
  type Policy,
  type PolicyReading,
  type PolicySource,
  type Pool,
  type Target,
  usualLimits,
  type Zone,
} from '../src/model/policy.ts'
import { planner } from '../src/plan/planner.ts'
import type { Provider } from '../src/providers/provider.ts'
import type { Store } from '../src/store/store.ts'
import type { EpochMs, TraceEvent, World } from '../src/world/world.ts'
import { SimulatedAuthority } from './sim/authority.ts'
import { type Kernel, ms, type Process } from './sim/kernel.ts'
import { Network } from './sim/network.ts'
import { SimulatedStore } from './sim/store.ts'
import { epoch, simulatedWorld } from './sim/world.ts'
import { processIds, type Shape } from './story.ts'

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

export interface TargetHost {
  readonly pool: number
  readonly target: number
  up: boolean
}

export type Role = 'prober' | 'planner' | 'sweeper' | 'enactor'

/** What a planted bug puts between a program and the world, or in the place of a program. */
export interface Substitutes {
  provider?(provider: Provider, self: Process, zone: Zone): Provider
  store?(store: Store, role: Role, self: Process): Store
  policy?(source: PolicySource, role: Role, self: Process): PolicySource
  sweeper?(world: World, ports: { readonly store: Store; readonly policy: PolicySource }): Promise<never>
}

/** What an operator may change about the policy; the policy is made anew from it. */
export interface Wishes {
  ttl: number
  /** Endpoints that were added to the shape's own. */
  readonly added: Name[]
  /** Aliases that were added, and of what. */
  readonly addedAliases: Map<Name, Name>
  readonly removed: Set<Name>
  readable: boolean
  /** Counts changes: the file's modification time. */
  edits: number
}

export class Region {
  readonly kernel: Kernel
  readonly network: Network
  readonly store: SimulatedStore
  readonly authorities: readonly SimulatedAuthority[]
  readonly processes = new Map<string, Process>()
  readonly hosts: TargetHost[] = []
  readonly wishes: Wishes = {
    ttl: 30,
    added: [],
    addedAliases: new Map(),
    removed: new Set(),
    readable: true,
    edits: 0,
  }
  readonly shape: Shape
  policy: Policy
  substitutes: Substitutes = {}
  /** Told of every trace event of every process. */
  listener: (process: Process, event: TraceEvent) => void = () => {}

  constructor(kernel: Kernel, shape: Shape) {
    this.kernel = kernel
    this.shape = shape
    this.network = new Network(kernel)
    this.store = new SimulatedStore(kernel)
    this.authorities = Array.from(
      { length: shape.zones },
      (_, zone) =>
        new SimulatedAuthority(kernel, `zone ${zone}`, {
          guarantee: 'atomic-conditional',
          comparesTtl: shape.comparesTtl,
        }),
    )
    this.policy = policyOf(shape, this.wishes)
    for (const [pool, targets] of shape.pools.entries())
      for (let target = 0; target < targets; target++) this.#addHost(pool, target)
    for (const id of processIds('prober', shape.probers)) this.#add(id, 'prober')
    for (const id of processIds('planner', shape.planners)) this.#add(id, 'planner')
    for (const id of processIds('enactor', shape.enactors)) this.#add(id, 'enactor')
  }

  authorityOf(name: Name): SimulatedAuthority {
    const zone = [...this.policy.zones.keys()].findIndex((apex) => name.endsWith(`.${apex}`))
    const authority = this.authorities[Math.max(0, zone)]
    if (authority === undefined) throw new Error(`expected an authority for ${name}, found none`)
    return authority
  }

  edit(change: (wishes: Wishes) => void): void {
    change(this.wishes)
    this.wishes.edits += 1
    this.policy = policyOf(this.shape, this.wishes)
  }

  process(id: string): Process {
    const process = this.processes.get(id)
    if (process === undefined) throw new Error(`expected a process of the region, found ${id}`)
    return process
  }

  startAll(): void {
    for (const process of this.kernel.processes) this.kernel.start(process)
  }

  #source(role: Role, self: Process): PolicySource {
    const source: PolicySource = {
      read: async (): Promise<PolicyReading> =>
        this.wishes.readable
          ? { kind: 'policy', policy: this.policy, modified: (epoch + this.wishes.edits * 1000) as EpochMs }
          : { kind: 'unreadable', problems: [problem('holdfast.yaml', 'YAML', 'half a file', 'mend it')] },
    }
    return this.substitutes.policy?.(source, role, self) ?? source
  }

  #ports(role: Role, self: Process) {
    const store = this.store.of(self)
    return {
      store: this.substitutes.store?.(store, role, self) ?? store,
      policy: this.#source(role, self),
      self: { pid: self.index, http: null },
    }
  }

  #provider(self: Process, zone: Zone): Provider {
    const authority = this.authorities[[...this.policy.zones.keys()].indexOf(zone.name)]
    if (authority === undefined) throw new Error(`expected an authority for ${zone.name}, found none`)
    const provider = authority.of(self)
    return this.substitutes.provider?.(provider, self, zone) ?? provider
  }

  #add(id: string, role: 'prober' | 'planner' | 'enactor'): void {
    const process = this.kernel.add(id, async (self) => {
      const world = simulatedWorld(this.kernel, this.network, self, (from, event) => this.listener(from, event))
      if (role === 'prober') return await prober(world, this.#ports(role, self))
      if (role === 'enactor')
        return await enactor(world, { ...this.#ports(role, self), provider: (zone) => this.#provider(self, zone) })
      const sweep = this.substitutes.sweeper ?? sweeper
      return await Promise.all([
        planner(world, this.#ports('planner', self)),
        sweep(world, this.#ports('sweeper', self)),
      ])
    })
    this.processes.set(id, process)
  }

  #addHost(pool: number, target: number): void {
    const host: TargetHost = { pool, target, up: true }
    const process = this.kernel.add(`target-${pool}-${target}`, () => new Promise(() => {}))
    this.hosts.push(host)
    this.network.listen(
      { host: addressOf(pool, target), port: 80 },
      {
        process,
        request: (_request, reply) => {
          if (host.up) this.kernel.after(ms(2), process, () => reply({ kind: 'http', status: 200, body: nobody }))
          else reply({ kind: 'http', status: 503, body: nobody })
        },
      },
    )
  }
}

const nobody = new Uint8Array()
const sites = ['east', 'west', 'north'] as const

const addressOf = (pool: number, target: number): IpAddress => `10.0.${pool}.${target + 1}` as IpAddress
const zoneName = (zone: number): Name => `z${zone}.test.` as Name

/** Made anew on every edit; equal wishes give equal digests. */
function policyOf(shape: Shape, wishes: Wishes): Policy {
  const zones = new Map<Name, Zone>()
  for (let zone = 0; zone < shape.zones; zone++)
    zones.set(zoneName(zone), {
      name: zoneName(zone),
      authority: { kind: 'rfc2136', address: { host: `10.1.${zone}.1`, port: 53 } },
      key: 'key.' as Name,
    })
  const pools = new Map<string, Pool>()
  for (const [index, count] of shape.pools.entries()) {
    const targets = Array.from(
      { length: count },
      (_, target): Target => ({
        id: `t${target}`,
        site: sites[target % sites.length] as string,
        addresses: [addressOf(index, target)],
        capacity: 100,
      }),
    )
    pools.set(`pool${index}`, {
      id: `pool${index}`,
      targets: targets as unknown as NonEmpty<Target>,
      check: { kind: 'http', port: 80, path: '/', host: null, status: [200] },
      intervalMs: 1_000,
      timeoutMs: 400,
      fall: 3,
      rise: 2,
      rampMs: shape.rampMs,
      graceMs: 20_000,
      holdMs: 2_000,
      holdMaxMs: 8_000,
      limits: regionLimits,
    })
  }
  const endpoints = new Map<Name, Endpoint>()
  const add = (label: string, zone: number, from: Endpoint['from']) => {
    const name = `${label}.${zoneName(zone % shape.zones)}` as Name
    if (wishes.removed.has(name)) return
    endpoints.set(name, { name, zone: zoneName(zone % shape.zones), ttl: wishes.ttl, from, adopt: false })
  }
  for (const pool of pools.keys())
    for (let i = 0; i < shape.endpointsPerPool; i++) add(`${pool}-${i}`, i, { kind: 'pool', pool })
  for (let i = 0; i < shape.fixed; i++)
    add(`fixed${i}`, i, { kind: 'addresses', addresses: [{ address: `10.9.0.${i + 1}` as IpAddress, weight: 1 }] })
  const aliasTargets = [...endpoints.keys()]
  for (let i = 0; i < shape.aliases; i++) {
    const of = aliasTargets[i % aliasTargets.length]
    if (of !== undefined) add(`alias${i}`, i + 1, { kind: 'alias', of })
  }
  for (const name of wishes.added) {
    if (wishes.removed.has(name)) continue
    const zone = [...zones.keys()].find((apex) => name.endsWith(`.${apex}`)) ?? zoneName(0)
    endpoints.set(name, { name, zone, ttl: wishes.ttl, from: { kind: 'pool', pool: 'pool0' }, adopt: false })
  }
  for (const [name, of] of wishes.addedAliases) {
    const zone = [...zones.keys()].find((apex) => name.endsWith(`.${apex}`)) ?? zoneName(0)
    if (!wishes.removed.has(name))
      endpoints.set(name, { name, zone, ttl: wishes.ttl, from: { kind: 'alias', of }, adopt: false })
  }
  // An alias of a name that was taken away goes with it: the configuration refuses anything else.
  for (const [name, { from }] of endpoints) if (from.kind === 'alias' && !endpoints.has(from.of)) endpoints.delete(name)
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
