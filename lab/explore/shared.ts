/** What Holdfast's programs share, and what each of their operations does to it. */
import type { IpAddress } from '../../src/model/address.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { Publishable } from '../../src/plan/publish.ts'
import type { Reading, WriteOutcome } from '../../src/providers/provider.ts'
import type { Write } from '../../src/store/store.ts'
import { generationAt, type Violation } from '../checks/check.ts'
import { Authority } from './authority.ts'
import { Documents } from './documents.ts'
import type { Reductions, Size } from './holdfast.ts'
import { Interned } from './intern.ts'
import { Judge } from './judge.ts'
import { Layout } from './layout.ts'
import type { Asked } from './ports.ts'
import type { Operation } from './program.ts'
import { Quotient } from './quotient.ts'
import type { Action, Member, Shared, State, World } from './world.ts'

type Deed = Pick<Action, 'isAlone' | 'run'>
const never = () => false

export class HoldfastShared implements Shared {
  readonly mustEnd = true
  readonly layout: Layout
  readonly documents: Documents
  readonly authority: Authority
  readonly keepPlans: number
  /** Names at which somebody else's records stand from the beginning. */
  readonly foreign: ReadonlySet<Name>
  /** The world that is explored now; programs are learned in another one. */
  world: World | null = null
  readonly #judge: Judge
  readonly #told = new Interned<unknown>()
  readonly #members: readonly Member[]
  readonly #reductions: Reductions
  readonly #sweep: number
  readonly #ticks: number
  /** By machine, in which states it may still ask how far it was in a life before. */
  readonly #recalls = new Map<Quotient, Uint8Array>()
  #violation: Violation | null = null

  constructor(
    size: Size,
    plans: readonly Publishable[],
    names: readonly Name[],
    keepPlans: number,
    members: readonly Member[],
    ticks: number,
    reductions: Reductions,
    zone: Name,
    foreign: ReadonlySet<Name>,
  ) {
    const count = 1 + size.enactors + Number(size.withSweep)
    this.layout = new Layout(plans, names, size.enactors, count)
    this.documents = new Documents(this.layout, this.#told)
    this.authority = new Authority(zone)
    this.#judge = new Judge(this.layout, this.documents, this.authority, plans, keepPlans, foreign)
    this.#members = members
    this.keepPlans = keepPlans
    this.foreign = foreign
    this.#reductions = reductions
    this.#sweep = size.withSweep ? count - 1 : -1
    this.#ticks = ticks
  }

  get slots(): number {
    return this.layout.slots
  }

  answerOf(told: number): unknown {
    return this.#told.value(told)
  }

  tell(told: number): string {
    return this.#told.text(told).split('\n', 1)[0] as string
  }

  /** The records and the newest plan, as text; with `plans`, which plans are there too. */
  describe(state: State, plans = false): string {
    const zone = this.layout.at(state, this.layout.zone)
    const there = [...this.layout.common].filter(
      ([key, slot]) => key.startsWith(keys.plan.prefix) && this.layout.at(state, slot) !== 0,
    )
    const left = plans ? `, plans ${there.map(([key]) => Number(key.slice(keys.plan.prefix.length))).join(' ')}` : ''
    return `head ${this.documents.head(state)}: ${this.layout.names.map((name) => this.#tellStanding(zone, name)).join(', ')}${left}`
  }

  begin(state: State): void {
    const theirs = { marker: [], addresses: ['192.0.2.1' as IpAddress], alias: null, ttl: 60 }
    let zone = 0
    for (const name of this.foreign) zone = this.authority.put(zone, name, theirs)
    this.layout.put(state, this.layout.zone, zone)
  }

  takeViolation(): Violation | null {
    const violation = this.#violation
    this.#violation = null
    return violation
  }

  atRest(state: State): Violation | null {
    return this.#judge.atRest(this.#row(state))
  }

  compile({ text, isTimed, data }: Operation, member: number): Action {
    const asked = data as Asked
    const action = {
      text: asked.kind === 'commit' ? tellCommit(text, asked.writes) : text,
      isTimed,
      isWrite: asked.kind === 'commit' || asked.kind === 'write' || asked.kind === 'put',
      canLie: asked.kind === 'write',
      isReady: () => true,
      isAlone: never,
    }
    switch (asked.kind) {
      case 'get':
        return { ...action, ...this.#get(asked.key, member) }
      case 'range':
        return { ...action, ...this.#range(asked.prefix, member) }
      case 'watch':
        return {
          ...action,
          isReady: (state) => this.documents.head(state) !== asked.after,
          run: (state) => this.documents.watch(state, asked.after),
        }
      case 'sleep':
        return { ...action, isReady: never, run: () => this.#told.number('', () => undefined) }
      case 'commit':
        return { ...action, ...this.#commit(asked, member, text) }
      case 'read':
        return { ...action, run: (state) => this.#read(this.layout.at(state, this.layout.zone), asked.names) }
      case 'write':
        return { ...action, ...this.#write(asked, member) }
      case 'put': {
        const { name, ...standing } = asked.published
        return {
          ...action,
          run: (state) => {
            const zone = this.layout.at(state, this.layout.zone)
            this.#setZone(state, name, this.authority.put(zone, name, standing), member)
            return this.#told.number('', () => undefined)
          },
        }
      }
    }
  }

  #get(key: string, member: number): Deed {
    const slot = this.layout.slotOf(key, member)
    const isOwn = /^(claim|progress)\//.test(key)
    const isPlan = /^(plan|shard)\//.test(key)
    const run = (state: State) => this.documents.get(state, key, slot)
    // One planner writes head, plans and the policy in force; one sweep deletes plans, never those that the planner reads.
    if (isOwn || member === 0 || key === keys.policy.key() || (isPlan && member === this.#sweep))
      return { isAlone: () => true, run }
    return { isAlone: (state, isLate) => (isPlan ? !this.#canSweep(state, isLate) : this.#isPublished(state)), run }
  }

  #range(prefix: string, member: number): Deed {
    const { layout, documents } = this
    const isSweep = member === this.#sweep
    const isProgress = prefix === keys.progress.prefix
    const isHidden = isProgress && !isSweep && this.#reductions.evidence
    const isOfEnactors = isProgress || prefix === keys.claim.prefix
    if (isHidden || !isOfEnactors) {
      const slots = isHidden ? [] : [...layout.common].filter(([key]) => key.startsWith(prefix))
      return {
        isAlone: (state) => isHidden || slots.length === 0 || member === 0 || (isSweep && this.#isPublished(state)),
        run: (state) =>
          documents.entries(
            prefix,
            slots.map(([key, slot]) => [key, layout.at(state, slot)] as const).filter(([, value]) => value !== 0),
          ),
      }
    }
    return {
      isAlone: never,
      run: (state) => {
        const values = Array.from({ length: layout.enactors }, (_, enactor) => {
          const value = documents.fresh(layout.at(state, isProgress ? layout.progress(enactor) : layout.claim(enactor)))
          return isProgress && isSweep && this.#reductions.roots && value !== 0 ? documents.asRoot(value) : value
        })
        // Which enactor said it makes no difference to anybody who asks for all.
        if (this.#reductions.twins) values.sort((a, b) => a - b)
        const found = values.map((value, index) => [`${prefix}enactor-${index + 1}`, value] as const)
        return documents.entries(
          prefix,
          found.filter(([, value]) => value !== 0),
        )
      },
    }
  }

  #commit({ compares, writes }: Extract<Asked, { kind: 'commit' }>, member: number, text: string): Deed {
    const { layout, documents } = this
    const run = documents.commit(compares, writes, member)
    const movesHead = writes.some(({ key }) => key === keys.head.key())
    const deletes = writes.some(({ kind }) => kind === 'delete')
    const isOfEnactor = writes.every(({ key }) => /^(claim|progress)\//.test(key))
    const isOfPlanner = writes.every(({ key }) => key === keys.policy.key())
    const by = (this.#members[member] as Member).id
    return {
      isAlone: (state, isLate) => isOfPlanner || (isOfEnactor && !this.#canSweep(state, isLate)),
      run: (state) =>
        run(state, (before) => {
          if (movesHead && this.#sweep >= 0)
            for (let enactor = 0; enactor < layout.enactors; enactor++) {
              const slot = layout.claim(enactor)
              layout.put(state, slot, documents.makeStale(layout.at(state, slot)))
            }
          if (!movesHead && !deletes) return
          const row = Int32Array.from(before.split(','), Number)
          this.#violation ??= this.#judge.onCommit(row, this.#row(state), writes, text, by)
        }),
    }
  }

  #read(zone: number, names: readonly Name[]): number {
    const found = names.map((name) => this.#tellStanding(zone, name)).join(', ')
    const readings = () =>
      names.map((name): Reading => ({ kind: 'published', published: { name, ...this.authority.standing(zone, name) } }))
    const exact = names.map((name) => `${name} ${JSON.stringify(this.authority.standing(zone, name))}`).join(' ')
    return this.#told.number(`read ${found}\n${exact}`, readings)
  }

  #write({ change }: Extract<Asked, { kind: 'write' }>, member: number): Pick<Action, 'run'> {
    const text = JSON.stringify(change)
    return {
      run: (state, isLie) => {
        const { outcome, zone } = this.authority.write(this.layout.at(state, this.layout.zone), change, text)
        if (outcome.kind === 'accepted' && !isLie) this.#setZone(state, change.name, zone, member)
        const why = outcome.kind === 'accepted' ? '' : outcome.reason
        return this.#told.number(`${outcome.kind}\n${why}`, (): WriteOutcome => outcome)
      },
    }
  }

  #setZone(state: State, name: Name, zone: number, member: number): void {
    const before = this.layout.at(state, this.layout.zone)
    this.layout.put(state, this.layout.zone, zone)
    this.#violation ??= this.#judge.onRecords(this.#row(state), name, before, (this.#members[member] as Member).id)
  }

  tidy(state: State, member: number): void {
    if (!this.#reductions.forgotten || member === 0 || member === this.#sweep) return
    const { layout } = this
    const isSwept = this.#sweep >= 0
    if (!isSwept) layout.put(state, layout.claim(member - 1), 0)
    const world = this.world as World
    const machine = world.machine(member)
    if (!(machine instanceof Quotient) || !this.#reductions.evidence || world.bounds.crashes > 0) return
    let recalls = this.#recalls.get(machine)
    if (recalls === undefined) {
      recalls = machine.canStillAsk(({ text }) => text.startsWith(`get ${keys.progress.prefix}`))
      this.#recalls.set(machine, recalls)
    }
    if (recalls[state[member] as number] === 1) return
    const slot = layout.progress(member - 1)
    const value = layout.at(state, slot)
    if (value !== 0) layout.put(state, slot, isSwept ? this.documents.asRoot(value) : 0)
  }

  #isPublished(state: State): boolean {
    return (this.world as World).hasEnded(state, 0)
  }

  /** Whether the sweep may still look at anything. */
  #canSweep(state: State, isLate: boolean): boolean {
    if (this.#sweep < 0) return false
    const world = this.world as World
    const isOver = this.#isPublished(state) && world.tick(state) >= this.#ticks
    return !(isOver && (isLate || world.isIdle(state, this.#sweep)))
  }

  #row(state: State): Int32Array {
    return state.slice(state.length - this.slots)
  }

  #tellStanding(zone: number, name: Name): string {
    const standing = this.authority.standing(zone, name)
    const generation = generationAt(standing)
    return generation === null ? 'nothing' : `plan ${generation}'s ${standing.addresses.join(' ') || 'no address'}`
  }
}

function tellCommit(text: string, writes: readonly Write[]): string {
  const claim = /^put claim.*"generation":(\d+)/.exec(text)
  if (claim !== null) return `claims plan ${claim[1]}`
  const progress = /^put progress.*"working":(\d+).*"enacted":(\d+)/.exec(text)
  if (progress !== null) return `says that it works on plan ${progress[1]} and has seen plan ${progress[2]} published`
  const head = writes.find(({ key }) => key === keys.head.key())
  if (head?.kind === 'put') return `publishes plan ${keys.head.decode(head.value)?.generation}`
  const gone = writes.flatMap(({ kind, key }) =>
    kind === 'delete' && key.startsWith(keys.plan.prefix) ? [Number(key.slice(keys.plan.prefix.length))] : [],
  )
  if (gone.length > 0) return `deletes plan ${gone.join(' and ')}`
  return text
}
