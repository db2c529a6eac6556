/** `holdfast lab explore`: every interleaving of a small world. */
import type { Command } from 'commander'
import { type Cli, durationArgument, newCommand, outputOf, wholeArgument } from '../../src/cli/cli.ts'
import { exit } from '../../src/cli/exit.ts'
import { fail, usage } from '../../src/cli/io.ts'
import { WrongMerger } from './automaton.ts'
import { classicWorld } from './classic.ts'
import { allReductions, holdfastWorld } from './holdfast.ts'
import { type Mechanism, mechanisms } from './mechanisms.ts'
import { type Explored, type Limits, search } from './search.ts'
import { bytesPerState } from './seen.ts'

interface Options {
  readonly enactors: number
  readonly plans: number
  readonly endpoints: number
  readonly protocol: string
  readonly crashes: number
  readonly stalls: number
  readonly ticks: number
  readonly lies: number
  readonly sweep?: boolean
  readonly disable?: string
  readonly for: number
  readonly states: number
  readonly memory: number
}

const most = { enactors: 4, plans: 6, endpoints: 3, crashes: 3, stalls: 3, ticks: 4, lies: 3 } as const

export interface Report extends Explored {
  readonly protocol: string
  /** Holds, is violated, or was not seen violated as far as it was explored. */
  readonly verdicts: Readonly<Record<string, 'holds' | 'violated' | 'not violated so far'>>
  /** Of the classic protocol: whether anything can still give the name an address. */
  readonly isStuck: boolean | null
}

export function exploreCommand(cli: Cli): Command {
  return newCommand('explore', 'Every interleaving of the real programs in a small world.', [
    ['holdfast lab explore --enactors 2 --plans 2 --crashes 1 --stalls 1', 'all of it, in seconds'],
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
    .option('--disable <mechanism>', `without one of: ${mechanisms.map(({ name }) => name).join(', ')}`)
    .option('--for <time>', 'stop after this time', durationArgument, 10 * 60_000)
    .option('--states <n>', 'stop after so many states', wholeArgument, 500_000_000)
    .option('--memory <MiB>', 'memory for the states seen', wholeArgument, 2_048)
    .action(async (options: Options, command: Command) => {
      const output = outputOf(cli, command)
      const report = await explore(options, (text) => output.note(text))
      output.print({ ...report, state: undefined }, () => tell(report))
      if (report.kind === 'violated') cli.exitCode = exit.found
    })
}

async function explore(options: Options, note: (text: string) => void): Promise<Report> {
  for (const name of Object.keys(most) as (keyof typeof most)[]) {
    const least = name === 'enactors' || name === 'plans' || name === 'endpoints' ? 1 : 0
    if (options[name] < least || options[name] > most[name])
      usage(
        'holdfast lab explore',
        `--${name} from ${least} to ${most[name]}`,
        String(options[name]),
        'choose a smaller world',
      )
  }
  const mechanism = mechanismOf(options.disable)
  const limits: Limits = { states: options.states, ms: options.for, bytes: options.memory * 2 ** 20 }
  note(`there is room for ${Math.floor(limits.bytes / bytesPerState / 1e6)} million states in ${options.memory} MiB`)
  let told = performance.now()
  const progress = (states: number, transitions: number, depth: number) => {
    if (performance.now() - told < 5_000) return
    told = performance.now()
    note(`${states.toLocaleString('en')} states, ${transitions.toLocaleString('en')} transitions, depth ${depth}`)
  }
  if (options.protocol === 'classic') {
    if (mechanism !== null)
      usage(
        'holdfast lab explore',
        'a mechanism of Holdfast',
        `--protocol classic --disable ${mechanism.name}`,
        'leave out one of them',
      )
    const { world, isStuck } = classicWorld(options, options)
    const explored = await search(world, limits, { progress })
    const stuck = explored.state === null ? null : await isStuck(explored.state)
    return { ...explored, protocol: 'classic', isStuck: stuck, verdicts: verdicts(explored, ['S2'], stuck) }
  }
  if (options.protocol !== 'holdfast')
    usage('holdfast lab explore', '--protocol holdfast or classic', options.protocol, 'choose one of them')
  const needs = mechanism?.needs
  const size = {
    ...options,
    enactors: needs?.enactors ?? options.enactors,
    plans: Math.max(options.plans, needs?.plans ?? 0),
    withSweep: options.sweep === true || needs?.sweep === true,
  }
  const bounds = {
    ...options,
    lies: Math.max(options.lies, needs?.lies ?? 0),
    stalls: Math.max(options.stalls, needs?.stalls ?? 0),
  }
  // What is put in a mechanism's place has a memory of its own, about which nothing is assumed.
  const last = mechanism === null || mechanism.isStateless === true
  const run = async (between: boolean): Promise<Explored> => {
    const { world } = holdfastWorld(size, bounds, { ...allReductions, last, between }, mechanism)
    return await search(world, limits, { progress })
  }
  let explored: Explored
  try {
    explored = await run(true)
  } catch (error) {
    if (!(error instanceof WrongMerger)) throw error
    note('two pasts were taken for one memory, and were not: begins again with longer memories')
    explored = await run(false)
  }
  const checked = ['S1', 'S2', 'S3', 'S4', 'L1']
  return { ...explored, protocol: 'holdfast', isStuck: null, verdicts: verdicts(explored, checked, null) }
}

function mechanismOf(name: string | undefined): Mechanism | null {
  if (name === undefined) return null
  const found = mechanisms.find((mechanism) => mechanism.name === name)
  if (found !== undefined) return found
  return fail(
    exit.usage,
    'holdfast lab explore',
    `--disable ${mechanisms.map((one) => one.name).join(', ')}`,
    name,
    'choose one of them',
  )
}

function verdicts(explored: Explored, invariants: readonly string[], stuck: boolean | null): Report['verdicts'] {
  const verdict = (invariant: string) =>
    explored.violation?.invariant === invariant ? 'violated' : explored.kind === 'all' ? 'holds' : 'not violated so far'
  const all = Object.fromEntries(invariants.map((invariant) => [invariant, verdict(invariant)] as const))
  return stuck === true ? { ...all, L1: 'violated' } : all
}

function tell(report: Report): string {
  const number = (value: number) => value.toLocaleString('en')
  const lines = [
    ...(report.violation === null
      ? []
      : [
          `${report.violation.invariant} is violated: ${report.violation.text}`,
          ...(report.isStuck === true
            ? ['and whatever any program does from here on, the name stays without an address']
            : []),
          '',
          ...report.story.map((step, index) => `${String(index + 1).padStart(4)}  ${step}`),
          '',
        ]),
    report.kind === 'all'
      ? 'all of this world was explored'
      : report.kind === 'stopped'
        ? `stopped: ${report.why}`
        : 'stopped at the violation',
    `${number(report.states)} states, ${number(report.transitions)} transitions, ${number(report.ends)} ends, depth ${report.depth}, ${(report.ms / 1000).toFixed(1)} s, ${Math.ceil(report.bytes / 2 ** 20)} MiB`,
    `production code: ${number(report.nodes)} states, ${number(report.edges)} answers; ${number(report.mergers)} mergers, tested on ${number(report.checked)} answers`,
    ...Object.entries(report.verdicts).map(([invariant, verdict]) => `${invariant}  ${verdict}`),
  ]
  return lines.join('\n')
}
