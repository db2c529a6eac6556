/**
 * The enactor: makes DNS answer the newest plan, beside any number of others, without a leader.
 *
 * Every turn starts from what is: the head in the store, the records at the authorities. What it
 * remembers only saves looking twice. If the store cannot be read it does nothing, and DNS goes on
 * answering what was published last: frozen is better than wrong.
 */

import { type Permits, permits } from '../base/permits.ts'
import { describeProblem } from '../base/problem.ts'
import { type Generation, genesis } from '../model/generation.ts'
import { type Head, keys } from '../model/keys.ts'
import { type Name, zoneOf } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Policy, PolicySource, Zone } from '../model/policy.ts'
import type { EnactorProgress } from '../model/progress.ts'
import type { Provider } from '../providers/provider.ts'
import { readHead, readPlan } from '../store/plans.ts'
import { never, type Revision, type Store, StoreOutage } from '../store/store.ts'
import type { EpochMs, Instant, World } from '../world/world.ts'
import type { Target } from './batch.ts'
import { trace } from './events.ts'
import { fence, isLive } from './fence.ts'
import { type Counts, isOursBy, progressOf, type ZoneMemory, zoneMemory } from './memory.ts'
import { livePass, type PassPorts, type PassReport } from './pass.ts'
import { retireAll } from './retire.ts'
import { PlanVanished, type PlanView, planView, type ShardSource, shardSource } from './shards.ts'
import { type Slice, verification } from './verification.ts'

export interface EnactorPorts {
  readonly store: Store
  readonly policy: PolicySource
  /** Asked once for every zone, and again when the zone's authority or key changes. */
  provider(zone: Zone): Provider
  /** For the status document. */
  readonly self?: { readonly pid: number; readonly http: string | null }
}

/** Between looks at the store when nothing wakes it; also between retries, and between verifications. */
const periodMs = 1_000
/** Batches under way at one authority. */
const placesOfAuthority = 16
/** Progress is written when it changed, not more often than this; and this often even if it did not. */
const progressMinMs = 200
const progressMaxMs = 5_000
/** Finished passes that come close together are taken together. */
const settleMs = 10
const backoff = { firstMs: 200, mostMs: 5_000 }

/** Never returns; a StoreOutage is waited out, anything else thrown is a bug. */
export async function enactor(world: World, ports: EnactorPorts): Promise<never> {
  const program = new Enactor(world, ports)
  for (let failures = 0; ; ) {
    try {
      await program.turn()
      if (failures > 0) trace(world, { event: 'enact.store_found' })
      failures = 0
      await program.wait()
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
      const retryMs = jittered(world, failures++)
      trace(world, { event: 'enact.store_lost', reason: error.message, retryMs })
      await world.clock.sleep(retryMs)
    }
  }
}

/** Doubles up to a bound; half of it is chance, so that redundant enactors do not come back together. */
function jittered(world: World, failures: number): number {
  const most = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(failures, 10))
  return most / 2 + world.random.below(most / 2)
}

/** One zone, or the retirements of all: something that is worked on by one pass at a time. */
interface Work {
  readonly memory: ZoneMemory
  busy: boolean
  /** Not before this. */
  due: Instant
  failures: number
  /** Of the latest pass, and the plan that it was of. */
  report: PassReport | null
  plan: Generation
}

interface ZoneWork extends Work {
  readonly zone: Zone
  readonly provider: Provider
  readonly places: Permits
}

interface Evidence {
  readonly revision: Revision
  readonly enacted: Generation
  readonly blocked: ReadonlySet<Name>
}

class Enactor {
  readonly #world: World
  readonly #ports: EnactorPorts
  readonly #store: Store
  readonly #started: EpochMs
  readonly #counts: Counts = { applied: 0, repaired: 0, conflicts: 0, fenced: 0 }
  readonly #retirements: Work
  readonly #authorities = new Map<string, Permits>()
  readonly #evidence = new Map<string, Evidence>()
  #zones = new Map<Name, ZoneWork>()
  #policy: Policy | undefined
  #policyComplaint = ''
  #source: ShardSource | undefined
  #view: PlanView | undefined
  #newest: Head | undefined
  /** Targets of aliases that were seen to stand in this view. */
  #standing = new Set<Name>()
  #claimed: Generation | undefined
  #vanished: Generation = genesis
  #progress: EnactorProgress | undefined
  /** It was too soon to say how far it is. */
  #owesReport = false
  #progressAt = Number.NEGATIVE_INFINITY
  #statusAt = Number.NEGATIVE_INFINITY
  #slice: Slice | undefined
  #verifiedAt = Number.NEGATIVE_INFINITY
  #storeComplaint = ''
  #revision: Revision = never
  #watching: Promise<StoreOutage | undefined> | undefined
  #news: PromiseWithResolvers<void> = Promise.withResolvers()
  #bug: unknown

  constructor(world: World, ports: EnactorPorts) {
    this.#world = world
    this.#ports = ports
    this.#store = ports.store
    this.#started = world.clock.wall()
    this.#retirements = this.#idle(zoneMemory())
  }

  #idle(memory: ZoneMemory): Work {
    return { memory, busy: false, due: this.#world.clock.now(), failures: 0, report: null, plan: genesis }
  }

  /** Looks, starts what is to be done, says how far it is. @throws StoreOutage */
  async turn(): Promise<void> {
    if (this.#bug !== undefined) throw this.#bug
    this.#news = Promise.withResolvers()
    await this.#recall()
    await this.#readPolicy()
    await this.#readPlan()
    if (this.#view !== undefined) {
      await this.#readEvidence()
      const slice = await this.#nextSlice(this.#view)
      for (const work of this.#zones.values()) this.#startZone(this.#view, work, slice?.live.get(work.zone.name) ?? [])
      this.#startRetirements(this.#view, slice?.retired ?? [])
    }
    await this.#report()
  }

  /** Until head moves, a pass ends, or the period is over. @throws StoreOutage */
  async wait(): Promise<void> {
    this.#watching ??= this.#watch()
    const awaited: Promise<StoreOutage | 'news' | undefined>[] = [this.#watching, this.#news.promise.then(() => 'news')]
    if (this.#owesReport) awaited.push(this.#world.clock.sleep(progressMinMs).then(() => 'news'))
    const ended = await Promise.race(awaited)
    if (ended === 'news') {
      await this.#world.clock.sleep(settleMs)
      return
    }
    this.#watching = undefined
    if (ended !== undefined) throw ended
  }

  async #watch(): Promise<StoreOutage | undefined> {
    try {
      const watched = await this.#store.watch(keys.head.prefix, this.#revision, periodMs)
      this.#revision = watched.revision
      return undefined
    } catch (error) {
      if (error instanceof StoreOutage) return error
      throw error
    }
  }

  /** Its own last words, after a restart: what it had found blocked is not ours until it has looked again. */
  async #recall(): Promise<void> {
    if (this.#progress !== undefined) return
    const stored = await this.#store.get(keys.progress.key(this.#world.id))
    const claim = await this.#store.get(keys.claim.key(this.#world.id))
    const progress = stored === undefined ? undefined : keys.progress.decode(stored.value)
    this.#claimed = claim === undefined ? undefined : keys.claim.decode(claim.value)?.generation
    this.#progress =
      progress ?? progressOf([], [], genesis, { enacted: genesis, blocked: [] }, this.#counts, this.#started)
  }

  async #readPolicy(): Promise<void> {
    const reading = await this.#ports.policy.read()
    if (reading.kind === 'unreadable') {
      const reason = describeProblem(reading.problems[0])
      if (reason !== this.#policyComplaint) trace(this.#world, { event: 'enact.policy_unreadable', reason })
      this.#policyComplaint = reason
      return
    }
    this.#policyComplaint = ''
    if (reading.policy.digest === this.#policy?.digest) return
    const { policy } = reading
    const zones = new Map<Name, ZoneWork>()
    for (const zone of policy.zones.values()) {
      const known = this.#zones.get(zone.name)
      zones.set(zone.name, known !== undefined && isSameZone(known.zone, zone) ? known : this.#newZone(zone, policy))
    }
    this.#zones = zones
    this.#policy = policy
    this.#source = shardSource(this.#store, policy.zones)
    this.#view = undefined
    this.#slice = undefined
  }

  #newZone(zone: Zone, policy: Policy): ZoneWork {
    const { host, port } = zone.authority.address
    const authority = `${host} ${port}`
    const places = this.#authorities.get(authority) ?? permits(placesOfAuthority)
    this.#authorities.set(authority, places)
    const memory = zoneMemory()
    for (const { name, why } of this.#progress?.blocked ?? [])
      if (zoneOf(name, policy.zones) === zone.name) memory.blocked.set(name, { why, foreign: false })
    return { ...this.#idle(memory), zone, provider: this.#ports.provider(zone), places }
  }

  /** Claims the newest plan, then reads it, then sees that it is still the newest: from then on the sweep keeps it. */
  async #readPlan(): Promise<void> {
    const policy = this.#policy
    if (policy === undefined) return
    for (let tries = 0; tries < 5; tries++) {
      const reading = await readHead(this.#store)
      if (reading.kind !== 'head') {
        this.#view = undefined
        return
      }
      const { head } = reading
      this.#newest = head
      if (this.#view !== undefined && isSameHead(this.#view.head, head)) return
      if (!(await this.#claim(head.generation))) return
      const plan = await readPlan(this.#store, head.generation, head.digest)
      const now = await readHead(this.#store)
      if (now.kind !== 'head' || !isSameHead(now.head, head)) continue
      if (plan.kind !== 'plan') {
        this.#lost(head.generation, `${plan.problem.at}: ${plan.problem.found}`)
        this.#view = undefined
        return
      }
      if (this.#source === undefined) return
      this.#view = planView(head, plan.plan, this.#source, policy.zones)
      this.#standing = new Set()
      return
    }
  }

  #lost(generation: Generation, what: string): void {
    if (this.#vanished !== generation) trace(this.#world, { event: 'enact.vanished', generation, what })
    this.#vanished = generation
  }

  /** False when it is not known whether the claim stands: then nothing is begun. */
  async #claim(generation: Generation): Promise<boolean> {
    if (this.#claimed === generation) return true
    const value = keys.claim.encode({ generation, at: this.#world.clock.wall() })
    const commit = await this.#store.commit([], [{ kind: 'put', key: keys.claim.key(this.#world.id), value }])
    switch (commit.kind) {
      case 'committed':
        this.#claimed = generation
        trace(this.#world, { event: 'enact.claimed', generation })
        return true
      // A store that takes nothing sweeps nothing either; repairing what is published goes on.
      case 'refused':
        this.#complain(describeProblem(commit.problem))
        return true
      case 'conflict':
      case 'unknown':
        return false
    }
  }

  #complain(reason: string): void {
    if (reason !== this.#storeComplaint) trace(this.#world, { event: 'enact.store_refused', reason })
    this.#storeComplaint = reason
  }

  /** What all enactors, this one too, have said in the store about what they published. */
  async #readEvidence(): Promise<void> {
    const range = await this.#store.range(keys.progress.prefix, { limit: 1_000 })
    for (const { key, value, revision } of range.entries) {
      if (this.#evidence.get(key)?.revision === revision) continue
      const progress = keys.progress.decode(value)
      if (progress === undefined) continue
      const blocked = new Set(progress.blocked.map(({ name }) => name))
      this.#evidence.set(key, { revision, enacted: progress.enacted, blocked })
    }
  }

  async #nextSlice(view: PlanView): Promise<Slice | undefined> {
    const now = this.#world.clock.now()
    if (now < this.#verifiedAt + periodMs) return undefined
    this.#verifiedAt = now
    try {
      this.#slice = await verification(view, this.#slice, this.#world.id)
    } catch (error) {
      if (!(error instanceof PlanVanished)) throw error
      this.#lost(view.head.generation, error.message)
    }
    return this.#slice
  }

  #startZone(view: PlanView, work: ZoneWork, verify: readonly PlanEntry[]): void {
    const isNew = work.plan !== view.head.generation
    const open = isNew || verify.length > 0 || work.memory.recheck.size > 0 || work.report?.complete !== true
    if (!open || (isNew ? work.failures > 0 && !this.#isDue(work) : !this.#isDue(work))) return
    this.#start(view, work, work.zone.name, () =>
      livePass(this.#passPorts(view, work), work.memory, this.#counts, verify),
    )
  }

  /** Only when every live endpoint of this plan has been seen. */
  #startRetirements(view: PlanView, verify: readonly PlanEntry[]): void {
    const work = this.#retirements
    const floor = view.plan.generation
    const zones = [...this.#zones.values()]
    if (zones.some(({ memory }) => memory.floor?.generation !== floor)) return
    const open = work.plan !== floor || verify.length > 0 || work.report?.complete !== true
    if (!open || !this.#isDue(work)) return
    const stuck = zones.flatMap(({ memory }) =>
      [...memory.blocked].filter(([, { foreign }]) => !foreign).map(([name]) => name),
    )
    this.#start(view, work, 'retirements', () =>
      retireAll(
        {
          view,
          zones: this.#zones,
          stuck,
          passPorts: (name) => {
            const zone = this.#zones.get(name)
            return zone && this.#passPorts(view, zone)
          },
        },
        work.memory,
        this.#counts,
        verify,
      ),
    )
  }

  #isDue(work: Work): boolean {
    return this.#world.clock.now() >= work.due
  }

  #start(view: PlanView, work: Work, label: string, pass: () => Promise<PassReport>): void {
    if (work.busy) return
    work.busy = true
    work.plan = view.head.generation
    void pass()
      .then((report) => this.#ended(work, label, report))
      .catch((error: unknown) => {
        work.report = null
        work.due = (this.#world.clock.now() + jittered(this.#world, work.failures++)) as Instant
        if (error instanceof PlanVanished) {
          // A view that was left behind is not claimed any more, and may go.
          if (this.#view === view) this.#lost(view.head.generation, error.message)
        }
        // The main loop finds out by itself whether the store is still gone.
        else if (!(error instanceof StoreOutage)) this.#bug = error
      })
      .finally(() => {
        work.busy = false
        this.#news.resolve()
      })
  }

  #ended(work: Work, label: string, report: PassReport): void {
    const now = this.#world.clock.now()
    if (report.outage !== null && work.report?.outage == null)
      trace(this.#world, { event: 'enact.authority_lost', zone: label, reason: report.outage })
    if (report.outage === null && work.report?.outage != null)
      trace(this.#world, { event: 'enact.authority_found', zone: label })
    work.report = report
    work.failures = report.outage === null ? 0 : work.failures + 1
    const pauseMs = report.outage === null ? periodMs : jittered(this.#world, work.failures)
    work.due = (report.dropped || report.complete ? now : now + pauseMs) as Instant
    if (report.written === 0) return
    // Aliases elsewhere may have waited for what was written here.
    for (const other of this.#zones.values())
      if (other !== work && other.report !== null && other.report.waiting > 0 && other.report.outage === null)
        other.due = now
  }

  #passPorts(view: PlanView, { zone, provider, places, memory }: ZoneWork): PassPorts {
    const policy = this.#policy
    const owner = policy?.owner ?? ''
    return {
      world: this.#world,
      zone,
      provider,
      places,
      view,
      plan: view.head.generation,
      owner,
      adopt: (name) => policy?.endpoints.get(name)?.adopt ?? false,
      ours: (entry) => isOursBy(memory, entry) || this.#isOurs(entry),
      overtaken: () => this.#view !== view || this.#newest === undefined || !isSameHead(this.#newest, view.head),
      isNewest: async () => {
        const reading = await readHead(this.#store)
        return reading.kind === 'head' && isSameHead(reading.head, view.head)
      },
      target: (name) => this.#target(view, owner, name),
    }
  }

  #isOurs({ name, born }: PlanEntry): boolean {
    for (const { enacted, blocked } of this.#evidence.values()) if (enacted >= born && !blocked.has(name)) return true
    return false
  }

  /** An alias is pointed only at what was seen to stand in DNS, as this plan or a newer one has it. */
  async #target(view: PlanView, owner: string, name: Name): Promise<Target> {
    if (this.#view === view && this.#standing.has(name)) return { kind: 'stands' }
    const entry = await view.entry(name)
    if (entry === undefined) return { kind: 'blocked', why: 'it is not in the plan' }
    if (entry.answer.kind === 'retired') return { kind: 'blocked', why: 'it is retired' }
    const zone = this.#zones.get(zoneOf(name, this.#zones) as Name)
    if (zone === undefined) return { kind: 'blocked', why: 'its zone is not in the configuration' }
    const [reading] = await zone.provider.read(zone.zone.name, [name])
    if (reading === undefined || reading.kind !== 'published')
      return { kind: 'missing', why: reading === undefined ? 'it was not read' : reading.reason }
    const verdict = fence(entry, reading.published, { owner, ours: false, adopt: false })
    if (verdict.kind === 'current' || (verdict.kind === 'superseded' && isLive(reading.published))) {
      if (this.#view === view) this.#standing.add(name)
      return { kind: 'stands' }
    }
    const blocked = zone.memory.blocked.get(name)
    if (blocked !== undefined) return { kind: 'blocked', why: blocked.why }
    zone.memory.recheck.add(name)
    return { kind: 'missing', why: 'it is not published yet' }
  }

  async #report(): Promise<void> {
    const now = this.#world.clock.now()
    const wall = this.#world.clock.wall()
    const before = this.#progress
    this.#owesReport = now < this.#progressAt + progressMinMs
    if (before !== undefined && this.#view !== undefined && !this.#owesReport) {
      const memories = [...[...this.#zones.values()].map(({ memory }) => memory), this.#retirements.memory]
      const unreachable = this.#slice?.unreachable ?? []
      const progress = progressOf(memories, unreachable, this.#view.head.generation, before, this.#counts, wall)
      const changed = JSON.stringify({ ...progress, at: 0 }) !== JSON.stringify({ ...before, at: 0 })
      if (changed || now >= this.#progressAt + progressMaxMs) {
        if (await this.#put(keys.progress.key(this.#world.id), keys.progress.encode(progress)))
          this.#progress = progress
        this.#progressAt = now
      }
    }
    if (now >= this.#statusAt + progressMaxMs) {
      this.#statusAt = now
      const { pid, http } = this.#ports.self ?? { pid: process.pid, http: null }
      const status = {
        role: 'enactor',
        id: this.#world.id,
        pid,
        started: this.#started,
        at: wall,
        http,
        note: this.#note(),
      } as const
      await this.#put(keys.status.key('enactor', this.#world.id), keys.status.encode(status))
    }
  }

  async #put(key: string, value: Uint8Array): Promise<boolean> {
    const commit = await this.#store.commit([], [{ kind: 'put', key, value }])
    if (commit.kind === 'refused') this.#complain(describeProblem(commit.problem))
    if (commit.kind === 'committed') this.#storeComplaint = ''
    return commit.kind === 'committed'
  }

  #note(): string {
    if (this.#policy === undefined) return `waits for a readable configuration: ${this.#policyComplaint}`
    if (this.#view === undefined) return 'waits for a plan that can be read'
    const { generation } = this.#view.head
    const lost = [...this.#zones.values()].filter(({ report }) => report !== null && report.outage !== null)
    if (lost.length > 0)
      return `plan ${generation}; cannot reach the authority of ${lost
        .map(({ zone }) => zone.name)
        .slice(0, 5)
        .join(', ')}`
    const blocked = this.#progress?.blocked.length ?? 0
    return `plan ${generation}; ${this.#progress?.enacted === generation ? 'all published' : 'publishing'}${blocked > 0 ? `; ${blocked} blocked` : ''}`
  }
}

const isSameHead = (a: Head, b: Head): boolean => a.generation === b.generation && a.digest === b.digest

function isSameZone(a: Zone, b: Zone): boolean {
  const address = (zone: Zone) => `${zone.authority.kind} ${zone.authority.address.host} ${zone.authority.address.port}`
  return a.key === b.key && address(a) === address(b)
}
