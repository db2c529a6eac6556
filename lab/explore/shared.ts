/** What Holdfast's programs share: the store's documents and the records at the authority, and the checks on them. */
import { assert } from '../../src/base/assert.ts'
import { fromUtf8, utf8 } from '../../src/base/bytes.ts'
import type { Answer } from '../../src/model/answer.ts'
import type { Generation } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
import { type Marker, markerStrings } from '../../src/model/marker.ts'
import type { Name } from '../../src/model/name.ts'
import { shardLines } from '../../src/model/plan.ts'
import type { Publishable } from '../../src/plan/publish.ts'
import type { Change, Published, Reading, WriteOutcome } from '../../src/providers/provider.ts'
import {
  type Commit,
  type Entry,
  never,
  type Range,
  type Revision,
  type Watched,
  type Write,
} from '../../src/store/store.ts'
import { type Check, generationAt, type Scene, type Violation } from '../checks/check.ts'
import { forward } from '../checks/forward.ts'
import { neverEmpty } from '../checks/never-empty.ts'
import { wayBack } from '../checks/way-back.ts'
import { whole } from '../checks/whole.ts'
import type { Standing } from '../sim/authority.ts'
import type { Reductions, Size } from './holdfast.ts'
import { Interned } from './intern.ts'
import type { Asked } from './ports.ts'
import type { Operation } from './program.ts'
import type { Action, Member, Shared, State, World } from './world.ts'

interface Document {
  readonly value: Uint8Array
  /** For the head the number of its plan; for others the same as long as the content is. */
  readonly revision: Revision
}

type Value = { readonly document: Document } | { readonly standing: Standing }

const nothing: Standing = { marker: [], addresses: [], alias: null, ttl: null }
const stale = ' before head moved'

export class HoldfastShared implements Shared {
  readonly slots: number
  isConditional = true
  readonly #values = new Interned<Value>()
  readonly #told = new Interned<unknown>()
  readonly #slotOfKey = new Map<string, number>()
  readonly #names: readonly Name[]
  readonly #firstName: number
  readonly #firstClaim: number
  readonly #enactors: number
  readonly #hasSweep: boolean
  readonly #members: readonly Member[]
  readonly #plans: readonly Publishable[]
  readonly #keepPlans: number
  readonly #ticks: number
  readonly #reductions: Reductions
  readonly #world: () => World
  readonly #base: number
  readonly #verdicts = new Map<string, Violation | null>()
  #violation: Violation | null = null

  constructor(
    size: Size,
    plans: readonly Publishable[],
    keepPlans: number,
    members: readonly Member[],
    ticks: number,
    reductions: Reductions,
    world: () => World,
  ) {
    let slot = 0
    this.#slotOfKey.set(keys.head.key(), slot++)
    for (const { head, newShards } of plans) {
      this.#slotOfKey.set(keys.plan.key(head.generation), slot++)
      for (const digest of newShards.keys()) this.#slotOfKey.set(keys.shard.key(digest), slot++)
    }
    this.#firstClaim = slot
    slot += size.enactors * 2
    this.#firstName = slot
    this.#names = Array.from({ length: size.endpoints }, (_, endpoint) => `e${endpoint}.test.` as Name)
    this.slots = slot + size.endpoints
    this.#enactors = size.enactors
    this.#hasSweep = size.withSweep
    this.#members = members
    this.#plans = plans
    this.#keepPlans = keepPlans
    this.#ticks = ticks
    this.#reductions = reductions
    this.#world = world
    // Planner, enactors, perhaps the sweep; see World.baseOf.
    this.#base = 1 + size.enactors + (size.withSweep ? 1 : 0) + 5
  }

  /** Claim and progress of an enactor. */
  slotsOf(enactor: number): readonly number[] {
    return [this.#firstClaim + enactor, this.#firstClaim + this.#enactors + enactor]
  }

  answerOf(told: number): unknown {
    return this.#told.value(told)
  }

  tell(told: number): string {
    return this.#told.text(told).split('\n', 1)[0] as string
  }

  /** The records and the newest plan, as text. */
  describe(state: State): string {
    const records = this.#names.map((name) => this.#tellStanding(this.#valueAt(state, this.#slotOfName(name))))
    return `head ${this.#headRevision(state)}: ${records.join(', ')}`
  }

  takeViolation(): Violation | null {
    const violation = this.#violation
    this.#violation = null
    return violation
  }

  compile({ text, isTimed, data }: Operation, member: number): Action {
    const asked = data as Asked
    const action = {
      text: asked.kind === 'commit' ? this.#tellCommit(text, asked.writes) : text,
      isTimed,
      isWrite: asked.kind === 'commit' || asked.kind === 'write' || asked.kind === 'put',
      canLie: asked.kind === 'write',
      isReady: () => true,
      isAlone: () => false,
    }
    switch (asked.kind) {
      case 'get':
        return { ...action, ...this.#get(asked.key, member) }
      case 'range':
        return { ...action, ...this.#range(asked.prefix, member) }
      case 'watch': {
        const told = (revision: number, kind: 'changed' | 'quiet') =>
          this.#told.number(
            `${kind} ${revision}`,
            (): Watched =>
              kind === 'quiet'
                ? { kind, revision: revision as Revision }
                : { kind, keys: ['head'], revision: revision as Revision },
          )
        return {
          ...action,
          isReady: (state) => this.#headRevision(state) !== asked.after,
          run: (state) => {
            const revision = this.#headRevision(state)
            return told(revision, revision === asked.after ? 'quiet' : 'changed')
          },
        }
      }
      case 'sleep':
        return { ...action, isReady: () => false, run: () => this.#told.number('', () => undefined) }
      case 'commit':
        return { ...action, ...this.#commit(asked, member, text) }
      case 'read': {
        const slots = asked.names.map((name) => this.#slotOfName(name))
        return {
          ...action,
          run: (state) => {
            const found = slots.map((slot) => this.#valueAt(state, slot))
            return this.#told.number(
              `read ${found.map((value) => this.#tellStanding(value)).join(', ')}\n${slots} ${found}`,
              () =>
                asked.names.map(
                  (name, index): Reading => ({
                    kind: 'published',
                    published: { name, ...this.#standing(found[index] as number) },
                  }),
                ),
            )
          },
        }
      }
      case 'write':
        return { ...action, ...this.#write(asked.change, member) }
      case 'put': {
        const { name, ...standing } = asked.published
        return {
          ...action,
          run: (state) => {
            this.#put(state, name, standing, member)
            return this.#told.number('', () => undefined)
          },
        }
      }
    }
  }

  #get(key: string, member: number): Pick<Action, 'isAlone' | 'run'> {
    const slot = this.#slotFor(key, member)
    const isOwn = /^(claim|progress)\//.test(key)
    const isPlan = /^(plan|shard)\//.test(key)
    // Only the sweep deletes plans, and there is one.
    const isSweep = (this.#members[member] as Member).id === 'sweep'
    return {
      isAlone: (state) => isOwn || (isPlan ? isSweep || !this.#canSweep(state) : this.#isPublished(state)),
      run: (state) => {
        const value = slot === undefined ? 0 : this.#valueAt(state, slot)
        const found = value === 0 ? undefined : this.#document(value)
        const text =
          found === undefined ? 'nothing' : key === keys.head.key() ? `plan ${found.revision}` : isPlan ? 'found' : ''
        return this.#told.number(`${text}\n${key} ${value}`, () =>
          found === undefined ? undefined : ({ key, ...found } satisfies Entry),
        )
      },
    }
  }

  #range(prefix: string, member: number): Pick<Action, 'isAlone' | 'run'> {
    const isEnactor = (this.#members[member] as Member).id.startsWith('enactor')
    const isHidden = isEnactor && prefix === keys.progress.prefix && this.#reductions.evidence
    const isOfEnactors = prefix === keys.progress.prefix || prefix === keys.claim.prefix
    return {
      isAlone: (state) => isHidden || (!isOfEnactors && this.#isPublished(state) && !isEnactor),
      run: (state) => {
        const found: (readonly [key: string, value: number])[] = []
        if (isOfEnactors && !isHidden) {
          const first = this.#firstClaim + (prefix === keys.claim.prefix ? 0 : this.#enactors)
          const values = Array.from({ length: this.#enactors }, (_, index) => this.#valueAt(state, first + index))
          // Which enactor said it makes no difference to anybody who asks for all.
          if (this.#reductions.twins) values.sort((a, b) => a - b)
          for (const [index, value] of values.entries())
            if (value !== 0) found.push([`${prefix}enactor-${index + 1}`, this.#fresh(value)])
        } else if (!isHidden)
          for (const [key, slot] of this.#slotOfKey) {
            const value = this.#valueAt(state, slot)
            if (key.startsWith(prefix) && value !== 0) found.push([key, value])
          }
        const text = found.map(([key, value]) => `${key}=${value}`).join(' ')
        return this.#told.number(`\nrange ${prefix} ${text}`, (): Range => {
          const entries = found.map(([key, value]): Entry => ({ key, ...(this.#document(value) as Document) }))
          return { entries, revision: 1 as Revision, more: false }
        })
      },
    }
  }

  #commit(
    { compares, writes }: Extract<Asked, { kind: 'commit' }>,
    member: number,
    text: string,
  ): Pick<Action, 'isAlone' | 'run'> {
    const wanted = compares.map(({ key, revision }) => ({ key, slot: this.#slotFor(key, member), revision }))
    const changes = writes.map((write) => {
      const slot = this.#slotFor(write.key, member)
      assert(slot !== undefined, `expected a key of this world, found ${write.key}`)
      return { slot, write, value: write.kind === 'put' ? this.#documentNumber(write.key, write.value) : 0 }
    })
    const movesHead = writes.some(({ key }) => key === keys.head.key())
    const deletes = writes.some(({ kind }) => kind === 'delete')
    const isOfEnactor = writes.every(({ key }) => /^(claim|progress)\//.test(key))
    const by = (this.#members[member] as Member).id
    return {
      isAlone: (state) => isOfEnactor && !this.#canSweep(state),
      run: (state) => {
        const failed = wanted.flatMap(({ key, slot, revision }) => {
          const value = slot === undefined ? 0 : this.#valueAt(state, slot)
          const found = value === 0 ? never : (this.#document(value) as Document).revision
          return found === revision ? [] : [{ key, revision, found }]
        })
        if (failed.length > 0)
          return this.#told.number(`conflict\n${JSON.stringify(failed)}`, (): Commit => ({ kind: 'conflict', failed }))
        const key = movesHead || deletes ? `${text} ${by} ${this.#checkedText(state)}` : ''
        for (const { slot, value } of changes) state[this.#base + slot] = value
        if (movesHead && this.#hasSweep)
          for (let index = 0; index < this.#enactors; index++) this.#makeStale(state, this.#firstClaim + index)
        if (movesHead || deletes)
          this.#violation ??= this.#verdict(key, () => this.#judgeCommit(state, key, writes, by))
        return this.#told.number('done', (): Commit => ({ kind: 'committed', revision: 1 as Revision }))
      },
    }
  }

  #write(change: Change, member: number): Pick<Action, 'run'> {
    const { name, expected, answer, marker } = change
    const after = standingOf(answer, marker)
    const slot = this.#slotOfName(name)
    const matches = new Map<number, boolean>()
    return {
      run: (state, isLie) => {
        const before = this.#valueAt(state, slot)
        let isSame = matches.get(before)
        if (isSame === undefined) {
          isSame = isExpected(this.#standing(before), expected)
          matches.set(before, isSame)
        }
        if (!isSame && this.isConditional)
          return this.#told.number('conflict', (): WriteOutcome => ({ kind: 'conflict', reason: 'not what was read' }))
        if (!isLie) this.#put(state, name, after, member)
        return this.#told.number('accepted', (): WriteOutcome => ({ kind: 'accepted' }))
      },
    }
  }

  #put(state: State, name: Name, after: Standing, member: number): void {
    const slot = this.#slotOfName(name)
    const before = this.#valueAt(state, slot)
    const value = this.#values.number(JSON.stringify(after), () => ({ standing: after }))
    state[this.#base + slot] = value
    const by = (this.#members[member] as Member).id
    this.#violation ??= this.#verdict(`${name} ${before} ${value}`, () => {
      const scene = this.#scene(state)
      const [s1, s2, s3] = [forward(), neverEmpty(scene), whole()]
      this.#feedPlans([s3])
      const old = this.#standing(before)
      for (const check of [s1, s2, s3]) {
        const violation = check.onRecords?.(name, old, after, by)
        if (violation != null) return violation
      }
      return null
    })
  }

  /** The lab's own checks, told what they would have seen on the way here. */
  #judgeCommit(state: State, key: string, writes: readonly Write[], by: string): Violation | null {
    const scene = this.#scene(state)
    const check = wayBack(scene, this.#keepPlans)
    const before = JSON.parse(key.slice(key.lastIndexOf(' [') + 1)) as number[]
    const claims = Array.from({ length: this.#enactors }, (_, index) => index)
    const claim = (index: number): Write[] => {
      const value = before[this.#firstClaim + index] as number
      return value === 0 ? [] : [{ kind: 'put', key: `claim/enactor-${index + 1}`, value: new Uint8Array() }]
    }
    const isStale = (index: number) => this.#values.text(before[this.#firstClaim + index] as number).endsWith(stale)
    for (const index of claims.filter(isStale)) check.onCommit?.(claim(index), `enactor-${index + 1}`)
    const head = before[0] as number
    this.#feedPlans([check])
    if (head !== 0)
      check.onCommit?.([{ kind: 'put', key: 'head', value: (this.#document(head) as Document).value }], 'past')
    for (const index of claims.filter((index) => !isStale(index)))
      check.onCommit?.(claim(index), `enactor-${index + 1}`)
    for (const name of this.#names)
      check.onRecords?.(name, nothing, this.#standing(before[this.#slotOfName(name)] as number), 'past')
    const forwards = forward()
    if (head !== 0)
      forwards.onCommit?.([{ kind: 'put', key: 'head', value: (this.#document(head) as Document).value }], 'past')
    return check.onCommit?.(writes, by) ?? forwards.onCommit?.(writes, by) ?? null
  }

  #feedPlans(checks: readonly Check[]): void {
    for (const { newShards } of this.#plans)
      for (const [digest, text] of newShards)
        for (const check of checks)
          check.onCommit?.([{ kind: 'put', key: keys.shard.key(digest), value: utf8(text) }], 'past')
  }

  #verdict(key: string, judge: () => Violation | null): Violation | null {
    const known = this.#verdicts.get(key)
    if (known !== undefined) return known
    const verdict = judge()
    this.#verdicts.set(key, verdict)
    return verdict
  }

  #checkedText(state: State): string {
    return JSON.stringify([...state.subarray(this.#base)])
  }

  #scene(state: State): Scene {
    const at = state.slice()
    const stored = (key: string): Uint8Array | undefined => {
      const enactor = /^(claim|progress)\/enactor-(\d+)$/.exec(key)
      const slot =
        enactor === null
          ? this.#slotOfKey.get(key)
          : this.#firstClaim + (enactor[1] === 'claim' ? 0 : this.#enactors) + Number(enactor[2]) - 1
      const value = slot === undefined ? 0 : this.#valueAt(at, slot)
      return value === 0 ? undefined : this.#document(value)?.value
    }
    const all = [
      ...this.#slotOfKey.keys(),
      ...Array.from({ length: this.#enactors }, (_, index) => [
        `claim/enactor-${index + 1}`,
        `progress/enactor-${index + 1}`,
      ]).flat(),
    ]
    return {
      standing: (name) => this.#standing(this.#valueAt(at, this.#slotOfName(name))),
      names: () => this.#names,
      stored,
      storedKeys: (prefix) => all.filter((key) => key.startsWith(prefix) && stored(key) !== undefined),
      now: () => 0,
    }
  }

  /** L1 and L2 at the end of all things: the newest plan is what every endpoint answers. */
  atRest(state: State): Violation | null {
    const scene = this.#scene(state)
    const head = keys.head.decode(scene.stored(keys.head.key()) ?? new Uint8Array())
    if (head === undefined) return { invariant: 'L1', text: 'there is no head' }
    const plan = keys.plan.decode(scene.stored(keys.plan.key(head.generation as Generation)) ?? new Uint8Array())
    if (plan === undefined) return { invariant: 'S4', text: `plan ${head.generation} is gone` }
    for (const digest of plan.shards) {
      const shard = scene.stored(keys.shard.key(digest))
      if (shard === undefined) return { invariant: 'S4', text: `a shard of plan ${head.generation} is gone` }
      for (const line of shardLines(fromUtf8(shard))) {
        const [name, since, , , , record] = line.split(' ')
        const standing = scene.standing(name as Name)
        const found = `generation ${generationAt(standing)} ${standing.addresses.join(' ')}`
        const want = `generation ${since} ${record?.replace(/\*.*/, '')}`
        if (found !== want)
          return {
            invariant: 'L1',
            text: `nothing more will happen, and ${name} has ${found} where plan ${head.generation} says ${want}`,
          }
      }
    }
    return null
  }

  #isPublished(state: State): boolean {
    return this.#world().hasEnded(state, 0)
  }

  /** Whether the sweep may still look at anything. */
  #canSweep(state: State): boolean {
    if (!this.#hasSweep) return false
    const world = this.#world()
    const sweep = this.#members.length - 1
    return !(this.#isPublished(state) && world.tick(state) >= this.#ticks && world.isIdle(state, sweep))
  }

  #headRevision(state: State): number {
    const value = state[this.#base] as number
    return value === 0 ? 0 : (this.#document(value) as Document).revision
  }

  #valueAt(state: State, slot: number): number {
    return state[this.#base + slot] as number
  }

  #document(value: number): Document | undefined {
    const found = this.#values.value(value)
    return found !== undefined && 'document' in found ? found.document : undefined
  }

  #standing(value: number): Standing {
    const found = this.#values.value(value)
    return found !== undefined && 'standing' in found ? found.standing : nothing
  }

  #tellStanding(value: number): string {
    const standing = this.#standing(value)
    const generation = generationAt(standing)
    return generation === null ? 'nothing' : `plan ${generation}'s ${standing.addresses.join(' ') || 'no address'}`
  }

  #tellCommit(text: string, writes: readonly Write[]): string {
    const claim = /^put claim.*"generation":(\d+)/.exec(text)
    if (claim !== null) return `claims plan ${claim[1]}`
    const progress = /^put progress.*"working":(\d+).*"enacted":(\d+)/.exec(text)
    if (progress !== null) return `says that it works on plan ${progress[1]} and has seen plan ${progress[2]} published`
    const head = writes.find(({ key }) => key === keys.head.key())
    if (head?.kind === 'put') return `publishes plan ${keys.head.decode(head.value)?.generation}`
    const gone = writes.flatMap(({ kind, key }) =>
      kind === 'delete' && key.startsWith('plan/') ? [Number(key.slice(5))] : [],
    )
    if (gone.length > 0) return `deletes plan ${gone.join(' and ')}`
    return text
  }

  #fresh(value: number): number {
    const text = this.#values.text(value)
    return text.endsWith(stale)
      ? this.#values.number(text.slice(0, -stale.length), () => this.#values.value(value) as Value)
      : value
  }

  #makeStale(state: State, slot: number): void {
    const value = this.#valueAt(state, slot)
    if (value === 0) return
    const text = this.#values.text(value)
    if (text.endsWith(stale)) return
    state[this.#base + slot] = this.#values.number(`${text}${stale}`, () => this.#values.value(value) as Value)
  }

  #documentNumber(key: string, value: Uint8Array): number {
    const kind = key.replace(/\/.*/, '')
    const name = /^(claim|progress)$/.test(kind) ? kind : key
    const head = key === keys.head.key() ? keys.head.decode(value)?.generation : undefined
    const text = `${name}: ${fromUtf8(value)}`
    return this.#values.number(text, () => ({
      document: { value: value.slice(), revision: (head ?? revisionOf(text)) as Revision },
    }))
  }

  #slotFor(key: string, member: number): number | undefined {
    if (key.startsWith('claim/')) return this.#firstClaim + member - 1
    if (key.startsWith('progress/')) return this.#firstClaim + this.#enactors + member - 1
    return this.#slotOfKey.get(key)
  }

  #slotOfName(name: Name): number {
    return this.#firstName + this.#names.indexOf(name)
  }
}

/** The same for the same content. */
function revisionOf(text: string): number {
  let hash = 1
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) >>> 1
  return hash + 1
}

const isExpected = ({ marker, addresses, alias }: Standing, expected: Published): boolean =>
  JSON.stringify([marker, [...addresses].sort(), alias]) ===
  JSON.stringify([expected.marker, [...expected.addresses].sort(), expected.alias])

function standingOf(answer: Answer, marker: Marker): Standing {
  const strings = [markerStrings(marker)]
  if (answer.kind === 'retired') return { marker: strings, addresses: [], alias: null, ttl: null }
  if (answer.kind === 'alias') return { marker: strings, addresses: [], alias: answer.target, ttl: answer.ttl }
  const addresses = answer.addresses.map(({ address }) => address).sort()
  return { marker: strings, addresses, alias: null, ttl: answer.ttl }
}
