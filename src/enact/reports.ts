/** What an enactor says of itself in the store: how far it is, and that it is there. */
import { describeProblem } from '../base/problem.ts'
import { type Generation, genesis } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import type { Blocked, EnactorProgress } from '../model/progress.ts'
import type { Compare, Revision, Store } from '../store/store.ts'
import type { EpochMs, World } from '../world/world.ts'
import { trace } from './events.ts'
import { type Counts, progressOf, type ZoneMemory } from './memory.ts'

/** Progress is written when it changed, not more often than this; and this often even if it did not. */
export const progressMinMs = 200
const progressMaxMs = 5_000

export interface Self {
  readonly pid: number
  readonly http: string | null
}

export class Reports {
  /** The last document, of this life or of the one before. */
  progress: EnactorProgress | undefined
  /** It was too soon to say how far it is. */
  owed = false
  readonly #world: World
  readonly #store: Store
  readonly #started: EpochMs
  #progressAt = Number.NEGATIVE_INFINITY
  #statusAt = Number.NEGATIVE_INFINITY
  #complaint = ''

  constructor(world: World, store: Store) {
    this.#world = world
    this.#store = store
    this.#started = world.clock.wall()
  }

  /** @throws StoreOutage */
  async recall(counts: Counts): Promise<EnactorProgress> {
    const stored = await this.#store.get(keys.progress.key(this.#world.id))
    const progress = stored === undefined ? undefined : keys.progress.decode(stored.value)
    this.progress = progress ?? progressOf([], [], genesis, { enacted: genesis, blocked: [] }, counts, this.#started)
    return this.progress
  }

  /** After the store has lost its history: what was enacted of that says nothing about plans of the same numbers now. */
  forget(): void {
    if (this.progress === undefined) return
    const blocked = this.progress.blocked.map(({ name, why }) => ({ name, why }))
    this.progress = { ...this.progress, enacted: genesis, blocked }
  }

  /**
   * Only while the head stands that `headRevision` wrote: held up before the store lost its history, it would say
   * of a plan of the new one what was true of another by that number.
   */
  async sayProgress(
    headRevision: Revision,
    memories: readonly ZoneMemory[],
    unreachable: readonly Blocked[],
    working: Generation,
    counts: Counts,
  ): Promise<void> {
    const now = this.#world.clock.now()
    const before = this.progress
    this.owed = now < this.#progressAt + progressMinMs
    if (before === undefined || this.owed) return
    const progress = progressOf(memories, unreachable, working, before, counts, this.#world.clock.wall())
    const isChanged = JSON.stringify({ ...progress, at: 0 }) !== JSON.stringify({ ...before, at: 0 })
    if (!isChanged && now < this.#progressAt + progressMaxMs) return
    this.#progressAt = now
    const isSaid = await this.#put(keys.progress.key(this.#world.id), keys.progress.encode(progress), [
      { key: keys.head.key(), revision: headRevision },
    ])
    if (isSaid) this.progress = progress
  }

  async sayStatus(
    { pid, http }: Self,
    say: () => { readonly note: string; readonly ails: readonly string[] },
  ): Promise<void> {
    const now = this.#world.clock.now()
    if (now < this.#statusAt + progressMaxMs) return
    this.#statusAt = now
    const { id } = this.#world
    const at = this.#world.clock.wall()
    const status = { role: 'enactor', id, pid, started: this.#started, at, http, ...say() } as const
    await this.#put(keys.status.key('enactor', id), keys.status.encode(status))
  }

  /** Once for each reason. */
  complain(reason: string): void {
    if (reason !== this.#complaint) trace(this.#world, { event: 'enact.store_refused', reason })
    this.#complaint = reason
  }

  async #put(key: string, value: Uint8Array, compares: readonly Compare[] = []): Promise<boolean> {
    const commit = await this.#store.commit(compares, [{ kind: 'put', key, value }])
    if (commit.kind === 'refused') this.complain(describeProblem(commit.problem))
    if (commit.kind === 'committed') this.#complaint = ''
    return commit.kind === 'committed'
  }
}
