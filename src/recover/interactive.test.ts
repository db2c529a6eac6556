import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FairShare, turnsFor } from './fair-share.ts'
import { finishesInMs, InteractiveQueue, queueBound } from './interactive.ts'
import { defaults } from './parameters.ts'

test('classes share as they should, and work-conserving', () => {
  const started = (waiting: readonly number[], turns: number) => {
    const share = new FairShare()
    const count = [0, 0, 0, 0, 0, 0]
    for (let i = 0; i < turns; i++) {
      const klass = share.pick(waiting)
      count[klass] = (count[klass] as number) + 1
    }
    return count
  }
  expect(started([0, 0, 9, 9, 9, 9], 2000)).toEqual([0, 0, 1200, 500, 200, 100])
  expect(started([0, 0, 0, 9, 0, 9], 600)).toEqual([0, 0, 0, 500, 0, 100])
  expect(started([0, 0, 0, 0, 0, 1], 7)).toEqual([0, 0, 0, 0, 0, 7])
  expect(new FairShare().pick([3, 3, 0, 0, 0, 0])).toBe(-1)
  expect(turnsFor(4, [0, 0, 1, 0, 1, 0])).toBe(7)
  expect(turnsFor(4, [0, 0, 0, 0, 1, 0])).toBe(1)
})

test('no class waits longer than its turns say', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(2, 3, 4, 5), { minLength: 1, maxLength: 200, size: 'max' }), (arrivals) => {
      const share = new FairShare()
      const waiting = [0, 0, 0, 0, 1_000, 0]
      let since = 0
      for (const klass of arrivals) {
        waiting[klass] = (waiting[klass] as number) + 100
        const picked = share.pick(waiting)
        waiting[picked] = (waiting[picked] as number) - 1
        since = picked === 4 ? 0 : since + 1
        expect(since).toBeLessThanOrEqual(20)
      }
    }),
  )
})

test('time to finish counts who is ahead, strict classes first, by shares', () => {
  const load = { waiting: [5, 5, 1000, 0, 3, 0], operationsPerSecond: 100, meanLatencyMs: 20 }
  // 10 strict ones, then 4 turns of 7 operations each; twice the latency; the margin.
  expect(finishesInMs(load, 4)).toBeCloseTo(((10 + 28) / 100) * 1000 + 40 + 50)
  expect(queueBound(load, defaults)).toBe(500)
  expect(queueBound({ ...load, operationsPerSecond: 0.01 }, defaults)).toBe(1)
  // Nothing is known yet: a service that just started must not refuse its first handful of calls.
  expect(queueBound({ ...load, operationsPerSecond: 0 }, defaults)).toBe(defaults.interactiveMax)
})

test('oldest first while the line is short, newest first above half of its bound', () => {
  const queue = new InteractiveQueue(8)
  const calls = [1, 2, 3, 4, 5].map((deadline) => queue.add(deadline))
  expect(queue.take(6)).toBe(calls[4])
  expect(queue.take(6)).toBe(calls[3])
  expect(queue.take(6)).toBe(calls[0])
  expect(queue.waiting).toBe(2)
  queue.withdraw(calls[1] as number)
  expect(queue.take(6)).toBe(calls[2])
  expect(queue.take(6)).toBe(-1)
})
