/**
 * Metrics that are facts of the store rather than events: read when somebody asks for the page, at most
 * once in a while, and left as they were (with `holdfast_store_up` 0) while the store cannot be read.
 */
import type { Generation } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import { type PlanHead, parseEntryLine, shardLines, shardOf } from '../model/plan.ts'
import type { Policy } from '../model/policy.ts'
import { readHead, readPlan, readShards } from '../store/plans.ts'
import { type Store, StoreOutage } from '../store/store.ts'
import { type Metrics, makerFor } from './metrics.ts'

/** Names of endpoints become labels, so there must be an end to them: the first of the configuration. */
export const labelledNamesMax = 1000

const freshMs = 1000

/** For planners: the newest plan, its age, and how much of each pool answers. */
export function planMetrics(metrics: Metrics, store: Store): () => Promise<void> {
  const make = makerFor(metrics.registry)
  const generation = make.gauge('plan_generation', 'The newest plan.')
  const age = make.gauge('plan_age_seconds', 'Since the newest plan was published.')
  const capacity = make.gauge('pool_capacity_ratio', 'Share of the capacity of a pool that answers.', ['pool'])
  const failOpen = make.gauge('pool_fail_open', 'Whether the checks of a pool are not believed.', ['pool'])
  const answering = make.gauge('pool_targets', 'Targets of a pool by state.', ['pool', 'state'])
  const names = make.gauge('plan_names', 'Names in the newest plan.')
  return sometimes(async () => {
    const plan = await newest(store)
    if (plan === undefined) return
    generation.set(plan.generation)
    names.set(plan.blast.namesTotal)
    age.set(Math.max(0, Date.now() - plan.at) / 1000)
    for (const metric of [capacity, failOpen, answering]) metric.reset()
    for (const [pool, state] of Object.entries(plan.pools)) {
      capacity.set({ pool }, state.capacity)
      failOpen.set({ pool }, state.failOpenSince === null ? 0 : 1)
      for (const target of Object.values(state.targets)) answering.inc({ pool, state: target.kind })
    }
  })
}

/** For enactors: the generation that each of the first names was seen published in, and all names together. */
export function publishedMetrics(
  metrics: Metrics,
  store: Store,
  enactor: string,
  policy: () => Policy,
): () => Promise<void> {
  const make = makerFor(metrics.registry)
  const enacted = make.gauge(
    'progress_generation',
    'Every name, save blocked ones, was seen published in this plan or a newer one.',
  )
  const published = make.gauge(
    'published_generation',
    `The generation that a name was seen published in, for the first ${labelledNamesMax} names.`,
    ['name'],
  )
  let shown: Generation | undefined
  return sometimes(async () => {
    const entry = await store.get(keys.progress.key(enactor))
    const progress = entry === undefined ? undefined : keys.progress.decode(entry.value)
    if (progress === undefined) return
    enacted.set(progress.enacted)
    if (progress.enacted === shown) return
    const reading = await readPlan(store, progress.enacted)
    if (reading.kind !== 'plan') return
    const blocked = new Set(progress.blocked.map(({ name }) => name))
    const names = new Set(
      [...policy().endpoints.keys()].slice(0, labelledNamesMax).filter((name) => !blocked.has(name)),
    )
    const { plan } = reading
    const indexes = new Set([...names].map((name) => shardOf(name, plan.shards.length)))
    const text = await readShards(store, plan, indexes)
    if (text.kind !== 'text') return
    published.reset()
    for (const index of indexes)
      for (const line of shardLines(text.text.shard(index))) {
        const parsed = parseEntryLine(line)
        if (parsed !== undefined && names.has(parsed.name)) published.set({ name: parsed.name }, parsed.since)
      }
    shown = progress.enacted
  })
}

async function newest(store: Store): Promise<PlanHead | undefined> {
  const head = await readHead(store)
  if (head.kind !== 'head') return undefined
  const reading = await readPlan(store, head.head.generation, head.head.digest)
  return reading.kind === 'plan' ? reading.plan : undefined
}

/** At most once in `freshMs`; an outage leaves things as they were. */
function sometimes(read: () => Promise<void>): () => Promise<void> {
  let last = Number.NEGATIVE_INFINITY
  return async () => {
    const now = performance.now()
    if (now - last < freshMs) return
    last = now
    try {
      await read()
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
  }
}
