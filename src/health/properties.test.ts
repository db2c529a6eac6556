/**
 * P1 to P16 of health and balancing, over pools of 6 to 1,000 targets and everything that `Fault` names.
 * `HOLDFAST_TRIALS=20000 vitest run src/health/properties.test.ts` for many more than the few of every day.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Fault, faults, simulate, type Trial } from '../../test/support/balancing.ts'
import { plantedBugs } from '../../test/support/balancing-bugs.ts'
import { properties } from '../../test/support/balancing-properties.ts'
import { Driver, name, observation, policy, pool, pooled, target } from '../../test/support/planning.ts'
import { fence, nothingAt, publishedAs } from '../enact/fence.ts'
import { lineOf, type PlanEntry, parseEntryLine } from '../model/plan.ts'
import type { Published } from '../providers/provider.ts'
import { step } from './step.ts'

const trials = Number(process.env.HOLDFAST_TRIALS ?? 54)

/** Small ones mostly: they have more corners. */
const size = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 6, max: 30 }) },
  { weight: 3, arbitrary: fc.integer({ min: 31, max: 200 }) },
  { weight: 1, arbitrary: fc.integer({ min: 201, max: 1_000 }) },
)

const trial = (fault: fc.Arbitrary<Fault>): fc.Arbitrary<Trial> =>
  fc.record({
    fault,
    size,
    sites: fc.constantFrom(1, 2, 3, 3, 4),
    probers: fc.constantFrom(1, 2, 3, 3, 3, 5),
    placed: fc.boolean(),
    equal: fc.boolean(),
    demand: fc.option(fc.double({ min: 0, max: 0.75, noNaN: true })),
    drained: fc.constantFrom(0, 0, 1, 2),
    restartAt: fc.option(fc.integer({ min: 5, max: 140 }), { freq: 2 }),
    rampMs: fc.constantFrom(0, 10_000, 30_000),
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
  })

/** Each property that this trial breaks, with how. */
function broken(one: Trial, reduce = step): readonly string[] {
  const log = simulate(one, reduce)
  return properties.flatMap((property) => {
    const how = property.broken(log)
    return how === null ? [] : [`${property.id} (${property.what}): ${how}`]
  })
}

describe('whatever goes wrong', () => {
  test.each(faults)('%s', { timeout: 60_000 + trials * 1_000 }, (fault) => {
    fc.assert(
      fc.property(trial(fc.constant(fault)), (one) => {
        expect(broken(one)).toEqual([])
      }),
      { numRuns: Math.ceil(trials / faults.length) },
    )
  })
})

/** Plans of a pool in trouble reach a name late and in any order. `admit`: whether a write is let in. */
function arrivals(order: readonly number[], admit: (entry: PlanEntry, published: Published) => boolean): number[] {
  const driver = new Driver(policy([pool('web', [target(0), target(1), target(2)])], [pooled('db', 'web')]))
  for (let now = 1_000; now <= 120_000; now += 1_000) {
    const sick = Math.floor(now / 17_000) % 4
    const seen = Object.fromEntries([0, 1, 2].map((i) => [`t${i}`, i === sick ? 'fff' : 'ppp']))
    driver.step({ now, observations: [observation('web', seen, now)] })
    expect(driver.violations).toEqual([])
  }
  const generations = driver.history.map(({ head }) => head.generation)
  expect(generations).toEqual([...new Set(generations)].sort((a, b) => a - b))
  const entries = driver.history.map((plan) => parseEntryLine(lineOf(plan.shard(0), name('db')) ?? '') as PlanEntry)
  let published = nothingAt(name('db'))
  return order.map((at) => {
    const entry = entries[at % entries.length] as PlanEntry
    if (admit(entry, published)) published = publishedAs(entry, 'test')
    return Number(published.marker[0]?.[1]?.slice(2) ?? 0)
  })
}

const rises = (numbers: readonly number[]): boolean => numbers.every((one, i) => one >= (numbers[i - 1] ?? 0))
const order = fc.array(fc.nat(100), { minLength: 20, maxLength: 40 })

describe('P9: the generation at a data plane only rises, in whatever order plans arrive', () => {
  test('with the fence', () => {
    const fenced = (entry: PlanEntry, published: Published) =>
      fence(entry, published, { owner: 'test', ours: true, adopt: false }).kind === 'apply'
    fc.assert(
      fc.property(order, (one) => rises(arrivals(one, fenced))),
      { numRuns: 20 },
    )
  })

  test('and not without', () => {
    const found = fc.check(
      fc.property(order, (one) => rises(arrivals(one, () => true))),
      { numRuns: 20 },
    )
    expect(found.failed).toBe(true)
  })
})

describe('each property can be broken', () => {
  test('and each has a bug that breaks it', () => {
    expect(new Set(plantedBugs.map(({ breaks }) => breaks))).toEqual(new Set(properties.map(({ id }) => id)))
  })

  test.each(plantedBugs)('$breaks: $what', { timeout: 60_000 }, ({ breaks, tempt, plant }) => {
    const property = properties.find(({ id }) => id === breaks)
    const plain = {
      sites: 3,
      probers: 3,
      placed: true,
      equal: true,
      demand: null,
      drained: 0,
      restartAt: null,
    } as const
    const found: (string | null | undefined)[] = []
    for (let seed = 1; seed <= 6 && !found.some((how) => typeof how === 'string'); seed++) {
      const one: Trial = { fault: 'random', size: 24, ...plain, rampMs: 10_000, seed, ...tempt }
      // Without the bug it holds in the very same circumstances.
      expect(property?.broken(simulate(one, step))).toBeNull()
      found.push(property?.broken(simulate(one, plant(step))))
    }
    expect(found.at(-1)).toEqual(expect.any(String))
  })
})
