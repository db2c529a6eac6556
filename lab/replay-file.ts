/** A story from a file, told again: what a soak has found, what a planted bug does, what was pinned. */
import type { Command } from 'commander'
import { type Cli, outputOf } from '../src/cli/cli.ts'
import { exit } from '../src/cli/exit.ts'
import { fail } from '../src/cli/io.ts'
import { fitted } from '../src/cli/text.ts'
import type { Bug } from './bugs/bug.ts'
import { bugs } from './bugs/bugs.ts'
import { writePicture } from './picture.ts'
import { type StoryDiagramOptions, storyPicture } from './story-diagram.ts'
import { readStory, type StoryFile } from './story-file.ts'
import { headOf, tellStory } from './transcript.ts'

export interface ReplayFileOptions {
  /** Also what goes on all the time. */
  readonly all: boolean
  /** Where to draw it, or null. */
  readonly svg: string | null
}

export async function replayFile(
  cli: Cli,
  command: Command,
  path: string,
  { all, svg }: ReplayFileOptions,
): Promise<void> {
  const output = outputOf(cli, command)
  const file = readStory(path)
  const bug = file.bug === undefined ? undefined : bugs.find(({ name }) => name === file.bug)
  if (file.bug !== undefined && bug === undefined)
    fail(exit.failed, path, 'a planted bug of this laboratory', file.bug, 'see holdfast lab bugs --list')
  const transcript: string[] = []
  const say = (line: string) => {
    transcript.push(line)
    if (!output.json) cli.io.out(`${line}\n`)
  }
  for (const line of [file.reason, ...headOf(file.story)]) say(line)
  const { violation, hash } = await tellStory(file.story, say, { notable: !all, ...(bug && { bug }) })
  const drawn = svg === null ? null : writePicture(cli, svg, (await storyPicture(file.story, pictureOf(file, bug))).svg)
  const sameHistory = hash === file.hash
  const asExpected = (violation?.invariant ?? null) === file.violates
  const expected = file.violates === null ? 'no violation' : `a violation of ${file.violates}`
  const verdict = [
    violation === null ? 'No violation.' : `VIOLATION of ${violation.invariant}: ${violation.text}`,
    ...(asExpected ? [] : [`The file says: ${expected}.`]),
    sameHistory
      ? `The history is the one of the file (${hash}).`
      : `Another history (${hash}) than when the file was written (${file.hash}): the programs have changed.`,
  ]
  output.print(
    { file: path, violation, asExpected, hash, sameHistory, svg: drawn, transcript },
    () => `\n${verdict.join('\n')}`,
  )
  if (drawn !== null) output.note(`drawn: ${drawn}`)
  if (!asExpected) cli.exitCode = exit.failed
  else if (violation !== null) cli.exitCode = exit.found
}

function pictureOf({ reason, story, violates }: StoryFile, bug: Bug | undefined): StoryDiagramOptions {
  const title = bug === undefined ? `Seed ${story.seed}: ${reason}` : `${bug.name}: ${bug.what}`
  return {
    title: fitted(title, 90),
    ...(bug && { plant: (region) => bug.plant(region) }),
    ...(violates === null || bug === undefined ? {} : { only: violates }),
  }
}
