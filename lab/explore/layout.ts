/** Where everything stands that Holdfast's programs share: a slot each. */
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { Publishable } from '../../src/plan/publish.ts'
import type { State } from './world.ts'
import { World } from './world.ts'

export class Layout {
  /** Slots of a state. */
  readonly slots: number
  /** The zone at the authority. */
  readonly zone: number
  readonly enactors: number
  readonly names: readonly Name[]
  /** Documents that no enactor owns. */
  readonly common: ReadonlyMap<string, number>
  /** The slots of what each plan consists of, by generation. */
  readonly ofPlan: ReadonlyMap<number, readonly number[]>
  readonly #base: number
  readonly #firstClaim: number

  constructor(plans: readonly Publishable[], names: readonly Name[], enactors: number, members: number) {
    const common = new Map([
      [keys.head.key(), 0],
      [keys.policy.key(), 1],
    ])
    const ofPlan = new Map<number, readonly number[]>()
    for (const { head, newShards } of plans) {
      const own = [keys.plan.key(head.generation), ...[...newShards.keys()].map((digest) => keys.shard.key(digest))]
      for (const key of own) common.set(key, common.size)
      ofPlan.set(
        head.generation,
        own.map((key) => common.get(key) as number),
      )
    }
    this.common = common
    this.ofPlan = ofPlan
    this.names = names
    this.enactors = enactors
    this.zone = common.size
    this.#firstClaim = this.zone + 1
    this.slots = this.#firstClaim + enactors * 2
    this.#base = World.baseOf(members)
  }

  at(state: State, slot: number): number {
    return state[this.#base + slot] as number
  }

  put(state: State, slot: number, value: number): void {
    state[this.#base + slot] = value
  }

  /** From 0 up. */
  claim(enactor: number): number {
    return this.#firstClaim + enactor * 2
  }

  progress(enactor: number): number {
    return this.#firstClaim + enactor * 2 + 1
  }

  /** Of a key, as this member writes it: enactors are members 1, 2, ... Undefined for keys that this world does not have. */
  slotOf(key: string, member: number): number | undefined {
    if (key.startsWith(keys.claim.prefix)) return this.claim(member - 1)
    if (key.startsWith(keys.progress.prefix)) return this.progress(member - 1)
    return this.common.get(key)
  }

  /** Every document of the store, those of enactors by their names. */
  *documents(): Iterable<readonly [key: string, slot: number]> {
    yield* this.common
    for (let enactor = 0; enactor < this.enactors; enactor++) {
      yield [`${keys.claim.prefix}enactor-${enactor + 1}`, this.claim(enactor)]
      yield [`${keys.progress.prefix}enactor-${enactor + 1}`, this.progress(enactor)]
    }
  }

  /** Documents and zone, without what programs are, as text. */
  text(state: State): string {
    return state.subarray(this.#base).join()
  }
}
