/**
 * `holdfast lab replay flapping`: the morning after, 20 October 2025, when health checks took healthy
 * capacity away: machines that were judged before their network had arrived, checks slowed by the
 * checker's own work, and nothing that limited how fast capacity could go.
 */
import { drawChart } from '../../chart.ts'
import type { Scenario, Told } from '../../scenario.ts'
import { classicFlapping } from './classic.ts'
import { demand, endMs, established, type Flapping, startedMs } from './fleet.ts'
import { holdfastFlapping } from './holdfast.ts'

export const flapping: Scenario = {
  name: 'flapping',
  summary:
    'Machines judged before their network arrived: a checker that takes healthy capacity out, and back, and out.',
  protocols: ['holdfast', 'classic'],
  async run({ protocol, tell, seed = 1 }): Promise<Told> {
    const isClassic = protocol === 'classic'
    const run = await (isClassic ? classicFlapping : holdfastFlapping)({ seed, tell })
    return {
      verdict: isClassic ? classicVerdict(run) : holdfastVerdict(run),
      asExpected: isClassic ? oscillates(run) : isSteady(run),
      hash: run.hash,
      svg: chartOf(run, isClassic ? 'classic' : 'holdfast'),
      facts: factsOf(run),
    }
  },
}

/** One budget: the greatest part of the established targets that may be out because of false alarms. */
const budget = Math.max(1, Math.floor(0.05 * established))

interface Facts {
  /** Least number of the 36 that never failed in the answer, from when the first answer was whole. */
  readonly leastUnharmed: number
  readonly secondsShort: number
  /** How often customers went from served to short. */
  readonly timesShort: number
  readonly changes: number
  readonly mostOfOne: number
  readonly sitesOut: number
  readonly checksPerSecond: number
  readonly longestWaitMs: number
  readonly answeringAtEnd: number
}

export function factsOf({ samples, changes, mostOfOne, sitesOut, checks }: Flapping): Facts {
  const first = samples.findIndex(({ unharmed }) => unharmed === established)
  const after = samples.slice(Math.max(0, first))
  const isShort = after.map(({ answering }) => answering < demand)
  return {
    leastUnharmed: Math.min(...after.map(({ unharmed }) => unharmed)),
    secondsShort: isShort.filter(Boolean).length,
    timesShort: isShort.filter((short, index) => short && isShort[index - 1] !== true).length,
    changes,
    mostOfOne,
    sitesOut: sitesOut.length,
    checksPerSecond: Math.round(checks / (endMs / 1000)),
    longestWaitMs: Math.round(Math.max(...samples.map(({ waitMs }) => waitMs))),
    answeringAtEnd: samples.at(-1)?.answering ?? 0,
  }
}

/** Healthy capacity goes, comes back and goes again, whole sites of it. */
export function oscillates(run: Flapping): boolean {
  const { leastUnharmed, timesShort, sitesOut } = factsOf(run)
  return leastUnharmed <= established / 2 && timesShort >= 3 && sitesOut >= 3
}

/** Of those that never failed at most one budget is out, nobody is short, and all answer in the end. */
export function isSteady(run: Flapping): boolean {
  const { leastUnharmed, secondsShort, answeringAtEnd } = factsOf(run)
  return leastUnharmed >= established - budget && secondsShort === 0 && answeringAtEnd === run.samples.at(-1)?.able
}

function classicVerdict(run: Flapping): string {
  const { leastUnharmed, secondsShort, timesShort, sitesOut, changes, mostOfOne, longestWaitMs } = factsOf(run)
  if (!oscillates(run)) return 'With this seed it came to rest. Try another one.'
  return `It oscillates, and takes healthy capacity out. The new machines answered some checks and not others, as their network arrived; each turn was a change of the routing, the changes made the checks wait, up to ${(longestWaitMs / 1000).toFixed(1)} s, and so targets that never failed failed their checks. ${sitesOut} times a whole site was left; of the ${established} healthy targets ${leastUnharmed} were in the answer at worst, and one of them was taken out and put back ${mostOfOne} times, of ${changes.toLocaleString('en')} changes. Customers were short ${timesShort} times, for ${secondsShort} s in all. Nobody measured how much had been taken away.`
}

function holdfastVerdict(run: Flapping): string {
  const { leastUnharmed, secondsShort, changes, checksPerSecond, longestWaitMs, answeringAtEnd } = factsOf(run)
  if (!isSteady(run))
    return `Not steady: at worst ${leastUnharmed} of the ${established} healthy targets were in the answer, customers were short for ${secondsShort} s, and ${answeringAtEnd} answer in the end.`
  return `Steady. A new machine counts for nothing until it has passed its checks, and one that goes down again stays down longer each time, so the answer changed ${changes} times in eight minutes; the checks are as many in trouble as in calm, ${checksPerSecond} a second, and waited ${longestWaitMs} ms at most. At worst ${leastUnharmed} of the ${established} targets that never failed were in the answer, nobody was short for a moment, and all ${answeringAtEnd} answer in the end.`
}

function chartOf({ samples, sitesOut }: Flapping, protocol: 'classic' | 'holdfast'): string {
  const line = (value: (sample: Flapping['samples'][number]) => number) =>
    samples.map((sample) => [sample.atMs / 1000, value(sample)] as const)
  const first = sitesOut[0]
  const back = samples.find(({ atMs, able }) => atMs > startedMs && able === 2 * established)
  return drawChart({
    title:
      protocol === 'classic'
        ? 'A classic checker: targets in the answer that serve'
        : 'Holdfast: targets in the answer that serve',
    description:
      protocol === 'classic'
        ? 'Over eight minutes the number of healthy targets in the answer falls to almost nothing and rises again, many times, though the number of targets that would serve only grows.'
        : 'Over eight minutes the number of healthy targets in the answer follows the number of targets that would serve, and never falls.',
    unit: 'targets',
    seconds: endMs / 1000,
    greatest: 80,
    series: [
      { label: 'would serve', look: 'plain', tone: 'soft', points: line(({ able }) => able), stepped: true },
      {
        label: 'in the answer, of those',
        look: 'strong',
        tone: protocol === 'classic' ? 'bad' : 'good',
        points: line(({ answering }) => answering),
        stepped: true,
        filled: true,
      },
      {
        label: 'needed',
        look: 'dashed',
        tone: 'ink',
        points: [
          [0, demand],
          [endMs / 1000, demand],
        ],
      },
    ],
    moments: [
      { at: startedMs / 1000, text: 'as many machines again are started, before their network has arrived' },
      ...(first === undefined ? [] : [{ at: first / 1000, text: 'a whole site is left because its checks fail' }]),
      ...(back === undefined ? [] : [{ at: back.atMs / 1000, text: 'the network of the last machine has arrived' }]),
    ],
  })
}
