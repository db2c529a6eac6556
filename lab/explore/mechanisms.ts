/** Safety mechanisms that an exploration can do without, to see what they are good for. All are taken away from outside. */
import { keys } from '../../src/model/keys.ts'
import type { Name } from '../../src/model/name.ts'
import type { PlanEntry } from '../../src/model/plan.ts'
import type { Provider, Published, WriteOutcome } from '../../src/providers/provider.ts'
import { readHead } from '../../src/store/plans.ts'
import type { Store, Write } from '../../src/store/store.ts'
import { believing } from '../bugs/believing.ts'
import { askedOnce } from '../bugs/head-once.ts'
import { edited, listening, published, reading, showing } from '../bugs/wrap.ts'
import { generationAt, type Invariant } from '../checks/check.ts'
import type { Self } from './program.ts'

type ExploredProvider = Provider & { put(published: Published): Promise<void> }

export interface Mechanism {
  readonly name: string
  /** What is done without it, in one line. */
  readonly without: string
  readonly violates: Invariant
  /** What it takes to see it. */
  readonly needs?: {
    readonly sweep?: boolean
    readonly lies?: number
    readonly enactors?: number
    readonly stalls?: number
    readonly plans?: number
  }
  readonly isUnconditional?: boolean
  /** What stands in its place remembers nothing. */
  readonly isStateless?: boolean
  store?(store: Store, role: 'planner' | 'enactor' | 'sweep'): Store
  /** For one enactor: its store and its provider. */
  enactor?(store: Store): { readonly store?: Store; provider(provider: ExploredProvider): Provider }
  sweep?(self: Self, store: Store): Promise<void>
}

const forSweep = (change: (store: Store) => Store) => (store: Store, role: string) =>
  role === 'sweep' ? change(store) : store

export const mechanisms: readonly Mechanism[] = [
  {
    name: 'fence',
    without: 'a newer marker counts as an older one, and the authority does not compare either',
    violates: 'S1',
    isUnconditional: true,
    enactor(store) {
      const plan = new Map<Name, PlanEntry>()
      return {
        store: listening(store, plan),
        provider: (provider) =>
          showing(provider, (found) => {
            const mine = plan.get(found.name)?.since
            const theirs = generationAt(found)
            if (mine === undefined || theirs === null || theirs <= mine) return published(found)
            const older = (text: string) => (text.startsWith('g=') ? `g=${mine - 1}` : text)
            return published({ ...found, marker: found.marker.map((strings) => strings.map(older)) })
          }),
      }
    },
  },
  {
    name: 'condition',
    isStateless: true,
    without: 'the authority replaces records without comparing them with what was read',
    violates: 'S1',
    isUnconditional: true,
  },
  {
    name: 'fence-for-every-write',
    without: 'the fence is asked once, and a write that conflicts is sent again on what stands there now',
    violates: 'S1',
    enactor: () => ({
      provider: (provider) => ({
        ...provider,
        async write(zone, changes) {
          const outcomes = await provider.write(zone, changes)
          if (outcomes.every(({ kind }) => kind !== 'conflict')) return outcomes
          const names = changes.map(({ name }) => name)
          const readings = await provider.read(zone, names)
          const again = changes.map((change, index) => {
            const found = readings[index]
            return found?.kind === 'published' ? { ...change, expected: found.published } : change
          })
          const later = await provider.write(zone, again)
          return outcomes.map((outcome, index) =>
            outcome.kind === 'conflict' ? (later[index] as WriteOutcome) : outcome,
          )
        },
      }),
    }),
  },
  {
    name: 'one-transaction',
    without: 'old records are deleted first, and the new ones made afterwards',
    violates: 'S2',
    enactor: () => ({
      provider: (provider) => ({
        ...provider,
        async write(zone, changes) {
          const emptied = []
          for (const change of changes) {
            const { expected } = change
            const empty = { ...expected, addresses: [], alias: null, ttl: null }
            if (generationAt(expected) !== null) await provider.put(empty)
            emptied.push(generationAt(expected) === null ? change : { ...change, expected: empty })
          }
          return await provider.write(zone, emptied)
        },
      }),
    }),
  },
  {
    name: 'newest-again',
    without: 'an enactor asks which plan is the newest when it starts, and never again',
    violates: 'L1',
    store: (store, role) => (role === 'enactor' ? askedOnce(store) : store),
  },
  {
    name: 'read-back',
    without: 'what the authority said yes to is taken to stand there',
    violates: 'L1',
    // With a second enactor, the other one would look, and mend it.
    needs: { lies: 1, enactors: 1 },
    enactor: () => ({ provider: (provider) => believing(provider, ({ kind }) => kind === 'accepted') }),
  },
  {
    name: 'claims',
    isStateless: true,
    without: 'the sweep does not ask which plans enactors work from',
    violates: 'S4',
    needs: { sweep: true, plans: 3, stalls: 1 },
    store: forSweep((store) => reading(store, keys.claim.prefix, () => undefined)),
  },
  {
    name: 'roots',
    isStateless: true,
    without: 'the sweep does not ask how far plans have been published',
    violates: 'S4',
    needs: { sweep: true, plans: 3, enactors: 1 },
    store: forSweep((store) =>
      reading(store, keys.progress.prefix, (entry) =>
        edited(entry, keys.progress, (progress) => ({ ...progress, enacted: Number.MAX_SAFE_INTEGER as never })),
      ),
    ),
  },
  {
    name: 'sweep-by-reach',
    isStateless: true,
    without: 'plans are deleted because they are older than head',
    violates: 'S4',
    needs: { sweep: true },
    async sweep(_self, store) {
      const head = await readHead(store)
      if (head.kind !== 'head') return
      const found = (await store.range(keys.plan.prefix)).entries
        .map(({ value }) => keys.plan.decode(value))
        .filter((plan) => plan !== undefined && plan.generation < head.head.generation)
      const writes = found.flatMap((plan): Write[] =>
        plan === undefined ? [] : [{ kind: 'delete', key: keys.plan.key(plan.generation) }],
      )
      if (writes.length > 0) await store.commit([], writes)
    },
  },
  {
    name: 'whole-publication',
    without: 'head is moved in one commit, and the plan that it names follows in another',
    violates: 'S4',
    store(store, role) {
      if (role !== 'planner') return store
      return {
        ...store,
        async commit(compares, writes) {
          const head = writes.filter(({ key }) => key === keys.head.key())
          const first = await store.commit(compares, head)
          if (first.kind !== 'committed') return first
          const rest = writes.filter(({ key }) => key !== keys.head.key())
          return await store.commit([], rest)
        },
      }
    },
  },
]
