/** `holdfast lab soak`: many stories, faults and all; what fails is shrunk and written down. */
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import type { Command } from 'commander'
import { type Cli, durationArgument, newCommand, outputOf, wholeArgument } from '../../src/cli/cli.ts'
import { exit } from '../../src/cli/exit.ts'
import { usage } from '../../src/cli/io.ts'
import { bar, table } from '../../src/cli/text.ts'
import { runStory } from '../run.ts'
import { shrink } from '../shrink.ts'
import { enoughSeeds, type Soaked, soak, unreached } from '../soak.ts'
import { drawStory } from '../story.ts'
import { writeStory } from '../story-file.ts'
import { transcript } from '../transcript.ts'

const seedsDefault = 1_000
const seedsMax = 1_000_000_000
const jobsMax = 64

export interface SoakArguments {
  readonly seeds?: number
  readonly from?: number
  readonly for?: number
  readonly jobs?: number
  readonly out?: string
}

export function soakCommand(cli: Cli): Command {
  return newCommand('soak', 'Run many stories of faults, each from a seed; shrink and keep what fails.', [
    ['holdfast lab soak --seeds 10000', 'ten thousand seeds nobody has run'],
    ['holdfast lab soak --from 1 --seeds 500 --jobs 1', 'the same five hundred every time'],
    ['holdfast lab soak --for 10m', 'as many as ten minutes allow'],
  ])
    .option('--seeds <count>', `how many (default: ${seedsDefault}, or as many as --for allows)`, wholeArgument)
    .option('--from <seed>', 'the first one (default: one that was not run before)', wholeArgument)
    .option('--for <time>', 'end after this time', durationArgument)
    .option('--jobs <count>', 'worker threads (default: one for each core)', wholeArgument)
    .option('--out <folder>', 'where a failing story is written (default: here)')
    .action(async (options: SoakArguments, command: Command) => await runSoak(cli, command, options))
}

async function runSoak(cli: Cli, command: Command, options: SoakArguments): Promise<void> {
  const output = outputOf(cli, command)
  const jobs = options.jobs ?? availableParallelism()
  const seeds = options.seeds ?? (options.for === undefined ? seedsDefault : seedsMax)
  const from = options.from ?? freshSeed()
  if (jobs < 1 || jobs > jobsMax) usage('--jobs', `1 to ${jobsMax}`, `${jobs}`, 'leave it out for one for each core')
  if (seeds < 1 || seeds > seedsMax) usage('--seeds', `1 to ${seedsMax}`, `${seeds}`, 'see holdfast lab soak --help')
  if (from + seeds >= Number.MAX_SAFE_INTEGER) usage('--from', 'a seed below 2^53', `${from}`, 'take a smaller one')
  output.note(`seeds from ${from}, ${jobs} at once`)

  const stop = new AbortController()
  const interrupt = () => stop.abort()
  process.once('SIGINT', interrupt)
  const show = progressOf(cli, output.json, seeds, options.for)
  try {
    const soaked = await soak({ from, seeds, jobs, forMs: options.for, signal: stop.signal, onSeed: show.update })
    show.end()
    const missing = unreached(soaked)
    const files: string[] = []
    for (const { seed } of soaked.violations.slice(0, 3)) files.push(await keep(cli, seed, options.out, output.note))
    output.print(documentOf(from, soaked, missing, files), () => reportOf(from, soaked, missing, files))
    if (soaked.violations.length > 0 || missing.length > 0) cli.exitCode = exit.found
  } finally {
    process.off('SIGINT', interrupt)
  }
}

/** From the time of day: no two soaks go over the same ground. */
const freshSeed = (): number => Math.floor(Date.now() / 1000) * 1_000

/** Shrinks what this seed does, tells it, and writes it into a file that `replay` takes. */
async function keep(cli: Cli, seed: number, folder: string | undefined, note: (text: string) => void): Promise<string> {
  const first = drawStory(seed)
  const outcome = await runStory(first)
  if (outcome.violation === null)
    return `seed ${seed} failed once and not again: the history is not determined by the seed`
  note(`seed ${seed}: ${outcome.violation.invariant} ${outcome.violation.text}; shrinking ...`)
  const { story, outcome: last, runs } = await shrink(first, outcome, { run: (story) => runStory(story) })
  const path = join(folder ?? cli.io.cwd, `story-${last.violation?.invariant}-${seed}.json`)
  const reason = `seed ${seed} violated ${last.violation?.invariant}: ${last.violation?.text}`
  writeStory(path, { holdfast: 'story', reason, violates: last.violation?.invariant ?? null, hash: last.hash, story })
  note(`${first.happenings.length} happenings became ${story.happenings.length} in ${runs} runs:\n`)
  note(await transcript(story, { notable: true }))
  return relative(cli.io.cwd, path)
}

interface Progress {
  update(soaked: Soaked): void
  end(): void
}

/** A bar where a person looks, a line now and then elsewhere, nothing with --json. */
function progressOf(cli: Cli, quiet: boolean, seeds: number, forMs: number | undefined): Progress {
  const every = cli.io.errIsTty ? 200 : 10_000
  let shownAt = cli.io.errIsTty ? Number.NEGATIVE_INFINITY : 0
  if (quiet) return { update: () => {}, end: () => {} }
  let told = 0
  return {
    update(soaked) {
      for (const { seed, violation } of soaked.violations.slice(told))
        cli.io.err(`${cli.io.errIsTty ? '\r\x1b[K' : ''}seed ${seed}: ${violation.invariant} ${violation.text}\n`)
      told = soaked.violations.length
      if (soaked.elapsedMs < shownAt + every) return
      shownAt = soaked.elapsedMs
      const share = forMs === undefined ? soaked.seeds / seeds : Math.min(1, soaked.elapsedMs / forMs)
      if (cli.io.errIsTty) cli.io.err(`\r\x1b[K${bar(share, 24)} ${lineOf(soaked)}`)
      else cli.io.err(`${Math.round(100 * share)} %  ${lineOf(soaked)}\n`)
    },
    end() {
      if (cli.io.errIsTty) cli.io.err('\r\x1b[K')
    },
  }
}

const perSecond = (count: number, { elapsedMs }: Soaked): number => count / Math.max(0.001, elapsedMs / 1000)
const hours = (ms: number): string => (ms / 3_600_000).toFixed(1)
const thousands = (value: number): string => Math.round(value).toLocaleString('en')

const lineOf = (soaked: Soaked): string =>
  `${thousands(soaked.seeds)} seeds, ${perSecond(soaked.seeds, soaked).toFixed(1)}/s, ${hours(soaked.simulatedMs)} simulated hours, ${soaked.violations.length} violations`

function documentOf(from: number, soaked: Soaked, missing: readonly string[], files: readonly string[]): object {
  return {
    from,
    seeds: soaked.seeds,
    seconds: Math.round(soaked.elapsedMs) / 1000,
    seedsPerSecond: perSecond(soaked.seeds, soaked),
    events: soaked.events,
    eventsPerSecond: Math.round(perSecond(soaked.events, soaked)),
    simulatedHours: soaked.simulatedMs / 3_600_000,
    happened: Object.fromEntries([...soaked.happened].sort()),
    reached: Object.fromEntries([...soaked.reached].sort()),
    unreached: missing,
    violations: soaked.violations,
    files,
  }
}

function reportOf(from: number, soaked: Soaked, missing: readonly string[], files: readonly string[]): string {
  const counts = (map: ReadonlyMap<string, number>) => columns([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
  const lines = [
    `${thousands(soaked.seeds)} seeds from ${from} in ${(soaked.elapsedMs / 1000).toFixed(1)} s: ${perSecond(soaked.seeds, soaked).toFixed(1)} seeds/s, ${thousands(perSecond(soaked.events, soaked))} events/s`,
    `${hours(soaked.simulatedMs)} simulated hours, ${thousands(soaked.simulatedMs / soaked.elapsedMs)} x real time`,
    '',
    'What happened to the regions, how often:',
    counts(soaked.happened),
    '',
    'What the programs came to, in how many seeds:',
    counts(soaked.reached),
    '',
    missing.length > 0
      ? `Never reached, though ${enoughSeeds} seeds should: ${missing.join(', ')}. The generator is too weak for them.`
      : soaked.seeds < enoughSeeds
        ? `Under ${enoughSeeds} seeds: not every branch need have been reached.`
        : 'Every branch that traces an event was reached.',
  ]
  if (soaked.violations.length === 0) lines.push('No violation.')
  for (const { seed, violation } of soaked.violations)
    lines.push(`VIOLATION  seed ${seed}  ${violation.invariant}  ${violation.text}`)
  for (const file of files) lines.push(`holdfast lab replay ${file}`)
  return lines.join('\n')
}

/** Three pairs to a row. */
function columns(pairs: readonly (readonly [string, number])[]): string {
  const rows: string[][] = []
  const height = Math.ceil(pairs.length / 3)
  for (let row = 0; row < height; row++)
    rows.push(
      [0, 1, 2].flatMap((column) => {
        const pair = pairs[column * height + row]
        return pair === undefined ? [] : [pair[0], thousands(pair[1]).padStart(9)]
      }),
    )
  return table(rows, '  ')
}
