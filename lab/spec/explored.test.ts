/** Whatever the production programs do in a world that the explorer went through is a step of the model. */
import { describe, expect, test } from 'vitest'
import { WrongMerger } from '../explore/automaton.ts'
import { allReductions, type HoldfastWorld, holdfastWorld, type Size } from '../explore/holdfast.ts'
import { mechanisms } from '../explore/mechanisms.ts'
import { search } from '../explore/search.ts'
import type { Bounds } from '../explore/world.ts'
import { explored } from './explored.ts'
import { holdfast } from './holdfast.ts'
import { changed } from './spec.ts'

const limits = { states: 1_000_000, ms: 60_000, bytes: 2 ** 30 }
const none: Bounds = { crashes: 0, stalls: 0, ticks: 1, lies: 0 }
const size = (enactors: number, plans: number, endpoints = 1, withSweep = false): Size => ({
  enactors,
  plans,
  endpoints,
  withSweep,
})

async function learned(of: Size, bounds: Bounds, name: string | null = null): Promise<HoldfastWorld> {
  const mechanism = mechanisms.find((one) => one.name === name) ?? null
  const last = mechanism === null || mechanism.isStateless === true
  for (const between of [true, false]) {
    const world = holdfastWorld(of, bounds, { ...allReductions, last, between }, mechanism)
    try {
      const { kind } = await search(world.world, limits)
      expect(kind).toBe(name === null ? 'all' : 'violated')
      return world
    } catch (error) {
      if (!between || !(error instanceof WrongMerger)) throw error
    }
  }
  throw new Error('expected one of the two ways to end')
}

describe('every path of the production programs is one of the model', () => {
  test.each([
    ['with a crash and a stall at every step', size(2, 2), { ...none, crashes: 1, stalls: 1 }],
    ['beside the sweep', size(1, 2, 1, true), { ...none, crashes: 1 }],
    ['at two names', size(1, 2, 2), { ...none, crashes: 1 }],
    ['with a write that was accepted and not carried out', size(1, 2), { ...none, lies: 1 }],
  ] as const)('%s', { timeout: 120_000 }, async (_what, of, bounds) => {
    const found = explored(holdfast, await learned(of, bounds), of.endpoints)
    expect(found.broken).toBeNull()
    expect(found.events).toBeGreaterThan(500)
  })

  test.each(['newest-again', 'fence-for-every-write', 'one-transaction', 'read-back', 'whole-publication'])(
    'but not without %s',
    { timeout: 60_000 },
    async (name) => {
      const { needs } = mechanisms.find((one) => one.name === name) ?? {}
      const of = size(needs?.enactors ?? 2, needs?.plans ?? 2)
      const world = await learned(of, { ...none, lies: needs?.lies ?? 0 }, name)
      expect(explored(holdfast, world, 1).broken).not.toBeNull()
    },
  )
})

test.each([
  ['enactor', 'claims', { guard: ['g == seen', 'claim[me] == 0'] }],
  ['enactor', 'sends', { guard: ['may[e] > 0', 'found[e] == 0'] }],
  ['enactor', 'says', { guard: ['g == seen', 'best[me] > 0'] }],
  ['sweep', 'counts', { guard: ['knowsEnacted'] }],
] as const)(
  'a table that says otherwise of %s %s is found out',
  { timeout: 60_000 },
  async (process, action, drift) => {
    const of = process === 'sweep' ? size(1, 2, 1, true) : size(1, 2)
    const world = await learned(of, none)
    expect(explored(holdfast, world, 1).broken).toBeNull()
    expect(explored(changed(holdfast, process, action, drift), world, 1).broken).not.toBeNull()
  },
)
