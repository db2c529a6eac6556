import { describe, expect, test } from 'vitest'
import { classicWorld } from './classic.ts'
import { allReductions, holdfastWorld, type Reductions, type Size } from './holdfast.ts'
import { mechanisms } from './mechanisms.ts'
import { search } from './search.ts'
import type { Bounds, State } from './world.ts'

const limits = { states: 5_000_000, ms: 100_000, bytes: 2 ** 30 }
const none: Bounds = { crashes: 0, stalls: 0, ticks: 1, lies: 0 }
const size = (enactors: number, plans: number, endpoints = 1, withSweep = false): Size => ({
  enactors,
  plans,
  endpoints,
  withSweep,
})

describe('Holdfast', () => {
  test('holds in every interleaving of two enactors and two plans, with a crash and a stall at every step', async () => {
    const numbers = async () => {
      const { world } = holdfastWorld(size(2, 2), { ...none, crashes: 1, stalls: 1 })
      const { kind, violation, states, transitions, ends, depth } = await search(world, limits)
      return { kind, violation, states, transitions, ends, depth }
    }
    const first = await numbers()
    expect(first).toMatchObject({ kind: 'all', violation: null })
    expect(first.states).toBeGreaterThan(50_000)
    expect(await numbers()).toEqual(first)
  }, 120_000)

  test('holds with the sweep beside it', async () => {
    const { world } = holdfastWorld(size(1, 2, 1, true), { ...none, crashes: 1 })
    expect(await search(world, limits)).toMatchObject({ kind: 'all', violation: null })
  }, 120_000)

  test('mends a write that the authority accepted and did not carry out', async () => {
    const { world } = holdfastWorld(size(1, 2), { ...none, lies: 1 })
    expect(await search(world, limits)).toMatchObject({ kind: 'all', violation: null })
  }, 60_000)

  const off = (...names: (keyof Reductions)[]): Reductions => ({
    ...allReductions,
    ...Object.fromEntries(names.map((name) => [name, false])),
  })

  /** What the world shares, in every state that was reached: the same whatever was taken for granted. */
  async function sharedIn(reductions: Reductions, of: Size, bounds: Bounds): Promise<ReadonlySet<string>> {
    const { world, shared } = holdfastWorld(of, bounds, reductions)
    const found = new Set<string>()
    const explored = await search(world, limits, {
      onState: (state: State) => void found.add(shared.describe(state)),
    })
    expect(explored).toMatchObject({ kind: 'all', violation: null })
    return found
  }

  test.each([
    ['what a program was told last stands for its memory', off('last')],
    ['enactors are interchangeable', off('twins')],
    ['evidence is not looked at', off('evidence')],
    ['news waits for the end of a pass', off('calm')],
  ] as const)(
    'taking for granted that %s loses no state of the records',
    async (_what, reductions) => {
      const all = await sharedIn(allReductions, size(2, 1), none)
      expect(await sharedIn(reductions, size(2, 1), none)).toEqual(all)
    },
    120_000,
  )

  test.each(mechanisms.filter(({ name }) => name !== 'claims'))(
    'needs its $name',
    async (mechanism) => {
      const { needs, violates } = mechanism
      const of = size(needs?.enactors ?? 2, needs?.plans ?? 2, 1, needs?.sweep === true)
      const bounds = { ...none, lies: needs?.lies ?? 0, stalls: needs?.stalls ?? 0 }
      const reductions = { ...allReductions, last: mechanism.isStateless === true }
      const { world } = holdfastWorld(of, bounds, reductions, mechanism)
      const explored = await search(world, limits)
      expect(explored.violation?.invariant).toBe(violates)
      expect(explored.story.length).toBeGreaterThan(0)
    },
    60_000,
  )
})

describe('the protocol of October 2025', () => {
  test('leaves a name empty for good, and this is found in under two seconds of work', async () => {
    const { world, isStuck } = classicWorld({ enactors: 2, plans: 3, endpoints: 1 }, none)
    const explored = await search(world, limits)
    expect(explored.violation?.invariant).toBe('S2')
    expect(explored.states).toBeLessThan(20_000)
    expect(await isStuck(explored.state as State)).toBe(true)
  }, 60_000)

  test('does no harm as long as there are too few plans for anything to be old', async () => {
    const { world } = classicWorld({ enactors: 2, plans: 2, endpoints: 1 }, none)
    expect(await search(world, limits)).toMatchObject({ kind: 'all', violation: null })
  }, 60_000)
})

test('an exploration that does not fit stops, and says what it covered', async () => {
  const { world } = holdfastWorld(size(2, 2), { ...none, crashes: 1, stalls: 1 })
  const explored = await search(world, { ...limits, bytes: 2 ** 20 })
  expect(explored).toMatchObject({ kind: 'stopped', violation: null })
  expect(explored.why).toMatch(/MiB/)
  expect(explored.states).toBeGreaterThan(1_000)
})
