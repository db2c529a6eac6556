import { describe, expect, test } from 'vitest'
import { classicWorld } from './classic.ts'
import { estimate } from './estimate.ts'
import { allReductions, holdfastWorld, type Reductions, type Size } from './holdfast.ts'
import { mechanisms } from './mechanisms.ts'
import { type SearchOptions, search } from './search.ts'
import type { Bounds, Limits, State } from './world.ts'

const limits: Limits = { states: 5_000_000, ms: 300_000, bytes: 2 ** 32 }
const none: Bounds = { crashes: 0, stalls: 0, ticks: 1, lies: 0 }
const size = (enactors: number, plans: number, more: Partial<Size> = {}): Size => ({
  enactors,
  plans,
  endpoints: 1,
  withSweep: false,
  ...more,
})
const long = 240_000

describe('Holdfast', () => {
  test(
    'holds in every interleaving of two enactors and two plans, with a crash and a stall at every step',
    async () => {
      const numbers = async () => {
        const { world, shared, learned } = holdfastWorld(size(2, 2), { ...none, crashes: 1, stalls: 1 })
        const { kind, violation, states, transitions, ends, depth, isExact } = await search(world, limits)
        // No write came to the guards that they would have had to refuse: a server without them does the same.
        expect(shared.authority.refusals).toBe(0)
        expect(learned.map(({ classes }) => classes)).not.toContain(null)
        return { kind, violation, states, transitions, ends, depth, isExact }
      }
      const first = await numbers()
      expect(first).toMatchObject({ kind: 'all', violation: null, isExact: true })
      expect(first.states).toBeGreaterThan(10_000)
      expect(await numbers()).toEqual(first)
    },
    long,
  )

  test.each([
    ['two enactors, three plans', size(2, 3), none],
    ['two endpoints', size(2, 2, { endpoints: 2 }), none],
    ['the sweep, which crashes', size(1, 2, { withSweep: true }), { ...none, crashes: 1 }],
    ['two enactors beside the sweep', size(2, 2, { withSweep: true }), none],
    ['a write that the authority accepted and did not carry out', size(1, 2), { ...none, lies: 1 }],
    ["a name of somebody else's", size(2, 1, { withForeign: true }), none],
  ])(
    'holds with %s',
    async (_what, of, bounds) => {
      expect(await search(holdfastWorld(of, bounds).world, limits)).toMatchObject({ kind: 'all', violation: null })
    },
    long,
  )

  /** What was learned of one enactor with all that others may do is what any number of them rests on. */
  test(
    'holds for one enactor among any others, and so for any number',
    async () => {
      const { world, learned } = holdfastWorld(size(1, 3), none)
      await search(world, limits)
      expect(learned).toHaveLength(1)
      expect(learned[0]?.explored).toMatchObject({ kind: 'all', violation: null })
      expect(learned[0]?.explored.states).toBeGreaterThan(1_000)
    },
    long,
  )
})

describe('what is taken for granted makes no difference', () => {
  interface Seen {
    readonly kind: string
    readonly violated: string | undefined
    /** What the programs share, in every state that was reached. */
    readonly shared: ReadonlySet<string>
  }

  async function seenIn(
    of: Size,
    bounds: Bounds,
    off: Partial<Reductions>,
    options: SearchOptions = {},
  ): Promise<Seen> {
    const { world, shared } = holdfastWorld(of, bounds, { ...allReductions, ...off })
    const found = new Set<string>()
    const onState = (state: State) => void found.add(shared.describe(state, of.withSweep))
    const { kind, violation } = await search(world, limits, { ...options, onState })
    return { kind, violated: violation?.invariant, shared: found }
  }

  const plain = size(2, 2)
  const swept = size(1, 2, { withSweep: true })
  const whole = { last: false, quotient: false }
  test.each([
    ['what a program was told last stands for its memory', size(2, 1), none, whole],
    [
      'what a program was told last stands for its memory, beside the sweep',
      size(1, 1, { withSweep: true }),
      none,
      whole,
    ],
    ['what a program will do is what it is', plain, none, { quotient: false }],
    [
      'what a program will do is what it is, crashes and stalls',
      size(1, 2),
      { ...none, crashes: 1, stalls: 1 },
      { quotient: false },
    ],
    ['what a program will do is what it is, beside the sweep', swept, none, { quotient: false }],
    ['what nobody asks for again is forgotten', plain, none, { forgotten: false }],
    ['what nobody asks for again is forgotten, beside the sweep', swept, none, { forgotten: false }],
    ['enactors are interchangeable', plain, none, { twins: false }],
    ['evidence is not looked at', size(2, 1), none, { evidence: false, quotient: false }],
    ['the sweep goes by what was published', swept, none, { roots: false, quotient: false }],
    ['news waits for the end of a pass', plain, none, { calm: false }],
    ['what nobody notices is done at once', size(2, 1), none, { alone: false }],
  ] as const)(
    '%s',
    async (_what, of, bounds, off) => {
      const all = await seenIn(of, bounds, {})
      expect(all).toMatchObject({ kind: 'all', violated: undefined })
      expect(all.shared.size).toBeGreaterThan(1)
      expect(await seenIn(of, bounds, off)).toEqual(all)
    },
    long,
  )

  test.each([
    ['a step that was worked out is looked up', { plain: true }],
    ['states that do not fit are kept as hashes', { hashed: true }],
  ])(
    '%s',
    async (_what, options) => {
      const bounds = { ...none, crashes: 1 }
      expect(await seenIn(plain, bounds, {}, options)).toEqual(await seenIn(plain, bounds, {}))
    },
    long,
  )

  test('a violation is found whether or not programs are made small', async () => {
    const mechanism = mechanisms.find(({ name }) => name === 'sweep-by-reach') ?? null
    for (const quotient of [true, false]) {
      const of = size(2, 2, { withSweep: true })
      const { world } = holdfastWorld(of, none, { ...allReductions, quotient }, mechanism)
      expect((await search(world, limits)).violation?.invariant).toBe('S4')
    }
  }, 120_000)
})

describe('without a mechanism', () => {
  test.each(mechanisms)(
    'needs its $name',
    async (mechanism) => {
      const { needs, violates } = mechanism
      const of = size(needs?.enactors ?? 2, needs?.plans ?? 2, { withSweep: needs?.sweep === true })
      const bounds = { ...none, lies: needs?.lies ?? 0, stalls: needs?.stalls ?? 0 }
      const reductions = { ...allReductions, last: mechanism.isStateless === true, quotient: false }
      const { world } = holdfastWorld(of, bounds, reductions, mechanism)
      const explored = await search(world, limits)
      expect(explored.violation?.invariant).toBe(violates)
      expect(explored.story.length).toBeGreaterThan(0)
    },
    long,
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

describe('an exploration that does not fit', () => {
  const { world, fewer } = holdfastWorld(size(2, 2, { withSweep: true }), none)

  test('stops, and says what it covered', async () => {
    const explored = await search(world, { ...limits, states: 20_000 })
    expect(explored).toMatchObject({ kind: 'stopped', violation: null })
    expect(explored.states).toBeGreaterThan(10_000)
    expect(explored.left).toBeGreaterThan(0)
  })

  test('stops when it is interrupted', async () => {
    const stop = new AbortController()
    const progress = () => stop.abort()
    expect(await search(world, limits, { progress, signal: stop.signal })).toMatchObject({
      kind: 'stopped',
      why: 'interrupted',
    })
  })

  test('stops before memory is gone', async () => {
    const explored = await search(world, { ...limits, bytes: 2 ** 20 })
    expect(explored).toMatchObject({ kind: 'stopped', violation: null })
    expect(explored.why).toMatch(/MiB/)
  })

  test('is estimated, from the same world with fewer enactors', async () => {
    const two = await search(world, limits)
    const expected = estimate(2, [await search(fewer(1), limits), null])?.states ?? 0
    expect(expected).toBeGreaterThan(two.states / 3)
    expect(expected).toBeLessThan(two.states * 3)
  })

  test('of three enactors is estimated to within a quarter', async () => {
    const { world, fewer } = holdfastWorld(size(3, 2), none)
    const expected = estimate(3, [await search(fewer(2), limits), await search(fewer(1), limits)])?.states ?? 0
    const { states } = await search(world, limits)
    expect(expected).toBeGreaterThan(states * 0.75)
    expect(expected).toBeLessThan(states * 1.25)
  })
})
