/**
 * A region: the production planner, sweeper, enactors and probers as simulated processes, with the
 * targets that they look after, a store, and one authority for each zone.
 */
import { problem } from '../src/base/problem.ts'
import { enactor } from '../src/enact/enactor.ts'
import { sweeper } from '../src/enact/sweep.ts'
import { worldChecker } from '../src/health/check-world.ts'
import { prober } from '../src/health/prober.ts'
import type { Name } from '../src/model/name.ts'
import type { Policy, PolicyReading, PolicySource, Zone } from '../src/model/policy.ts'
import { planner } from '../src/plan/planner.ts'
import type { Provider } from '../src/providers/provider.ts'
import type { Store } from '../src/store/store.ts'
import type { EpochMs, TraceEvent, World } from '../src/world/world.ts'
import type { ZoneCopy } from './backups.ts'
import { type Authority, SimulatedAuthority } from './sim/authority.ts'
import { type Kernel, ms, type Process } from './sim/kernel.ts'
import { Network } from './sim/network.ts'
import { SimulatedServer } from './sim/server.ts'
import { SimulatedStore, type StoreCopy } from './sim/store.ts'
import { epoch, simulatedWorld } from './sim/world.ts'
import { kindOf, processIds, type Shape, serverId } from './story.ts'
import { addressOf, addressOfZone, noWishes, policyOf, siteOf, type Wishes, zoneName } from './wishes.ts'
import { type Heard, type Question, witness } from './witness.ts'

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

export class Region {
  readonly kernel: Kernel
  readonly network: Network
  readonly store: SimulatedStore
  readonly authorities: readonly Authority[]
  readonly processes = new Map<string, Process>()
  readonly hosts: TargetHost[] = []
  readonly wishes: Wishes = noWishes()
  /** Names that somebody else holds: nobody here may change them. */
  readonly foreign = new Set<Name>()
  /** Every policy that there was, by its digest. */
  readonly policies = new Map<string, Policy>()
  readonly shape: Shape
  /** How late the event loop of a prober is, milliseconds. */
  readonly strain = new Map<string, number>()
  /** Of zones, by index. */
  readonly copies = new Map<number, ZoneCopy>()
  storeCopy: StoreCopy | null = null
  policy: Policy
  substitutes: Substitutes = {}
  /** Told of every trace event of every process. */
  listener: (process: Process, event: TraceEvent) => void = () => {}
  /** Told of every reply that the witness got, who is there if a server is. */
  onHeard: (name: Name, heard: Heard, asked: number) => void = () => {}

  readonly #prefix: string

  /** `beside`: another deployment in the same network and for the same zones, with a store and programs of its own. */
  constructor(kernel: Kernel, shape: Shape, beside?: { readonly region: Region; readonly prefix: string }) {
    this.kernel = kernel
    this.shape = shape
    this.#prefix = beside?.prefix ?? ''
    this.network = beside?.region.network ?? new Network(kernel)
    this.store = new SimulatedStore(kernel)
    this.policy = this.#noted(policyOf(shape, this.wishes))
    this.authorities =
      beside?.region.authorities ?? Array.from({ length: shape.zones }, (_, zone) => this.#authority(zone))
    for (const authority of this.authorities)
      if (authority instanceof SimulatedServer) this.processes.set(authority.process.id, authority.process)
    if (beside === undefined) {
      for (const [pool, targets] of shape.pools.entries())
        for (let target = 0; target < targets; target++) this.#addHost(pool, target)
      this.network.listen(canary, { process: kernel.add(canaryId, () => new Promise(() => {})) })
    }
    for (const id of processIds('prober', shape.probers)) this.#add(id, 'prober')
    for (const id of processIds('planner', shape.planners)) this.#add(id, 'planner')
    for (const id of processIds('enactor', shape.enactors)) this.#add(id, 'enactor')
    if (beside === undefined && this.servers.length > 0)
      kernel.add('witness', (self) => {
        const world = simulatedWorld(kernel, this.network, self, () => {})
        return witness(world, this.#question, (name, heard, asked) => this.onHeard(name, heard, asked))
      })
  }

  #authority(zone: number): Authority {
    const { kernel, shape } = this
    const kind = kindOf(shape, zone)
    if (kind === 'server')
      return new SimulatedServer(kernel, this.network, {
        id: serverId(zone),
        zone: zoneName(zone),
        address: addressOfZone(zone),
        writers: processIds('enactor', shape.enactors),
        listener: (process, event) => this.listener(process, event),
      })
    return new SimulatedAuthority(kernel, `zone ${zone}`, {
      guarantee: kind === 'atomic' ? 'atomic' : 'atomic-conditional',
      comparesTtl: kind === 'batch' || (kind === 'strict' && shape.comparesTtl),
      ...(kind === 'batch' && { wholeBatch: true }),
    })
  }

  /** Those that are no servers. */
  get fakes(): readonly SimulatedAuthority[] {
    return this.authorities.filter((authority) => authority instanceof SimulatedAuthority)
  }

  get servers(): readonly SimulatedServer[] {
    return this.authorities.filter((authority) => authority instanceof SimulatedServer)
  }

  /** Of zones: none of them will be put back. */
  forgetCopies(): void {
    this.copies.clear()
    for (const server of this.servers) server.forgetBackup()
  }

  authorityOf(name: Name): Authority {
    const zone = [...this.policy.zones.keys()].findIndex((apex) => name.endsWith(`.${apex}`))
    const authority = this.authorities[Math.max(0, zone)]
    if (authority === undefined) throw new Error(`expected an authority for ${name}, found none`)
    return authority
  }

  edit(change: (wishes: Wishes) => void): void {
    change(this.wishes)
    this.wishes.edits += 1
    this.policy = this.#noted(policyOf(this.shape, this.wishes))
  }

  #noted(policy: Policy): Policy {
    this.policies.set(policy.digest, policy)
    return policy
  }

  process(id: string): Process {
    const process = this.processes.get(id)
    if (process === undefined) throw new Error(`expected a process of the region, found ${id}`)
    return process
  }

  startAll(): void {
    for (const process of this.kernel.processes) this.kernel.start(process)
  }

  #question = (random: World['random']): Question | null => {
    const names = [...this.policy.endpoints.keys()]
    const name = names[random.below(Math.max(1, names.length))]
    const authority = name && this.authorityOf(name)
    return authority instanceof SimulatedServer ? { name: name as Name, at: authority.address } : null
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

  #provider(world: World, self: Process, zone: Zone): Provider {
    const authority = this.authorities[[...this.policy.zones.keys()].indexOf(zone.name)]
    if (authority === undefined) throw new Error(`expected an authority for ${zone.name}, found none`)
    const provider = authority.of(self, world)
    return this.substitutes.provider?.(provider, self, zone) ?? provider
  }

  #add(id: string, role: 'prober' | 'planner' | 'enactor'): void {
    const process = this.kernel.add(this.#prefix + id, async (self) => {
      const world = simulatedWorld(this.kernel, this.network, self, (from, event) => this.listener(from, event))
      if (role === 'prober')
        return await prober(world, {
          ...this.#ports(role, self),
          checker: worldChecker(world, { canaries: [canary] }),
          site: siteOf(self.index),
          loopDelay: () => this.strain.get(id) ?? 0,
        })
      if (role === 'enactor')
        return await enactor(world, {
          ...this.#ports(role, self),
          provider: (zone) => this.#provider(world, self, zone),
        })
      const sweep = this.substitutes.sweeper ?? sweeper
      return await Promise.all([
        planner(world, this.#ports('planner', self)),
        sweep(world, this.#ports('sweeper', self)),
      ])
    })
    this.processes.set(process.id, process)
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

/** What a prober looks at to know whether it sees anything. */
export const canaryId = 'canary'
const canary = { host: '10.2.0.1', port: 53 }

const nobody = new Uint8Array()
