import { describe, expect, test } from 'vitest'
import { pool, target } from '../../test/support/planning.ts'
import type { IpAddress } from '../model/address.ts'
import type { PoolState, TargetState } from '../model/plan.ts'
import type { Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { type Balance, balance, type Drain, sameState } from './balance.ts'
import type { Verdict } from './detector.ts'
import { weightsOf } from './weights.ts'

const of = (count: number, changes: Partial<Pool> = {}) =>
  pool(
    'web',
    Array.from({ length: count }, (_, i) => target(i)),
    changes,
  )

const verdicts: Record<string, Verdict> = {
  u: { kind: 'up', text: 'passing' },
  d: { kind: 'down', text: 'failing', failures: 3 },
  '?': { kind: 'unknown', text: 'no result' },
}

/** One letter a target: `u` up, `d` down, `?` unknown. */
function step(
  source: Pool,
  health: string,
  previous?: PoolState,
  { now = 1_000, drains = {}, since = 0 }: { now?: number; drains?: Record<string, Drain>; since?: number } = {},
): Balance {
  return balance({
    pool: source,
    previous,
    verdicts: new Map(source.targets.map(({ id }, i) => [id, verdicts[health[i] as string] as Verdict])),
    drains: new Map(Object.entries(drains)),
    since: since as EpochMs,
    now: now as EpochMs,
  })
}

function state(result: Balance): PoolState {
  if (result.kind !== 'state') throw new Error(`expected a state, found ${JSON.stringify(result)}`)
  return result.state
}

const kinds = (from: PoolState) =>
  Object.values(from.targets)
    .map((one: TargetState) => (one.kind === 'ramping' ? `${one.percent}` : one.kind === 'held' ? one.by : one.kind))
    .join(' ')

const drain: Drain = { by: 'ops', reason: 'a test', underFloor: false }

describe('a pool that begins', () => {
  test('waits until all targets have been judged, or the grace is over', () => {
    expect(step(of(3), 'uu?', undefined, { now: 5_999 })).toMatchObject({ kind: 'wait', nextAt: 6_000 })
    expect(kinds(state(step(of(3), 'uud')))).toBe('serving serving removed')
    expect(kinds(state(step(of(3), 'uu?', undefined, { now: 6_000 })))).toBe('serving serving new')
    expect(kinds(state(step(of(3), '???', undefined, { now: 6_000 })))).toBe('fail-open fail-open fail-open')
  })

  test('does not count a grace from the future', () => {
    expect(step(of(1), '?', undefined, { now: 1_000, since: 1e9 })).toMatchObject({ nextAt: 7_000 })
  })
})

describe('fail-open', () => {
  const open = state(step(of(4), 'uddd', state(step(of(4), 'uuuu')), { now: 2_000 }))
  test('begins under one share and ends at another', () => {
    expect(kinds(open)).toBe('serving fail-open fail-open fail-open')
    expect(open.failOpenSince).toBe(2_000)
    const half = state(step(of(4), 'uudd', open, { now: 3_000 }))
    expect(half.failOpenSince).toBe(2_000)
    const most = state(step(of(4), 'uuud', half, { now: 4_000 }))
    expect(most.failOpenSince).toBeNull()
    expect(kinds(most)).toBe('serving serving serving removed')
  })

  test('leaves drained targets out', () => {
    const drained = state(step(of(4), 'uuuu', state(step(of(4), 'uuuu')), { drains: { t0: drain } }))
    expect(kinds(state(step(of(4), 'dddd', drained, { drains: { t0: drain } })))).toBe(
      'drained fail-open fail-open fail-open',
    )
  })

  test('brings back what had been removed, and then lets it go again only within the budget', () => {
    const removed = state(step(of(3), 'uud', state(step(of(3), 'uuu'))))
    expect(kinds(removed)).toBe('serving serving removed')
    const opened = state(step(of(3), 'udd', removed, { now: 2_000 }))
    expect(kinds(opened)).toBe('serving fail-open fail-open')
    const closed = step(of(3), 'uud', opened, { now: 3_000 })
    expect(kinds(state(closed))).toBe('serving serving pool-budget')
    expect(closed).toMatchObject({ nextAt: 61_000 })
    expect(kinds(state(step(of(3), 'uud', state(closed), { now: 61_000 })))).toBe('serving serving removed')
  })

  test('does not change while nobody sees anything', () => {
    expect(sameState(state(step(of(4), '????', open, { now: 9_000 })), open)).toBe(true)
  })
})

describe('targets that come and go', () => {
  const all = state(step(of(10), 'uuuuuuuuuu'))
  test('a new one joins by steps once it passes, and counts for nothing before', () => {
    const nine = state(step(of(9), 'uuuuuuuuu'))
    const added = state(step(of(10), 'uuuuuuuuu?', nine))
    expect(kinds(added)).toMatch(/serving new$/)
    expect(added.capacity).toBe(1)
    expect(kinds(state(step(of(10), 'uuuuuuuuuu', added)))).toMatch(/serving 10$/)
  })

  test('many that return together do not ramp', () => {
    const out = { ...all, targets: { ...all.targets } } as { targets: Record<string, TargetState> } & PoolState
    for (const id of ['t0', 't1', 't2']) out.targets[id] = { kind: 'removed', since: 0 as EpochMs, reason: 'x' }
    expect(kinds(state(step(of(10), 'uuuuuuuuuu', out)))).toMatch(/^serving serving serving/)
    expect(
      kinds(state(step(of(10), 'uudddddddd', out)))
        .split(' ')
        .slice(0, 3),
    ).toEqual(['serving', 'serving', 'fail-open'])
  })

  test('a ramping one that fails stays at its weight while a gate holds it', () => {
    const out = state(step(of(10), 'duuuuuuuuu', all, { now: 1_000 }))
    const back = state(step(of(10), 'uuuuuuuuuu', out, { now: 2_000 }))
    const again = step(of(10), 'duuuuuuuuu', back, { now: 3_000 })
    expect(kinds(state(again))).toMatch(/^10 /)
    expect(again).toMatchObject({ nextAt: 61_000 })
  })

  test('exchanging all targets waits for the new ones', () => {
    const blue = state(step(of(2), 'uu'))
    const green = pool('web', [target(5), target(6)])
    expect(step(green, 'u?', blue).kind).toBe('wait')
    expect(kinds(state(step(green, 'uu', blue)))).toBe('serving serving')
    expect(kinds(state(step(green, '??', blue, { now: 6_000 })))).toBe('fail-open fail-open')
  })

  test('without a check all serve at once', () => {
    expect(kinds(state(step(of(2, { check: { kind: 'none' } }), 'uu')))).toBe('serving serving')
  })
})

describe('drains', () => {
  const all = state(step(of(4), 'uuuu'))
  test('stop at the floor, unless they may break it; never at nothing', () => {
    const three = { t0: drain, t1: drain, t2: drain }
    expect(kinds(state(step(of(4), 'uuuu', all, { drains: three })))).toBe('drained drained drain serving')
    const deep = { ...drain, underFloor: true }
    const every = { t0: deep, t1: deep, t2: deep, t3: deep }
    expect(kinds(state(step(of(4), 'uuuu', all, { drains: every })))).toBe('drained drained drained drain')
  })

  test('are not lifted by a policy that leaves only drained targets: then those answer', () => {
    const drained = state(step(of(2), 'uu', state(step(of(2), 'uu')), { drains: { t0: drain } }))
    const one = step(of(1), 'u', drained, { drains: { t0: drain } })
    expect(kinds(state(one))).toBe('drain')
  })

  test('end in a ramp, or in waiting for the first passes', () => {
    const drained = state(step(of(4), 'uuuu', all, { drains: { t0: drain } }))
    expect(kinds(state(step(of(4), 'uuuu', drained)))).toBe('10 serving serving serving')
    expect(kinds(state(step(of(4), '?uuu', drained)))).toBe('removed serving serving serving')
  })

  test('of a target that grows, and cannot go, promise no change by time', () => {
    const down = state(step(of(2), 'ud', state(step(of(2), 'uu'))))
    const growing = state(step(of(2), 'uu', down, { now: 70_000 }))
    const deep = { ...drain, underFloor: true }
    const alone = state(step(of(2), 'uu', growing, { now: 71_000, drains: { t0: deep } }))
    expect(kinds(alone)).toBe('drained 10')
    const stuck = step(of(2), 'uu', alone, { now: 80_000, drains: { t0: deep, t1: deep } })
    expect([kinds(state(stuck)), stuck.nextAt]).toEqual(['drained 10', null])
  })

  test('that are held and taken back leave the target serving, whatever one failure says', () => {
    const held = state(step(of(1), 'u', state(step(of(1), 'u')), { drains: { t0: drain } }))
    expect(kinds(held)).toBe('drain')
    expect(kinds(state(step(of(1), '?', held)))).toBe('serving')
  })
})

describe('weights', () => {
  test('are whole numbers by capacity, never 0 for one that answers', () => {
    const sizes = pool(
      'web',
      [1_000, 300, 1].map((capacity, i) => target(i, { capacity })),
    )
    expect(weightsOf(sizes, state(step(sizes, 'uuu'))).map(({ weight }) => weight)).toEqual([100, 30, 1])
  })

  test('give an address that two targets share once', () => {
    const addresses = ['192.0.2.1' as IpAddress] as const
    const shared = pool('web', [target(0, { addresses }), target(1, { addresses, capacity: 50 })])
    expect(weightsOf(shared, state(step(shared, 'uu')))).toEqual([{ address: '192.0.2.1', weight: 100 }])
  })
})
