import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crowd } from './crowd.ts'

test('of each kind the first few of a second are written, and the rest is told once', () => {
  const events = crowd(2)
  expect([0, 1, 2, 3].map((now) => events.admits('a', now))).toEqual([true, true, false, false])
  expect(events.admits('b', 3)).toBe(true)
  expect(events.leftOut(500)).toEqual([])
  expect(events.leftOut(1000)).toEqual([{ kind: 'a', count: 2 }])
  expect(events.leftOut(1001)).toEqual([])
  expect(events.admits('a', 1002)).toBe(true)
})

test('an event is written or counted, never both, never neither', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(700)), { maxLength: 300 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (list, perSecond) => {
      const events = crowd(perSecond)
      let now = 0
      let written = 0
      let told = 0
      for (const [kind, later] of list) {
        now += later
        for (const { count } of events.leftOut(now)) told += count
        if (events.admits(kind, now)) written += 1
      }
      for (const { count } of events.leftOut(now + 1_000)) told += count
      expect(written + told).toBe(list.length)
    }),
  )
})
