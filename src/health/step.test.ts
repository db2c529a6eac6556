import { describe, expect, test } from 'vitest'
import { limits, observation, pool, target } from '../../test/support/planning.ts'
import type { PoolState, TargetState } from '../model/plan.ts'
import type { Limits, Pool } from '../model/policy.ts'
import type { Readiness, Report } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { eventText } from './reasons.ts'
import { type Drain, type Step, type StepInput, sameState, step } from './step.ts'

const of = (count: number, changes: Partial<Pool> = {}, limit: Partial<Limits> = {}) =>
  pool(
    'web',
    Array.from({ length: count }, (_, i) => target(i)),
    { holdMs: 0, holdMaxMs: 0, ...changes, limits: { ...limits, ...limit } },
  )

/** `u` up, `d` down, `f` first failures, `m` was up and down, `?` nothing seen. */
const histories: Readonly<Record<string, string>> = { u: 'ppp', d: 'fff', f: 'ppf', m: 'pff', '?': '' }

interface Given extends Partial<Omit<StepInput, 'drains' | 'now' | 'since'>> {
  readonly now?: number
  readonly since?: number
  readonly drains?: Readonly<Record<string, Drain>>
}

/** One letter a target. */
function go(
  source: Pool,
  health: string,
  previous?: PoolState,
  { now = 10_000, since = 0, drains = {}, ...rest }: Given = {},
): Step {
  const seen = source.targets.map(({ id }, i) => [id, histories[health[i] as string] as string] as const)
  return step({
    pool: source,
    previous,
    observations: [observation('web', Object.fromEntries(seen.filter(([, history]) => history !== '')), now)],
    reports: [],
    demands: [],
    evacuations: new Map(),
    ...rest,
    drains: new Map(Object.entries(drains)),
    since: since as EpochMs,
    now: now as EpochMs,
  })
}

function state(result: Step): PoolState {
  if (result.kind !== 'state') throw new Error(`expected a state, found ${JSON.stringify(result)}`)
  return result.state
}

const kinds = (from: PoolState) =>
  Object.values(from.targets)
    .map((one: TargetState) => (one.kind === 'ramping' ? `${one.percent}` : one.kind === 'held' ? one.by : one.kind))
    .join(' ')
const becomes = (...args: Parameters<typeof go>) => kinds(state(go(...args)))
const events = (result: Step) => (result.kind === 'state' ? result.events : [])
const reasons = (result: Step) => result.reasons.map(({ subject, text }) => `${subject}: ${text}`)

const drain: Drain = { by: 'ops', reason: 'a test', underFloor: false }

describe('a pool that begins', () => {
  test('waits until all targets have been judged, or its patience is over', () => {
    expect(go(of(3), 'uu?', undefined, { now: 5_999 })).toMatchObject({ kind: 'wait', nextAt: 6_000 })
    expect(becomes(of(3), 'uud')).toBe('serving serving removed')
    expect(becomes(of(3), 'uu?', undefined, { now: 6_000 })).toBe('serving serving new')
    expect(becomes(of(3), '???', undefined, { now: 6_000 })).toBe('fail-open fail-open fail-open')
  })

  test('does not count a patience from the future', () => {
    expect(go(of(1), '?', undefined, { now: 1_000, since: 1e9 })).toMatchObject({ nextAt: 7_000 })
  })
})

describe('what is seen down', () => {
  const up10 = Object.fromEntries(of(10).targets.map(({ id }) => [id, 'ppp']))
  const all = state(go(of(10), 'uuuuuuuuuu'))

  test('leaves one at a time, and says why the others stay', () => {
    const result = go(of(10), 'dduuuuuuuu', all, { now: 20_000 })
    expect(kinds(state(result))).toMatch(/^removed pool-budget serving/)
    expect(result).toMatchObject({ urgent: true, nextAt: 80_000 })
    expect(reasons(result)).toEqual([
      'web/t0: removed: the prober sees it failing: refused',
      'web/t1: held: as much of the pool as may leave in one window has left; the prober sees it failing: refused',
    ])
    expect(events(result).map(eventText)).toEqual(['t0 was removed: the prober sees it failing: refused'])
    expect(becomes(of(10), 'dduuuuuuuu', state(result), { now: 80_000 })).toMatch(/^removed removed serving/)
  })

  test('is told as target by target by whoever asks', () => {
    const result = go(of(10), 'ddfuuuuuuu', all, { now: 20_000 })
    if (result.kind !== 'state') throw new Error('expected a state')
    const views = [...result.targets()].slice(0, 4).map(([id, view]) => [id, view.state, view.gate, view.until])
    expect(views).toEqual([
      ['t0', 'removed', null, null],
      ['t1', 'down', 'pool-budget', 80_000],
      ['t2', 'suspect', null, null],
      ['t3', 'healthy', null, null],
    ])
  })

  test('changes nothing before enough rounds have failed', () => {
    expect(sameState(state(go(of(10), 'fffffffuuu', all, { now: 20_000 })), all)).toBe(true)
  })

  test('stays down for its hold, however well it passes, and longer the next time', () => {
    const holding = of(10, { holdMs: 10_000, holdMaxMs: 300_000, rampMs: 0 })
    const out = state(go(holding, 'duuuuuuuuu', all, { now: 20_000 }))
    const passing = go(holding, 'uuuuuuuuuu', out, { now: 29_999 })
    expect(kinds(state(passing))).toMatch(/^removed/)
    expect(passing).toMatchObject({ nextAt: 30_000 })
    const back = state(go(holding, 'uuuuuuuuuu', out, { now: 30_000 }))
    expect(kinds(back)).toMatch(/^serving/)
    const again = state(go(holding, 'duuuuuuuuu', back, { now: 90_000 }))
    expect(becomes(holding, 'uuuuuuuuuu', again, { now: 109_999 })).toMatch(/^removed/)
    expect(becomes(holding, 'uuuuuuuuuu', again, { now: 110_000 })).toMatch(/^serving/)
  })

  test('is not down again on the failures of before', () => {
    const seen = (history: string) => ({ observations: [observation('web', { ...up10, t0: history }, 20_000)] })
    expect(sameState(state(go(of(10), 'uuuuuuuuuu', all, { now: 20_000, ...seen('fffp') })), all)).toBe(true)
    expect(becomes(of(10), 'uuuuuuuuuu', all, { now: 20_000, ...seen('fffpfff') })).toMatch(/^removed/)
  })

  test('that a gate holds answers in full again as soon as it may', () => {
    const held = state(go(of(10), 'dduuuuuuuu', all, { now: 20_000 }))
    expect(becomes(of(10), 'duuuuuuuuu', held, { now: 21_000 })).toMatch(/^removed serving/)
  })

  test('leaves nobody out while whoever looks has just begun', () => {
    const result = go(of(10), 'duuuuuuuuu', all, { now: 20_000, since: 18_000 })
    expect(kinds(state(result))).toMatch(/^evidence serving/)
    expect(result).toMatchObject({ nextAt: 21_000 })
    expect(becomes(of(10), 'duuuuuuuuu', all, { now: 21_000, since: 18_000 })).toMatch(/^removed/)
  })

  test('leaves nobody out while little is seen', () => {
    const result = go(of(10), 'duu???????', all, { now: 20_000 })
    expect(kinds(state(result))).toMatch(/^blind/)
    expect(events(result)).toContainEqual({ kind: 'blind', fresh: 3, of: 10 })
    expect(becomes(of(10), 'duuuu?????', all, { now: 20_000 })).toMatch(/^removed/)
  })

  test('stays if the demand needs it; a demand that cannot be is ignored, and said so', () => {
    const demanding = (value: number, at = 20_000) =>
      go(of(10), 'duuuuuuuuu', all, {
        now: 20_000,
        demands: [{ pool: 'web', by: 'm', value, at: at as EpochMs, source: 'x' }],
      })
    expect(kinds(state(demanding(720)))).toMatch(/^removed/)
    expect(kinds(state(demanding(721)))).toMatch(/^demand/)
    for (const [value, at, why] of [
      [-1, 20_000, 'is negative'],
      [Number.NaN, 20_000, 'is no number'],
      [1_001, 20_000, 'is above the whole capacity of 1000'],
      [800, -41_000, 'is 61 s old'],
      [800, 99_000, 'lies in the future'],
    ] as const) {
      const result = demanding(value, at)
      expect(kinds(state(result))).toMatch(/^removed/)
      expect(reasons(result)[0]).toContain(why)
    }
  })
})

describe('many that go down together', () => {
  const all = state(go(of(12), 'uuuuuuuuuuuu'))
  const early = state(go(of(12), 'uuuuuuuuuuud', all, { now: 20_000 }))

  test('stay, and who left a moment ago is back at once, without a ramp', () => {
    expect(kinds(early)).toMatch(/removed$/)
    const result = go(of(12), 'dddduuuuuuud', early, { now: 22_000 })
    expect(kinds(state(result))).toBe(`${'correlation '.repeat(4)}${'serving '.repeat(7)}correlation`)
    expect(events(result).map(eventText)).toEqual([
      '5 of 12 targets of the pool went down together: removals stop; answers again: t11',
    ])
    expect(result).toMatchObject({ urgent: true, nextAt: 142_000 })
    // Over: as if nothing had been.
    expect(becomes(of(12), 'uuuuuuuuuuuu', state(result), { now: 30_000 })).toBe(kinds(all))
  })

  test('leave one by one once the freeze is over', () => {
    let now = 22_000
    let last = state(go(of(12), 'dddduuuuuuud', early, { now }))
    for (; now < 141_000; now += 1_000) last = state(go(of(12), 'dddduuuuuuuu', last, { now }))
    expect(kinds(last)).toMatch(/^correlation correlation correlation correlation serving/)
    expect(becomes(of(12), 'dddduuuuuuuu', last, { now: 142_000 })).toMatch(/^removed pool-budget/)
  })

  test('give a returning target back the part that it had', () => {
    const ramping: PoolState = {
      ...all,
      targets: { ...all.targets, t11: { kind: 'ramping', since: 15_000 as EpochMs, percent: 25 } },
    }
    const out = state(go(of(12), 'uuuuuuuuuuud', ramping, { now: 16_000 }))
    expect(kinds(out)).toMatch(/removed$/)
    expect(becomes(of(12), 'dddduuuuuuud', out, { now: 18_000 })).toMatch(/serving 25$/)
  })
})

describe('fail-open', () => {
  // None of these is about what goes down together.
  const apart = { correlation: 1 }
  const four = of(4, {}, apart)
  const open = state(go(four, 'uddd', state(go(four, 'uuuu')), { now: 12_000 }))

  test('begins under one share and ends at another, after a while', () => {
    expect(kinds(open)).toBe('serving fail-open fail-open fail-open')
    expect(open.failOpenSince).toBe(12_000)
    expect(state(go(four, 'uuud', open, { now: 41_000 })).failOpenSince).toBe(12_000)
    const most = state(go(four, 'uuud', open, { now: 42_000 }))
    expect(most).toMatchObject({ failOpenSince: null, believedSince: 42_000 })
    expect(kinds(most)).toBe('serving serving serving removed')
    const again = go(four, 'dddd', most, { now: 43_000 })
    expect(kinds(state(again))).toBe('dwell dwell dwell removed')
    expect(again).toMatchObject({ nextAt: 72_000 })
    expect(becomes(four, 'dddd', state(again), { now: 72_000 })).toBe('fail-open fail-open fail-open fail-open')
  })

  test('leaves drained targets out', () => {
    const drained = state(go(four, 'uuuu', state(go(four, 'uuuu')), { drains: { t0: drain } }))
    expect(becomes(four, 'dddd', drained, { drains: { t0: drain } })).toBe('drained fail-open fail-open fail-open')
  })

  test('brings back what had been removed, and then lets it go again only within the budget', () => {
    const three = of(3, {}, { ...apart, failOpenDwellMs: 0 })
    const removed = state(go(three, 'uud', state(go(three, 'uuu'))))
    expect(kinds(removed)).toBe('serving serving removed')
    const opened = state(go(three, 'udd', removed, { now: 12_000 }))
    expect(kinds(opened)).toBe('serving fail-open fail-open')
    const closed = go(three, 'uud', opened, { now: 13_000 })
    expect(kinds(state(closed))).toBe('serving serving pool-budget')
    expect(closed).toMatchObject({ nextAt: 70_000 })
    expect(becomes(three, 'uud', state(closed), { now: 70_000 })).toBe('serving serving removed')
  })

  test('does not change while nobody sees anything', () => {
    expect(sameState(state(go(four, '????', open, { now: 99_000 })), open)).toBe(true)
  })
})

describe('targets that come and go', () => {
  const all = state(go(of(10), 'uuuuuuuuuu'))
  const nine = state(go(of(9), 'uuuuuuuuu'))

  test('a new one joins by steps once it passes, and counts for nothing before', () => {
    const added = state(go(of(10), 'uuuuuuuuu?', nine))
    expect(kinds(added)).toMatch(/serving new$/)
    expect(added.capacity).toBe(1)
    expect(becomes(of(10), 'uuuuuuuuuu', added)).toMatch(/serving 10$/)
  })

  test('ones that were never seen passing do not count as failing, however many and however long', () => {
    const three = state(go(of(3), 'uuu'))
    let last = three
    for (let now = 20_000; now < 400_000; now += 20_000) last = state(go(of(12), 'uuuddddddddd', last, { now }))
    expect(kinds(last)).toBe(`serving serving serving${' new'.repeat(9)}`)
    expect(last).toMatchObject({ failOpenSince: null, capacity: 1 })
  })

  test('one that passed, but not often enough, counts as failing after its grace', () => {
    const passedOnce = (now: number, previous: PoolState) =>
      step({
        pool: of(10),
        previous,
        observations: [
          observation(
            'web',
            Object.fromEntries(of(10).targets.map(({ id }, i) => [id, i === 9 ? 'pfff' : 'ppp'])),
            now,
          ),
        ],
        reports: [],
        demands: [],
        drains: new Map(),
        evacuations: new Map(),
        since: 0 as EpochMs,
        now: now as EpochMs,
      })
    const added = state(passedOnce(20_000, nine))
    expect(kinds(added)).toMatch(/serving new$/)
    expect(kinds(state(passedOnce(139_999, added)))).toMatch(/serving new$/)
    expect(kinds(state(passedOnce(140_000, added)))).toMatch(/serving removed$/)
  })

  test('one that an agent says is not there yet stays new, though it passes', () => {
    const says = (of: Readiness): Report => ({
      pool: 'web',
      intake: 'i',
      at: 10_000 as EpochMs,
      targets: { t9: { state: of, load: null, at: 10_000 as EpochMs, agent: 'a', detail: 'no routes yet' } },
    })
    const waiting = go(of(10), 'uuuuuuuuuu', nine, { reports: [says('pending')] })
    expect(kinds(state(waiting))).toMatch(/serving new$/)
    expect(reasons(waiting)).toEqual(['web/t9: new: has not passed its checks yet; a says pending: no routes yet'])
    expect(becomes(of(10), 'uuuuuuuuuu', all, { reports: [says('not-ready')] })).toMatch(/serving removed$/)
    expect(becomes(of(10), 'uuuuuuuuuu', all, { reports: [says('pending')] })).toBe(kinds(all))
  })

  test('many that return together do not ramp', () => {
    const out = { ...all, targets: { ...all.targets } } as { targets: Record<string, TargetState> } & PoolState
    for (const id of ['t0', 't1', 't2']) out.targets[id] = { kind: 'removed', since: 0 as EpochMs, reason: 'x' }
    expect(becomes(of(10), 'uuuuuuuuuu', out)).toMatch(/^serving serving serving/)
  })

  test('a returning one that fails stays at its weight while a gate holds it, and begins anew from there', () => {
    const out = state(go(of(10), 'duuuuuuuuu', all, { now: 11_000 }))
    const back = state(go(of(10), 'uuuuuuuuuu', out, { now: 12_000 }))
    const again = go(of(10), 'duuuuuuuuu', back, { now: 13_000 })
    expect(kinds(state(again))).toMatch(/^10 /)
    expect(again).toMatchObject({ nextAt: 71_000 })
    const passing = state(go(of(10), 'uuuuuuuuuu', state(again), { now: 30_000 }))
    expect(passing.targets.t0).toMatchObject({ kind: 'ramping', percent: 10, since: 30_000 })
    expect(becomes(of(10), 'uuuuuuuuuu', passing, { now: 50_000 })).toMatch(/^serving/)
  })

  test('exchanging all targets waits for the new ones', () => {
    const blue = state(go(of(2), 'uu'))
    const green = pool('web', [target(5), target(6)])
    expect(go(green, 'u?', blue, { now: 5_000 }).kind).toBe('wait')
    expect(becomes(green, 'uu', blue, { now: 5_000 })).toBe('serving serving')
    expect(becomes(green, '??', blue, { now: 6_000 })).toBe('fail-open fail-open')
  })

  test('without a check all serve at once', () => {
    expect(becomes(of(2, { check: { kind: 'none' } }), 'uu')).toBe('serving serving')
  })
})

describe('drains', () => {
  const all = state(go(of(4), 'uuuu'))
  test('stop at the floor, unless they may break it; never at nothing', () => {
    const three = { t0: drain, t1: drain, t2: drain }
    expect(becomes(of(4), 'uuuu', all, { drains: three })).toBe('drained drained drain serving')
    const deep = { ...drain, underFloor: true }
    const every = { t0: deep, t1: deep, t2: deep, t3: deep }
    const last = go(of(4), 'uuuu', all, { drains: every })
    expect(kinds(state(last))).toBe('drained drained drained drain')
    expect(reasons(last).at(-1)).toContain('no instruction empties a name (S2)')
  })

  test('wait for the demand as well', () => {
    const demands = [{ pool: 'web', by: 'm', value: 250, at: 10_000 as EpochMs, source: 'x' }]
    expect(becomes(of(4), 'uuuu', all, { demands, drains: { t0: drain } })).toBe('drain serving serving serving')
    const deep = { t0: { ...drain, underFloor: true } }
    expect(becomes(of(4), 'uuuu', all, { demands, drains: deep })).toBe('drained serving serving serving')
  })

  test('are not lifted by a policy that leaves only drained targets: then those answer', () => {
    const drained = state(go(of(2), 'uu', state(go(of(2), 'uu')), { drains: { t0: drain } }))
    const one = state(go(of(1), 'u', drained, { drains: { t0: drain } }))
    expect(kinds(one)).toBe('drain')
    expect(sameState(state(go(of(1), 'u', one, { drains: { t0: drain }, now: 11_000 })), one)).toBe(true)
  })

  test('end in a ramp, or in waiting for the first passes', () => {
    const drained = state(go(of(4), 'uuuu', all, { drains: { t0: drain } }))
    expect(becomes(of(4), 'uuuu', drained)).toBe('10 serving serving serving')
    expect(becomes(of(4), '?uuu', drained)).toBe('removed serving serving serving')
  })

  test('that are held and taken back leave the target serving, whatever one failure says', () => {
    const held = state(go(of(1), 'u', state(go(of(1), 'u')), { drains: { t0: drain } }))
    expect(kinds(held)).toBe('drain')
    expect(becomes(of(1), '?', held)).toBe('serving')
  })
})

test('in the calm the state is the very same, to the last object', () => {
  const all = state(go(of(10), 'uuuuuuuuuu'))
  const next = state(go(of(10), 'uuuuuuuuuu', all, { now: 99_000 }))
  expect(next.targets).toBe(all.targets)
  expect(sameState(next, all)).toBe(true)
})
