/** `holdfast show GENERATION`: one plan, whole. */
import type { Command } from 'commander'
import { answerText } from '../model/answer.ts'
import type { Generation } from '../model/generation.ts'
import { type PlanEntry, type PlanHead, type PlanText, parseEntryLine, type TargetState } from '../model/plan.ts'
import { planGenerations, readHead, readPlan, readShards } from '../store/plans.ts'
import type { Store } from '../store/store.ts'
import { answerSaid } from './answer.ts'
import { type Cli, newCommand, outputOf, wholeArgument } from './cli.ts'
import { exit } from './exit.ts'
import { blastText } from './history.ts'
import { CliFailure, fail } from './io.ts'
import { shown } from './pin.ts'
import { openConfig, withStore } from './session.ts'
import { agoText, count, durationText, percentText, someOf, table, timeText } from './text.ts'

export function showCommand(cli: Cli): Command {
  return newCommand('show', 'One plan: what it answers for every name, and why.', [
    ['holdfast show head', 'the newest'],
    ['holdfast show 41 --json', 'generation 41, for a script'],
  ])
    .argument('<generation>', 'a number, or "head"')
    .option('--names <n>', 'list at most this many names (0: all)', wholeArgument, 50)
    .action(async (text: string, { names: most }: { names: number }, self: Command) => {
      const output = outputOf(cli, self)
      const config = openConfig(cli, self)
      await withStore(config, { write: false }, async (store) => {
        const plan = await planOf(store, text)
        const reading = await readShards(store, plan)
        if (reading.kind !== 'text') throw new CliFailure(exit.failed, [reading.problem])
        const listed: PlanEntry[] = []
        for (const line of linesOf(reading.text)) {
          if (most > 0 && listed.length >= most) break
          const entry = parseEntryLine(line)
          if (entry !== undefined) listed.push(entry)
        }
        const total = plan.blast.namesTotal
        const names = listed.map((entry) => ({ ...entry, answer: answerText(entry.answer) }))
        output.print({ ...plan, at: timeText(plan.at), names, namesTotal: total }, () => {
          const { paint } = output
          const pools = Object.entries(plan.pools).flatMap(([pool, state]) => [
            `${paint('bold', `pool ${pool}`)}  ${percentText(state.capacity)} of its capacity answers${state.failOpenSince === null ? '' : `, fail-open since ${timeText(state.failOpenSince)}`}`,
            table(
              Object.entries(state.targets).map(([id, target]) => [id, target.kind, targetText(target, Date.now())]),
              '  ',
            ),
          ])
          const more =
            total > listed.length ? [`  and ${count(total - listed.length, 'more name')}: --names 0 lists all`] : []
          return [
            `${paint('bold', `generation ${plan.generation}`)} by ${plan.author}, ${timeText(plan.at)} (${agoText(plan.at, Date.now())}), after generation ${plan.parent}`,
            `changes   ${blastText(plan)} of ${count(total, 'name')}${cachesText(plan)}`,
            ...pools,
            ...(plan.reasons.length === 0 ? [] : [paint('bold', 'reasons')]),
            ...plan.reasons.slice(0, 50).map(({ subject, text: why }) => `  ${subject}: ${why}`),
            paint('bold', 'names'),
            table(
              listed.map(({ name, since, answer }) => [shown(name), `since ${since}`, answerSaid(answer)]),
              '  ',
            ),
            ...more,
          ].join('\n')
        })
      })
    })
}

/** Only where something is there to forget. */
const cachesText = ({ blast }: PlanHead): string =>
  blast.ttlMax === 0 ? '' : `; caches follow within ${blast.ttlMax} s`

function* linesOf(text: PlanText): Generator<string> {
  for (let index = 0; index < text.head.shards.length; index++)
    for (const line of text.shard(index).split('\n')) if (line !== '') yield line
}

/** The plan of that number, or of the head; a number that does not exist is answered with those that do. */
export async function planOf(store: Store, text: string): Promise<PlanHead> {
  if (text === 'head') {
    const head = await readHead(store)
    if (head.kind === 'none')
      fail(exit.failed, 'head', 'a published plan', 'none yet', 'start "holdfast up", which publishes the first one')
    if (head.kind === 'damaged') throw new CliFailure(exit.failed, [head.problem])
    const reading = await readPlan(store, head.head.generation, head.head.digest)
    if (reading.kind !== 'plan') throw new CliFailure(exit.failed, [reading.problem])
    return reading.plan
  }
  const number = Number(text)
  if (!/^[0-9]{1,15}$/.test(text) || number < 1)
    fail(exit.usage, text, 'the number of a generation, or "head"', JSON.stringify(text), 'holdfast history lists them')
  const reading = await readPlan(store, number as Generation)
  if (reading.kind === 'plan') return reading.plan
  if (reading.kind === 'damaged') throw new CliFailure(exit.failed, [reading.problem])
  const kept = await planGenerations(store)
  return fail(
    exit.failed,
    `generation ${text}`,
    kept.length === 0 ? 'a published plan' : `one that is kept: ${keptText(kept)}`,
    kept.length === 0 ? 'no plan at all' : 'no such generation',
    kept.length === 0 ? 'start "holdfast up", which publishes the first one' : 'choose one of them (holdfast history)',
  )
}

/** "3 to 7, 9, 12 to 14": runs of numbers together. */
export function keptText(generations: readonly number[]): string {
  const runs: [from: number, to: number][] = []
  for (const generation of generations) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === generation - 1) last[1] = generation
    else runs.push([generation, generation])
  }
  return someOf(
    runs.map(([from, to]) => (from === to ? String(from) : `${from} to ${to}`)),
    12,
  )
}

/** Why a target answers as it does, in words. */
export function targetText(state: TargetState, now: number): string {
  const since = `for ${durationText(Math.max(0, now - state.since))}`
  switch (state.kind) {
    case 'new':
      return `new, ${since}: has not passed its checks yet`
    case 'serving':
      return since
    case 'ramping':
      return `at ${state.percent} %, back ${since}`
    case 'held':
      return `should go, held back by ${state.by}, ${since}`
    case 'removed':
      return `${state.reason}, ${since}`
    case 'evacuated':
      return `out with its whole site, ${since}`
    case 'drained':
      return `by ${state.by}: ${state.reason}, ${since}`
  }
}
