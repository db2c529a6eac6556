/** Planners whose clocks disagree: the states that they hand to each other come to rest. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits, observation, pool, target } from '../../test/support/planning.ts'
import type { PoolState, SiteState, TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { notAhead } from './detector.ts'
import { sameState, step } from './step.ts'

const web = pool('web', [target(0), target(1), target(2)], { rampMs: 20_000, holdMs: 0, holdMaxMs: 0, limits })

/** Observed at the true time, judged by a clock that is off by `ahead`. */
function judged(history: string, at: number, ahead: number, previous?: PoolState): PoolState {
  const histories = { t0: history, t1: 'ppp', t2: 'ppp' }
  const result = step({
    pool: web,
    previous,
    // What is older than a few seconds says nothing, so each prober is believed to go with the planner's clock.
    observations: [observation('web', histories, at + ahead)],
    reports: [],
    demands: [],
    drains: new Map(),
    evacuations: new Map(),
    since: 0 as EpochMs,
    now: (at + ahead) as EpochMs,
  })
  if (result.kind !== 'state') throw new Error(`expected a state, found ${result.kind}`)
  return result.state
}

test('a target that returns is not taken back and forth by two planners', () => {
  const offset = fc.integer({ min: -60_000, max: 60_000 })
  const turn = fc.record({
    history: fc.constantFrom('ppp', 'fff', 'pff', 'fpp'),
    first: fc.boolean(),
    waitMs: fc.integer({ min: 1, max: 9_000 }),
  })
  fc.assert(
    fc.property(offset, offset, fc.array(turn, { minLength: 1, maxLength: 6 }), (one, other, turns) => {
      let at = 1_000_000
      let state = judged('ppp', at, one)
      for (const { history, first, waitMs } of turns) {
        at += waitMs
        state = judged(history, at, first ? one : other, state)
        const seen: PoolState[] = [state]
        // Within a millisecond each, so that no ramp goes a step further.
        for (let round = 0; round < 8; round++) {
          at += 1
          seen.push(judged(history, at, round % 2 === 0 ? one : other, seen.at(-1)))
        }
        const [a, b, c] = seen.slice(-3) as [PoolState, PoolState, PoolState]
        expect(sameState(a, b) && sameState(b, c), JSON.stringify([a.targets, b.targets, c.targets])).toBe(true)
        state = c
      }
    }),
    { numRuns: 300 },
  )
})

test('what came before what stays so', () => {
  const now = 100 as EpochMs
  const at = (...times: number[]) => times as EpochMs[]
  const ramping = (since: number, ...downs: number[]) =>
    ({ kind: 'ramping', since: since as EpochMs, percent: 10, downs: at(...downs) }) as const
  expect(notAhead(ramping(150, 140), now)).toEqual(ramping(100, 99))
  expect(notAhead(ramping(150, 160), now)).toEqual(ramping(100, 100))
  expect(notAhead(ramping(90, 160), now)).toEqual(ramping(90, 100))
  expect(notAhead(ramping(150, 20), now)).toEqual(ramping(100, 20))
  expect(notAhead({ kind: 'serving', since: 150 as EpochMs }, now)).toEqual({ kind: 'serving', since: 100 })
  const past = ramping(90, 80)
  expect(notAhead(past, now)).toBe(past)
})

describe('a planner that sees nothing, because its clock is wrong or the probers are gone,', () => {
  const six = pool(
    'web',
    [0, 1, 2, 3, 4, 5].map((index) => target(index)),
  )
  const at = 1_000_000 as EpochMs
  const serving: TargetState = { kind: 'serving', since: at }
  const state = (site0: SiteState, its: TargetState): PoolState => ({
    targets: { t0: its, t1: serving, t2: serving, t3: its, t4: serving, t5: serving },
    failOpenSince: null,
    ledger: [],
    sites: { site0 },
    capacity: 1,
  })
  const blind = (previous: PoolState) => {
    const nothing = { observations: [], reports: [], demands: [], drains: new Map(), evacuations: new Map() }
    const result = step({ pool: six, previous, ...nothing, since: 0 as EpochMs, now: (at + 100_000) as EpochMs })
    return result.kind === 'state' ? result.state.sites : result
  }

  test('does not say that a site that was evacuated stopped passing', () => {
    const site = {
      kind: 'evacuated',
      since: at,
      by: 'health',
      reason: '',
      healthySince: (at + 1_000) as EpochMs,
    } as const
    expect(blind(state(site, { kind: 'evacuated', since: at }))).toEqual({ site0: site })
  })

  test('does not believe in a site again', () => {
    const site = { kind: 'open', since: at } as const
    expect(blind(state(site, { kind: 'held', since: at, by: 'site-open' }))).toEqual({ site0: site })
  })
})
