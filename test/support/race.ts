/**
 * Production enactors, publishing and sweep over one store and one authority in memory, under a seeded
 * schedule with faults, watched at every step for what must never happen, and afterwards for what must
 * happen at last.
 */
import { type Digest, digestOf, fromUtf8 } from '../../src/base/bytes.ts'
import { problem } from '../../src/base/problem.ts'
import { type EnactorPorts, enactor } from '../../src/enact/enactor.ts'
import { answersAs, fence, isLive } from '../../src/enact/fence.ts'
import { sweepOnce } from '../../src/enact/sweep.ts'
import type { IpAddress } from '../../src/model/address.ts'
import type { Addresses, Answer } from '../../src/model/answer.ts'
import { answerText } from '../../src/model/answer.ts'
import { after, type Generation, genesis } from '../../src/model/generation.ts'
import { generationOfPlanKey, keys } from '../../src/model/keys.ts'
import { parseMarker } from '../../src/model/marker.ts'
import type { Name } from '../../src/model/name.ts'
import {
  entryLine,
  type PlanEntry,
  type PlanHead,
  parseEntryLine,
  shardLines,
  shardOf,
  shardText,
} from '../../src/model/plan.ts'
import type { Policy, Zone } from '../../src/model/policy.ts'
import type { EnactorProgress } from '../../src/model/progress.ts'
import { publish } from '../../src/plan/publish.ts'
import type { Change, Provider, Published, WriteOutcome } from '../../src/providers/provider.ts'
import { readHead, readPlan, readShards } from '../../src/store/plans.ts'
import { type Commit, type Revision, type Store, StoreOutage, type Write } from '../../src/store/store.ts'
import type { World } from '../../src/world/world.ts'
import { memoryAuthority } from './memory-authority.ts'
import { memoryStore } from './memory-store.ts'
import { type Program, Schedule } from './schedule.ts'

export const owner = 'race'
const zones = ['example.test.', 'other.test.'] as Name[]
const shardCount = 2
const keepPlans = 2

/** Shares in percent, of the steps or calls that each is about. */
export interface Faults {
  readonly crash: number
  readonly pause: number
  /** Of writes: no answer, though it was done; no answer, and it was lost, or arrives much later. */
  readonly unanswered: number
  readonly late: number
  /** Of writes: "done", and nothing was. */
  readonly lie: number
  /** Of writes: SERVFAIL, because of a neighbour. */
  readonly servfail: number
  readonly tamper: number
  readonly store: number
}

export const allFaults: Faults = {
  crash: 0.3,
  pause: 0.8,
  unanswered: 6,
  late: 3,
  lie: 4,
  servfail: 3,
  tamper: 1,
  store: 1,
}

/** What is taken away from the production code, from outside. */
export interface Sabotage {
  readonly provider?: (provider: Provider) => Provider
  readonly store?: (store: Store) => Store
  readonly sweep?: (world: World, store: Store) => Promise<unknown>
}

export interface RaceOptions {
  readonly seed: number
  readonly faults?: Faults
  readonly sabotage?: Sabotage
  /** Virtual time during which plans are made and faults happen. */
  readonly stormMs?: number
}

export interface RaceResult {
  /** `S1: …`, in the order in which they happened; at most 20. */
  readonly violations: readonly string[]
  /** Every name as the newest plan has it, and every enactor says so. */
  readonly converged: boolean
  readonly steps: number
  readonly plans: number
  readonly writes: number
  readonly swept: number
  readonly events: readonly string[]
  readonly left: readonly string[]
}

export async function race(options: RaceOptions): Promise<RaceResult> {
  const run = new Race(options)
  return await run.result()
}

class Race {
  readonly schedule: Schedule
  readonly #authority = memoryAuthority()
  readonly #inner = memoryStore({ sleep: () => Promise.resolve() })
  readonly #options: RaceOptions
  readonly #wakers = new Set<() => void>()
  readonly #violations: string[] = []
  /** `name since` -> answer, of every plan that was ever published. */
  readonly #history = new Map<string, PlanEntry>()
  readonly #texts = new Map<Digest, string>()
  /** What the store holds. */
  readonly #plans = new Map<Generation, PlanHead>()
  readonly #shards = new Set<Digest>()
  readonly #progress = new Map<string, EnactorProgress>()
  /** Names whose records somebody changed by hand, until a program has written them again. */
  readonly #dirty = new Set<Name>()
  readonly #inTheNet: (() => void)[] = []
  #resolvable = new Set<Name>()
  #head: PlanHead | undefined
  #storm = true
  #writes = 0
  #swept = 0
  readonly #foreign = 'foreign.example.test.' as Name

  constructor(options: RaceOptions) {
    this.#options = options
    this.schedule = new Schedule(options.seed)
    this.#authority.onChange = (before, now, change) => this.#checkAuthority(before, now, change)
  }

  get #faults(): Faults | undefined {
    return this.#storm ? this.#options.faults : undefined
  }

  async result(): Promise<RaceResult> {
    this.#authority.tamper(this.#foreign, { addresses: ['203.0.113.1' as IpAddress], ttl: 60 })
    const { schedule } = this
    for (const id of ['planner-1', 'planner-2']) schedule.spawn(id, (program) => this.#planner(program))
    for (const id of ['enactor-1', 'enactor-2', 'enactor-3']) schedule.spawn(id, (program) => this.#enactor(program))
    schedule.spawn('sweeper', (program) => this.#sweeper(program))
    await schedule.run({ steps: 20_000, untilMs: this.#options.stormMs ?? 8_000, before: () => this.#misfortune() })
    this.#storm = false
    for (const program of schedule.programs.values()) program.pausedUntil = 0
    for (const arrive of this.#inTheNet.splice(0)) arrive()
    const healed = schedule.time
    await schedule.run({ steps: 30_000, untilMs: healed + 60_000, done: () => this.#left().length === 0 })
    const left = this.#left()
    return {
      violations: this.#violations,
      converged: left.length === 0,
      steps: schedule.steps,
      plans: this.#head?.generation ?? 0,
      writes: this.#writes,
      swept: this.#swept,
      events: schedule.events.map(({ event }) => event),
      left,
    }
  }

  // The programs.

  async #enactor(program: Program): Promise<never> {
    const ports: EnactorPorts = {
      store: this.#sabotagedStore(program),
      policy: { read: async () => ({ kind: 'policy', policy, modified: 0 as never }) },
      provider: () => this.#provider(program),
      self: { pid: 1, http: null },
    }
    return await enactor(this.schedule.world(program), ports)
  }

  async #sweeper(program: Program): Promise<never> {
    const world = this.schedule.world(program)
    const store = this.#sabotagedStore(program)
    for (;;) {
      try {
        await (this.#options.sabotage?.sweep?.(world, store) ?? sweepOnce(world, store, keepPlans))
      } catch (error) {
        if (!(error instanceof StoreOutage)) throw error
      }
      await world.clock.sleep(300 + world.random.below(600))
    }
  }

  /** Makes plans at random while the storm lasts, and always a higher one when an enactor asks for it. */
  async #planner(program: Program): Promise<never> {
    const world = this.schedule.world(program)
    const store = this.#store(program)
    for (;;) {
      try {
        await this.#plan(world, store, program.id)
      } catch (error) {
        if (!(error instanceof StoreOutage)) throw error
      }
      await world.clock.sleep(100 + world.random.below(900))
    }
  }

  async #plan(world: World, store: Store, author: string): Promise<void> {
    const reading = await readHead(store)
    let parent: PlanHead | null = null
    const entries = new Map<Name, PlanEntry>()
    if (reading.kind === 'head') {
      const plan = await readPlan(store, reading.head.generation, reading.head.digest)
      if (plan.kind !== 'plan') return
      const text = await readShards(store, plan.plan)
      if (text.kind !== 'text') return
      parent = plan.plan
      for (const index of plan.plan.shards.keys())
        for (const line of shardLines(text.text.shard(index))) {
          const entry = parseEntryLine(line) as PlanEntry
          entries.set(entry.name, entry)
        }
    }
    const range = await store.range(keys.progress.prefix)
    const ahead = range.entries
      .map(({ value }) => keys.progress.decode(value))
      .filter((progress) => progress?.working === parent?.generation)
      .map((progress) => progress?.ahead ?? genesis)
    const above = Math.max(genesis, ...ahead) as Generation
    const generation = after(parent?.generation ?? genesis, above)
    if (above > genesis) for (const [name, entry] of entries) entries.set(name, { ...entry, since: generation })
    else if (this.#storm || parent === null) mutate(world, entries, generation, parent === null)
    else return
    const texts = shardTexts(entries)
    const digests = texts.map((text) => digestOf(text))
    const newShards = new Map(
      texts
        .map((text) => [digestOf(text), text] as const)
        .filter(([digest]) => parent?.shards.includes(digest) !== true),
    )
    const head: PlanHead = {
      generation,
      parent: parent?.generation ?? genesis,
      at: world.clock.wall(),
      author,
      policy: policy.digest,
      shards: digests,
      pools: {},
      blast: {
        namesChanged: 0,
        namesAdded: 0,
        namesRetired: 0,
        namesTotal: entries.size,
        capacityRemoved: 0,
        ttlMax: 0,
      },
      reasons: [],
    }
    await publish(store, { head, newShards }, reading.revision)
  }

  // The world around them.

  #sabotagedStore(program: Program): Store {
    const store = this.#store(program)
    return this.#options.sabotage?.store?.(store) ?? store
  }

  #store(program: Program): Store {
    const { schedule } = this
    const inner = this.#inner
    const around = async <T>(work: () => Promise<T>): Promise<T> => {
      await schedule.step(program)
      if (this.#faults !== undefined && schedule.chance(this.#faults.store))
        throw new StoreOutage(problem('store', 'an answer', 'none', 'wait'))
      const result = await work()
      await schedule.step(program)
      return result
    }
    return {
      get: (key) => around(() => inner.get(key)),
      range: (prefix, options) => around(() => inner.range(prefix, options)),
      close: () => inner.close(),
      commit: async (compares, writes) => {
        await schedule.step(program)
        const bad = this.#faults !== undefined && schedule.chance(this.#faults.store * 3)
        if (bad && schedule.chance(50)) return { kind: 'unknown', reason: 'lost' }
        const commit = await inner.commit(compares, writes)
        this.#committed(commit, writes)
        await schedule.step(program)
        return bad ? { kind: 'unknown', reason: 'answer lost' } : commit
      },
      watch: async (prefix, since, timeoutMs) => {
        const until = schedule.time + timeoutMs
        for (;;) {
          const watched = await around(() => inner.watch(prefix, since, 0))
          if (watched.kind !== 'quiet' || schedule.time >= until) return watched
          await schedule.sleep(program, until - schedule.time, this.#wakers)
        }
      },
    }
  }

  #provider(program: Program): Provider {
    const { schedule } = this
    const authority = this.#authority
    const one = async (change: Change): Promise<WriteOutcome> => {
      await schedule.step(program)
      const faults = this.#faults
      if (faults === undefined) return await reply(authority.apply(change))
      if (schedule.chance(faults.late)) {
        this.#inTheNet.push(() => authority.apply(change))
        return await reply({ kind: 'unknown', reason: 'time-out' })
      }
      if (schedule.chance(faults.lie)) return await reply({ kind: 'accepted' })
      if (schedule.chance(faults.servfail)) return await reply({ kind: 'unknown', reason: 'SERVFAIL' })
      const outcome = authority.apply(change)
      return await reply(schedule.chance(faults.unanswered) ? { kind: 'unknown', reason: 'time-out' } : outcome)
    }
    const reply = async <T>(answer: T): Promise<T> => {
      await schedule.step(program)
      return answer
    }
    const provider: Provider = {
      guarantee: 'atomic-conditional',
      // Marker and records are asked for by questions of their own, so a reading may be of two moments.
      read: (_zone, names) =>
        Promise.all(
          names.map(async (name) => {
            await schedule.step(program)
            const { marker } = authority.at(name)
            if (schedule.chance(50)) await schedule.step(program)
            const published = { ...authority.at(name), marker }
            return await reply({ kind: 'published', published } as const)
          }),
        ),
      write: (_zone, changes) => Promise.all(changes.map(one)),
      confirm: async (_zone, expected) => {
        await schedule.step(program)
        const all = expected.every((published) => authority.confirms(published))
        return await reply(expected.map(() => all))
      },
    }
    return this.#options.sabotage?.provider?.(provider) ?? provider
  }

  /** Between any two steps. */
  #misfortune(): void {
    const { schedule } = this
    if (this.#inTheNet.length > 0 && schedule.random.below(60) === 0)
      this.#inTheNet.splice(schedule.random.below(this.#inTheNet.length), 1)[0]?.()
    const faults = this.#faults
    if (faults === undefined) return
    if (schedule.chance(faults.crash)) schedule.crash(schedule.pick([...schedule.programs.values()]))
    if (schedule.chance(faults.pause))
      schedule.pick([...schedule.programs.values()]).pausedUntil = schedule.steps + schedule.random.below(400)
    if (schedule.chance(faults.tamper)) this.#tamper()
  }

  #tamper(): void {
    const { schedule } = this
    const known = this.#authority.names().filter((name) => name !== this.#foreign && this.#isKnownOurs(name))
    if (known.length === 0) return
    const name = schedule.pick(known)
    const now = this.#authority.at(name)
    const kind = schedule.random.below(6)
    if (kind === 0) this.#authority.tamper(name, { marker: [] })
    else if (kind === 1) this.#authority.tamper(name, { addresses: [], alias: null, ttl: null })
    else if (kind === 2) this.#authority.tamper(name, { addresses: ['192.0.2.250' as IpAddress], alias: null, ttl: 9 })
    else if (kind === 3) this.#authority.tamper(name, { marker: [['v=holdfast1', 'g=broken']] })
    else if (kind === 4) this.#authority.tamper(name, { ttl: (now.ttl ?? 0) + 7 })
    else this.#authority.tamper(name, { marker: [], addresses: [], alias: null, ttl: null })
  }

  #isKnownOurs(name: Name): boolean {
    const born = this.#entry(name)?.born ?? Number.POSITIVE_INFINITY
    return [...this.#progress.values()].some(
      ({ enacted, blocked }) => enacted >= born && !blocked.some((item) => item.name === name),
    )
  }

  #entry(name: Name): PlanEntry | undefined {
    const digest = this.#head?.shards[shardOf(name, shardCount)]
    return this.#entries(digest).find((entry) => entry.name === name)
  }

  #entries(digest: Digest | undefined): PlanEntry[] {
    const text = digest === undefined ? '' : (this.#texts.get(digest) ?? '')
    return shardLines(text).map((line) => parseEntryLine(line) as PlanEntry)
  }

  // The watchers.

  #violated(what: string): void {
    if (this.#violations.length < 20) this.#violations.push(`${what} (step ${this.schedule.steps})`)
  }

  #checkAuthority(before: Published, now: Published, change: Change | null): void {
    const resolvable = new Set(this.#authority.names().filter((name) => this.#authority.resolve(name).length > 0))
    const lost = [...this.#resolvable].filter((name) => !resolvable.has(name))
    this.#resolvable = resolvable
    if (change === null) {
      this.#dirty.add(now.name)
      return
    }
    this.#writes++
    const { name } = now
    const [was, is] = [generationAt(before), generationAt(now)]
    if (is < was) this.#violated(`S1: ${name} went from generation ${was} back to ${is}`)
    for (const gone of lost) {
      if (gone === name && change.answer.kind === 'retired') continue
      if (!this.#isTouched(gone)) this.#violated(`S2: ${gone} answers nothing since ${name} was written`)
    }
    const entry = this.#history.get(`${name} ${is}`)
    if (entry === undefined || !answersAs(entry.answer, now))
      this.#violated(`S3: ${name} answers what no plan says under generation ${is}`)
    if (name === this.#foreign) this.#violated(`S6: ${name} was written`)
    this.#dirty.delete(name)
  }

  /** Whether a hand has been at the name or at anything that it leads to. */
  #isTouched(name: Name): boolean {
    let at: Name | null = name
    for (let hops = 0; at !== null && hops < 10; hops++) {
      if (this.#dirty.has(at)) return true
      at = this.#authority.at(at).alias
    }
    return false
  }

  #committed(commit: Commit, writes: readonly Write[]): void {
    if (commit.kind !== 'committed') return
    let deleted = false
    for (const write of writes) {
      const generation = generationOfPlanKey(write.key)
      if (write.kind === 'delete') {
        if (generation !== undefined) {
          this.#plans.delete(generation)
          this.#swept++
          deleted = true
        } else if (write.key.startsWith(keys.shard.prefix)) {
          this.#shards.delete(write.key.slice(keys.shard.prefix.length) as Digest)
          deleted = true
        }
        continue
      }
      if (write.key.startsWith(keys.shard.prefix)) {
        const digest = write.key.slice(keys.shard.prefix.length) as Digest
        this.#texts.set(digest, fromUtf8(write.value))
        this.#shards.add(digest)
      }
      if (write.key.startsWith(keys.progress.prefix))
        this.#progress.set(write.key, keys.progress.decode(write.value) as EnactorProgress)
      if (generation !== undefined) {
        const plan = keys.plan.decode(write.value) as PlanHead
        this.#plans.set(generation, plan)
        this.#head = plan
        for (const digest of plan.shards)
          for (const entry of this.#entries(digest)) this.#history.set(`${entry.name} ${entry.since}`, entry)
      }
    }
    for (const wake of this.#wakers) wake()
    this.#wakers.clear()
    if (deleted) this.#checkStore()
  }

  /** S4: the plan of what is published at any name, head, and the last plans before it, whole. */
  #checkStore(): void {
    const whole = [...this.#plans.values()].filter(({ shards }) => shards.every((digest) => this.#shards.has(digest)))
    const present = new Map(whole.map((plan) => [plan.generation, plan]))
    let at = this.#head
    for (let back = 0; back <= keepPlans && at !== undefined; back++) {
      if (!present.has(at.generation)) this.#violated(`S4: plan ${at.generation}, ${back} before head, is gone`)
      const { parent } = at
      if (parent === genesis) break
      at = present.get(parent)
      if (at === undefined && back < keepPlans) this.#violated(`S4: plan ${parent}, ${back + 1} before head, is gone`)
    }
    for (const name of this.#authority.names()) {
      const generation = generationAt(this.#authority.at(name))
      if (generation === genesis || this.#dirty.has(name)) continue
      const exists = whole.some(({ shards }) =>
        this.#entries(shards[shardOf(name, shardCount)]).some(
          (entry) => entry.name === name && entry.since === generation,
        ),
      )
      if (!exists) this.#violated(`S4: ${name} is published in generation ${generation}, and no plan with that is left`)
    }
  }

  /** What still differs from the newest plan, or is not yet known to be published. */
  #left(): string[] {
    const head = this.#head
    if (head === undefined) return ['no plan']
    const left: string[] = []
    for (const entry of head.shards.flatMap((digest) => this.#entries(digest))) {
      const verdict = fence(entry, this.#authority.at(entry.name), { owner, ours: true, adopt: false })
      if (entry.name !== this.#foreign && verdict.kind !== 'current')
        left.push(`${entry.name}: ${JSON.stringify(verdict)}`)
      if (entry.answer.kind !== 'retired' && !isLive(this.#authority.at(entry.name))) left.push(`${entry.name}: empty`)
    }
    for (const id of ['enactor-1', 'enactor-2', 'enactor-3']) {
      const progress = this.#progress.get(keys.progress.key(id))
      if (progress?.enacted !== head.generation)
        left.push(`${id}: has enacted ${progress?.enacted} of ${head.generation}`)
    }
    return left
  }
}

function generationAt(published: Published): Generation {
  const generations = published.marker.map((strings) => parseMarker(strings)?.generation ?? genesis)
  return Math.max(genesis, ...generations) as Generation
}

export const policy: Policy = {
  digest: digestOf('policy'),
  owner,
  zones: new Map(
    zones.map((name): [Name, Zone] => [
      name,
      { name, authority: { kind: 'rfc2136', address: { host: '127.0.0.1', port: 53 } }, key: 'key.' as Name },
    ]),
  ),
  pools: new Map(),
  endpoints: new Map(),
  keepPlans,
  coalesceMs: 0,
}

export function shardTexts(entries: ReadonlyMap<Name, PlanEntry>): string[] {
  const sorted = [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  return Array.from({ length: shardCount }, (_, index) =>
    shardText(sorted.filter(({ name }) => shardOf(name, shardCount) === index).map(entryLine)),
  )
}

const pool = ['a.example.test.', 'b.example.test.', 'c.other.test.', 'foreign.example.test.'] as Name[]
const aliases = ['w.example.test.', 'v.other.test.'] as Name[]

/** The next plan's entries: few addresses, so that old answers come back; aliases come, move and go; names are retired and come again. */
function mutate(world: World, entries: Map<Name, PlanEntry>, generation: Generation, first: boolean): void {
  const pick = <T>(list: readonly T[]) => list[world.random.below(list.length)] as T
  const set = (name: Name, answer: Answer) => {
    const before = entries.get(name)
    if (before !== undefined && answerText(before.answer) === answerText(answer)) return
    // A real planner gives a revived name a new birth, so that records which somebody put there meanwhile are foreign;
    // here a hand that edits a name just before it is retired and revived is meant to be repaired.
    entries.set(name, { name, since: generation, born: before?.born ?? generation, answer })
  }
  const addresses = (): Addresses => ({
    kind: 'addresses',
    ttl: 5,
    addresses: [
      { address: `192.0.2.${1 + world.random.below(3)}` as IpAddress, weight: 1 },
      ...(world.random.below(2) === 0 ? [{ address: '2001:db8::1' as IpAddress, weight: 1 }] : []),
    ],
  })
  const live = () =>
    pool.filter((name) => entries.get(name) !== undefined && entries.get(name)?.answer.kind !== 'retired')
  for (let changes = first ? 4 : 1 + world.random.below(3); changes > 0; changes--) {
    const kind = world.random.below(8)
    const target = live().filter((name) => name !== 'foreign.example.test.')
    if (kind < 4 || target.length < 2) set(pick(pool), addresses())
    else if (kind < 6)
      set(pick(aliases), world.random.below(3) === 0 ? addresses() : { kind: 'alias', ttl: 5, target: pick(target) })
    else if (kind === 6) {
      const gone = pick(target)
      set(gone, { kind: 'retired' })
      for (const name of aliases) {
        const answer = entries.get(name)?.answer
        if (answer?.kind === 'alias' && answer.target === gone)
          set(name, world.random.below(2) === 0 ? { kind: 'retired' } : addresses())
      }
    } else {
      // Everything at once, as a careless planner has it.
      for (const name of live()) set(name, addresses())
    }
  }
}

export type { Revision }
