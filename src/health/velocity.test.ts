import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../test/support/planning.ts'
import type { Removal } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { admitRemovals, floorAllows, type Member } from './velocity.ts'

const member = (i: number, changes: Partial<Member> = {}): Member => ({
  target: `t${i}`,
  site: `s${i % 3}`,
  capacity: 100,
  answering: 1,
  ...changes,
})
const members = (count: number) => Array.from({ length: count }, (_, i) => member(i))
const candidates = (...targets: number[]) => targets.map((i) => ({ target: `t${i}`, failures: 3 }))
const at = (ms: number) => ms as EpochMs
const admit = (of: readonly Member[], who: readonly number[], ledger: readonly Removal[] = [], now = 0) =>
  admitRemovals({ limits, members: of, candidates: candidates(...who), ledger, now: at(now) })
const names = ({ removals }: { removals: readonly Removal[] }) => removals.map(({ target }) => target)

test('one target may always leave, the next when the window is over', () => {
  const first = admit(members(10), [1, 2])
  expect(names(first)).toEqual(['t1'])
  expect(first.held).toEqual([{ target: 't2', by: 'pool-budget', until: 60_000 }])
  const rest = members(10).map((one) => (one.target === 't1' ? { ...one, answering: 0 } : one))
  expect(names(admit(rest, [2], first.removals, 59_999))).toEqual([])
  expect(names(admit(rest, [2], first.removals, 60_000))).toEqual(['t2'])
})

test('a share of a large pool leaves at once, but only a share of each site', () => {
  const outcome = admit(members(120), [0, 1, 2, 3, 4, 5, 6, 9, 12])
  expect(names(outcome)).toEqual(['t0', 't1', 't12', 't2', 't3', 't4'])
  const oneSite = admit(members(90), [0, 3, 6, 9, 12])
  expect(names(oneSite)).toEqual(['t0', 't12', 't3'])
  expect(oneSite.held.map(({ by }) => by)).toEqual(['site-budget', 'site-budget'])
})

test('the most failures go first, and nobody overtakes', () => {
  const outcome = admitRemovals({
    limits,
    members: [member(0, { capacity: 900 }), ...members(60).slice(1)],
    candidates: [
      { target: 't0', failures: 9 },
      { target: 't1', failures: 3 },
    ],
    ledger: [{ at: at(-10), target: 't9', site: 's9', capacity: 100 }],
    now: at(0),
  })
  expect(outcome.removals).toEqual([])
  expect(outcome.held.map(({ target, until }) => [target, until])).toEqual([
    ['t0', 59_990],
    ['t1', 59_990],
  ])
})

test('of two or three one may go, while half stays', () => {
  for (const floor of [0.5, 0.7, 0.9]) {
    expect(floorAllows(members(3), 't0', floor)).toBe(true)
    expect(floorAllows(members(2), 't0', floor)).toBe(true)
    expect(floorAllows(members(1), 't0', floor)).toBe(false)
    expect(floorAllows([member(0), member(1), member(2, { answering: 0 })], 't0', floor)).toBe(false)
    expect(floorAllows([member(0, { capacity: 300 }), member(1)], 't0', floor)).toBe(false)
  }
})

test('a removal written down in the future counts as made now', () => {
  const ledger = [{ at: at(1e9), target: 't1', site: 's1', capacity: 100 }]
  expect(admit(members(10), [2], ledger).held[0]?.until).toBe(60_000)
})

test('whatever is asked for, budgets and floor hold', () => {
  const anyMember = fc.record({
    site: fc.constantFrom('a', 'b', 'c'),
    capacity: fc.integer({ min: 1, max: 1_000 }),
    answering: fc.constantFrom(0, 0.1, 0.5, 1),
  })
  fc.assert(
    fc.property(
      fc.array(anyMember, { minLength: 1, maxLength: 40 }),
      fc.infiniteStream(fc.record({ failing: fc.boolean(), failures: fc.integer({ min: 3, max: 32 }) })),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (pool, fates, poolBudget, floor) => {
        const all = pool.map((one, i) => ({ ...one, target: `t${i}` }))
        const who = all.flatMap(({ target }) => {
          const { failing, failures } = fates.next().value as { failing: boolean; failures: number }
          return failing ? [{ target, failures }] : []
        })
        const { removals, held } = admitRemovals({
          limits: { ...limits, poolBudget, siteBudget: poolBudget, floor },
          members: all,
          candidates: who,
          ledger: [],
          now: at(0),
        })
        const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
        const gone = new Set(removals.map(({ target }) => target))
        const total = sum(all.map(({ capacity }) => capacity))
        const left = sum(all.map(({ target, capacity, answering }) => (gone.has(target) ? 0 : capacity * answering)))
        if (gone.size > 0) expect(left).toBeGreaterThan(0)
        if (gone.size > 1) {
          expect(sum(removals.map(({ capacity }) => capacity))).toBeLessThanOrEqual(poolBudget * total + 1e-6)
          expect(left).toBeGreaterThanOrEqual(Math.min(floor, 0.5) * total - 1e-6)
        }
        expect(removals.length + held.length).toBe(
          who.filter(({ target }) => all.some((one) => one.target === target && one.answering > 0)).length,
        )
      },
    ),
  )
})
