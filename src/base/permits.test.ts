import { expect, test } from 'vitest'
import { permits } from './permits.ts'

test('never more at once than there are permits, in the order of asking, and failures give theirs back', async () => {
  const places = permits(3)
  let running = 0
  let most = 0
  const begun: number[] = []
  const work = (index: number) =>
    places.run(async () => {
      begun.push(index)
      most = Math.max(most, ++running)
      await Promise.resolve()
      await Promise.resolve()
      running--
      if (index % 4 === 0) throw new Error(`work ${index}`)
      return index
    })
  const results = await Promise.allSettled(Array.from({ length: 40 }, (_, index) => work(index)))
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(10)
  expect(most).toBe(3)
  expect(begun).toEqual([...begun].sort((a, b) => a - b))
  expect(await places.run(async () => 'still there')).toBe('still there')
})
