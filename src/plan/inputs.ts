/**
 * What the planner reads besides plans, kept in step with the store by one watch over everything:
 * only what changed is read again, and only what bears on planning wakes the planner.
 */
import { keys } from '../model/keys.ts'
import type { Observation } from '../model/observation.ts'
import { type Override, subjectOf } from '../model/override.ts'
import type { PolicyInForce } from '../model/progress.ts'
import type { Demand, Report } from '../model/report.ts'
import { type Entry, never, type Revision, type Store, type Write } from '../store/store.ts'
import type { EpochMs, World } from '../world/world.ts'
import { type Ahead, readAhead, readDemand, readObservation, readOverride, readReport } from './documents.ts'
import { trace } from './events.ts'

export interface Filed<T> {
  readonly document: T
  readonly revision: Revision
}

export interface Inputs {
  /** By pool. */
  observations(): ReadonlyMap<string, readonly Observation[]>
  reports(): ReadonlyMap<string, readonly Report[]>
  demands(): ReadonlyMap<string, readonly Demand[]>
  /** Well-formed ones, by key. */
  readonly overrides: ReadonlyMap<string, Filed<Override>>
  readonly progress: ReadonlyMap<string, Ahead>
  policyInForce(): { readonly document: PolicyInForce | undefined; readonly revision: Revision }
  /** The revision that a key under `override/` was read at. */
  revisionOf(key: string): Revision
  /** Reads everything. @throws StoreOutage */
  load(): Promise<void>
  /**
   * Waits until something happens that bears on planning, at most `timeoutMs`. `others` are told the
   * keys of plans and shards that changed, and say whether they matter. After `compacted` nothing that
   * was read before may be believed, here or there. @throws StoreOutage
   */
  wait(timeoutMs: number, others: (key: string, upTo: Revision) => boolean): Promise<'changed' | 'quiet' | 'compacted'>
  /** Deletes an override as it was read, unless it was replaced meanwhile. @throws StoreOutage */
  end(override: Filed<Override>, because: string): Promise<void>
  /** Reads one document again, without waiting to hear of it. @throws StoreOutage */
  reread(key: string): Promise<void>
  /** Forgets overrides that a plan has used up. */
  forget(key: string): void
}

const readsAtOnce = 64

/** Who says which generations it has met: enactors in DNS, balancers in HAProxy. */
const spoken = [keys.progress.prefix, keys.balancing.prefix]
const speaks = (key: string) => spoken.some((prefix) => key.startsWith(prefix))

export function inputsOf(world: World, store: Store): Inputs {
  const observations = byPool(keys.observation.prefix, readObservation, 'an observation')
  const reports = byPool(keys.report.prefix, readReport, 'what agents reported')
  const demands = byPool(keys.demand.prefix, readDemand, 'a demand')
  const seen = [observations, reports, demands]
  const overrides = new Map<string, Filed<Override>>()
  const overrideRevisions = new Map<string, Revision>()
  const progress = new Map<string, Ahead>()
  let policy: { document: PolicyInForce | undefined; revision: Revision } = { document: undefined, revision: never }
  let watched: Revision = never

  const refuse = (key: string, what: string) => trace(world, { event: 'plan.document_refused', key, what })

  /** Takes one document in, or out; says whether that may change a decision. */
  const take = (key: string, entry: Entry | undefined): boolean => {
    const kind = seen.find(({ prefix }) => key.startsWith(prefix))
    if (kind !== undefined) {
      if (!kind.take(key, entry)) refuse(key, `expected ${kind.what}`)
      return true
    }
    if (key.startsWith(keys.override.prefix)) {
      const document = entry && readOverride(key, entry.value)
      if (entry !== undefined && document === undefined) refuse(key, 'expected an override of this subject')
      overrides.delete(key)
      overrideRevisions.delete(key)
      if (entry !== undefined) overrideRevisions.set(key, entry.revision)
      if (entry !== undefined && document !== undefined) overrides.set(key, { document, revision: entry.revision })
      return true
    }
    if (speaks(key)) {
      const document = entry && readAhead(entry.value)
      if (document === undefined) progress.delete(key)
      else progress.set(key, document)
      return document !== undefined && document.ahead !== null
    }
    policy = { document: entry && readPolicy(entry.value), revision: entry?.revision ?? never }
    return true
  }

  const prefixes = [...seen.map(({ prefix }) => prefix), keys.override.prefix, ...spoken]
  const isInput = (key: string) => key === keys.policy.key() || prefixes.some((prefix) => key.startsWith(prefix))

  const load = async () => {
    watched = (await store.range(keys.head.key(), { limit: 1 })).revision
    for (const kind of seen) kind.clear()
    overrides.clear()
    overrideRevisions.clear()
    progress.clear()
    for (const prefix of prefixes)
      for (let after: string | undefined; ; ) {
        const range = await store.range(prefix, after === undefined ? {} : { after })
        for (const entry of range.entries) take(entry.key, entry)
        after = range.entries.at(-1)?.key
        if (!range.more || after === undefined) break
      }
    take(keys.policy.key(), await store.get(keys.policy.key()))
  }

  const read = async (changed: readonly string[]): Promise<boolean> => {
    let matters = false
    for (let start = 0; start < changed.length; start += readsAtOnce) {
      const some = changed.slice(start, start + readsAtOnce)
      const entries = await Promise.all(some.map((key) => store.get(key)))
      for (const [index, key] of some.entries()) if (take(key, entries[index])) matters = true
    }
    return matters
  }

  return {
    observations: observations.grouped,
    reports: reports.grouped,
    demands: demands.grouped,
    overrides,
    progress,
    policyInForce: () => policy,
    revisionOf: (key) => overrideRevisions.get(key) ?? never,
    load,
    async wait(timeoutMs, others) {
      const { clock } = world
      const until = clock.now() + timeoutMs
      for (;;) {
        const found = await store.watch('', watched, Math.max(0, Math.ceil(until - clock.now())))
        if (found.kind === 'quiet') return 'quiet'
        if (found.kind === 'compacted') return 'compacted'
        const matters = await read(found.keys.filter(isInput))
        const elsewhere = found.keys.filter((key) => !isInput(key) && others(key, found.revision)).length > 0
        watched = found.revision
        if (matters || elsewhere) return 'changed'
        if (clock.now() >= until) return 'quiet'
      }
    },
    async end({ document, revision }, because) {
      const key = keys.override.prefix + subjectOf(document.action)
      const write: Write = { kind: 'delete', key }
      const commit = await store.commit([{ key, revision }], [write])
      if (commit.kind !== 'committed') return
      this.forget(key)
      trace(world, { event: 'plan.override_ended', subject: subjectOf(document.action), because })
    },
    async reread(key) {
      take(key, await store.get(key))
    },
    forget(key) {
      overrides.delete(key)
      overrideRevisions.delete(key)
    },
  }
}

/** Documents of one kind, those that are well-formed, grouped again only when one of them changed. */
function byPool<Document extends { readonly pool: string }>(
  prefix: string,
  read: (key: string, value: Uint8Array) => Document | undefined,
  what: string,
) {
  const documents = new Map<string, Document>()
  let grouped: ReadonlyMap<string, readonly Document[]> | undefined
  return {
    prefix,
    what,
    /** False for a document that is none. */
    take(key: string, entry: Entry | undefined): boolean {
      grouped = undefined
      const document = entry && read(key, entry.value)
      if (document === undefined) documents.delete(key)
      else documents.set(key, document)
      return entry === undefined || document !== undefined
    },
    clear(): void {
      grouped = undefined
      documents.clear()
    },
    grouped(): ReadonlyMap<string, readonly Document[]> {
      grouped ??= Map.groupBy(documents.values(), ({ pool }) => pool)
      return grouped
    },
  }
}

function readPolicy(value: Uint8Array): PolicyInForce | undefined {
  const found = keys.policy.decode(value)
  return typeof found?.digest === 'string' && Number.isFinite(found.modified) ? found : undefined
}

/** Overrides whose time is over. */
export function expired(overrides: Iterable<Filed<Override>>, now: EpochMs): readonly Filed<Override>[] {
  return [...overrides].filter(({ document }) => document.expires !== null && now >= document.expires)
}
