import { expect, test } from 'vitest'
import { limits, pool, target } from '../../test/support/planning.ts'
import type { PoolState, TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { freezesAt, frozenUntil } from './correlation.ts'
import { layoutOf } from './layout.ts'

const at = (ms: number) => ms as EpochMs
const layout = layoutOf(
  pool(
    'web',
    Array.from({ length: 12 }, (_, i) => target(i)),
  ),
)
const counts = new Uint8Array(12).fill(1)

/** By target: when it went down. */
function freezes(downs: Readonly<Record<number, number>>, now: number, before?: PoolState['freezes'], who = counts) {
  const states = Array.from({ length: 12 }, (_, i): TargetState => {
    const down = downs[i]
    return down === undefined
      ? { kind: 'serving', since: at(0) }
      : { kind: 'held', since: at(down), by: 'floor', downs: [at(down)] }
  })
  const previous: PoolState | undefined = before && {
    targets: {},
    failOpenSince: null,
    ledger: [],
    capacity: 1,
    freezes: before,
  }
  return freezesAt(layout, limits, previous, states, who, at(now))
}

test('a third of the pool within ten seconds is no coincidence', () => {
  // 30 % of 12 are 3.6.
  expect(freezes({ 0: 1_000, 1: 2_000, 2: 3_000 }, 3_000).freezes).toEqual({})
  const found = freezes({ 0: 1_000, 1: 2_000, 2: 3_000, 3: 4_000 }, 4_000)
  expect(found.freezes).toEqual({ '': 4_000 })
  expect(found.correlated).toEqual([{ scope: '', down: 4, of: 12 }])
  expect(freezes({ 0: 1_000, 1: 2_000, 2: 3_000, 3: 11_000 }, 11_000).freezes).toEqual({})
})

test('a site is a scope of its own, from three targets on', () => {
  // t0, t3, t6, t9 stand in site0.
  expect(freezes({ 0: 1_000, 3: 1_000 }, 1_000).freezes).toEqual({})
  expect(freezes({ 0: 1_000, 3: 1_000, 6: 1_000 }, 1_000).freezes).toEqual({ site0: 1_000 })
})

test('a freeze is told once, lasts for its time, and is prolonged by others that go down together', () => {
  const before = { '': at(4_000) }
  const downs = { 0: 1_000, 1: 2_000, 2: 3_000, 3: 4_000 }
  expect(freezes(downs, 5_000, before)).toEqual({ freezes: before, correlated: [] })
  expect(freezes({}, 123_999, before).freezes).toEqual(before)
  expect(freezes({}, 124_000, before).freezes).toEqual({})
  expect(freezes({ ...downs, 4: 9_000 }, 9_000, before).freezes).toEqual({ '': 9_000 })
  expect(frozenUntil(before, 'site1', limits)).toBe(124_000)
  expect(frozenUntil({ site0: at(1) }, 'site1', limits)).toBeNull()
  expect(frozenUntil({ site0: at(1) }, 'site0', limits)).toBe(120_001)
})

test('who is no part of shares has no part in this', () => {
  const few = new Uint8Array(12).fill(1)
  few[0] = 0
  expect(freezes({ 0: 1_000, 1: 2_000, 2: 3_000, 3: 4_000 }, 4_000, undefined, few).freezes).toEqual({})
})
