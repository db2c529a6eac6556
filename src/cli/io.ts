/** What a command may touch besides the store and the wire: its terminal, its environment, its failure. */
import { styleText } from 'node:util'
import { describeProblem, type Problem, problem } from '../base/problem.ts'
import { type ExitCode, exit } from './exit.ts'

export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where relative paths on the command line start. */
  readonly cwd: string
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Colours and live views only where a person looks. */
  readonly outIsTty: boolean
  readonly errIsTty: boolean
  readonly columns: () => number
}

export function processIo(): Io {
  return {
    env: process.env,
    cwd: process.cwd(),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    outIsTty: process.stdout.isTTY === true,
    errIsTty: process.stderr.isTTY === true,
    columns: () => process.stdout.columns ?? 80,
  }
}

/** Ends a command: what went wrong, for people and for scripts. */
export class CliFailure extends Error {
  override readonly name = 'CliFailure'
  readonly exit: ExitCode
  readonly problems: readonly Problem[]
  constructor(code: ExitCode, problems: readonly Problem[]) {
    super(problems.map(describeProblem).join('\n'))
    this.exit = code
    this.problems = problems
  }
}

export function fail(code: ExitCode, at: string, expected: string, found: string, todo: string): never {
  throw new CliFailure(code, [problem(at, expected, found, todo)])
}

export const usage = (at: string, expected: string, found: string, todo: string): never =>
  fail(exit.usage, at, expected, found, todo)

type Style = Parameters<typeof styleText>[0]
export type Paint = (style: Style, text: string) => string

/** Colours for a terminal that wants them: `NO_COLOR` set and not empty says no (no-color.org), `FORCE_COLOR` says yes. */
export function painter(isTty: boolean, env: Io['env']): Paint {
  const off = env.NO_COLOR !== undefined && env.NO_COLOR !== ''
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '' && env.FORCE_COLOR !== '0'
  const on = !off && (forced || (isTty && env.TERM !== 'dumb'))
  return on ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text
}

/** A problem as a person reads it on a terminal: one fact a line, what to do last. */
export function problemText(p: Problem, paint: Paint): string {
  return [
    `${paint(['red', 'bold'], 'error')} ${paint('bold', p.at)}`,
    `  expected  ${p.expected}`,
    `  found     ${p.found}`,
    `  to do     ${p.todo}`,
  ].join('\n')
}
