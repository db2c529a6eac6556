import { describe, expect, test } from 'vitest'
import type { PoolState } from '../model/plan.ts'
import type { EpochMs, Instant } from '../world/world.ts'
import { Contention } from './contention.ts'

const state = (kind: 'serving' | 'held', since: number): PoolState => ({
  targets: {
    a: kind === 'held' ? { kind, since: since as EpochMs, by: 'fail-open' } : { kind, since: since as EpochMs },
  },
  failOpenSince: null,
  ledger: [],
  capacity: 1,
})

const at = (ms: number) => ms as Instant

describe('a pool that two planners change', () => {
  test('waits longer each time that the other has undone it', () => {
    const contention = new Contention()
    const [good, bad] = [state('serving', 1), state('held', 2)]
    contention.published({}, { web: good }, at(0))
    let now = 0
    for (const ms of [200, 400, 800, 1_600, 3_200, 3_200]) {
      expect(contention.wait({ web: bad }, { web: good }, at(now))).toEqual({ pool: 'web', ms })
      expect(contention.wait({ web: bad }, { web: good }, at(now + ms - 1))).toEqual({ pool: 'web', ms: 1 })
      now += ms
      expect(contention.wait({ web: bad }, { web: good }, at(now))).toBeNull()
      contention.published({ web: bad }, { web: good }, at(now))
    }
  })

  test('does not wait where nobody else changed it, nor for what others did long ago', () => {
    const contention = new Contention()
    const [first, second] = [state('serving', 1), state('held', 2)]
    expect(contention.wait({ web: first }, { web: second }, at(0))).toBeNull()
    contention.published({}, { web: first }, at(0))
    // Read again from the store: another object, the same state.
    expect(contention.wait({ web: state('serving', 1) }, { web: second }, at(1))).toBeNull()
    contention.published({ web: first }, { web: second }, at(1))
    expect(contention.wait({ web: first }, { web: second }, at(20_000))).toBeNull()
    contention.published({ web: first }, { web: second }, at(20_000))
    expect(contention.wait({ web: first }, { web: second }, at(20_000))).toEqual({ pool: 'web', ms: 200 })
  })

  test('does not hold what leaves it as it is', () => {
    const contention = new Contention()
    const [mine, theirs] = [state('serving', 1), state('held', 2)]
    contention.published({}, { web: mine }, at(0))
    expect(contention.wait({ web: theirs }, { web: theirs, api: mine }, at(1))).toBeNull()
    contention.published({ web: theirs }, { api: mine }, at(1))
    expect(contention.wait({ web: theirs, api: theirs }, { web: mine, api: mine }, at(2))).toEqual({
      pool: 'api',
      ms: 199,
    })
  })
})
