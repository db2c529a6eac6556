/** A lab that finds nothing proves nothing: each safety mechanism is taken away in turn, and that has to be found. */
import { describe, expect, test } from 'vitest'
import { bugs } from './bugs/bugs.ts'
import { hunt, seedsMax, storyFor } from './hunt.ts'
import { runStory } from './run.ts'

describe('planted bugs', () => {
  test('are many, each with a name of its own, and every invariant has one', () => {
    expect(bugs.length).toBeGreaterThanOrEqual(25)
    expect(new Set(bugs.map(({ name }) => name)).size).toBe(bugs.length)
    expect([...new Set(bugs.map(({ violates }) => violates))].sort()).toEqual([
      'L1',
      'L2',
      'L4',
      'S1',
      'S2',
      'S3',
      'S4',
      'S5',
      'S6',
      'S8',
    ])
  })

  test.each(bugs.map((bug) => [bug.name, bug] as const))('%s is found', { timeout: 90_000 }, async (_name, bug) => {
    const found = await hunt(bug, seedsMax)
    expect(found, `${bug.what}: not found in ${seedsMax} seeds`).not.toBeNull()
    expect(found?.outcome.violation?.invariant).toBe(bug.violates)
  })

  test('are the cause: the same stories without them violate nothing', { timeout: 60_000 }, async () => {
    for (const bug of bugs) {
      if (bug.tempt !== undefined || bug.authority !== undefined)
        expect((await runStory(storyFor(bug, 1))).violation, bug.name).toBeNull()
    }
  })
})
