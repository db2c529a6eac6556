/** Keeps this manager's shards: reads the store, decides by `moves`, and commits against what was read. */
import { describeProblem } from '../base/problem.ts'
import { keys } from '../model/keys.ts'
import type { LeaseManager, ShardLease } from '../model/lease.ts'
import { type Compare, never, type Revision, type Store, StoreOutage, type Write } from '../store/store.ts'
import type { EpochMs, Instant, World } from '../world/world.ts'
import { firstShardEpoch } from './epoch.ts'
import { trace } from './events.ts'
import { grantsUntil, isMine, moves, type Seen, type View, type Watched, watched } from './tenancy.ts'

export interface ShardKeeperOptions {
  readonly shards: number
  readonly leaseMs: number
  /** Where hosts reach this manager. */
  readonly url: string
  /** These are another's now: to be forgotten. Called before anything else is done with what was read. */
  readonly onLost: (shards: ReadonlySet<number>, why: string) => void
}

export type Owner =
  | { readonly kind: 'self'; readonly epoch: number }
  | { readonly kind: 'other'; readonly url: string }
  | { readonly kind: 'nobody' }

const nobody: Owner = { kind: 'nobody' }
/** Tries, one after the other, when somebody else was faster. */
const quickTries = 5

export class ShardKeeper {
  readonly #world: World
  readonly #store: Store
  readonly #options: ShardKeeperOptions
  readonly #life: string
  readonly #owners: Owner[]
  #others: ReadonlyMap<string, Watched> = new Map()
  #held = new Set<number>()
  #until = Number.NEGATIVE_INFINITY as Instant
  #isGranting = false
  #lastRead: Instant | undefined
  #beat = 0
  #ownRevision: Revision | undefined
  #failures = 0
  #gen = 0
  #ail = ''
  /** Shards to be taken anew with a higher epoch. */
  readonly #worn = new Set<number>()

  constructor(world: World, store: Store, options: ShardKeeperOptions) {
    this.#world = world
    this.#store = store
    this.#options = options
    this.#life = Buffer.from(world.random.bytes(12)).toString('hex')
    this.#owners = new Array(options.shards).fill(nobody)
  }

  ownerOf(shard: number): Owner {
    return this.#owners[shard] ?? nobody
  }

  get held(): number {
    return this.#held.size
  }

  /** Rises when shards change hands. */
  get gen(): number {
    return this.#gen
  }

  /** What keeps it from its work; empty: nothing. */
  get ail(): string {
    return this.#ail
  }

  /** Whether its leases of shards hold, by its own clock. */
  mayGrant(now: Instant): boolean {
    const may = now < this.#until && this.#held.size > 0
    if (may !== this.#isGranting) {
      this.#isGranting = may
      if (may) trace(this.#world, { event: 'leases.granting' })
      else
        trace(this.#world, {
          event: 'leases.granting_stopped',
          why: this.#ail === '' ? 'no shard is held' : this.#ail,
        })
    }
    return may
  }

  /** No epoch is left below the next shard's: it is given up, and taken again. */
  wornOut(shard: number): void {
    this.#worn.add(shard)
  }

  async run(): Promise<never> {
    for (;;) {
      for (let tries = 0; tries < quickTries; tries++) {
        const outcome = await this.#round()
        if (outcome !== 'again') break
      }
      const every = this.#options.leaseMs / 5
      await this.#world.clock.sleep(every * 0.8 + this.#world.random.below(Math.ceil(every * 0.4)))
    }
  }

  async #round(): Promise<'kept' | 'again' | 'failed'> {
    const { clock } = this.#world
    let shards: readonly (Seen<ShardLease> | undefined)[]
    try {
      shards = await this.#read()
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
      return this.#failed(error.message)
    }
    const asked = clock.now()
    const view: View = {
      self: this.#world.id,
      life: this.#life,
      now: asked,
      leaseMs: this.#options.leaseMs,
      shards,
      others: this.#others,
    }
    this.#loseWhatIsGone(view)
    if (this.#isTwin()) return 'failed'
    const { take, release, dead } = moves(view)
    const wall = clock.wall()
    const kept = [...this.#held].filter((shard) => !release.includes(shard))
    const compares: Compare[] = [
      { key: keys.leaseManager.key(view.self), revision: this.#ownRevision ?? never },
      ...dead.map((id) => ({ key: keys.leaseManager.key(id), revision: this.#others.get(id)?.revision ?? never })),
      ...[...kept, ...release, ...take].map((shard) => ({
        key: keys.leaseShard.key(shard),
        revision: shards[shard]?.revision ?? never,
      })),
    ]
    const epochs = new Map<number, number>()
    const writes: Write[] = [{ kind: 'put', ...this.#ownDocument(wall) }]
    const write = (shard: number, owner: string, life: string, epoch: number) => {
      epochs.set(shard, epoch)
      const value = keys.leaseShard.encode({ owner, life, epoch, at: wall })
      writes.push({ kind: 'put', key: keys.leaseShard.key(shard), value })
    }
    for (const shard of take) write(shard, view.self, this.#life, this.#epochAfter(shards[shard], wall))
    for (const shard of release) write(shard, '', '', shards[shard]?.document.epoch ?? 1)
    const worn = kept.filter((shard) => this.#worn.has(shard))
    for (const shard of worn) write(shard, view.self, this.#life, this.#epochAfter(shards[shard], wall))
    // Released before the commit: nothing may be granted for them once it could have happened.
    if (release.length > 0) this.#lose(new Set(release), 'they were given up for a manager that has fewer')
    if (worn.length > 0) this.#options.onLost(new Set(worn), 'a new epoch')
    const commit = await this.#store.commit(compares, writes)
    if (commit.kind === 'conflict') return 'again'
    if (commit.kind !== 'committed')
      return this.#failed(commit.kind === 'unknown' ? commit.reason : describeProblem(commit.problem))
    this.#ownRevision = commit.revision
    for (const shard of [...take, ...worn]) this.#own(shard, epochs.get(shard) as number)
    for (const shard of worn) this.#worn.delete(shard)
    if (take.length > 0 || release.length > 0) this.#gen = Math.max(this.#gen + 1, commit.revision)
    this.#until = grantsUntil(asked, this.#options.leaseMs)
    this.#found()
    if (take.length > 0)
      trace(this.#world, {
        event: 'leases.shards_taken',
        count: take.length,
        from: dead.join(' '),
        why: dead.length > 0 ? 'their manager is silent' : 'nobody had them',
      })
    if (release.length > 0)
      trace(this.#world, { event: 'leases.shards_given_up', count: release.length, why: 'another manager has fewer' })
    this.mayGrant(clock.now())
    return 'kept'
  }

  #ownDocument(wall: EpochMs): { readonly key: string; readonly value: Uint8Array } {
    this.#beat++
    const value = keys.leaseManager.encode({ life: this.#life, url: this.#options.url, beat: this.#beat, at: wall })
    return { key: keys.leaseManager.key(this.#world.id), value }
  }

  #epochAfter(seen: Seen<ShardLease> | undefined, wall: EpochMs): number {
    return seen === undefined ? firstShardEpoch(wall) : seen.document.epoch + 1
  }

  /** @throws StoreOutage */
  async #read(): Promise<readonly (Seen<ShardLease> | undefined)[]> {
    const managers = new Map<string, Seen<LeaseManager>>()
    let own: Seen<LeaseManager> | undefined
    for (const { key, value, revision } of (await this.#store.range(keys.leaseManager.prefix)).entries) {
      const document = keys.leaseManager.decode(value)
      const id = key.slice(keys.leaseManager.prefix.length)
      if (document === undefined || typeof document.life !== 'string') continue
      if (id === this.#world.id) own = { document, revision }
      else managers.set(id, { document, revision })
    }
    const shards: (Seen<ShardLease> | undefined)[] = new Array(this.#options.shards).fill(undefined)
    for (const { key, value, revision } of (await this.#store.range(keys.leaseShard.prefix)).entries) {
      const shard = Number(key.slice(keys.leaseShard.prefix.length))
      const document = keys.leaseShard.decode(value)
      if (shard < shards.length && Number.isInteger(document?.epoch))
        shards[shard] = { document: document as ShardLease, revision }
    }
    const now = this.#world.clock.now()
    this.#others = watched(this.#others, managers, this.#lastRead, now, this.#options.leaseMs)
    this.#lastRead = now
    if (own?.document.life === this.#life || this.#ownRevision === undefined) this.#ownRevision = own?.revision ?? never
    this.#twin = own !== undefined && this.#beat > 0 && own.document.life !== this.#life ? own.document.life : ''
    return shards
  }

  #twin = ''
  #toldTwin = ''

  /** The later one has the id; the earlier one owns nothing any more, and says so. */
  #isTwin(): boolean {
    if (this.#twin === '') return false
    this.#ail = `another program works as ${this.#world.id}: give each manager an id of its own`
    if (this.#toldTwin !== this.#twin) trace(this.#world, { event: 'leases.twin', id: this.#world.id })
    this.#toldTwin = this.#twin
    this.#lose(new Set(this.#held), this.#ail)
    return true
  }

  /** Takes over what the store says, also of a commit whose outcome was not known. */
  #loseWhatIsGone(view: View): void {
    const lost = new Set<number>()
    for (const [shard, seen] of view.shards.entries()) {
      if (isMine(seen, view)) {
        if (!this.#held.has(shard)) this.#own(shard, seen?.document.epoch ?? 1)
        continue
      }
      if (this.#held.has(shard)) lost.add(shard)
      const other = seen === undefined ? undefined : this.#others.get(seen.document.owner)
      this.#owners[shard] = other === undefined ? nobody : { kind: 'other', url: other.document.url }
    }
    if (lost.size > 0) this.#lose(lost, 'another manager took them over')
  }

  #own(shard: number, epoch: number): void {
    this.#held.add(shard)
    this.#owners[shard] = { kind: 'self', epoch }
  }

  #lose(shards: ReadonlySet<number>, why: string): void {
    for (const shard of shards) {
      this.#held.delete(shard)
      this.#worn.delete(shard)
      if (this.#owners[shard]?.kind === 'self') this.#owners[shard] = nobody
    }
    this.#gen++
    this.#options.onLost(shards, why)
  }

  #failed(reason: string): 'failed' {
    this.#ail = `the store cannot be used, nothing new is granted when the leases of shards run out: ${reason}`
    if (this.#failures++ === 0)
      trace(this.#world, { event: 'leases.store_lost', reason, retryMs: Math.round(this.#options.leaseMs / 5) })
    return 'failed'
  }

  #found(): void {
    this.#ail = ''
    if (this.#failures > 0) trace(this.#world, { event: 'leases.store_found' })
    this.#failures = 0
  }
}
