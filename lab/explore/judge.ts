/**
 * The lab's own checks, asked about one change at a time: each is told what it would have seen on the
 * way to the state before, as far as it goes by that. What was judged once is not judged again.
 */
import { fromUtf8, utf8 } from '../../src/base/bytes.ts'
import type { Generation } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import { shardLines } from '../../src/model/plan.ts'
import type { Publishable } from '../../src/plan/publish.ts'
import type { Write } from '../../src/store/store.ts'
import { type Check, generationAt, type Scene, type Violation } from '../checks/check.ts'
import { forward } from '../checks/forward.ts'
import { mineOnly } from '../checks/mine-only.ts'
import { neverEmpty } from '../checks/never-empty.ts'
import { wayBack } from '../checks/way-back.ts'
import { whole } from '../checks/whole.ts'
import type { Standing } from '../sim/authority.ts'
import type { Authority } from './authority.ts'
import type { Documents } from './documents.ts'
import type { Layout } from './layout.ts'

/** What is judged; the others cannot be violated in these worlds, for lack of pools, health and operators. */
export const judged = ['S1', 'S2', 'S3', 'S4', 'S6', 'L1', 'L2'] as const

const nothing: Standing = { marker: [], addresses: [], alias: null, ttl: null }

export class Judge {
  readonly #layout: Layout
  readonly #documents: Documents
  readonly #authority: Authority
  readonly #plans: readonly Publishable[]
  readonly #keepPlans: number
  readonly #foreign: ReadonlySet<Name>
  readonly #verdicts = new Map<string, Violation | null>()

  /** `foreign`: names at which somebody else's records stand from the beginning. */
  constructor(
    layout: Layout,
    documents: Documents,
    authority: Authority,
    plans: readonly Publishable[],
    keepPlans: number,
    foreign: ReadonlySet<Name>,
  ) {
    this.#layout = layout
    this.#documents = documents
    this.#authority = authority
    this.#plans = plans
    this.#keepPlans = keepPlans
    this.#foreign = foreign
  }

  /** A write at one name, from one zone to another. */
  onRecords(row: Int32Array, name: Name, before: number, by: string): Violation | null {
    const after = row[this.#layout.zone] as number
    return this.#verdict(`${name} ${by} ${before} ${after}`, () => {
      const [old, now] = [before, after].map((zone) => this.#authority.standing(zone, name)) as [Standing, Standing]
      const said = whole()
      this.#feedPlans([said])
      for (const check of [forward(), neverEmpty(this.#scene(() => row)), said, mineOnly(this.#foreign)]) {
        const violation = check.onRecords?.(name, old, now, by)
        if (violation != null) return violation
      }
      return null
    })
  }

  /** A commit that moves head or deletes something. */
  onCommit(before: Int32Array, row: Int32Array, writes: readonly Write[], text: string, by: string): Violation | null {
    return this.#verdict(`${text} ${by} ${before.join()}`, () => {
      let now = before
      const check = wayBack(
        this.#scene(() => now),
        this.#keepPlans,
      )
      const claim = (enactor: number): Write[] =>
        before[this.#layout.claim(enactor)] === 0
          ? []
          : [{ kind: 'put', key: `${keys.claim.prefix}enactor-${enactor + 1}`, value: new Uint8Array() }]
      const enactors = Array.from({ length: this.#layout.enactors }, (_, index) => index)
      const isStale = (enactor: number) => this.#documents.isStale(before[this.#layout.claim(enactor)] as number)
      for (const enactor of enactors.filter(isStale)) check.onCommit?.(claim(enactor), `enactor-${enactor + 1}`)
      this.#feedPlans([check])
      const head = this.#documents.document(before[0] as number)
      const past: readonly Write[] =
        head === undefined ? [] : [{ kind: 'put', key: keys.head.key(), value: head.value }]
      check.onCommit?.(past, 'past')
      for (const enactor of enactors.filter((one) => !isStale(one)))
        check.onCommit?.(claim(enactor), `enactor-${enactor + 1}`)
      for (const name of this.#layout.names)
        check.onRecords?.(name, nothing, this.#authority.standing(before[this.#layout.zone] as number, name), 'past')
      const forwards = forward()
      forwards.onCommit?.(past, 'past')
      now = row
      return check.onCommit?.(writes, by) ?? forwards.onCommit?.(writes, by) ?? null
    })
  }

  /** L1 at the end of all things: the newest plan is what every endpoint of ours answers. */
  atRest(row: Int32Array): Violation | null {
    const scene = this.#scene(() => row)
    const head = keys.head.decode(scene.stored(keys.head.key()) ?? new Uint8Array())
    if (head === undefined) return { invariant: 'L1', text: 'there is no head' }
    const plan = keys.plan.decode(scene.stored(keys.plan.key(head.generation as Generation)) ?? new Uint8Array())
    if (plan === undefined) return { invariant: 'S4', text: `plan ${head.generation} is gone` }
    for (const digest of plan.shards) {
      const shard = scene.stored(keys.shard.key(digest))
      if (shard === undefined) return { invariant: 'S4', text: `a shard of plan ${head.generation} is gone` }
      for (const line of shardLines(fromUtf8(shard))) {
        const [name, since, , , , record] = line.split(' ')
        if (this.#foreign.has(name as Name)) continue
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

  #scene(rowNow: () => Int32Array): Scene {
    const slots = new Map(this.#layout.documents())
    const stored = (key: string): Uint8Array | undefined => {
      const slot = slots.get(key)
      const value = slot === undefined ? 0 : (rowNow()[slot] as number)
      return value === 0 ? undefined : this.#documents.document(value)?.value
    }
    return {
      standing: (name) => this.#authority.standing(rowNow()[this.#layout.zone] as number, name),
      names: () => this.#layout.names,
      stored,
      storedKeys: (prefix) => [...slots.keys()].filter((key) => key.startsWith(prefix) && stored(key) !== undefined),
      now: () => 0,
    }
  }
}
