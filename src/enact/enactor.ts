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
import { keys } from '../model/keys.ts'
import { type Name, zoneOf } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Policy, PolicySource, Zone } from '../model/policy.ts'
import { unusableText } from '../model/progress.ts'
import type { Provider } from '../providers/provider.ts'
import { never, type Revision, type Store, StoreOutage } from '../store/store.ts'
import type { Instant, World } from '../world/world.ts'
import type { Target } from './batch.ts'
import { ClaimedPlan } from './claimed.ts'
import { trace } from './events.ts'
import { type Evidence, evidenceIn } from './evidence.ts'
import {
  asBlocked,
  type Counts,
  forgetOwnership,
  forgetSeen,
  isOursBy,
  type Obstacle,
  type ZoneMemory,
  zoneMemory,
} from './memory.ts'
import { livePass, type PassPorts, type PassReport } from './pass.ts'
import { unexplainedRemoval } from './removal.ts'
import { progressMinMs, Reports, type Self } from './reports.ts'
import { retireAll } from './retire.ts'
import { PlanVanished, type PlanView, type ShardSource, shardSource } from './shards.ts'
import { targetOf } from './target.ts'
import { Twin } from './twin.ts'
import { type Slice, verification } from './verification.ts'
import { type WriterLease, writerLease } from './writer.ts'

export interface EnactorPorts {
  readonly store: Store
  readonly policy: PolicySource
  /** Asked once for every zone, and again when the zone's authority or key changes. */
  provider(zone: Zone): Provider
  /** For the status document. */
  readonly self?: Self
}

/** Between looks at the store when nothing wakes it; also between retries, and between verifications. */
const periodMs = 1_000
/** Batches under way at one authority. */
const placesOfAuthority = 16
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
  /** Where the authority takes no conditions. */
  readonly lease: WriterLease | null
}

class Enactor {
  readonly #world: World
  readonly #ports: EnactorPorts
  readonly #store: Store
  readonly #counts: Counts = { applied: 0, repaired: 0, conflicts: 0, fenced: 0 }
  readonly #retirements: Work
  readonly #authorities = new Map<string, Permits>()
  readonly #evidence: Evidence
  readonly #reports: Reports
  readonly #claimed: ClaimedPlan
  readonly #twin = new Twin()
  #twinComplaint = ''
  #zones = new Map<Name, ZoneWork>()
  /** Names found blocked, in a life before or in a zone that is gone: somebody has to look at them again. */
  readonly #unplaced = new Map<Name, Pick<Obstacle, 'why' | 'ours'>>()
  #policy: Policy | undefined
  #policyComplaint = ''
  #source: ShardSource | undefined
  #slice: Slice | undefined
  #verifiedAt = Number.NEGATIVE_INFINITY
  #revision: Revision = never
  #watching: Promise<StoreOutage | undefined> | undefined
  #news: PromiseWithResolvers<void> = Promise.withResolvers()
  #bug: unknown

  constructor(world: World, ports: EnactorPorts) {
    this.#world = world
    this.#ports = ports
    this.#store = ports.store
    this.#evidence = evidenceIn(ports.store)
    this.#reports = new Reports(world, ports.store)
    this.#claimed = new ClaimedPlan(
      world,
      ports.store,
      (reason) => this.#reports.complain(reason),
      () => this.#forgetHistory(),
    )
    this.#retirements = this.#idle(zoneMemory())
  }

  #idle(memory: ZoneMemory): Work {
    return { memory, busy: false, due: this.#world.clock.now(), failures: 0, report: null, plan: genesis }
  }

  /** Looks, starts what is to be done, says how far it is. @throws StoreOutage */
  async turn(): Promise<void> {
    if (this.#bug !== undefined) throw this.#bug
    this.#news = Promise.withResolvers()
    await this.#readPolicy()
    if (this.#policy !== undefined && this.#source !== undefined) await this.#claimed.read(this.#policy, this.#source)
    const { view } = this.#claimed
    // Kept up, and watched, whether there is a plan or not: else whoever comes first would wait for it then.
    for (const { lease } of this.#zones.values()) await lease?.takeOrExplain()
    // After the head, never before: what it said of a history that the store has lost since is gone by then.
    if (this.#claimed.sawHead) await this.#recall()
    if (view !== undefined) {
      await this.#evidence.read()
      const slice = await this.#nextSlice(view)
      for (const work of this.#zones.values()) this.#startZone(view, work, slice?.live.get(work.zone.name) ?? [])
      this.#startRetirements(view, slice?.retired ?? [])
      const memories = [...[...this.#zones.values()].map(({ memory }) => memory), this.#retirements.memory]
      const unplaced = [...this.#unplaced].map(([name, obstacle]) => asBlocked(name, obstacle))
      const unreachable = (this.#slice?.unreachable ?? []).filter(({ name }) => !this.#unplaced.has(name))
      const { headRevision } = this.#claimed
      const blocked = [...unplaced, ...unreachable]
      await this.#reports.sayProgress(headRevision, memories, blocked, view.head.generation, this.#counts)
    }
    const self = this.#ports.self ?? { pid: process.pid, http: null }
    await this.#reports.sayStatus(self, () => ({ note: this.#note(), ails: this.#ails() }))
  }

  /** Until head moves, a pass ends, or the period is over. @throws StoreOutage */
  async wait(): Promise<void> {
    this.#watching ??= this.#watch()
    const awaited: Promise<StoreOutage | 'news' | undefined>[] = [this.#watching, this.#news.promise.then(() => 'news')]
    if (this.#reports.owed) awaited.push(this.#world.clock.sleep(progressMinMs).then(() => 'news'))
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

  /** Its own last words, after a restart. @throws StoreOutage */
  async #recall(): Promise<void> {
    if (this.#reports.progress !== undefined) return
    for (const { name, why, ours = false } of (await this.#reports.recall(this.#counts)).blocked) {
      const zone = zoneOf(name, this.#zones)
      const memory = zone === undefined ? undefined : this.#zones.get(zone)?.memory
      if (memory === undefined) this.#unplaced.set(name, { why, ours })
      else memory.blocked.set(name, { why, ours, foreign: false })
    }
  }

  #forgetHistory(): void {
    for (const { memory } of [...this.#zones.values(), this.#retirements]) {
      forgetSeen(memory)
      forgetOwnership(memory)
    }
    for (const [name, { why }] of this.#unplaced) this.#unplaced.set(name, { why, ours: false })
    this.#evidence.forget()
    this.#reports.forget()
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
    for (const [name, known] of this.#zones) {
      const zone = policy.zones.get(name)
      if (zone !== undefined && isSameZone(known.zone, zone)) zones.set(name, known)
      else for (const [blocked, obstacle] of known.memory.blocked) this.#unplaced.set(blocked, obstacle)
    }
    for (const zone of policy.zones.values())
      if (!zones.has(zone.name)) zones.set(zone.name, this.#newZone(zone, policy))
    this.#zones = zones
    this.#policy = policy
    this.#source = shardSource(this.#store, policy.zones)
    this.#claimed.view = undefined
    this.#slice = undefined
  }

  #newZone(zone: Zone, policy: Policy): ZoneWork {
    const { host, port } = zone.authority.address
    const authority = `${host} ${port}`
    const places = this.#authorities.get(authority) ?? permits(placesOfAuthority)
    this.#authorities.set(authority, places)
    const memory = zoneMemory()
    for (const [name, obstacle] of this.#unplaced) {
      if (zoneOf(name, policy.zones) !== zone.name) continue
      memory.blocked.set(name, { ...obstacle, foreign: false })
      this.#unplaced.delete(name)
    }
    const provider = this.#ports.provider(zone)
    const lease = provider.guarantee === 'atomic' ? writerLease(this.#world, this.#store, zone.name) : null
    return { ...this.#idle(memory), zone, provider, places, lease }
  }

  async #nextSlice(view: PlanView): Promise<Slice | undefined> {
    const now = this.#world.clock.now()
    if (now < this.#verifiedAt + periodMs) return undefined
    this.#verifiedAt = now
    try {
      this.#slice = await verification(view, this.#slice, this.#world.id)
    } catch (error) {
      if (!(error instanceof PlanVanished)) throw error
      this.#claimed.lost(view, error.message)
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
            // That a zone's live endpoints were seen says nothing about one that was retired by then.
            const isOurs = (entry: PlanEntry) =>
              zone?.memory.blocked.get(entry.name)?.ours ?? isOursBy(work.memory, entry)
            return zone && this.#passPorts(view, zone, isOurs)
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
        if (error instanceof PlanVanished) this.#claimed.lost(view, error.message)
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
    if (work.memory.outrun !== null) this.#outrun(work.memory.outrun, now)
    if (report.outage === null && work.report?.outage != null)
      trace(this.#world, { event: 'enact.authority_found', zone: label })
    if (report.dropped) trace(this.#world, { event: 'enact.dropped', zone: label, plan: work.plan })
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

  #outrun({ plan, by }: NonNullable<ZoneMemory['outrun']>, now: Instant): void {
    this.#twin.note(plan, by, now)
    const owner = this.#policy?.owner ?? ''
    const complaint = this.#twin.complaint(owner, now) ?? ''
    if (complaint !== '' && this.#twinComplaint === '')
      trace(this.#world, { event: 'enact.twin_suspected', owner, plan })
    this.#twinComplaint = complaint
  }

  #passPorts(
    view: PlanView,
    { zone, provider, places, memory, lease }: ZoneWork,
    isOurs = (entry: PlanEntry) => isOursBy(memory, entry),
  ): PassPorts {
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
      ours: (entry) => isOurs(entry) || this.#evidence.isOurs(entry),
      overtaken: () => this.#claimed.isOvertaken(view),
      isNewest: () => this.#claimed.isNewest(view),
      ...(lease !== null && { mayWrite: () => lease.takeOrExplain() }),
      target: (name) => this.#target(view, owner, name),
      unexplained: (entry, published) =>
        policy === undefined ? null : unexplainedRemoval(policy, view.plan, entry, published, this.#world.clock.wall()),
    }
  }

  async #target(view: PlanView, owner: string, name: Name): Promise<Target> {
    const placeOf = (one: Name) => {
      const work = this.#zones.get(zoneOf(one, this.#zones) as Name)
      return work && { name: work.zone.name, provider: work.provider, memory: work.memory }
    }
    return await targetOf(view, name, placeOf, owner)
  }

  /** Zones whose authorities take no conditions, and who writes them. */
  #writers(): string {
    return [...this.#zones.values()]
      .filter(({ lease }) => lease !== null)
      .map(({ zone, lease }) => {
        const who = lease?.isMine ? 'this enactor alone' : (lease?.other ?? 'nobody yet')
        return `; ${zone.name} takes no conditions and is written by ${who}`
      })
      .slice(0, 5)
      .join('')
  }

  #ails(): readonly string[] {
    const outages = [...this.#zones.values()].flatMap(({ zone, report }) =>
      report === null || report.outage === null
        ? []
        : [`the authority of ${zone.name} cannot be used: ${report.outage}`],
    )
    const unusable = this.#policyComplaint === '' ? [] : [unusableText(this.#policyComplaint)]
    const twin = this.#twin.complaint(this.#policy?.owner ?? '', this.#world.clock.now())
    return [...unusable, ...(twin === null ? [] : [twin]), ...outages.slice(0, 5)]
  }

  #note(): string {
    if (this.#policy === undefined) return `waits for a readable configuration: ${this.#policyComplaint}`
    if (this.#claimed.view === undefined) return 'waits for a plan that can be read'
    const { generation } = this.#claimed.view.head
    const { progress } = this.#reports
    const lost = [...this.#zones.values()].filter(({ report }) => report !== null && report.outage !== null)
    if (lost.length > 0)
      return `plan ${generation}; cannot reach the authority of ${lost
        .map(({ zone }) => zone.name)
        .slice(0, 5)
        .join(', ')}`
    const blocked = progress?.blocked.length ?? 0
    return `plan ${generation}; ${progress?.enacted === generation ? 'all published' : 'publishing'}${blocked > 0 ? `; ${blocked} blocked` : ''}${this.#writers()}`
  }
}

function isSameZone(a: Zone, b: Zone): boolean {
  const address = (zone: Zone) => `${zone.authority.kind} ${zone.authority.address.host} ${zone.authority.address.port}`
  return a.key === b.key && address(a) === address(b)
}
