/** The loop closes with a classic checker and not with Holdfast, whatever the seed; and equal seeds, equal runs. */
import { describe, expect, test } from 'vitest'
import { classicFlapping } from './classic.ts'
import { factsOf, flapping, isSteady, oscillates } from './flapping.ts'
import { holdfastFlapping } from './holdfast.ts'

const quiet = () => {}

describe('a fleet that is started before its network has arrived', { timeout: 90_000 }, () => {
  test.each([1, 2, 3, 4, 5])(
    'with a classic checker healthy capacity goes and comes and goes, seed %i',
    async (seed) => {
      const run = await classicFlapping({ seed, tell: quiet })
      expect(oscillates(run), JSON.stringify(factsOf(run))).toBe(true)
      // Long after the last network has arrived.
      expect(factsOf({ ...run, samples: run.samples.slice(-180) }).timesShort).toBeGreaterThan(0)
    },
  )

  test.each([1, 2])('with Holdfast no healthy capacity goes, and all answer in the end, seed %i', async (seed) => {
    const run = await holdfastFlapping({ seed, tell: quiet })
    expect(isSteady(run), JSON.stringify(factsOf(run))).toBe(true)
    expect(factsOf(run).mostOfOne).toBe(0)
  })

  test('is told, drawn, and the same each time', async () => {
    const lines: string[] = []
    const told = await flapping.run({ protocol: 'classic', tell: (line) => lines.push(line) })
    expect(told).toMatchObject({
      asExpected: true,
      svg: expect.stringContaining('<title id="title">A classic checker'),
    })
    expect(lines.join('\n')).toContain('failover   leaves az-1')
    expect(told.verdict).toMatch(/^It oscillates/)
    expect((await flapping.run({ protocol: 'classic', tell: quiet })).hash).toBe(told.hash)
  })
})
