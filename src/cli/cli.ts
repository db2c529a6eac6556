/** What every command is given, and how it speaks: text for people, JSON for scripts. */
import { userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { ExitCode } from './exit.ts'
import { type Io, type Paint, painter } from './io.ts'
import { parseDuration } from './text.ts'

export interface Cli {
  readonly io: Io
  /** Set by a command that ends otherwise than well without failing, such as a check that found something. */
  exitCode: ExitCode
}

export interface GlobalOptions {
  readonly config?: string
  readonly json?: boolean
}

export interface Output {
  readonly json: boolean
  readonly paint: Paint
  /** The result, on standard output: the document as JSON with --json, the text otherwise. */
  print(document: object, text: () => string): void
  /** Progress and hints, on standard error; nothing with --json. */
  note(text: string): void
}

export function outputOf(cli: Cli, command: Command): Output {
  const json = command.optsWithGlobals<GlobalOptions>().json === true
  const paint = painter(cli.io.outIsTty, cli.io.env)
  return {
    json,
    paint,
    print: (document, text) => cli.io.out(`${json ? JSON.stringify(document, null, 2) : text()}\n`),
    note: (text) => {
      if (!json) cli.io.err(`${text}\n`)
    },
  }
}

/** The configuration's path: --config, $HOLDFAST_CONFIG, ./holdfast.yaml. */
export function configPath(cli: Cli, command: Command, given?: string): string {
  const path = given ?? command.optsWithGlobals<GlobalOptions>().config ?? cli.io.env.HOLDFAST_CONFIG
  const chosen = path === undefined || path === '' ? 'holdfast.yaml' : path
  return isAbsolute(chosen) ? chosen : join(cli.io.cwd, chosen)
}

/** A command with its summary and examples, which every one has. */
export function newCommand(
  name: string,
  summary: string,
  examples: readonly (readonly [command: string, what: string])[],
): Command {
  const width = Math.max(...examples.map(([command]) => command.length))
  return new Command(name)
    .description(summary)
    .addHelpText(
      'after',
      `\nExamples:\n${examples.map(([command, what]) => `  $ ${command.padEnd(width)}  # ${what}`).join('\n')}\n`,
    )
}

export function durationArgument(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('expected a time such as 90s, 30m, 1h30m or 2d.')
  return ms
}

export function wholeArgument(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number.')
  return Number(text)
}

/** Who sits at this terminal, for overrides: $USER, or what the system says. */
export function currentUser(env: Io['env']): string {
  if (env.USER !== undefined && env.USER !== '') return env.USER
  try {
    return userInfo().username
  } catch {
    return 'unknown'
  }
}
