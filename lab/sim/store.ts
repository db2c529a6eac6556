/**
 * The simulated store: one linearizable state, reached over links that stall, break and lose replies.
 *
 * A commit whose reply is lost has happened all the same, so it is reported as `unknown`, as a real
 * client must. State is durable: commits are atomic, and a crash of the store only makes it silent.
 */
import { problem } from '../../src/base/problem.ts'
import { assertCommit, assertKey, assertPrefix, assertWatch, rangeLimit } from '../../src/store/limits.ts'
import {
  type Commit,
  type Compare,
  type Revision,
  type Store,
  StoreOutage,
  type Watched,
  type Write,
} from '../../src/store/store.ts'
import { type Kernel, type Micros, ms, type Process, type Timer } from './kernel.ts'
import { type Ratio, type Stream, stream } from './random.ts'
import { type StoreCopy, StoreState } from './state.ts'

export type { StoreCopy } from './state.ts'

export interface StoreWeather {
  /** One way, least and greatest. */
  readonly delay: readonly [Micros, Micros]
  /** Of replies, and of requests. */
  readonly lost: Ratio
  /** After this a client gives up: reads are outages, commits are unknown. */
  readonly patience: Micros
}

export const calmStore: StoreWeather = { delay: [ms(0.2), ms(1)], lost: { of: 0, in: 1 }, patience: ms(2000) }

/** Towards the store, or from there. */
export type Way = 'there' | 'back'

const refusal: Commit = {
  kind: 'refused',
  problem: problem('store', 'room for a commit', 'a full disk', 'make room'),
}

/** One client of the store, until it closes it. */
interface Handle {
  closed: boolean
  /** Commits under way. */
  readonly begun: Set<Promise<Commit>>
  /** What ends each waiting watch. */
  readonly endings: Set<() => void>
}

const closedStore = () => new StoreOutage(problem('store', 'an open store', 'one that was closed', 'open it again'))

interface Watcher {
  readonly prefix: string
  readonly after: Revision
  readonly wake: () => void
}

export class SimulatedStore {
  weather: StoreWeather = calmStore
  #downSince: Micros | null = null
  /** Answers, and takes no commit: its disk is full. */
  full = false
  readonly #state: StoreState
  #watchers = new Set<Watcher>()
  readonly #kernel: Kernel
  readonly #random: Stream
  /** Since when, and which way if only one way. */
  readonly #cut = new Map<string, { readonly since: Micros; readonly way: Way | undefined }>()
  /** Called with every commit made, at the instant that it takes effect. */
  onCommit: (writes: readonly Write[], by: string) => void = () => {}

  constructor(kernel: Kernel, options: { readonly keepChanges?: number } = {}) {
    this.#kernel = kernel
    this.#random = stream(kernel.seed, 'store')
    this.#state = new StoreState(options.keepChanges ?? 2000)
  }

  get revision(): Revision {
    return this.#state.revision
  }

  cut(process: string, way?: Way): void {
    this.#cut.set(process, { since: this.#cut.get(process)?.since ?? this.#kernel.now, way })
  }

  get up(): boolean {
    return this.#downSince === null
  }

  set up(up: boolean) {
    this.#downSince = up ? null : (this.#downSince ?? this.#kernel.now)
  }

  /** How long this process has not been able to reach the store; 0 if it can. */
  unreachableFor(process: string): Micros {
    const since = Math.min(
      this.#downSince ?? Number.POSITIVE_INFINITY,
      this.#cut.get(process)?.since ?? Number.POSITIVE_INFINITY,
    )
    return Math.max(0, this.#kernel.now - since)
  }

  mend(process: string): void {
    this.#cut.delete(process)
  }

  mendAll(): void {
    this.#cut.clear()
  }

  /** What is there now, for checks and for damage; no time passes. */
  peek(key: string): Uint8Array | undefined {
    return this.#state.peek(key)
  }

  keys(prefix: string): readonly string[] {
    return this.#state.keys(prefix)
  }

  /** Writes that no program made: a hand, or a broken disk. */
  tamper(writes: readonly Write[]): void {
    this.#apply([], writes, 'tamper')
  }

  /** What is there now, to be put back later. */
  copy(): StoreCopy {
    return this.#state.copy()
  }

  /** As a copy of the file put back: revisions begin again where they were. */
  putBack(copy: StoreCopy): void {
    const writes = this.#state.putBack(copy)
    if (writes.length > 0) this.onCommit(writes, 'tamper')
  }

  of(process: Process): Store {
    const call = <T>(at: string, work: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        const { incarnation } = process
        const outage = () =>
          reject(
            new StoreOutage(
              problem('store', 'an answer', `none to ${at} in ${this.weather.patience / 1000} ms`, 'wait'),
            ),
          )
        const late = this.#kernel.after(this.weather.patience, process, outage, incarnation)
        this.#travel(process, null, () => {
          const result = work()
          this.#travel(process, incarnation, () => {
            late.cancelled = true
            resolve(result)
          })
        })
      })

    const handle: Handle = { closed: false, begun: new Set(), endings: new Set() }
    const open = () => {
      if (handle.closed) throw closedStore()
    }
    return {
      get: async (key) => {
        open()
        assertKey(key)
        return await call(`get ${key}`, () => this.#state.get(key))
      },
      range: async (prefix, options = {}) => {
        open()
        assertPrefix(prefix)
        const limit = rangeLimit(options.limit)
        return await call(`range ${prefix}`, () => this.#state.range(prefix, options.after, limit))
      },
      commit: async (compares, writes): Promise<Commit> => {
        open()
        assertCommit(compares, writes)
        const copies = writes.map((write) => (write.kind === 'put' ? { ...write, value: write.value.slice() } : write))
        const answer = call('commit', () =>
          this.full && copies.length > 0 ? refusal : this.#apply(compares, copies, process.id),
        )
        handle.begun.add(answer)
        try {
          return await answer
        } catch (error) {
          if (error instanceof StoreOutage) return { kind: 'unknown', reason: error.problem.found }
          throw error
        } finally {
          handle.begun.delete(answer)
        }
      },
      watch: async (prefix, after, timeoutMs) => {
        open()
        assertPrefix(prefix)
        assertWatch(after, timeoutMs)
        return await this.#watch(process, handle, prefix, after, timeoutMs)
      },
      close: async () => {
        handle.closed = true
        for (const end of handle.endings) end()
        await Promise.allSettled(handle.begun)
      },
    }
  }

  /** `incarnation` null: towards the store; otherwise back to that incarnation of the process. */
  #travel(process: Process, incarnation: number | null, arrive: () => void): void {
    if (this.#random.chance(this.weather.lost)) return
    const delay = this.#random.between(this.weather.delay[0], this.weather.delay[1])
    const land = () => {
      const cut = this.#cut.get(process.id)
      const lost = cut !== undefined && cut.way !== (incarnation === null ? 'back' : 'there')
      if (!lost && this.up) arrive()
    }
    if (incarnation === null) this.#kernel.arrive(delay, null, land)
    else this.#kernel.after(delay, process, land, incarnation)
  }

  #apply(compares: readonly Compare[], writes: readonly Write[], by: string): Commit {
    const commit = this.#state.commit(compares, writes)
    if (commit.kind !== 'committed' || writes.length === 0) return commit
    this.onCommit(writes, by)
    for (const watcher of [...this.#watchers]) {
      if (writes.some(({ key }) => key.startsWith(watcher.prefix))) watcher.wake()
    }
    return commit
  }

  #watch(process: Process, handle: Handle, prefix: string, after: Revision, timeoutMs: number): Promise<Watched> {
    const { incarnation } = process
    return new Promise((resolve, reject) => {
      let over = false
      let quiet: Timer | undefined
      const end = () => reject(closedStore())
      handle.endings.add(end)
      const finish = (answer: Watched) => {
        if (over) return
        over = true
        if (quiet !== undefined) quiet.cancelled = true
        this.#watchers.delete(watcher)
        this.#travel(process, incarnation, () => {
          late.cancelled = true
          handle.endings.delete(end)
          resolve(answer)
        })
      }
      const watcher: Watcher = {
        prefix,
        after,
        wake: () => {
          const news = this.#state.since(prefix, after)
          if (news !== undefined) finish(news)
        },
      }
      this.#travel(process, null, () => {
        if (over) return
        this.#watchers.add(watcher)
        watcher.wake()
        if (!over)
          quiet = this.#kernel.arrive(ms(timeoutMs), null, () => finish({ kind: 'quiet', revision: this.revision }))
      })
      const late = this.#kernel.after(
        ms(timeoutMs) + this.weather.patience,
        process,
        () => {
          over = true
          this.#watchers.delete(watcher)
          handle.endings.delete(end)
          reject(new StoreOutage(problem('store', 'news or a time-out', 'silence', 'wait')))
        },
        incarnation,
      )
    })
  }
}
