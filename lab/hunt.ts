/** Looks for what a planted bug must violate, seed after seed. */
import type { Bug } from './bugs/bug.ts'
import { type Outcome, runStory } from './run.ts'
import { drawStory, type Story, withAuthority } from './story.ts'

/** No bug may hide longer than this. */
export const seedsMax = 1_000

export interface Found {
  readonly seed: number
  readonly story: Story
  readonly outcome: Outcome
}

export function storyFor(bug: Bug, seed: number): Story {
  const drawn = withAuthority(drawStory(seed), bug.authority)
  return bug.tempt?.(drawn) ?? drawn
}

export const runWith = (bug: Bug, story: Story, tell?: (line: string) => void): Promise<Outcome> =>
  runStory(story, { sabotage: (region) => bug.plant(region), only: bug.violates, ...(tell && { tell }) })

/** Null when no seed up to `most` shows the violation. */
export async function hunt(bug: Bug, most = seedsMax, onSeed?: (seed: number) => void): Promise<Found | null> {
  for (let seed = 1; seed <= most; seed++) {
    onSeed?.(seed)
    const story = storyFor(bug, seed)
    const outcome = await runWith(bug, story)
    if (outcome.violation !== null) return { seed, story, outcome }
  }
  return null
}
