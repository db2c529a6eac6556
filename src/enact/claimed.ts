/** The newest plan, claimed and in hand. */
import { describeProblem } from '../base/problem.ts'
import { type Generation, genesis } from '../model/generation.ts'
import { type Head, keys } from '../model/keys.ts'
import type { Policy } from '../model/policy.ts'
import { readHead, readPlan } from '../store/plans.ts'
import { never, type Revision, type Store } from '../store/store.ts'
import type { World } from '../world/world.ts'
import { trace } from './events.ts'
import { type PlanView, planView, type ShardSource } from './shards.ts'

/** Head may move again while its plan is read; then it is begun again, at most so often at once. */
const tries = 5

export class ClaimedPlan {
  /** Undefined while there is none that can be read. */
  view: PlanView | undefined
  /** The commit that wrote the head that was read last: what is said while it stands is said of this history. */
  headRevision: Revision = never
  readonly #world: World
  readonly #store: Store
  readonly #complain: (reason: string) => void
  readonly #otherHistory: () => void
  #newest: Head | undefined
  /** Of the latest view. */
  #worked: Head | undefined
  #claimed: Generation | undefined
  #vanished: Generation = genesis

  /** `otherHistory` is called when the store has lost its history, and numbers begin again. */
  constructor(world: World, store: Store, complain: (reason: string) => void, otherHistory: () => void) {
    this.#world = world
    this.#store = store
    this.#complain = complain
    this.#otherHistory = otherHistory
  }

  /** Whether any plan was there since this enactor started. */
  get sawHead(): boolean {
    return this.#newest !== undefined
  }

  /**
   * Claims the plan, then reads it, then sees that it is still the newest. From then on the sweep keeps
   * it: whatever it deletes on the strength of an earlier look at the claims is conditional on an
   * earlier head. @throws StoreOutage
   */
  async read(policy: Policy, source: ShardSource): Promise<void> {
    for (let round = 0; round < tries; round++) {
      const reading = await readHead(this.#store)
      if (reading.kind !== 'head') {
        this.view = undefined
        return
      }
      const { head } = reading
      this.headRevision = reading.revision
      await this.#sameHistory(head)
      this.#newest = head
      if (this.view !== undefined && isSameHead(this.view.head, head)) return
      if (!(await this.#claim(head.generation))) return
      const plan = await readPlan(this.#store, head.generation, head.digest)
      const now = await readHead(this.#store)
      if (now.kind !== 'head' || !isSameHead(now.head, head)) continue
      if (plan.kind === 'plan') {
        this.view = planView(head, plan.plan, source, policy.zones)
        this.#worked = head
      } else {
        this.view = undefined
        this.#tell(head.generation, `${plan.problem.at}: ${plan.problem.found}`)
      }
      return
    }
  }

  /**
   * A plan that is claimed is not swept. Where it is gone, or another stands under its number, the store
   * has lost its history, even if the numbers have risen above it again. @throws StoreOutage
   */
  async #sameHistory(head: Head): Promise<void> {
    const worked = this.#worked ?? this.#newest
    if (worked === undefined || isSameHead(worked, head)) return
    const isKept =
      head.generation > worked.generation &&
      (await readPlan(this.#store, worked.generation, worked.digest)).kind === 'plan'
    if (isKept) return
    this.#worked = undefined
    this.#claimed = undefined
    this.#otherHistory()
  }

  /** Part of this view could not be read. A view that was left behind is not claimed any more, and may go. */
  lost(view: PlanView, what: string): void {
    if (this.view === view) this.#tell(view.head.generation, what)
  }

  #tell(generation: Generation, what: string): void {
    if (this.#vanished !== generation) trace(this.#world, { event: 'enact.vanished', generation, what })
    this.#vanished = generation
  }

  /** Whether a newer head is known here; costs nothing. */
  isOvertaken(view: PlanView): boolean {
    return this.view !== view || this.#newest === undefined || !isSameHead(this.#newest, view.head)
  }

  /** Whether the store still says so. @throws StoreOutage */
  async isNewest(view: PlanView): Promise<boolean> {
    const reading = await readHead(this.#store)
    return reading.kind === 'head' && isSameHead(reading.head, view.head)
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
}

const isSameHead = (a: Head, b: Head): boolean => a.generation === b.generation && a.digest === b.digest
