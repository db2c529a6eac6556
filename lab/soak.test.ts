import { expect, test } from 'vitest'
import { soak, unreached } from './soak.ts'

test('a soak counts the same in one thread and in two', { timeout: 60_000 }, async () => {
  const [one, two] = [await soak({ from: 1, seeds: 10, jobs: 1 }), await soak({ from: 1, seeds: 10, jobs: 2 })]
  expect(one).toMatchObject({ seeds: 10, violations: [] })
  expect({ ...two, elapsedMs: 0, happened: null, reached: null }).toEqual({
    ...one,
    elapsedMs: 0,
    happened: null,
    reached: null,
  })
  expect([...two.reached].sort()).toEqual([...one.reached].sort())
  expect(unreached(one)).toEqual([])
  expect(unreached({ ...one, reached: new Map(), seeds: 100_000 })).toContain('enact.vanished')
})

test('a soak ends when it is asked to', { timeout: 60_000 }, async () => {
  const stop = new AbortController()
  const soaked = await soak({ from: 1, seeds: 1_000_000, jobs: 1, signal: stop.signal, onSeed: () => stop.abort() })
  expect(soaked.seeds).toBeGreaterThan(0)
  expect(soaked.seeds).toBeLessThan(1_000)
})
