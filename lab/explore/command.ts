/** `holdfast lab explore`: every interleaving of a small world. */
import type { Command } from 'commander'
import { type Cli, durationArgument, newCommand, outputOf, wholeArgument } from '../../src/cli/cli.ts'
import { exit } from '../../src/cli/exit.ts'
import { usage } from '../../src/cli/io.ts'
import { type ExploreOptions, explore } from './explore.ts'
import { mechanisms } from './mechanisms.ts'
import { tellReport } from './report.ts'

const most = { enactors: 4, plans: 6, endpoints: 3, crashes: 3, stalls: 3, ticks: 4, lies: 3 } as const
const least: Readonly<Partial<Record<keyof typeof most, number>>> = { enactors: 1, plans: 1, endpoints: 1 }
const memoryMost = 1 << 20

export function exploreCommand(cli: Cli): Command {
  return newCommand('explore', 'Every interleaving of the real programs in a small world.', [
    ['holdfast lab explore --crashes 1 --stalls 1', 'two enactors, three plans, one endpoint'],
    ['holdfast lab explore --enactors 3 --plans 3 --endpoints 2', 'some minutes'],
    ['holdfast lab explore --protocol classic', 'the race of October 2025'],
    ['holdfast lab explore --disable condition', 'what a mechanism is good for'],
  ])
    .option('--enactors <n>', `1 to ${most.enactors}`, wholeArgument, 2)
    .option('--plans <n>', `1 to ${most.plans}`, wholeArgument, 3)
    .option('--endpoints <n>', `1 to ${most.endpoints}`, wholeArgument, 1)
    .option('--protocol <name>', 'holdfast or classic', 'holdfast')
    .option('--crashes <n>', 'programs that crash, at any step', wholeArgument, 0)
    .option('--stalls <n>', 'programs that are held up, at any step, while time passes', wholeArgument, 0)
    .option('--ticks <n>', 'how often time passes', wholeArgument, 1)
    .option('--lies <n>', 'writes that the authority accepts and does not carry out', wholeArgument, 0)
    .option('--sweep', 'with the sweep that deletes old plans')
    .option('--foreign', "with one endpoint more, where somebody else's records stand")
    .option('--server <kind>', 'built-in, or plain: one that knows conditions and no guards', 'built-in')
    .option('--disable <mechanism>', `without one of: ${mechanisms.map(({ name }) => name).join(', ')}`)
    .option('--for <time>', 'stop after this time', durationArgument, 10 * 60_000)
    .option('--states <n>', 'stop after so many states', wholeArgument, 4_000_000_000)
    .option('--memory <MiB>', 'stop when it takes more than this', wholeArgument, 2_048)
    .action(async (options: ExploreOptions, command: Command) => {
      check(options)
      const output = outputOf(cli, command)
      const show = progressOf(cli, output.json)
      const stop = new AbortController()
      const interrupt = () => stop.abort()
      process.once('SIGINT', interrupt)
      try {
        const report = await explore(options, { note: show.note, progress: show.update, signal: stop.signal })
        show.end()
        output.print({ ...report, state: undefined }, () => tellReport(report))
        if (report.kind === 'violated') cli.exitCode = exit.found
        if (report.kind === 'stopped') cli.exitCode = exit.failed
      } finally {
        process.off('SIGINT', interrupt)
      }
    })
}

function check(options: ExploreOptions): void {
  const refuse = (expected: string, found: string, todo: string) => usage('holdfast lab explore', expected, found, todo)
  for (const name of Object.keys(most) as (keyof typeof most)[]) {
    const low = least[name] ?? 0
    if (options[name] < low || options[name] > most[name])
      refuse(`--${name} from ${low} to ${most[name]}`, String(options[name]), 'choose a smaller world')
  }
  if (options.memory < 1 || options.memory > memoryMost)
    refuse(`--memory from 1 to ${memoryMost}`, String(options.memory), 'give MiB')
  if (options.server !== 'built-in' && options.server !== 'plain')
    refuse('--server built-in or plain', options.server, 'choose one of them')
  if (options.protocol !== 'holdfast' && options.protocol !== 'classic')
    refuse('--protocol holdfast or classic', options.protocol, 'choose one of them')
  if (options.disable === undefined) return
  if (options.protocol === 'classic')
    refuse('a mechanism of Holdfast', `--protocol classic --disable ${options.disable}`, 'leave out one of them')
  if (!mechanisms.some(({ name }) => name === options.disable))
    refuse(`--disable ${mechanisms.map(({ name }) => name).join(', ')}`, options.disable, 'choose one of them')
}

interface Show {
  note(text: string): void
  update(states: number, transitions: number, depth: number): void
  end(): void
}

/** One line that changes where a person looks, one now and then elsewhere, nothing with --json. */
function progressOf({ io }: Cli, isQuiet: boolean): Show {
  if (isQuiet) return { note: () => {}, update: () => {}, end: () => {} }
  const every = io.errIsTty ? 500 : 10_000
  const [before, after] = io.errIsTty ? ['\r\x1b[K', ''] : ['', '\n']
  let shownAt = performance.now()
  let began = shownAt
  let doing = ''
  const clear = () => (io.errIsTty ? io.err('\r\x1b[K') : undefined)
  return {
    note(text) {
      clear()
      io.err(`${text}\n`)
      doing = text.split(/[:\n]/, 1)[0] as string
      began = performance.now()
    },
    update(states, transitions, depth) {
      const now = performance.now()
      if (now < shownAt + every) return
      shownAt = now
      const rate = Math.round((states / Math.max(1, now - began)) * 1000)
      const number = (value: number) => value.toLocaleString('en')
      io.err(
        `${before}${doing}: ${number(states)} states, ${number(transitions)} transitions, depth ${depth}, ${number(rate)} states/s${after}`,
      )
    },
    end: () => void clear(),
  }
}
