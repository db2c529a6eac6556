/** The production programs in the simulator: seeds that once failed, seeds nobody has run, and that a seed is a history. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runStory } from './run.ts'
import { drawStory } from './story.ts'
import { readStory } from './story-file.ts'

const pinned = join(import.meta.dirname, 'seeds')
/** What looks for faults for longer is `holdfast lab soak`. */
const freshMs = 60_000

test.each(readdirSync(pinned).filter((file) => file.endsWith('.json')))(
  'pinned: %s',
  { timeout: 60_000 },
  async (file) => {
    const { story, violates, reason } = readStory(join(pinned, file))
    expect(violates, 'what is pinned is mended').toBeNull()
    expect((await runStory(story)).violation, reason).toBeNull()
  },
)

describe('a seed', () => {
  test('is a history: the same events every time', { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const hashes = new Set<string>()
      for (let turn = 0; turn < 2; turn++) hashes.add((await runStory(drawStory(seed))).hash)
      expect([...hashes], `seed ${seed}`).toHaveLength(1)
    }
  })

  test('is not the history of another', async () => {
    const [one, other] = [await runStory(drawStory(1)), await runStory(drawStory(2))]
    expect(one.hash).not.toBe(other.hash)
  })

  test('that nobody has run violates nothing', { timeout: freshMs + 60_000 }, async () => {
    const from = Math.floor(Date.now() / 1000) * 1000
    console.log(`fresh seeds from ${from}; again: npm run holdfast -- lab soak --from ${from} --jobs 1`)
    const began = performance.now()
    let seed = from
    for (; performance.now() - began < freshMs; seed++) {
      const { violation, healedMs } = await runStory(drawStory(seed))
      expect(violation, `seed ${seed}: npm run holdfast -- lab soak --from ${seed} --seeds 1`).toBeNull()
      expect(healedMs).toBeGreaterThan(0)
    }
    expect(seed - from).toBeGreaterThan(0)
  })
})
