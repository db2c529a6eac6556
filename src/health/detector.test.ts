import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import {
  downAgain,
  flapWindowMs,
  holdUntil,
  isDown,
  isHeldDown,
  nextStepAt,
  percentAfter,
  withDowns,
} from './detector.ts'

const at = (ms: number) => ms as EpochMs
const holds = { holdMs: 10_000, holdMaxMs: 300_000 }
const out = (downs: readonly number[]): TargetState => ({
  kind: 'removed',
  since: at(downs.at(-1) ?? 0),
  reason: 'refused',
  downs: downs.map(at),
})

test('each time it goes down within ten minutes it stays down twice as long, up to the longest', () => {
  let state: TargetState = { kind: 'serving', since: at(0) }
  const held: number[] = []
  for (let i = 0; i < 8; i++) {
    const now = at(1_000_000 + i * 1_000)
    state = { kind: 'held', since: now, by: 'floor', downs: downAgain(state, now) }
    held.push((holdUntil(holds, state) ?? 0) - now)
  }
  expect(held).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000])
})

test('what is ten minutes old no longer counts', () => {
  const old = out([1_000])
  const again = downAgain(old, at(1_000 + flapWindowMs))
  expect(again).toEqual([1_000 + flapWindowMs])
  expect(downAgain(old, at(999 + flapWindowMs))).toHaveLength(2)
  expect(withDowns(old, at(1_000 + flapWindowMs))).toEqual({})
})

test('a hold that began in the future, by a clock that was set back, does not last until then', () => {
  expect(isHeldDown(holds, out([5_000]), at(14_999))).toBe(true)
  expect(isHeldDown(holds, out([5_000]), at(15_000))).toBe(false)
  expect(isHeldDown(holds, out([50_000_000]), at(6_000))).toBe(false)
})

test('down is who was seen down and not let go since', () => {
  expect(isDown(out([1]))).toBe(true)
  expect(isDown({ kind: 'held', since: at(0), by: 'floor' })).toBe(true)
  expect(isDown({ kind: 'held', since: at(0), by: 'drain' })).toBe(false)
  expect(isDown({ kind: 'serving', since: at(5), downs: [at(1)] })).toBe(false)
  expect(isDown({ kind: 'ramping', since: at(5), percent: 10, downs: [at(1)] })).toBe(false)
  expect(isDown({ kind: 'ramping', since: at(5), percent: 10, downs: [at(1), at(6)] })).toBe(true)
})

test('it grows in steps, each when the next says', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 200_000 }), (rampMs, elapsed) => {
      const percent = percentAfter(elapsed, rampMs)
      expect([10, 25, 50, 75, 100]).toContain(percent)
      if (elapsed >= rampMs) expect(percent).toBe(100)
      if (percent === 100) return
      const next = nextStepAt(at(0), percent, rampMs)
      expect(next).toBeGreaterThan(elapsed)
      expect(percentAfter(next, rampMs)).toBeGreaterThan(percent)
    }),
  )
  expect(percentAfter(-5, 100)).toBe(10)
})
