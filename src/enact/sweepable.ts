/**
 * Which plans and shards nothing refers to any more.
 *
 * Age is never a reason. A plan is kept if it is head or one of its last ancestors, if somebody claims
 * it, or if it may still be published anywhere: each enactor's `enacted` says that every endpoint has
 * been seen in that plan or a newer one, and markers never go back, so what was once true stays true.
 * That is why no lock is needed: all that can have changed since the roots were read is head, and the
 * deletion is conditional on head.
 */
import { assert } from '../base/assert.ts'
import type { Digest } from '../base/bytes.ts'
import { type Generation, genesis } from '../model/generation.ts'

export interface StoredPlan {
  readonly generation: Generation
  /** Null when the document cannot be read: nobody knows then what it refers to. */
  readonly body: { readonly parent: Generation; readonly shards: readonly Digest[] } | null
}

export interface Roots {
  readonly head: Generation
  /** How many ancestors of head are kept. */
  readonly keepPlans: number
  /** Of every enactor's progress. Empty: nobody has published anything for sure, so all is kept. */
  readonly enacted: readonly Generation[]
  readonly claims: readonly Generation[]
}

export interface Sweepable {
  /** Lowest first. */
  readonly plans: readonly Generation[]
  /** Referred to by those plans, or listed as strays, and by no plan that stays. */
  readonly shards: readonly Digest[]
  /** The lowest generation that stays. */
  readonly oldestKept: Generation
}

/** `strays`: shards known to exist beside those that the plans name. */
export function sweepable(plans: readonly StoredPlan[], roots: Roots, strays: readonly Digest[] = []): Sweepable {
  const kept = rooted(plans, roots)
  const goes = plans.filter(({ generation }) => !kept.has(generation)).sort((a, b) => a.generation - b.generation)
  const stays = plans.filter(({ generation }) => kept.has(generation))
  const oldestKept = stays.reduce((low, { generation }) => (generation < low ? generation : low), roots.head)
  // A plan that stays and cannot be read may refer to anything.
  if (stays.some(({ body }) => body === null))
    return { plans: goes.map(({ generation }) => generation), shards: [], oldestKept }
  const inUse = new Set(stays.flatMap(({ body }) => body?.shards ?? []))
  const candidates = new Set([...goes.flatMap(({ body }) => body?.shards ?? []), ...strays])
  return {
    plans: goes.map(({ generation }) => generation),
    shards: [...candidates].filter((digest) => !inUse.has(digest)),
    oldestKept,
  }
}

function rooted(plans: readonly StoredPlan[], { head, keepPlans, enacted, claims }: Roots): Set<Generation> {
  assert(keepPlans >= 1, `expected to keep at least one ancestor, found ${keepPlans}`)
  const byGeneration = new Map(plans.map((plan) => [plan.generation, plan]))
  const published = enacted.length === 0 ? genesis : (Math.max(...enacted) as Generation)
  const kept = new Set(claims)
  for (const { generation } of plans) if (generation >= head || generation >= published) kept.add(generation)

  kept.add(head)
  let ancestors = 0
  let at = byGeneration.get(head)
  while (ancestors < keepPlans && at?.body) {
    const parent: StoredPlan | undefined = byGeneration.get(at.body.parent)
    if (parent === undefined) break
    // Numbers fall from child to parent; a document that says otherwise is damaged.
    if (parent.generation >= at.generation) break
    kept.add(parent.generation)
    ancestors++
    at = parent
  }
  if (ancestors < keepPlans) {
    // The line of parents broke off: by number, then, whatever stands below.
    const below = plans.map(({ generation }) => generation).filter((generation) => generation < head)
    for (const generation of below.sort((a, b) => b - a).slice(0, keepPlans)) kept.add(generation)
  }
  return kept
}
