import fc from 'fast-check'
import { expect, test } from 'vitest'
import { letGo, TimingWheel } from './timing-wheel.ts'

const items = 8
const slots = 16

const step = fc.oneof(
  fc.record({ do: fc.constant('place' as const), item: fc.nat({ max: items - 1 }), in: fc.nat({ max: 50 }) }),
  fc.record({ do: fc.constant('later' as const), item: fc.nat({ max: items - 1 }), by: fc.nat({ max: 40 }) }),
  fc.record({ do: fc.constant('remove' as const), item: fc.nat({ max: items - 1 }) }),
  fc.record({ do: fc.constant('advance' as const), by: fc.nat({ max: 40 }) }),
)

test('everybody is let go at the first tick at or after their time, moved later or not, and nobody else', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const due = new Map<number, number>()
      const gone: number[] = []
      let now = 0
      const wheel = new TimingWheel(
        items,
        (item, tick) => {
          const at = due.get(item) as number
          if (at > tick) return at
          gone.push(item)
          due.delete(item)
          return letGo
        },
        slots,
      )
      for (const one of steps) {
        if (one.do === 'place') {
          due.set(one.item, Math.max(now + 1, now + one.in))
          wheel.place(one.item, now + one.in)
        } else if (one.do === 'later') {
          // Nothing is told to the wheel: it asks at the old time.
          const at = due.get(one.item)
          if (at !== undefined) due.set(one.item, at + one.by)
        } else if (one.do === 'remove') {
          due.delete(one.item)
          wheel.remove(one.item)
        } else {
          now += one.by
          const expected = [...due].filter(([, at]) => at <= now).map(([item]) => item)
          gone.length = 0
          wheel.advance(now)
          expect([...gone].sort()).toEqual(expected.sort())
        }
        expect(wheel.size).toBe(due.size)
        for (let item = 0; item < items; item++) expect(wheel.has(item)).toBe(due.has(item))
      }
    }),
  )
})

test('who answers with a time that has passed is asked once a call', () => {
  let asked = 0
  const wheel = new TimingWheel(1, () => {
    asked++
    return 0
  })
  wheel.place(0, 5)
  wheel.advance(10)
  expect(asked).toBe(1)
  wheel.advance(11)
  expect(asked).toBe(2)
})
