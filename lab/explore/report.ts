/** What an exploration found, for people and for scripts. */
import type { Invariant } from '../checks/check.ts'
import type { Estimate } from './estimate.ts'
import type { Learned } from './learning.ts'
import type { Explored } from './search.ts'

export type Verdict = 'holds' | 'violated' | 'held as far as it was covered' | 'not asked in this world'

export interface Report extends Explored {
  readonly protocol: 'holdfast' | 'classic'
  readonly world: string
  readonly without: string | null
  readonly verdicts: Readonly<Record<string, Verdict>>
  readonly estimate: Estimate | null
  readonly learned: readonly {
    readonly id: string
    readonly states: number
    readonly ms: number
    readonly classes: number | null
  }[]
  /** Whether S1, S2 and S3 hold for any number of enactors; null where that was not shown. */
  readonly anyNumber: true | null
  /** Of the classic protocol: whether anything can still give the name an address. */
  readonly isStuck: boolean | null
  /** Of the whole process, in bytes. */
  readonly memory: number
  /** Processor time of the whole process, in milliseconds. */
  readonly cpuMs: number
}

export interface Found {
  readonly protocol: 'holdfast' | 'classic'
  readonly world: string
  readonly without: string | null
  readonly explored: Explored
  readonly estimate: Estimate | null
  readonly learned: readonly Learned[]
  /** What the checks of this world look at. */
  readonly judged: readonly Invariant[]
  readonly isStuck: boolean | null
}

export function reportOf({ explored, learned, judged, isStuck, ...found }: Found): Report {
  const isProved = (one: Learned) => one.classes !== null
  const enactors = learned.filter(({ id }) => id.startsWith('enactor'))
  return {
    ...explored,
    ...found,
    verdicts: verdictsOf(explored, judged, isStuck),
    learned: learned.map(({ id, explored, classes }) => ({ id, states: explored.states, ms: explored.ms, classes })),
    anyNumber: found.without === null && enactors.length > 0 && enactors.every(isProved) ? true : null,
    isStuck,
    memory: process.memoryUsage.rss(),
    cpuMs: process.cpuUsage().user / 1000,
  }
}

const asked: readonly Invariant[] = ['S1', 'S2', 'S3', 'S4', 'S6', 'L1', 'L2']

function verdictsOf(explored: Explored, judged: readonly Invariant[], isStuck: boolean | null): Report['verdicts'] {
  const verdict = (invariant: Invariant): Verdict => {
    if (!judged.includes(invariant)) return 'not asked in this world'
    if (explored.violation?.invariant === invariant || (invariant === 'L1' && isStuck === true)) return 'violated'
    return explored.kind === 'all' ? 'holds' : 'held as far as it was covered'
  }
  return Object.fromEntries(asked.map((invariant) => [invariant, verdict(invariant)]))
}

const number = (value: number) => value.toLocaleString('en')
const mebibytes = (bytes: number) => `${number(Math.ceil(bytes / 2 ** 20))} MiB`
const seconds = (ms: number) => (ms < 600_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`)

export function tellEstimate({ states, bytes, ms, basis }: Estimate, limits: { bytes: number; ms: number }): string {
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, states))) - 1)
  const about = `estimate: about ${number(Math.round(states / digits) * digits)} states, ${mebibytes(bytes)} for them, ${seconds(ms)} (${basis})`
  const over = [
    ...(bytes > limits.bytes ? [`more than --memory ${Math.round(limits.bytes / 2 ** 20)}`] : []),
    ...(ms > limits.ms ? [`longer than --for ${seconds(limits.ms)}`] : []),
  ]
  return over.length === 0
    ? about
    : `${about}\nthat is ${over.join(' and ')}: it will stop there and say what it has covered; allow more, or choose a smaller world`
}

export function tellReport(report: Report): string {
  const { violation, kind, parts } = report
  const lines = [
    ...(violation === null
      ? []
      : [
          `${violation.invariant} is violated: ${violation.text}`,
          ...(report.isStuck === true
            ? ['and whatever any program does from here on, the name stays without an address']
            : []),
          '',
          ...report.story.map((step, index) => `${String(index + 1).padStart(4)}  ${step}`),
          '',
        ]),
    kind === 'all'
      ? `all of this world was explored: ${report.world}`
      : kind === 'stopped'
        ? `stopped: ${report.why}; ${number(report.left)} choices on the way were not followed: ${report.world}`
        : `stopped at the violation: ${report.world}`,
    ...(report.without === null ? [] : [`without the mechanism: ${report.without}`]),
    `states       ${number(report.states)}, ${report.isExact ? 'kept whole' : `as 64 bits of hash: two are taken for one with odds of ${(report.states ** 2 / 2 ** 65).toExponential(0)}`}`,
    `transitions  ${number(report.transitions)}, ${number(report.ends)} ends, depth ${report.depth}`,
    `time         ${seconds(report.ms)}, ${number(Math.round((report.states / Math.max(1, report.ms)) * 1000))} states/s; processor ${seconds(report.cpuMs)} in all`,
    `memory       ${mebibytes(report.bytes)} for the states, ${mebibytes(report.memory)} in all`,
    ...report.learned.map(
      ({ id, states, ms, classes }) =>
        `learned      ${id}: ${classes === null ? 'not to the end' : `${number(classes)} states of the program`}, from ${number(states)} in ${seconds(ms)}`,
    ),
    `code         ${number(report.nodes)} pasts, ${number(report.edges)} answers given to production code; ${number(report.mergers)} pasts taken together, tested on ${number(report.checked)} answers`,
    `steps        ${number(parts.steps)} worked out, of ${number(parts.own)} states of a program by ${number(parts.common)} of what all share`,
    ...Object.entries(report.verdicts).map(([invariant, verdict]) => `${invariant.padEnd(12)} ${verdict}`),
    ...(report.anyNumber === true
      ? ['S1, S2 and S3 hold for any number of enactors: one was explored with all that others could do']
      : []),
  ]
  return lines.join('\n')
}
