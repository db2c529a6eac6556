/** A small stage for one scene: a store and an authority in memory, production enactors, a virtual clock, no chance. */
import { digestOf } from '../../src/base/bytes.ts'
import { enactor } from '../../src/enact/enactor.ts'
import type { IpAddress } from '../../src/model/address.ts'
import type { Answer } from '../../src/model/answer.ts'
import { type Generation, genesis } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { PlanEntry, PlanHead } from '../../src/model/plan.ts'
import type { EnactorProgress } from '../../src/model/progress.ts'
import { publish } from '../../src/plan/publish.ts'
import type { Provider } from '../../src/providers/provider.ts'
import { readHead } from '../../src/store/plans.ts'
import type { Store } from '../../src/store/store.ts'
import { type MemoryAuthority, memoryAuthority } from './memory-authority.ts'
import { type MemoryStore, memoryStore } from './memory-store.ts'
import { policy, shardTexts } from './race.ts'
import { type Program, Schedule } from './schedule.ts'

export const addresses = (...list: readonly string[]): Answer => {
  const [first, ...rest] = list.map((address) => ({ address: address as IpAddress, weight: 1 }))
  return { kind: 'addresses', ttl: 5, addresses: [first as { address: IpAddress; weight: number }, ...rest] }
}
export const alias = (target: string): Answer => ({ kind: 'alias', ttl: 5, target: target as Name })

export interface EnactorOptions {
  readonly store?: Store
  readonly provider?: (provider: Provider) => Provider
}

export class Stage {
  readonly schedule = new Schedule(1)
  readonly authority: MemoryAuthority = memoryAuthority()
  readonly store: MemoryStore = memoryStore({ sleep: () => Promise.resolve() })

  /** Publishes a plan of exactly these answers, by name; unchanged ones keep their `since`. */
  async publish(
    answers: Readonly<Record<string, Answer>>,
    store: Store = this.store,
    generation?: number,
  ): Promise<Generation> {
    const reading = await readHead(store)
    const parent = reading.kind === 'head' ? reading.head.generation : genesis
    const number = (generation ?? parent + 1) as Generation
    const known = this.#known.get(store) ?? new Map<Name, PlanEntry>()
    const entries = new Map(
      Object.entries(answers).map(([name, answer]): [Name, PlanEntry] => {
        const before = known.get(name as Name)
        const same =
          before !== undefined && generation === undefined && JSON.stringify(before.answer) === JSON.stringify(answer)
        const since = same ? before.since : number
        return [name as Name, { name: name as Name, since, born: before?.born ?? number, answer }]
      }),
    )
    this.#known.set(store, entries)
    const texts = shardTexts(entries)
    const head: PlanHead = {
      generation: number,
      parent,
      at: 0 as never,
      author: 'stage',
      policy: policy.digest,
      shards: texts.map((text) => digestOf(text)),
      pools: {},
      blast: { namesChanged: 0, namesAdded: 0, namesRetired: 0, namesTotal: 0, capacityRemoved: 0, ttlMax: 0 },
      reasons: [],
    }
    const published = await publish(
      store,
      { head, newShards: new Map(texts.map((text) => [digestOf(text), text])) },
      reading.revision,
    )
    if (published.kind !== 'published')
      throw new Error(`expected plan ${number} to be published, found ${published.kind}`)
    return number
  }

  readonly #known = new Map<Store, Map<Name, PlanEntry>>()

  enactor(id: string, { store = this.store, provider = (it) => it }: EnactorOptions = {}): Program {
    const { schedule, authority } = this
    return schedule.spawn(id, (program) =>
      enactor(schedule.world(program), {
        store: {
          ...store,
          watch: async (prefix, since, timeoutMs) => {
            const until = schedule.time + timeoutMs
            for (;;) {
              const watched = await store.watch(prefix, since, 0)
              if (watched.kind !== 'quiet' || schedule.time >= until) return watched
              await schedule.sleep(program, 20)
            }
          },
        },
        policy: { read: async () => ({ kind: 'policy', policy, modified: 0 as never }) },
        provider: () => provider(authority.provider()),
        self: { pid: 1, http: null },
      }),
    )
  }

  /** Lets the programs run until this holds, at most a virtual minute. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const last = this.schedule.time + 60_000
    for (;;) {
      if (await holds()) return
      if (this.schedule.time > last)
        throw new Error(`expected within a minute: ${what}; found ${JSON.stringify(this.schedule.events.slice(-5))}`)
      await this.schedule.run({ steps: 5 })
    }
  }

  /** Lets them run for some virtual time. */
  async pass(ms: number): Promise<void> {
    await this.schedule.run({ steps: 100_000, untilMs: this.schedule.time + ms })
  }

  async progress(id: string, store: Store = this.store): Promise<EnactorProgress | undefined> {
    const entry = await store.get(keys.progress.key(id))
    return entry && keys.progress.decode(entry.value)
  }

  async enacted(id: string, generation: number, store: Store = this.store): Promise<void> {
    await this.until(
      `${id} has enacted ${generation}`,
      async () => (await this.progress(id, store))?.enacted === generation,
    )
  }

  told(event: string): number {
    return this.schedule.events.filter((it) => it.event === event).length
  }
}
