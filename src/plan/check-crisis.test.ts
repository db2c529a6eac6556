/**
 * Whatever goes wrong with a pool, what is decided passes the check, and an enactor that was away finds every
 * removal explained: opinions that differ would publish nothing, or never write a name again.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { faults, type Reducer, simulate, type Trial } from '../../test/support/balancing.ts'
import { Driver, name, override, policy, pooled } from '../../test/support/planning.ts'
import { publishedAs } from '../enact/fence.ts'
import { unexplainedRemoval } from '../enact/removal.ts'
import type { OverrideAction } from '../model/override.ts'
import { lineOf, type PoolState, parseEntryLine } from '../model/plan.ts'
import type { Policy } from '../model/policy.ts'

const trial: fc.Arbitrary<Trial> = fc.record({
  fault: fc.constantFrom(...faults),
  size: fc.integer({ min: 1, max: 40 }),
  sites: fc.constantFrom(1, 2, 3, 4),
  probers: fc.constantFrom(1, 2, 3, 5),
  placed: fc.boolean(),
  equal: fc.boolean(),
  demand: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  drained: fc.constantFrom(0, 1, 2),
  restartAt: fc.constant(null),
  rampMs: fc.constantFrom(0, 10_000, 30_000),
  seed: fc.nat(),
})

/** What operators say meanwhile, each from some second to another. */
const orders = fc.array(
  fc.record({
    site: fc.nat(3),
    from: fc.integer({ min: 10, max: 150 }),
    for: fc.integer({ min: 1, max: 60 }),
    window: fc.boolean(),
    deep: fc.boolean(),
  }),
  { maxLength: 2 },
)

test('decided and checked by two, with one result', { timeout: 120_000 }, () => {
  let evacuations = 0
  fc.assert(
    fc.property(trial, orders, (one, given) => {
      let driver: Driver | undefined
      let source: Policy | undefined
      const reduce: Reducer = ({ pool, observations, demands, drains, now }) => {
        source ??= policy([pool], [pooled('db', 'web')])
        driver ??= new Driver(source, now)
        const sites = given.flatMap(({ site, from, for: seconds, window, deep }) => {
          const [start, end] = [from * 1_000, (from + seconds) * 1_000]
          const action: OverrideAction = window
            ? { kind: 'maintenance', site: `s${site}`, from: start as typeof now, until: end as typeof now }
            : { kind: 'evacuate', site: `s${site}`, pool: null }
          return window || (now >= start && now < end) ? [override(action, { breaks: deep ? ['S5'] : [] })] : []
        })
        const gone = [...drains.keys()].map((target) => override({ kind: 'drain', pool: 'web', target }))
        driver.step({ now, observations, demands, overrides: [...gone, ...sites] })
        expect(driver.violations).toEqual([])
        const state = driver.previous?.head.pools.web
        if (state === undefined) return { kind: 'wait', reasons: [], nextAt: now }
        evacuations += Object.values(state.sites ?? {}).filter(
          ({ kind, since }) => kind === 'evacuated' && since === now,
        ).length
        return stateOnly(state)
      }
      // A second run of one moment would go on from another plan.
      simulate({ ...one }, reduce, { repeats: false })
      if (driver !== undefined && source !== undefined) expect(unexplained(driver, source)).toEqual([])
    }),
    { numRuns: 25 },
  )
  expect(evacuations).toBeGreaterThan(0)
})

/** Every plan, written over what an older one published. */
function unexplained(driver: Driver, of: Policy): readonly string[] {
  const entries = driver.history.map((plan) => parseEntryLine(lineOf(plan.shard(0), name('db')) ?? ''))
  return driver.history.flatMap(({ head }, j) => {
    const entry = entries[j]
    if (entry === undefined) return []
    return [j - 1, j - 3, 0].flatMap((i) => {
      const before = i < 0 || i >= j ? undefined : entries[i]
      if (before === undefined) return []
      const why = unexplainedRemoval(of, head, entry, publishedAs(before, 'test'), head.at)
      return why === null ? [] : [`${head.generation} over ${before.since}: ${why}`]
    })
  })
}

const stateOnly = (state: PoolState): Extract<ReturnType<Reducer>, { kind: 'state' }> => ({
  kind: 'state',
  state,
  weights: () => new Map(),
  events: [],
  urgent: false,
  reasons: [],
  nextAt: null,
  targets: () => new Map(),
})
