/** `holdfast lab bugs`: takes each safety mechanism away in turn, and requires that this is found. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { type Cli, newCommand, outputOf, wholeArgument } from '../../src/cli/cli.ts'
import { exit } from '../../src/cli/exit.ts'
import { fail, usage } from '../../src/cli/io.ts'
import { table } from '../../src/cli/text.ts'
import type { Bug } from '../bugs/bug.ts'
import { bugs } from '../bugs/bugs.ts'
import { type Found, hunt, runWith, seedsMax } from '../hunt.ts'
import { shrink } from '../shrink.ts'
import { writeStory } from '../story-file.ts'
import { transcript } from '../transcript.ts'

interface BugsOptions {
  readonly seeds?: number
  readonly list?: boolean
  readonly tell?: boolean
}

export function bugsCommand(cli: Cli): Command {
  return newCommand('bugs', 'Take each safety mechanism away in turn: the lab has to find what that breaks.', [
    ['holdfast lab bugs', 'all of them'],
    ['holdfast lab bugs fence-off --tell', 'one of them, told as a short story'],
    ['holdfast lab bugs --list', 'what there is'],
  ])
    .argument('[name]', 'only this one')
    .option('--seeds <count>', `look at so many seeds (default: ${seedsMax})`, wholeArgument)
    .option('--list', 'only list them')
    .option('--tell', 'shrink what was found, tell it, and write it into a file')
    .action(async (name: string | undefined, options: BugsOptions, command: Command) => {
      const output = outputOf(cli, command)
      const chosen = bugs.filter((bug) => name === undefined || bug.name === name)
      if (chosen.length === 0)
        fail(
          exit.failed,
          `${name}`,
          `one of ${bugs.map((bug) => bug.name).join(', ')}`,
          `${name}`,
          'see holdfast lab bugs --list',
        )
      if (options.tell === true && name === undefined) usage('--tell', 'the name of one bug', 'none', 'name one')
      if (options.list === true) {
        const listed = chosen.map(({ name, violates, what }) => ({ name, violates, what }))
        output.print(listed, () => table(listed.map(({ name, violates, what }) => [violates, name, what])))
        return
      }
      const results: Result[] = []
      for (const bug of chosen) {
        const result = await hunted(bug, options.seeds ?? seedsMax)
        results.push(result)
        if (!output.json) cli.io.out(`${lineOf(result)}\n`)
      }
      const missed = results.filter(({ found }) => found === null)
      if (options.tell === true && results[0]?.found) await told(cli, results[0].bug, results[0].found, output.note)
      output.print(results.map(documentOf), () =>
        missed.length === 0
          ? `${results.length} planted, ${results.length} found`
          : `${results.length} planted; NOT FOUND: ${missed.map(({ bug }) => bug.name).join(', ')}`,
      )
      if (missed.length > 0) cli.exitCode = exit.found
    })
}

interface Result {
  readonly bug: Bug
  readonly found: Found | null
  readonly seconds: number
}

async function hunted(bug: Bug, seeds: number): Promise<Result> {
  const started = performance.now()
  const found = await hunt(bug, seeds)
  return { bug, found, seconds: Math.round(performance.now() - started) / 1000 }
}

function lineOf({ bug, found, seconds }: Result): string {
  const what = found === null ? 'NOT FOUND' : `seed ${String(found.seed).padStart(4)}`
  return `${bug.violates}  ${bug.name.padEnd(26)} ${what}  ${seconds.toFixed(1).padStart(6)} s  ${found?.outcome.violation?.text ?? bug.what}`
}

const documentOf = ({ bug, found, seconds }: Result): object => ({
  name: bug.name,
  what: bug.what,
  violates: bug.violates,
  found: found !== null,
  seeds: found?.seed ?? null,
  seconds,
  text: found?.outcome.violation?.text ?? null,
})

async function told(cli: Cli, bug: Bug, { seed, story, outcome }: Found, note: (text: string) => void): Promise<void> {
  const shrunk = await shrink(story, outcome, { run: (candidate) => runWith(bug, candidate) })
  const path = join(cli.io.cwd, `story-${bug.name}.json`)
  writeStory(path, {
    holdfast: 'story',
    reason: `${bug.name} (${bug.what}) violates ${bug.violates}: seed ${seed}`,
    violates: bug.violates,
    bug: bug.name,
    hash: shrunk.outcome.hash,
    story: shrunk.story,
  })
  note(`${story.happenings.length} happenings became ${shrunk.story.happenings.length} in ${shrunk.runs} runs:\n`)
  note(await transcript(shrunk.story, { notable: true, bug }))
  note(`\nholdfast lab replay ${path}`)
}
