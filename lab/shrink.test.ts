import { expect, test } from 'vitest'
import type { Outcome } from './run.ts'
import { shrink } from './shrink.ts'
import { drawStory, type Happening, type Story } from './story.ts'

const violated = (invariant: 'S1' | 'S2' | null, seed = 1): Outcome => ({
  seed,
  violation: invariant === null ? null : { invariant, text: 'because', atMs: 30_000 },
  hash: '',
  events: 0,
  simulatedMs: 0,
  reached: new Map(),
  happened: new Map(),
  healedMs: null,
})

const crash = (at: number, process: string): Happening => ({ at, kind: 'crash', process, forMs: 8_000 })

test('a story is shrunk to what it takes', async () => {
  const drawn = drawStory(5)
  const happenings = [...drawn.happenings, crash(12_345, 'enactor-1'), crash(15_432, 'planner-1')]
  const story: Story = { ...drawn, troubleMs: 60_000, happenings: happenings.sort((a, b) => a.at - b.at) }
  // Takes two crashes and two enactors; with one crash alone something else goes wrong.
  const run = async (candidate: Story): Promise<Outcome> => {
    const crashes = (process: string) =>
      candidate.happenings.some(
        (one) => one.kind === 'crash' && one.process === process && one.at < candidate.troubleMs,
      )
    if (crashes('enactor-1') && crashes('planner-1') && candidate.shape.probers >= 1) return violated('S1')
    return violated(crashes('enactor-1') ? 'S2' : null)
  }
  const steps: number[] = []
  const { story: least, outcome } = await shrink(story, await run(story), {
    run,
    onStep: ({ happenings }) => steps.push(happenings.length),
  })
  expect(outcome.violation?.invariant).toBe('S1')
  expect(least.happenings.map((one) => 'process' in one && one.process)).toEqual(['enactor-1', 'planner-1'])
  expect(least.happenings.map(({ at }) => at % 1000)).toEqual([0, 0])
  expect(least.shape).toMatchObject({ planners: 1, enactors: 1, probers: 1, pools: [1], aliases: 0, foreign: false })
  expect(steps).toEqual([...steps].sort((a, b) => b - a))
})

test('a story that stays as it is ends the shrinking', async () => {
  let runs = 0
  const story = drawStory(6)
  const { story: same } = await shrink(story, violated('S1'), {
    run: async () => {
      runs += 1
      return violated(null)
    },
    runsMax: 50,
  })
  expect(same).toEqual(story)
  expect(runs).toBeLessThanOrEqual(50)
})
