/**
 * A story in a file: what `soak` writes when it finds a violation, what `replay` takes, what is pinned
 * in `lab/seeds/`. JSON, so that a person can read and change it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { exit } from '../src/cli/exit.ts'
import { fail } from '../src/cli/io.ts'
import type { Invariant } from './checks/check.ts'
import { authorityKinds, fitting, type Story } from './story.ts'

export interface StoryFile {
  readonly holdfast: 'story'
  /** Why it is kept, in a sentence. */
  readonly reason: string
  /** What it must violate; null: nothing any more. */
  readonly violates: Invariant | null
  /** The planted bug that it is told with. */
  readonly bug?: string
  /** Of the history when the file was written: other code, another history. */
  readonly hash: string
  readonly story: Story
}

export function writeStory(path: string, file: StoryFile): void {
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`)
}

/** @throws CliFailure for a file that is none */
export function readStory(path: string): StoryFile {
  const refuse = (found: string): never =>
    fail(exit.failed, path, 'a story as holdfast lab soak writes it', found, 'name a scenario, or such a file')
  let file: StoryFile
  try {
    file = JSON.parse(readFileSync(path, 'utf8')) as StoryFile
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
  if (file?.holdfast !== 'story') return refuse('something else')
  const { story } = file
  const isWhole =
    Number.isInteger(story?.seed) &&
    Number.isFinite(story.troubleMs) &&
    Number.isFinite(story.calmMs) &&
    Array.isArray(story.shape?.pools) &&
    story.shape.pools.length > 0 &&
    Array.isArray(story.happenings)
  if (!isWhole) return refuse('a story without seed, shape, times or happenings')
  const { planners, enactors, probers, zones } = story.shape
  if (![planners, enactors, probers, zones].every((count) => Number.isInteger(count) && count >= 1 && count <= 9))
    return refuse(
      `a region of ${planners} planners, ${enactors} enactors, ${probers} probers and ${zones} zones (1 to 9 of each)`,
    )
  const kinds = (story.shape.authorities ?? []) as readonly unknown[]
  const unknown = Array.isArray(kinds) ? kinds.find((kind) => !authorityKinds.some((one) => one === kind)) : kinds
  if (unknown !== undefined)
    return refuse(`an authority of kind ${JSON.stringify(unknown)} (there are ${authorityKinds.join(', ')})`)
  const absent = story.happenings.find((happening) => fitting(story.shape, [happening]).length === 0)
  if (absent !== undefined) return refuse(`a happening to somebody who is not there: ${JSON.stringify(absent)}`)
  return file
}
