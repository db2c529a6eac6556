/**
 * Answers reports of hosts at once, from memory: who holds a lease, who waits for one and until when, who is to
 * ask elsewhere, and who is not what it says. Judges, and does nothing itself; time is an argument.
 */
import type { Governor } from '../recover/governor.ts'
import { reportsPerLease } from '../recover/polling.ts'
import { epochOf, operationsAtMost } from './epoch.ts'
import { proofOf, proves } from './proof.ts'
import { type HostRegistry, nobody, type Sites } from './registry.ts'
import type { Owner } from './shard-keeper.ts'
import type { SyncAnswer, SyncHost } from './sync.ts'
import type { WorkHost } from './work.ts'

export interface DeskOptions {
  readonly governor: Governor
  readonly registry: HostRegistry
  readonly sites: Sites
  readonly shards: number
  readonly ownerOf: (shard: number) => Owner
  /** Whether a host may enrol. */
  readonly isListed: (id: string) => boolean
  /** A host showed a lease that another manager granted. */
  readonly onAdopted?: (host: number, now: number) => void
  /** 0 <= random() < 1. */
  readonly random: () => number
  /** For proofs of leases, shared by all managers; undefined: not read yet, so none are given or taken. */
  readonly key: () => string | undefined
  readonly wornOut: (shard: number) => void
}

/** What was found and is told now and then, with how often, and one host that it happened to. */
export interface Notes {
  take(): readonly {
    readonly why: 'conflict' | 'full' | 'not listed' | 'epoch'
    readonly count: number
    readonly host: string
  }[]
}

type Why = 'conflict' | 'full' | 'not listed' | 'epoch'

const moveWithinMs = 2_000
/** Indexes looked at for one that can be used again, by one host that finds no room. */
const reclaimLooks = 512

export class Desk implements Notes {
  readonly #options: DeskOptions
  readonly #leaving: Uint8Array
  readonly #floor: Uint32Array
  readonly #floorOf: Float64Array
  readonly #notes = new Map<Why, { count: number; host: string }>()
  #hand = 0
  #reports = 0

  constructor(options: DeskOptions, hosts: number) {
    this.#options = options
    this.#leaving = new Uint8Array(hosts)
    this.#floor = new Uint32Array(options.shards)
    this.#floorOf = new Float64Array(options.shards)
  }

  /** Reports answered so far. */
  get reports(): number {
    return this.#reports
  }

  take(): ReturnType<Notes['take']> {
    const taken = [...this.#notes].map(([why, { count, host }]) => ({ why, count, host }))
    this.#notes.clear()
    return taken
  }

  answer(host: SyncHost, now: number): SyncAnswer {
    this.#reports++
    const { registry, ownerOf } = this.#options
    const known = registry.numberOf(host.id)
    const shard = known === nobody ? registry.shardOfId(host.id) : registry.shardOf(known)
    const owner = ownerOf(shard)
    if (owner.kind === 'other') return this.#moved(host, owner.url)
    if (owner.kind === 'nobody' || (known !== nobody && this.#leaving[known] === 1))
      return this.#waits(host, this.comeAgainMs())
    return known === nobody ? this.#enrol(host, now) : this.#sync(known, host, now)
  }

  /** What to write for a host whose operation is to be started; undefined: it is not ours. */
  begin(host: number): { readonly host: WorkHost; readonly epoch: number } | undefined {
    const { registry, sites, ownerOf, wornOut } = this.#options
    const shard = registry.shardOf(host)
    const owner = ownerOf(shard)
    if (owner.kind !== 'self' || this.#leaving[host] === 1) return undefined
    const operation = Math.max(registry.operations[host] as number, this.#floorFor(shard, owner.epoch)) + 1
    if (operation > operationsAtMost) {
      wornOut(shard)
      return undefined
    }
    registry.operations[host] = operation
    return {
      host: { id: registry.idOf(host), site: sites.nameOf(registry.site[host] as number) },
      epoch: epochOf(owner.epoch, operation),
    }
  }

  /** After the governor was told. `epoch`: what was written, 0 if nothing was. */
  ended(host: number, isDone: boolean, epoch: number, now: number): void {
    const { registry, governor } = this.#options
    if (isDone) registry.granted[host] = epoch
    if (this.#leaving[host] === 0) return
    this.#leaving[host] = 0
    governor.forget(host, now)
    registry.forget(host)
  }

  /** Shards that are another's now. Returns how many hosts were forgotten. */
  lose(shards: ReadonlySet<number>, now: number): number {
    let count = 0
    for (const host of this.#options.registry.hostsOf((shard) => shards.has(shard))) {
      this.#forget(host, now)
      count++
    }
    return count
  }

  #sync(number: number, host: SyncHost, now: number): SyncAnswer {
    const { governor, registry, sites } = this.#options
    const boot = registry.started(number, host.bootId)
    if (boot === 'conflict') return this.#stale(host, number, 'conflict', 'another host with this id started later')
    const site = sites.numberOf(host.site)
    registry.site[number] = site
    if (boot === 'new') {
      // What the start before it held is not its own: it gets a lease of its own, above the other.
      governor.offer(number, host.klass, site, now)
      return this.#pending(host, number, now)
    }
    const granted = registry.granted[number] as number
    if (host.epoch > granted && !this.#isProven(host))
      return this.#stale(host, number, 'epoch', 'no manager ever granted this epoch')
    return governor.report(number, host.klass, site, now) === 'leased'
      ? this.#leased(host, number, now)
      : this.#pending(host, number, now)
  }

  #enrol(host: SyncHost, now: number): SyncAnswer {
    const { governor, registry, sites, isListed } = this.#options
    if (!isListed(host.id)) return this.#unknown(host, 'not listed')
    if (registry.isFull && !this.#reclaim(now)) return this.#unknown(host, 'full')
    const number = registry.add(host.id, host.bootId)
    const site = sites.numberOf(host.site)
    registry.site[number] = site
    if (host.epoch > 0 && this.#isProven(host) && governor.adopt(number, host.klass, site, 0, now)) {
      registry.granted[number] = host.epoch
      this.#options.onAdopted?.(number, now)
      return this.#leased(host, number, now)
    }
    governor.report(number, host.klass, site, now)
    return this.#pending(host, number, now)
  }

  #isProven({ id, bootId, epoch, proof }: SyncHost): boolean {
    const key = this.#options.key()
    return proof !== '' && key !== undefined && proves(key, proof, id, bootId, epoch)
  }

  /** Room for one more: who has no lease and does not ask for one. Their epochs are not used again. */
  #reclaim(now: number): boolean {
    const { governor, registry } = this.#options
    const size = this.#leaving.length
    for (let look = 0; look < Math.min(reclaimLooks, size); look++) {
      const host = this.#hand
      this.#hand = (this.#hand + 1) % size
      if (!registry.isUsed(host) || !governor.isAbsent(host)) continue
      this.#forget(host, now)
      if (!registry.isFull) return true
    }
    return false
  }

  #forget(host: number, now: number): void {
    const { governor, registry, ownerOf } = this.#options
    const shard = registry.shardOf(host)
    const owner = ownerOf(shard)
    if (owner.kind === 'self')
      this.#floor[shard] = Math.max(this.#floorFor(shard, owner.epoch), registry.operations[host] as number)
    if (governor.forget(host, now)) registry.forget(host)
    else this.#leaving[host] = 1
  }

  /** Operations of hosts that were forgotten: whoever comes new begins above them. */
  #floorFor(shard: number, epoch: number): number {
    if (this.#floorOf[shard] !== epoch) {
      this.#floorOf[shard] = epoch
      this.#floor[shard] = 0
    }
    return this.#floor[shard] as number
  }

  #leased(host: SyncHost, number: number, now: number): SyncAnswer {
    const { governor, registry, key } = this.#options
    const epoch = registry.granted[number] as number
    const secret = key()
    const isNews = host.epoch !== epoch || host.proof === ''
    return {
      id: host.id,
      status: 'LEASED',
      epoch,
      ttl: Math.floor(governor.remainingMs(number, now)),
      pollAfterMs: Math.round(governor.pollAfter(number, now)),
      ...(isNews && secret !== undefined ? { proof: proofOf(secret, host.id, host.bootId, epoch) } : {}),
    }
  }

  #pending(host: SyncHost, number: number, now: number): SyncAnswer {
    const epoch = this.#options.registry.granted[number] as number
    return { ...this.#waits(host, this.#options.governor.pollAfter(number, now)), epoch }
  }

  #waits({ id }: SyncHost, pollAfterMs: number): SyncAnswer {
    return { id, status: 'PENDING', epoch: 0, ttl: 0, pollAfterMs: Math.round(pollAfterMs) }
  }

  #moved({ id }: SyncHost, to: string): SyncAnswer {
    return { id, status: 'MOVED', epoch: 0, ttl: 0, pollAfterMs: Math.round(moveWithinMs * this.#options.random()), to }
  }

  #stale(host: SyncHost, number: number, why: Why, reason: string): SyncAnswer {
    this.#note(why, host.id)
    const epoch = this.#options.registry.granted[number] as number
    return { id: host.id, status: 'STALE', epoch, ttl: 0, pollAfterMs: Math.round(this.comeAgainMs()), reason }
  }

  #unknown(host: SyncHost, why: 'full' | 'not listed'): SyncAnswer {
    this.#note(why, host.id)
    const reason = why === 'full' ? 'there is no room for another host: raise hostsMax' : 'the host is not in the list'
    return { id: host.id, status: 'UNKNOWN', epoch: 0, ttl: 0, pollAfterMs: Math.round(this.comeAgainMs()), reason }
  }

  /**
   * When a host is to come again that could not be heard, in ms. It may hold a lease, whatever is known here: so
   * sooner than a host with a lease would, and twice in vain does not cost it. All at once that is eight reports
   * in a lease, which the rule for its length leaves room for at the front door.
   */
  comeAgainMs(): number {
    const { governor, random } = this.#options
    return Math.min(governor.retryAfter(), (governor.ttlMs / reportsPerLease) * (0.25 + random() / 4))
  }

  #note(why: Why, host: string): void {
    this.#notes.set(why, { count: (this.#notes.get(why)?.count ?? 0) + 1, host })
  }
}
