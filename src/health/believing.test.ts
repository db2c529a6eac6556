import { expect, test } from 'vitest'
import { limits } from '../../test/support/planning.ts'
import type { PoolState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { beliefIn } from './believing.ts'

const at = (ms: number) => ms as EpochMs
const state = (failOpenSince: number | null, believedSince?: number): PoolState => ({
  targets: {},
  failOpenSince: failOpenSince as EpochMs | null,
  ...(believedSince === undefined ? {} : { believedSince: at(believedSince) }),
  ledger: [],
  capacity: 1,
})
const belief = (before: PoolState | undefined, healthy: number, now: number, blind = false) =>
  beliefIn(limits, before, healthy, blind, at(now))

test('checks are doubted under one share, and believed again from another', () => {
  expect(belief(state(null), 0.5, 1_000).failOpenSince).toBeNull()
  expect(belief(state(null), 0.49, 1_000)).toMatchObject({ failOpenSince: 1_000, changed: true })
  expect(belief(state(1_000), 0.59, 90_000)).toMatchObject({ failOpenSince: 1_000, changed: false })
  expect(belief(state(1_000), 0.6, 90_000)).toMatchObject({ failOpenSince: null, believedSince: 90_000, changed: true })
})

test('neither changes again within the dwell', () => {
  expect(belief(state(1_000), 1, 30_999)).toMatchObject({ failOpenSince: 1_000, dwellsUntil: 31_000, changed: false })
  expect(belief(state(1_000), 1, 31_000)).toMatchObject({ failOpenSince: null, changed: true })
  expect(belief(state(null, 1_000), 0, 30_999)).toMatchObject({ failOpenSince: null, dwellsUntil: 31_000 })
  expect(belief(state(null, 1_000), 0, 31_000)).toMatchObject({ failOpenSince: 31_000, changed: true })
})

test('who is blind does not change its mind', () => {
  expect(belief(state(1_000), 1, 90_000, true)).toMatchObject({ failOpenSince: 1_000, dwellsUntil: null })
  expect(belief(state(null), 0, 90_000, true).failOpenSince).toBeNull()
})

test('a time in the future, by a clock that was set back, counts as now', () => {
  expect(belief(state(5_000_000), 1, 1_000)).toMatchObject({ failOpenSince: 1_000, dwellsUntil: 31_000 })
})
