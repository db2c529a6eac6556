import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest } from '../base/bytes.ts'
import { type Generation, genesis } from '../model/generation.ts'
import { type Roots, type StoredPlan, sweepable } from './sweepable.ts'

const g = (value: number) => value as Generation
const d = (value: number) => `shard-${value}` as Digest

/** A line of plans with gaps, some swept already, some damaged. */
const stores = fc
  .array(
    fc.record({
      step: fc.integer({ min: 1, max: 3 }),
      shards: fc.array(fc.nat(8), { minLength: 1, maxLength: 3 }),
      gone: fc.nat(5),
      damaged: fc.nat(12),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((list) => {
    let generation = 0
    let parent = genesis
    const line: (StoredPlan & { gone: boolean })[] = []
    for (const { step, shards, gone, damaged } of list) {
      generation += step
      line.push({
        generation: g(generation),
        body: damaged === 0 ? null : { parent, shards: shards.map(d) },
        gone: gone === 0,
      })
      parent = g(generation)
    }
    const head = line.at(-1) as StoredPlan
    return { head, plans: line.filter((plan) => !plan.gone || plan.generation === head.generation) as StoredPlan[] }
  })
const roots = fc.record({
  keepPlans: fc.integer({ min: 2, max: 6 }),
  enacted: fc.array(fc.nat(60), { maxLength: 3 }),
  claims: fc.array(fc.nat(60), { maxLength: 3 }),
})

test('S4: it keeps head, its ancestors, every claim, and whatever may still be published', () => {
  fc.assert(
    fc.property(stores, roots, fc.array(fc.nat(12)), ({ head, plans }, { keepPlans, enacted, claims }, strays) => {
      const input: Roots = { head: head.generation, keepPlans, enacted: enacted.map(g), claims: claims.map(g) }
      const { plans: gone, shards, oldestKept } = sweepable(plans, input, strays.map(d))
      const kept = plans.filter(({ generation }) => !gone.includes(generation))
      expect(gone).not.toContain(head.generation)
      for (const claim of claims) expect(gone).not.toContain(claim)
      // The plan that an enactor says it has seen everywhere, and all above.
      if (enacted.length === 0) expect(gone).toEqual([])
      else for (const generation of gone) expect(generation).toBeLessThan(Math.max(...enacted))
      // At least as many below head as asked for, or all there are.
      const below = plans.filter(({ generation }) => generation < head.generation)
      expect(kept.length - 1).toBeGreaterThanOrEqual(Math.min(keepPlans, below.length, ancestorsOf(plans, head)))
      // No plan that stays loses a shard, and of one that cannot be read nothing is known.
      for (const plan of kept) for (const digest of plan.body?.shards ?? []) expect(shards).not.toContain(digest)
      if (kept.some(({ body }) => body === null)) expect(shards).toEqual([])
      expect(oldestKept).toBe(Math.min(...kept.map(({ generation }) => generation)))
    }),
    { numRuns: 500 },
  )
})

function ancestorsOf(plans: readonly StoredPlan[], head: StoredPlan): number {
  let count = 0
  for (let at: StoredPlan | undefined = head; at?.body; count++) {
    const parent: Generation = at.body.parent
    at = plans.find(({ generation }) => generation === parent)
    if (at === undefined) break
  }
  return count
}

const line = (count: number): StoredPlan[] =>
  Array.from({ length: count }, (_, index) => ({
    generation: g(index + 1),
    body: { parent: g(index), shards: [d(index), d(99)] },
  }))

test('age is no reason: a claimed plan stays among many that go', () => {
  const found = sweepable(line(50), { head: g(50), keepPlans: 3, enacted: [g(50), g(2)], claims: [g(7)] })
  expect(found.plans).toEqual(
    line(46)
      .map(({ generation }) => generation)
      .filter((generation) => generation !== 7),
  )
  expect(found.oldestKept).toBe(7)
  expect(found.shards).not.toContain(d(99))
  expect(found.shards).not.toContain(d(6))
  expect(found.shards).toContain(d(0))
})

test('while nobody has seen everything published, nothing goes', () => {
  expect(sweepable(line(50), { head: g(50), keepPlans: 3, enacted: [], claims: [] }).plans).toEqual([])
  expect(sweepable(line(50), { head: g(50), keepPlans: 3, enacted: [g(10)], claims: [] }).plans).toHaveLength(9)
})

test('where the line of parents is broken, the last plans by number stay', () => {
  const plans = line(20).map((plan) => (plan.generation === 19 ? { ...plan, body: null } : plan))
  expect(sweepable(plans, { head: g(20), keepPlans: 4, enacted: [g(20)], claims: [] }).oldestKept).toBe(16)
})

test('strays go, unless a plan that stays refers to them', () => {
  const found = sweepable(line(3), { head: g(3), keepPlans: 5, enacted: [g(3)], claims: [] }, [d(1), d(50)])
  expect(found).toEqual({ plans: [], shards: [d(50)], oldestKept: 1 })
})
