/**
 * The plan to go on from: the newest one, proved whole down to its last shard, or what is left when it
 * is not. Proving costs what changed: a shard proved once is looked at again only when its key is written.
 */
import type { Digest } from '../base/bytes.ts'
import { describeProblem } from '../base/problem.ts'
import { type Generation, genesis } from '../model/generation.ts'
import { generationOfPlanKey, keys } from '../model/keys.ts'
import type { PlanHead, PlanText } from '../model/plan.ts'
import { newestIntact, planGenerations, readHead, readPlan, readShards, type Unreadable } from '../store/plans.ts'
import { type Compare, never, type Revision, type Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { trace } from './events.ts'
import type { Publishable } from './publish.ts'

export interface Base {
  /** To go on from; null: nothing whole is left, or nothing was ever published. */
  readonly head: PlanHead | null
  /** Of the head document, for the commit. */
  readonly revision: Revision
  /** The highest generation in the store. */
  readonly above: Generation
  /** Null, or what was lost. */
  readonly damage: string | null
  /** What has to stand beside the head at the commit: a plan that is not head's own may be swept meanwhile. */
  readonly also: readonly Compare[]
  /** The plan with those shards, or why they cannot be read now. @throws StoreOutage */
  text(indexes: Iterable<number>): Promise<PlanText | null | Unreadable>
}

export interface Newest {
  /** @throws StoreOutage */
  base(): Promise<Base>
  /** For keys outside the planner's own inputs that were written, last in `upTo`: whether they bear on the newest plan. */
  touched(key: string, upTo: Revision): boolean
  /** The newest plan is this one, which this planner published. */
  published(plan: Publishable, revision: Revision): void
  /** Proves a few shards again, in turn, so that silent damage is found too. @throws StoreOutage */
  audit(): Promise<void>
  /** Believe nothing that was read before. */
  reset(): void
}

const auditShards = 8

export function newestOf(world: World, store: Store): Newest {
  let known: Base | undefined
  let proved = new Set<Digest>()
  /** Shards that this planner wrote, and the commit: what was written later is looked at. */
  let own = { revision: never as Revision, keys: new Set<string>() }
  let audited = 0

  const whole = (head: PlanHead, revision: Revision, above: Generation): Base => ({
    head,
    revision,
    above,
    damage: null,
    also: [],
    async text(indexes) {
      const reading = await readShards(store, head, indexes)
      if (reading.kind === 'text') return reading.text
      known = undefined
      proved = new Set()
      return reading
    },
  })

  const damaged = async (what: string, revision: Revision, above: Generation): Promise<Base> => {
    const generations = await planGenerations(store)
    const highest = Math.max(above, ...generations) as Generation
    const text = await newestIntact(store, generations)
    const key = text && keys.plan.key(text.head.generation)
    const stored = key && (await store.get(key))
    // Swept since it was read: there may be another.
    if (key !== undefined && stored === undefined) return damaged(what, revision, above)
    trace(world, { event: 'plan.damage_found', generation: highest, what })
    return {
      head: text?.head ?? null,
      revision,
      above: highest,
      damage: text === undefined ? `${what}; no older plan is whole` : `${what}; plan ${text.head.generation} is whole`,
      also: key && stored ? [{ key, revision: stored.revision }] : [],
      text: async () => text ?? null,
    }
  }

  const read = async (): Promise<Base> => {
    const reading = await readHead(store)
    if (reading.kind === 'damaged') return damaged(describeProblem(reading.problem), reading.revision, genesis)
    if (reading.kind === 'none') {
      if ((await planGenerations(store)).length > 0) return damaged('the head is lost', never, genesis)
      return { head: null, revision: never, above: genesis, damage: null, also: [], text: async () => null }
    }
    const { generation, digest } = reading.head
    const plan = await readPlan(store, generation, digest)
    if (plan.kind !== 'plan') return damaged(describeProblem(plan.problem), reading.revision, generation)
    const { shards } = plan.plan
    // Batch by batch, so that the texts of a great plan never stand in memory together.
    const open = [...shards.keys()].filter((index) => !proved.has(shards[index] as Digest))
    for (let start = 0; start < open.length; start += 64) {
      const proof = await readShards(store, plan.plan, open.slice(start, start + 64))
      if (proof.kind !== 'text') return damaged(describeProblem(proof.problem), reading.revision, generation)
    }
    proved = new Set(shards)
    return whole(plan.plan, reading.revision, generation)
  }

  return {
    async base() {
      known ??= await read()
      return known
    },
    touched(key, upTo) {
      if (key === keys.head.key()) known = undefined
      else if (key.startsWith(keys.shard.prefix)) {
        if (upTo <= own.revision && own.keys.has(key)) return false
        if (!proved.delete(key.slice(keys.shard.prefix.length) as Digest)) return false
        known = undefined
      } else {
        const generation = generationOfPlanKey(key)
        if (generation === undefined || generation !== known?.above) return false
        known = undefined
      }
      return true
    },
    published(plan, revision) {
      own = { revision, keys: new Set([...plan.newShards.keys()].map((digest) => keys.shard.key(digest))) }
      proved = new Set(plan.head.shards)
      known = whole(plan.head, revision, plan.head.generation)
    },
    async audit() {
      const head = known?.damage === null ? known.head : null
      if (head === null) return
      const { shards } = head
      const some = Array.from({ length: Math.min(auditShards, shards.length) }, (_, i) => (audited + i) % shards.length)
      audited = (audited + some.length) % shards.length
      const plan = await readPlan(store, head.generation)
      const proof = plan.kind === 'plan' ? await readShards(store, head, some) : plan
      if (proof.kind === 'text') return
      known = undefined
      proved = new Set()
    },
    reset() {
      known = undefined
      proved = new Set()
    },
  }
}
