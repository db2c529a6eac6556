/** `holdfast lab replay NAME`: a scenario told again, line by line, with its verdict and its picture. */
import { existsSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { Command } from 'commander'
import { type Cli, newCommand, outputOf, wholeArgument } from '../src/cli/cli.ts'
import { exit } from '../src/cli/exit.ts'
import { usage } from '../src/cli/io.ts'
import { table } from '../src/cli/text.ts'
import { wrap } from './diagram-style.ts'
import { writePicture } from './picture.ts'
import { replayFile } from './replay-file.ts'
import type { Scenario, Told } from './scenario.ts'
import { scenarios } from './scenarios.ts'

interface ReplayOptions {
  readonly protocol?: string
  readonly seed?: number
  readonly svg?: string
  readonly all?: boolean
}

export function replayCommand(cli: Cli): Command {
  return newCommand('replay', 'Tell a scenario again, or list them all.', [
    ['holdfast lab replay', 'what there is'],
    ['holdfast lab replay october-2025', 'the race of that night, with Holdfast'],
    ['holdfast lab replay october-2025 --protocol classic --svg night.svg', 'with its own protocol, as a picture too'],
    ['holdfast lab replay r8', 'a name with addresses becomes an alias'],
    ['holdfast lab replay story-S1-1234.json', 'what a soak has found'],
  ])
    .argument('[name]', 'the scenario, or a file with a story')
    .option('--protocol <protocol>', 'which one of the scenario runs')
    .option('--seed <n>', 'of the simulator', wholeArgument)
    .option('--svg <file>', 'write a space-time diagram')
    .option('--all', 'of a story: also what goes on all the time')
    .action(async (name: string | undefined, options: ReplayOptions, command: Command) => {
      if (name === undefined) list(cli, command)
      else if (name.endsWith('.json'))
        await replayFile(cli, command, fileAt(cli, name), { all: options.all === true, svg: options.svg ?? null })
      else await replay(cli, command, find(name), options)
    })
}

function list(cli: Cli, command: Command): void {
  const rows = scenarios.map(({ name, summary, protocols }) => ({ name, summary, protocols }))
  outputOf(cli, command).print({ scenarios: rows }, () => table(rows.map(({ name, summary }) => [name, summary])))
}

function fileAt(cli: Cli, name: string): string {
  const path = isAbsolute(name) ? name : join(cli.io.cwd, name)
  if (existsSync(path)) return path
  return usage(
    'NAME',
    'a scenario, or a file with a story',
    `no file ${path}`,
    'holdfast lab replay lists the scenarios',
  )
}

function find(name: string): Scenario {
  const scenario = scenarios.find((one) => one.name === name.toLowerCase())
  if (scenario !== undefined) return scenario
  return usage('NAME', 'a scenario', `"${name}"`, 'holdfast lab replay lists them all')
}

async function replay(cli: Cli, command: Command, scenario: Scenario, options: ReplayOptions): Promise<void> {
  const protocol = options.protocol ?? scenario.protocols[0]
  if (!scenario.protocols.includes(protocol))
    usage('--protocol', scenario.protocols.join(' or '), `"${protocol}"`, `choose one that ${scenario.name} has`)
  const { json, print, paint, note } = outputOf(cli, command)
  const transcript: string[] = []
  const tell = (line: string) => {
    transcript.push(line)
    if (!json) cli.io.out(`${line}\n`)
  }
  const told = await scenario.run({ protocol, tell, ...(options.seed === undefined ? {} : { seed: options.seed }) })
  const svg = options.svg === undefined ? null : picture(cli, scenario, told, options.svg)
  const { verdict, asExpected, hash, facts } = told
  if (!asExpected) cli.exitCode = exit.failed
  print({ scenario: scenario.name, protocol, asExpected, verdict, hash, facts: facts ?? null, svg, transcript }, () => {
    const width = Math.max(40, Math.min(100, cli.io.columns()) - 2)
    const lines = wrap(verdict, width).map((line) => `  ${line}`)
    return `\n${paint('bold', asExpected ? 'Verdict, as expected' : paint('red', 'Verdict, not as expected'))}\n${lines.join('\n')}`
  })
  if (svg !== null) note(`drawn: ${svg}`)
}

function picture(cli: Cli, { name }: Scenario, { svg }: Told, file: string): string {
  return svg === undefined
    ? usage('--svg', 'a scenario that draws', name, 'leave --svg out')
    : writePicture(cli, file, svg)
}
