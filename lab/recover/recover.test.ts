/**
 * The gates of a recovery (S7, L3): twenty thousand hosts behind a database as much slower as the fleet is
 * smaller than the usual one, so that a recovery takes as long. Then five thousand, where what the controller
 * has to try costs a larger share of all that there is to do.
 */
import { describe, expect, test } from 'vitest'
import { drawRecoveries } from './picture.ts'
import { governor, naive, policies } from './policies.ts'
import { nameOf, type Scenario, scaled, usual } from './scenario.ts'
import { scenarios } from './scenarios.ts'
import { simulate } from './simulate.ts'

const hosts = 20_000
const small = (scenario: Scenario, seed = 1) => scaled({ ...scenario, seed }, hosts)
const policy = (name: string) => policies.find((one) => one.name === name) ?? governor
const isAway = ({ capacity }: Scenario) => capacity === 'hang' || capacity === 'down-up-down'

describe('the governor', () => {
  for (const scenario of scenarios)
    test(`passes the gates: ${nameOf(scenario)}`, () => {
      for (const seed of [1, 2]) {
        const figures = simulate(small(scenario, seed), governor, { afterwards: 60 })
        expect(figures.t99 / figures.bound).toBeLessThanOrEqual(1.35)
        expect(figures.worstWindow).toBeGreaterThanOrEqual(0.5)
        expect(figures.expiries).toBe(0)
        expect(figures.waitingMost).toBeLessThanOrEqual(hosts)
        expect(figures.messagesPerHost).toBeLessThanOrEqual(4)
        expect(figures.fairness).toBeGreaterThan(0.95)
        // When the dependency itself goes away, what is in flight is lost with it.
        expect(figures.operationTimeouts / figures.operations).toBeLessThan(isAway(scenario) ? 0.05 : 0.02)
      }
    })

  test('passes them with a small fleet', () => {
    for (const clients of ['uniform', 'synchronised', 'dead', 'impatient', 'skewed'] as const)
      for (const seed of [1, 2, 3]) {
        const figures = simulate({ ...usual, clients, seed, hosts: 5_000, aloneSeconds: 0.05 }, governor, {
          afterwards: 60,
        })
        expect(figures.t99 / figures.bound).toBeLessThanOrEqual(1.35)
        expect(figures.worstWindow).toBeGreaterThanOrEqual(0.5)
        expect(figures.messagesPerHost).toBeLessThanOrEqual(4)
        expect(figures.expiries).toBe(0)
      }
  })

  test('does not run dry when the front door turns most of a large fleet away', () => {
    const figures = simulate({ ...usual, clients: 'synchronised' }, governor)
    expect(figures.t99 / figures.bound).toBeLessThanOrEqual(1.15)
    expect(figures.worstWindow).toBeGreaterThanOrEqual(0.5)
    expect(figures.messagesPerHost).toBeLessThanOrEqual(4)
  })

  test('makes the same history of the same seed, and another of another', () => {
    const histories = [1, 1, 2].map((seed) => JSON.stringify(simulate(small(usual, seed), governor)))
    expect(histories[1]).toBe(histories[0])
    expect(histories[2]).not.toBe(histories[0])
  })

  test('loses nothing by a hint of where the knee was, right or wrong', () => {
    const far = small({ ...usual, knee: 400 })
    const without = simulate(far, governor).t99
    const withHint = (limit: number) => simulate(far, governor, { hint: { throughput: 500, limit } }).t99
    expect(withHint(400) / without).toBeLessThan(1.05)
    // A wrong one does little harm.
    for (const limit of [1, 4000]) expect(withHint(limit) / without).toBeLessThan(1.3)
  })
})

describe('in the same harness', () => {
  for (const scenario of scenarios.filter((one) => one.capacity !== 'down-up-down' && one.knee !== 'flat'))
    test(`the naive policy collapses: ${nameOf(scenario)}`, () => {
      const figures = simulate(small(scenario), naive, { giveUpAfter: 3 })
      expect(figures.t99).toBe(Number.POSITIVE_INFINITY)
      // Not slow but collapsed: after three times the bound most hosts have nothing, and most work was for nobody.
      expect(figures.leases.at(-1)).toBeLessThan(0.5)
      expect(figures.goodput.slice(-10).every((units, i) => units < 0.5 * (figures.able.at(i - 10) as number))).toBe(
        true,
      )
    })

  test('it survives where throughput never falls and the fleet is small: the curve is what breaks it, then patience', () => {
    expect(simulate(small({ ...usual, knee: 'flat' }), naive, { giveUpAfter: 3 }).leases.at(-1)).toBeGreaterThan(0.99)
    const large = { ...usual, knee: 'flat', hosts: 60_000, aloneSeconds: 0.02 } as const
    expect(simulate(large, naive, { giveUpAfter: 3 }).leases.at(-1)).toBeLessThan(0.5)
  })

  test('a rate that fits the nominal capacity fails at half of it', () => {
    const bucket = policy('token bucket 0.8')
    const half = simulate(small({ ...usual, capacity: 'half' }), bucket, { giveUpAfter: 5 })
    expect(half.t99).toBe(Number.POSITIVE_INFINITY)
  })

  test('an endless line fails even at exactly the knee', () => {
    expect(simulate(small(usual), policy('oracle FIFO'), { giveUpAfter: 5 }).t99).toBe(Number.POSITIVE_INFINITY)
  })
})

test('the pictures say what happened', () => {
  const panel = (of: typeof governor, isOurs: boolean) => ({
    name: of.name,
    note: of.told,
    isOurs,
    figures: simulate(small(usual), of, { giveUpAfter: 3 }),
  })
  const svg = drawRecoveries({
    title: 'T & T',
    subtitle: 'S',
    seconds: 100,
    panels: [panel(governor, true), panel(naive, false)],
  })
  expect(svg).toContain('T &amp; T')
  expect(svg).toMatch(/governor: all after 4\d s, bound 40 s\. naive FIFO: never: [\d.]+ % at most\./)
  expect(svg).not.toMatch(/NaN|undefined|Infinity/)
})
