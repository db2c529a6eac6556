import { expect, test } from 'vitest'
import { mutedAmong } from './muting.ts'

const outlook = (prober: string, failing: number, fresh = 10) => ({ prober, fresh, failing })
const names = (...of: ReturnType<typeof outlook>[]) => mutedAmong(of, 0.3).map(({ prober }) => prober)

test('who sees far more fail than the median is not listened to', () => {
  expect(names(outlook('a', 0), outlook('b', 1), outlook('c', 10))).toEqual(['c'])
  expect(names(outlook('a', 0), outlook('b', 0), outlook('c', 3))).toEqual([])
  expect(names(outlook('a', 0), outlook('b', 0), outlook('c', 4))).toEqual(['c'])
  expect(names(outlook('a', 10), outlook('b', 10), outlook('c', 10))).toEqual([])
})

test('who sees far less is: silence removes nobody', () => {
  expect(names(outlook('a', 0), outlook('b', 10), outlook('c', 10))).toEqual([])
})

test('of two the median is in the middle; one alone is never muted; who sees nothing does not count', () => {
  expect(names(outlook('a', 0), outlook('b', 10))).toEqual(['b'])
  expect(names(outlook('a', 0), outlook('b', 6))).toEqual([])
  expect(names(outlook('a', 10))).toEqual([])
  expect(names(outlook('a', 10), outlook('b', 0, 0))).toEqual([])
})
