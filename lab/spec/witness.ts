/** Sees everything that the programs of a region do to what they share, and holds it against a specification. */
import { fromUtf8 } from '../../src/base/bytes.ts'
import { generationOfPlanKey, keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import { type PlanHead, shardLines } from '../../src/model/plan.ts'
import type { Provider, Reading } from '../../src/providers/provider.ts'
import type { Compare, Revision, Store, Write } from '../../src/store/store.ts'
import type { Region, Role } from '../region.ts'
import { noteRivals } from '../rival.ts'
import { nothing, type Standing } from '../sim/authority.ts'
import type { Kernel, Process } from '../sim/kernel.ts'
import { kindOf } from '../story.ts'
import { owner } from '../wishes.ts'
import { type Event, enactorEvents, type Stands, textOf } from './events.ts'
import { cell, Model } from './model.ts'
import { Past } from './past.ts'
import { Plans } from './plans.ts'
import type { Spec } from './spec.ts'
import { cells, follow, type Program, type Refusal, standing, type When } from './steps.ts'

export interface Watched {
  readonly events: number
  /** By `process action`, how often. */
  readonly steps: ReadonlyMap<string, number>
  /** The first thing that the model has no step for, and what came before it. */
  readonly refused: (Refusal & { readonly atMs: number; readonly before: readonly string[] }) | null
  /** Why it was not watched to its end: the model knows nothing of a store that loses its history. */
  readonly cut: string | null
}

/** Thrown into the simulation when there is nothing more to watch. */
export class Over extends Error {}

interface Sent {
  readonly by: string
  readonly name: string
  readonly expected: Stands
  readonly generation: number
}

interface Commit {
  readonly by: Program
  readonly compares: readonly Compare[]
  readonly writes: readonly Write[]
}

const toldMost = 25

export class Witness {
  readonly #kernel: Kernel
  readonly #region: Region
  readonly #model: Model
  readonly #plans = new Plans(owner)
  readonly #enactors = new Set<string>()
  readonly #names = new Set<string>()
  readonly #past = new Past()
  readonly #sent: Sent[] = []
  /** What was carried out, for whoever sends it again. */
  readonly #done: Sent[] = []
  #revision = 0
  readonly #commits: Commit[] = []
  /** The head that each commit to it made. */
  readonly #headAt = new Map<Revision, number>([[0 as Revision, 0]])
  readonly #steps = new Map<string, number>()
  readonly #told: string[] = []
  #events = 0
  #refused: Watched['refused'] = null
  #cut: string | null = null

  constructor(spec: Spec, region: Region) {
    this.#region = region
    this.#kernel = region.kernel
    const { keepPlans } = region.shape
    this.#model = new Model(spec, {
      constants: { ...spec.constants, KEEP: keepPlans, UNREAD: -1 },
      functions: {
        since: (p, e) => this.#plans.since(Number(p), String(e)),
        age: (p, h) => this.#plans.age(Number(p), Number(h)),
      },
      domains: {
        ENDPOINTS: () => this.#names,
        ENACTORS: () => this.#enactors,
        PLANS: () => this.#plans.numbers(),
      },
    })
    const { substitutes } = region
    region.substitutes = {
      ...substitutes,
      store: (store, role, self) => {
        const watched = role === 'prober' ? store : this.#store(store, role, self)
        return substitutes.store?.(watched, role, self) ?? watched
      },
      provider: (provider, self, zone) => {
        const index = [...region.policy.zones.keys()].indexOf(zone.name)
        const watched = this.#provider(provider, self, kindOf(region.shape, index) === 'server')
        return substitutes.provider?.(watched, self, zone) ?? watched
      },
    }
    region.store.onCommit = (writes, by) => this.#committed(writes, by)
    for (const [zone, authority] of region.authorities.entries()) {
      const isConditional = kindOf(region.shape, zone) !== 'atomic'
      authority.onChange = (name, before, after, by) => {
        noteRivals(region.foreign, name, before, after, by)
        if (by === 'hand') this.#changed(name, after, 'edits')
        else if (!isConditional) this.#changed(name, after, 'is replaced')
        else this.#landed(name, after, by)
      }
    }
    region.kernel.afterEvent = () => {
      if (this.#refused !== null || this.#cut !== null) throw new Over()
    }
  }

  report(): Watched {
    return { events: this.#events, steps: this.#steps, refused: this.#refused, cut: this.#cut }
  }

  get #isOver(): boolean {
    return this.#refused !== null || this.#cut !== null
  }

  #refuse(refusal: Refusal): void {
    this.#refused ??= { ...refusal, atMs: this.#kernel.now / 1000, before: [...this.#told] }
  }

  #tell(text: string): void {
    this.#told.push(`${(this.#kernel.now / 1e6).toFixed(6)} s  ${text}`)
    if (this.#told.length > toldMost) this.#told.shift()
  }

  #take(program: Program, event: Event, when: When = 'whole'): void {
    if (this.#isOver) return
    this.#events += 1
    const key = `${program.process} ${event.kind}`
    if (when !== 'asked') this.#steps.set(key, (this.#steps.get(key) ?? 0) + 1)
    this.#tell(`${program.me} ${when === 'whole' ? '' : `${when} `}${textOf(event)}`)
    const world = {
      names: () => this.#names,
      earlier: (...of: Parameters<Plans['earlier']>) => this.#plans.earlier(...of),
    }
    const refusal = follow(this.#model, program, event, world, when)
    if (refusal !== null) this.#refuse(refusal)
  }

  /** What it was told, if it was so. */
  #learn(program: Program, event: Event, since: number, told: readonly (readonly [at: string, value: number])[]): void {
    if (this.#isOver) return
    if (this.#past.was(since, told)) this.#take(program, event)
    else
      this.#refuse({
        step: `${program.process} ${program.me} is told ${textOf(event)}`,
        condition: 'what was so while it asked',
      })
  }

  #store(store: Store, role: Role, self: Process): Store {
    const process = role === 'sweeper' ? 'sweep' : role === 'planner' ? 'planner' : 'enactor'
    const program: Program = { process, me: process === 'sweep' ? `sweep of ${self.id}` : self.id }
    if (process === 'enactor') this.#enactors.add(self.id)
    this.#take(program, { kind: 'restart' })
    return {
      ...store,
      get: async (key) => {
        const since = this.#past.now
        const entry = await store.get(key)
        if (entry === undefined) return entry
        if (key === keys.head.key()) {
          const generation = keys.head.decode(entry.value)?.generation
          if (generation !== undefined)
            this.#learn(program, { kind: 'head', generation }, since, [[cell('head'), generation]])
        } else if (process === 'enactor' && key === keys.progress.key(self.id)) {
          const enacted = keys.progress.decode(entry.value)?.enacted ?? 0
          this.#learn(program, { kind: 'recalls', enacted }, since, [[cell('enacted', self.id), enacted]])
        } else if (key.startsWith(keys.plan.prefix)) {
          const generation = keys.plan.decode(entry.value)?.generation
          if (generation !== undefined && process === 'enactor')
            this.#learn(program, { kind: 'plan', generation }, since, [[cell('plan', generation), 1]])
        }
        return entry
      },
      range: async (prefix, options) => {
        const since = this.#past.now
        const range = await store.range(prefix, options)
        if (process === 'sweep' && prefix === keys.claim.prefix) {
          const claims = this.#all(range.entries, prefix, (value) => keys.claim.decode(value)?.generation)
          this.#learn(program, { kind: 'claims', claims }, since, [...cells('claim', claims)])
        }
        if (process === 'sweep' && prefix === keys.progress.prefix) {
          const enacted = this.#all(range.entries, prefix, (value) => keys.progress.decode(value)?.enacted)
          this.#learn(program, { kind: 'progress', enacted }, since, [...cells('enacted', enacted)])
        }
        return range
      },
      commit: async (compares, writes) => {
        this.#commits.push({ by: program, compares, writes: writes.map((write) => ({ ...write })) })
        if (process === 'enactor')
          for (const event of enactorEvents(writes, self.id)) this.#take(program, event, 'asked')
        const outcome = await store.commit(compares, writes)
        const claim = writes.find(({ key }) => key === keys.claim.key(self.id))
        if (outcome.kind === 'refused' && claim?.kind === 'put') {
          const generation = keys.claim.decode(claim.value)?.generation ?? 0
          this.#take(program, { kind: 'unclaimed', generation })
        }
        return outcome
      },
    }
  }

  #all(
    entries: readonly { readonly key: string; readonly value: Uint8Array }[],
    prefix: string,
    of: (value: Uint8Array) => number | undefined,
  ): ReadonlyMap<string, number> {
    const found = new Map(entries.map(({ key, value }) => [key.slice(prefix.length), of(value) ?? 0]))
    for (const id of this.#enactors) if (!found.has(id)) found.set(id, 0)
    return found
  }

  #provider(provider: Provider, self: Process, isServer: boolean): Provider {
    const program: Program = { process: 'enactor', me: self.id }
    const learn = (reading: Reading, since: number) => {
      if (reading.kind !== 'published') return
      const { name, ...found } = reading.published
      const stands = this.#stands(name, found)
      if (isServer && !this.#past.was(since, [...standing(name, stands)])) {
        this.#glimpse(program, name, found, since)
        return
      }
      this.#learn(program, { kind: 'record', name, stands }, since, [...standing(name, stands)])
    }
    return {
      ...provider,
      read: async (zone, names) => {
        const since = this.#past.now
        const readings = await provider.read(zone, names)
        for (const reading of readings) learn(reading, since)
        return readings
      },
      ...(provider.confirm && {
        confirm: async (zone, expected) => {
          const since = this.#past.now
          const confirmed = (await provider.confirm?.(zone, expected)) ?? []
          for (const [index, { name, ...found }] of expected.entries())
            if (confirmed[index] === true) this.#confirm(program, name, found, since)
          return confirmed
        },
      }),
      write: (zone, changes) => {
        for (const { name, expected, marker } of changes) {
          const sent = { by: self.id, name, expected: this.#stands(name, expected), generation: marker.generation }
          this.#take(program, { kind: 'write', name, expected: sent.expected, generation: sent.generation })
          this.#sent.push(sent)
        }
        return provider.write(zone, changes)
      },
    }
  }

  /** A server is asked for a marker and for addresses in different questions, and may have changed in between. */
  #glimpse(program: Program, name: Name, found: Standing, since: number): void {
    const stood = this.#past.stoodAt(name, since)
    const markerOf = ({ marker }: Standing) => textWithoutTtl({ ...nothing, marker })
    const recordsOf = (standing: Standing) => textWithoutTtl({ ...standing, marker: [] })
    const isSo = (of: (standing: Standing) => string) => stood.some((one) => of(one) === of(found))
    if (isSo(markerOf) && isSo(recordsOf))
      this.#take(program, { kind: 'glimpse', name, stands: this.#stands(name, found) })
    else
      this.#refuse({
        step: `enactor ${program.me} is told that ${name} stands as ${textWithoutTtl(found)}`,
        condition: 'what was so, in parts, while it asked',
      })
  }

  /** Times to live are not compared: what stood there is what is known. */
  #confirm(program: Program, name: Name, expected: Standing, since: number): void {
    const text = textWithoutTtl(expected)
    const found = this.#past.stoodAt(name, since).find((standing) => textWithoutTtl(standing) === text)
    if (found !== undefined) this.#take(program, { kind: 'record', name, stands: this.#stands(name, found) })
    else
      this.#refuse({
        step: `enactor ${program.me} is told that ${name} stands as ${text}`,
        condition: 'what was so while it asked',
      })
  }

  /** What somebody else holds stands above every plan: no fence lets anybody write there. */
  #stands(name: Name, found: Standing): Stands {
    const stands = this.#plans.stands(name, found)
    const isOthers = found.marker.some((strings) => strings.some((text) => /^o=/.test(text) && text !== `o=${owner}`))
    const isEmpty = found.addresses.length === 0 && found.alias === null
    if (isOthers || (this.#region.foreign.has(name) && stands.record === 0 && !isEmpty))
      return { record: Number.POSITIVE_INFINITY, wrong: stands.wrong }
    return stands
  }

  #setRecord(name: string, now: Standing): void {
    this.#past.note(this.#model.get('record', name), 'record', name)
    this.#past.note(this.#model.get('wrong', name), 'wrong', name)
    this.#past.stands(name, now)
  }

  #hand(action: string, choice: Record<string, string | number>, why = action): void {
    if (this.#isOver) return
    this.#tell(`hand ${why} ${JSON.stringify(choice)}`)
    this.#steps.set(`hand ${why}`, (this.#steps.get(`hand ${why}`) ?? 0) + 1)
    this.#model.step({ process: 'hand', me: 'hand', action, choice })
  }

  /** What stood there before anybody was started. */
  look(): void {
    for (const authority of this.#region.authorities)
      for (const name of authority.names()) this.#changed(name, authority.at(name), 'edits')
  }

  /** By hand, or at an authority that compares nothing and promises nothing: as if by hand. */
  #changed(name: Name, after: Standing, why: string): void {
    this.#past.tick()
    this.#names.add(name)
    const { record, wrong } = this.#stands(name, after)
    this.#hand('edits', { e: name, g: record, w: wrong }, why)
    this.#setRecord(name, after)
  }

  #landed(name: Name, after: Standing, by: string): void {
    if (this.#isOver) return
    this.#past.tick()
    const stands = this.#stands(name, after)
    const isAnybody = by === 'replay' || by === 'recovered'
    const isIt = (one: Sent) =>
      (isAnybody || one.by === by) && one.name === name && one.generation === stands.record && stands.wrong === 0
    const record = this.#model.get('record', name)
    const wrong = this.#model.get('wrong', name)
    const fits = (one: Sent) => isIt(one) && one.expected.record === record && one.expected.wrong === wrong
    // Others that it sent, and that were lost, may look the same but for what they expected.
    const again = by === 'replay' ? this.#done.findLast(fits) : undefined
    const sent = again ?? this.#sent.find(fits) ?? this.#sent.find(isIt)
    if (sent === undefined) {
      this.#refuse({ step: `authority carries out a change of ${name} by ${by}`, condition: 'something that was sent' })
      return
    }
    const action = again === undefined ? 'lands' : 'repeats'
    if (again === undefined) {
      this.#sent.splice(this.#sent.indexOf(sent), 1)
      this.#done.push(sent)
    }
    // It may have sent another one since: the model has room for one, which is enough for all that follows.
    const model = this.#model
    model.set(sent.generation, 'sent', sent.by, name)
    model.set(sent.expected.record, 'onto', sent.by, name)
    model.set(sent.expected.wrong, 'ontoWrong', sent.by, name)
    this.#tell(`authority ${action} ${sent.by} ${name}: ${sent.generation}`)
    this.#steps.set(`authority ${action}`, (this.#steps.get(`authority ${action}`) ?? 0) + 1)
    const refused = model.step({ process: 'authority', me: 'authority', action, choice: { i: sent.by, e: name } })
    const step = `authority ${action} i=${sent.by} e=${name}`
    if (refused !== null) this.#refuse({ step, condition: refused })
    else if (model.get('record', name) !== stands.record || model.get('wrong', name) !== stands.wrong)
      this.#refuse({ step, condition: `what the write expected (${sent.expected.record}, ${sent.expected.wrong})` })
    this.#setRecord(name, after)
  }

  #committed(writes: readonly Write[], by: string): void {
    if (this.#isOver) return
    this.#past.tick()
    const before = this.#revision
    this.#revision = this.#region.store.revision
    if (by === 'tamper') {
      // Another head, or a copy that was put back.
      if (writes.some(({ key }) => key === keys.head.key()) || this.#revision < before)
        this.#cut = 'the store lost its history'
      else for (const write of writes) this.#tampered(write)
      return
    }
    const place = this.#commits.findIndex((one) => one.by.me.endsWith(by) && isSame(one.writes, writes))
    const commit = this.#commits[place]
    // Probers, whose words the model has not.
    if (commit === undefined) return
    this.#commits.splice(place, 1)
    const { process } = commit.by
    if (process === 'enactor') {
      for (const event of enactorEvents(writes, by)) this.#take(commit.by, event, 'landed')
      this.#past.note(this.#model.get('claim', by), 'claim', by)
      this.#past.note(this.#model.get('enacted', by), 'enacted', by)
    } else this.#planned(commit)
  }

  /** By a planner or a sweep. */
  #planned({ by, compares, writes }: Commit): void {
    const compared = compares.find(({ key }) => key === keys.head.key())
    const base = compared === undefined ? -1 : (this.#headAt.get(compared.revision) ?? -1)
    const head = writes.find((write) => write.kind === 'put' && write.key === keys.head.key())
    if (head?.kind === 'put') {
      const generation = keys.head.decode(head.value)?.generation ?? 0
      const plan = this.#whole(generation)
      if (plan === null) {
        this.#refuse({ step: `planner ${by.me} publishes g=${generation}`, condition: 'the plan is there, whole' })
        return
      }
      this.#plans.learn(
        generation,
        plan.parent,
        plan.shards.flatMap((digest) => this.#lines(digest) ?? []),
      )
      for (const name of this.#plans.names(generation)) this.#names.add(name)
      this.#take(by, { kind: 'publish', base, generation })
      this.#headAt.set(this.#region.store.revision, generation)
      this.#past.note(generation, 'head')
      this.#past.note(1, 'plan', generation)
      return
    }
    for (const write of writes) {
      const { key } = write
      if (write.kind === 'put' && /^(plan|shard)\//.test(key))
        this.#take(by, { kind: 'other', text: `${by.me} puts ${key} beside head` })
      if (write.kind === 'put') continue
      // What a plan refers to is part of it: whoever deletes a shard deletes all plans that need it.
      const generation = generationOfPlanKey(key)
      const gone = generation === undefined ? this.#plansWith(key) : [generation]
      for (const plan of gone) {
        this.#take(by, { kind: 'delete', base, generation: plan })
        this.#past.note(0, 'plan', plan)
      }
    }
  }

  #tampered(write: Write): void {
    const { key } = write
    const generation = generationOfPlanKey(key)
    for (const plan of generation === undefined ? this.#plansWith(key) : [generation])
      this.#hand('damages', { p: plan })
    // Who reads a plan may have its shards at hand: reading it is reading its document.
    if (generation !== undefined) this.#past.note(0, 'plan', generation)
    const id = key.replace(/^\w+\//, '')
    if (!key.startsWith(keys.claim.prefix) && !key.startsWith(keys.progress.prefix)) return
    const value = write.kind === 'put' ? write.value : new Uint8Array()
    const isClaim = key.startsWith(keys.claim.prefix)
    const claim = isClaim ? (keys.claim.decode(value)?.generation ?? 0) : this.#model.get('claim', id)
    const enacted = isClaim ? this.#model.get('enacted', id) : (keys.progress.decode(value)?.enacted ?? 0)
    this.#hand('forges', { i: id, c: claim, g: enacted })
    this.#past.note(claim, 'claim', id)
    this.#past.note(enacted, 'enacted', id)
  }

  /** Plans that are there and refer to this shard. */
  #plansWith(key: string): readonly number[] {
    if (!key.startsWith(keys.shard.prefix)) return []
    return [...this.#plans.numbers()].filter((generation) => {
      const shards: readonly string[] = this.#plan(generation)?.shards ?? []
      return this.#model.get('plan', generation) === 1 && shards.includes(key.slice(keys.shard.prefix.length))
    })
  }

  #plan(generation: number): PlanHead | undefined {
    return keys.plan.decode(this.#region.store.peek(keys.plan.key(generation as never)) ?? new Uint8Array())
  }

  #lines(digest: PlanHead['shards'][number]): readonly string[] | null {
    const shard = this.#region.store.peek(keys.shard.key(digest))
    return shard === undefined ? null : shardLines(fromUtf8(shard))
  }

  #whole(generation: number): PlanHead | null {
    const plan = this.#plan(generation)
    return plan === undefined || plan.shards.some((digest) => this.#lines(digest) === null) ? null : plan
  }
}

const textWithoutTtl = ({ marker, addresses, alias }: Standing): string =>
  JSON.stringify([marker.map((strings) => JSON.stringify(strings)).sort(), [...addresses].sort(), alias])

function isSame(one: readonly Write[], other: readonly Write[]): boolean {
  return (
    one.length === other.length &&
    one.every((write, index) => {
      const its = other[index] as Write
      if (write.kind !== its.kind || write.key !== its.key) return false
      return write.kind === 'delete' || its.kind === 'delete' || Buffer.compare(write.value, its.value) === 0
    })
  )
}
