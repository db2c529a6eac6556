import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DeadlineQueue } from './deadline-queue.ts'

test('takes the smallest key, whoever was added and removed before', () => {
  const items = 40
  const step = fc.record({ item: fc.nat({ max: items - 1 }), key: fc.nat({ max: 1000 }), isTake: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 300, size: 'max' }), (steps) => {
      const queue = new DeadlineQueue(new Int32Array(items))
      const keys = new Map<number, number>()
      for (const { item, key, isTake } of steps) {
        if (keys.has(item)) {
          queue.remove(item)
          keys.delete(item)
        } else {
          queue.add(item, key)
          keys.set(item, key)
        }
        if (isTake && keys.size > items / 2) {
          const taken = queue.take()
          expect(keys.get(taken)).toBe(Math.min(...keys.values()))
          keys.delete(taken)
        }
        expect(queue.size).toBe(keys.size)
      }
      while (keys.size > 0) {
        const taken = queue.take()
        expect(keys.get(taken)).toBe(Math.min(...keys.values()))
        keys.delete(taken)
      }
      expect(queue.take()).toBe(-1)
    }),
  )
})
