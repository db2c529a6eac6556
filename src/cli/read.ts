/** Documents of the store as the commands read them. All of these throw StoreOutage. */
import { keys } from '../model/keys.ts'
import type { Observation } from '../model/observation.ts'
import type { Override } from '../model/override.ts'
import type { PlanHead } from '../model/plan.ts'
import type { EnactorProgress, RoleStatus } from '../model/progress.ts'
import type { Demand, Report } from '../model/report.ts'
import { readDemand, readObservation, readOverride, readReport } from '../plan/documents.ts'
import { readHead, readPlan } from '../store/plans.ts'
import type { Entry, Store } from '../store/store.ts'

/** The newest plan; undefined if there is none, or it is damaged. */
export async function readHeadPlan(store: Store): Promise<PlanHead | undefined> {
  const head = await readHead(store)
  if (head.kind !== 'head') return undefined
  const plan = await readPlan(store, head.head.generation, head.head.digest)
  return plan.kind === 'plan' ? plan.plan : undefined
}

/** At most this many documents of a kind are looked at: far more than a deployment has. */
const most = 100_000

export async function* entriesOf(store: Store, prefix: string): AsyncGenerator<Entry> {
  let after: string | undefined
  for (let seen = 0; seen < most; ) {
    const range = await store.range(prefix, after === undefined ? {} : { after })
    yield* range.entries
    seen += range.entries.length
    after = range.entries.at(-1)?.key
    if (!range.more || after === undefined) return
  }
}

/** By enactor, in order of their ids. */
export async function readProgress(store: Store): Promise<[enactor: string, EnactorProgress][]> {
  const all: [string, EnactorProgress][] = []
  for await (const { key, value } of entriesOf(store, keys.progress.prefix)) {
    const document = keys.progress.decode(value)
    if (document !== undefined) all.push([key.slice(keys.progress.prefix.length), document])
  }
  return all
}

export async function readStatuses(store: Store): Promise<RoleStatus[]> {
  const all: RoleStatus[] = []
  for await (const { value } of entriesOf(store, keys.status.prefix)) {
    const document = keys.status.decode(value)
    if (document !== undefined) all.push(document)
  }
  return all
}

export async function readOverrides(store: Store): Promise<Override[]> {
  const all: Override[] = []
  for await (const { key, value } of entriesOf(store, keys.override.prefix)) {
    const document = readOverride(key, value)
    if (document !== undefined) all.push(document)
  }
  return all
}

export async function readObservations(store: Store): Promise<Observation[]> {
  const all: Observation[] = []
  for await (const { key, value } of entriesOf(store, keys.observation.prefix)) {
    const document = readObservation(key, value)
    if (document !== undefined) all.push(document)
  }
  return all
}

export async function readReports(store: Store): Promise<Report[]> {
  const all: Report[] = []
  for await (const { key, value } of entriesOf(store, keys.report.prefix)) {
    const document = readReport(key, value)
    if (document !== undefined) all.push(document)
  }
  return all
}

export async function readDemands(store: Store): Promise<Demand[]> {
  const all: Demand[] = []
  for await (const { key, value } of entriesOf(store, keys.demand.prefix)) {
    const document = readDemand(key, value)
    if (document !== undefined) all.push(document)
  }
  return all
}
