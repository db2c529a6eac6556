import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits, pool, target } from '../../test/support/planning.ts'
import type { Removal } from '../model/plan.ts'
import type { Limits, Target } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { layoutOf } from './layout.ts'
import { Answering, admitRemovals, keptMs, ledgerAt } from './velocity.ts'

const at = (ms: number) => ms as EpochMs

interface Wish {
  readonly targets: readonly Target[]
  readonly shares?: readonly number[]
  /** Failures in a row, by place; who is not named passes. */
  readonly failing: Readonly<Record<number, number>>
  readonly ledger?: readonly Removal[]
  readonly least?: number
  readonly now?: number
  readonly changes?: Partial<Limits>
}

function admit({ targets, shares, failing, ledger = [], least = 0, now = 0, changes }: Wish) {
  const layout = layoutOf(pool('web', targets))
  const counts = new Uint8Array(targets.length).fill(1)
  const answering = new Answering(
    layout,
    counts,
    Float64Array.from(targets, (_, i) => shares?.[i] ?? 1),
  )
  const candidates = Object.entries(failing).map(([i, failures]) => ({ target: Number(i), failures }))
  const outcome = admitRemovals({
    layout,
    limits: { ...limits, ...changes },
    answering,
    candidates,
    ledger,
    least,
    now: at(now),
  })
  return { ...outcome, left: answering.left, total: answering.total }
}

const of = (count: number, changes: (i: number) => Partial<Target> = () => ({})) =>
  Array.from({ length: count }, (_, i) => target(i, changes(i)))
const three = (...places: number[]) => Object.fromEntries(places.map((i) => [i, 3]))
const names = ({ removals }: { removals: readonly Removal[] }) => removals.map((one) => one.target)
const removal = (i: number, ms: number, capacity = 100): Removal => ({
  at: at(ms),
  target: `t${i}`,
  site: `site${i % 3}`,
  capacity,
})

test('one target may always leave, the next when the window is over', () => {
  const first = admit({ targets: of(10), failing: three(1, 2) })
  expect(names(first)).toEqual(['t1'])
  expect(first.held).toEqual([{ target: 2, by: 'pool-budget', until: 60_000 }])
  const shares = [1, 0, 1, 1, 1, 1, 1, 1, 1, 1]
  const later = (now: number) => admit({ targets: of(10), shares, failing: three(2), ledger: first.removals, now })
  expect(names(later(59_999))).toEqual([])
  expect(names(later(60_000))).toEqual(['t2'])
})

test('a share of a large pool leaves at once, but only a share of each site', () => {
  expect(names(admit({ targets: of(120), failing: three(0, 1, 2, 3, 4, 5, 6, 9, 12) }))).toEqual([
    't0',
    't1',
    't2',
    't3',
    't4',
    't5',
  ])
  const oneSite = admit({ targets: of(90), failing: three(0, 3, 6, 9, 12) })
  expect(names(oneSite)).toEqual(['t0', 't3', 't6'])
  expect(oneSite.held.map(({ by }) => by)).toEqual(['site-budget', 'site-budget'])
})

test('the most failures go first, and nobody overtakes', () => {
  const outcome = admit({
    targets: of(60, (i) => (i === 0 ? { capacity: 900 } : {})),
    failing: { 0: 9, 1: 3 },
    ledger: [removal(59, -10)],
  })
  expect(outcome.removals).toEqual([])
  expect(outcome.held.map(({ target: i, until }) => [i, until])).toEqual([
    [0, 59_990],
    [1, 59_990],
  ])
})

test('of two or three one may go, while half stays', () => {
  const may = (targets: readonly Target[], shares?: readonly number[], floor = 0.7) =>
    admit({ targets, ...(shares === undefined ? {} : { shares }), failing: three(0), changes: { floor } }).removals
      .length === 1
  for (const floor of [0.5, 0.7, 0.9]) {
    expect(may(of(3), undefined, floor)).toBe(true)
    expect(may(of(2), undefined, floor)).toBe(true)
    expect(may(of(1), undefined, floor)).toBe(false)
    expect(may(of(3), [1, 1, 0], floor)).toBe(false)
    expect(
      may(
        of(2, (i) => ({ capacity: i === 0 ? 300 : 100 })),
        undefined,
        floor,
      ),
    ).toBe(false)
  }
})

test('what demand needs stays, even if a single target would have to', () => {
  const go = (least: number) => admit({ targets: of(3), failing: three(0), least })
  expect(names(go(200))).toEqual(['t0'])
  expect(go(201).held).toEqual([{ target: 0, by: 'demand', until: null }])
  // Who carries nothing is not needed.
  expect(names(admit({ targets: of(4), shares: [0, 1, 1, 1], failing: three(0), least: 1e9 }))).toEqual([])
})

test('a removal written down in the future counts as made now', () => {
  expect(admit({ targets: of(10), failing: three(2), ledger: [removal(1, 1e9)] }).held[0]?.until).toBe(60_000)
})

test('removals in the future stay as far apart as they were', () => {
  const ledger = [removal(1, 930_000), removal(2, 900_000), removal(3, 90_000)]
  expect(ledgerAt(ledger, 60_000, at(920_000)).map((one) => [one.target, one.at])).toEqual([
    ['t2', 890_000],
    ['t1', 920_000],
  ])
  // Those before now as well: 20 s apart is what they were when the last one was decided.
  const two = [removal(1, 110_000), removal(2, 90_000)]
  expect(ledgerAt(two, 60_000, at(100_000)).map((one) => one.at)).toEqual([80_000, 100_000])
})

test('the ledger is kept as long as it may count or be undone', () => {
  expect(keptMs(limits)).toBe(120_000)
  const ledger = [removal(1, 5_000), removal(0, 0), removal(2, 120_000)]
  expect(ledgerAt(ledger, 120_000, at(121_000)).map((one) => [one.target, one.at])).toEqual([
    ['t1', 5_000],
    ['t2', 120_000],
  ])
})

test('whatever is asked for, budgets, floor and demand hold', () => {
  const anyTarget = fc.record({
    site: fc.constantFrom('a', 'b', 'c'),
    capacity: fc.integer({ min: 1, max: 1_000 }),
    share: fc.constantFrom(0, 0.1, 0.5, 1),
    failures: fc.constantFrom(0, 3, 9),
    gone: fc.option(fc.integer({ min: 0, max: 90_000 }), { freq: 4 }),
  })
  fc.assert(
    fc.property(
      fc.array(anyTarget, { minLength: 1, maxLength: 40 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (all, poolBudget, floor, needed) => {
        const targets = all.map(({ site, capacity }, i) => target(i, { site, capacity }))
        const whole = targets.reduce((sum, { capacity }) => sum + capacity, 0)
        const ledger = all.flatMap(({ gone, capacity, site }, i) =>
          gone === null ? [] : [{ at: at(-gone), target: `t${i}`, site, capacity }],
        )
        const { removals, held, left } = admit({
          targets,
          shares: all.map(({ share }) => share),
          failing: Object.fromEntries(all.flatMap(({ failures }, i) => (failures === 0 ? [] : [[i, failures]]))),
          ledger,
          least: needed * whole,
          changes: { poolBudget, siteBudget: poolBudget, floor },
        })
        const sum = (some: readonly Removal[]) => some.reduce((a, { capacity }) => a + capacity, 0)
        const recent = ledger.filter((one) => one.at > -60_000)
        if (removals.length > 0) {
          expect(left).toBeGreaterThan(0)
          expect(left).toBeGreaterThanOrEqual(needed * whole - 1e-6)
          for (const site of ['a', 'b', 'c', undefined]) {
            const here = (one: { site: string }) => site === undefined || one.site === site
            const total = targets.filter(here).reduce((a, { capacity }) => a + capacity, 0)
            const [past, now] = [recent.filter(here), removals.filter(here)]
            if (now.length === 0 || past.length + now.length === 1) continue
            expect(sum(past) + sum(now)).toBeLessThanOrEqual(poolBudget * total + 1e-6)
          }
        }
        if (removals.length > 1) expect(left).toBeGreaterThanOrEqual(Math.min(floor, 0.5) * whole - 1e-6)
        expect(removals.length + held.length).toBe(
          all.filter(({ failures, share }) => failures > 0 && share > 0).length,
        )
      },
    ),
  )
})
