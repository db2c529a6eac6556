/** `holdfast plan`: what the planner would publish now. Cannot write: it opens the store read-only and holds no key. */
import type { Command } from 'commander'
import { parseAnswerText } from '../model/answer.ts'
import type { Violation } from '../plan/check.ts'
import { answerSaid } from './answer.ts'
import { type Cli, newCommand, type Output, outputOf, wholeArgument } from './cli.ts'
import { exit } from './exit.ts'
import { type Forecast, forecast } from './forecast.ts'
import { blastText } from './history.ts'
import { openConfig, withStore } from './session.ts'
import { count, percentText, table } from './text.ts'

export function planCommand(cli: Cli): Command {
  return newCommand('plan', 'Dry run: what would be published now: differences, blast radius, reasons. Cannot write.', [
    ['holdfast plan', 'against what is published'],
    ['holdfast --config new.yaml plan --check', 'exit code 5 if anything would change'],
  ])
    .option('--check', 'exit with code 5 if anything would change')
    .option('--names <n>', 'list at most this many differences (0: all)', wholeArgument, 50)
    .action(async (options: { readonly check?: boolean; readonly names: number }, self: Command) => {
      const output = outputOf(cli, self)
      const config = openConfig(cli, self)
      const { document, text } = await withStore(config, { write: false, absent: 'empty' }, async (store) =>
        describe(await forecast(store, config.policy), options.names, output),
      )
      output.print(document, () => text)
      if (options.check === true && document.outcome === 'plan') cli.exitCode = exit.found
    })
}

export interface ForecastDocument {
  readonly outcome: 'plan' | 'hold'
  readonly generation: number | null
  readonly parent: number | null
  readonly blast: object | null
  readonly reasons: readonly { readonly subject: string; readonly text: string }[]
  readonly changes: readonly { readonly name: string; readonly before: string | null; readonly after: string | null }[]
  readonly changesTotal: number
  readonly refused: Readonly<Record<string, string>>
  /** Why the planner's own check would not let it be published; empty if it would. */
  readonly violations: readonly Violation[]
}

/** `most` differences are listed; 0: all. */
export function describe(
  { decided, violations }: Forecast,
  most: number,
  { paint }: Output,
): { document: ForecastDocument; text: string } {
  const refused = Object.fromEntries(decided.refused)
  const refusals = [...decided.refused].map(
    ([subject, why]) => `${paint('red', 'refused')} ${subject.replace('/', ' ')}: ${why}`,
  )
  if (decided.kind === 'hold') {
    const document: ForecastDocument = {
      outcome: 'hold',
      generation: null,
      parent: null,
      blast: null,
      reasons: decided.reasons,
      changes: [],
      changesTotal: 0,
      refused,
      violations,
    }
    const [first, ...rest] = decided.reasons
    const text = [
      `nothing would be published: ${first?.text ?? 'nothing changed'}`,
      ...refusals,
      ...rest.slice(0, 50).map((reason) => `  ${reason.subject}: ${reason.text}`),
    ].join('\n')
    return { document, text }
  }
  const { head } = decided
  const changes: { name: string; before: string | null; after: string | null }[] = []
  let total = 0
  for (const { name, before, after } of decided.changes) {
    total += 1
    if (most === 0 || changes.length < most)
      changes.push({
        name,
        before: before === null ? null : answerPart(before),
        after: after === null ? null : answerPart(after),
      })
  }
  const document: ForecastDocument = {
    outcome: 'plan',
    generation: head.generation,
    parent: head.parent,
    blast: head.blast,
    reasons: head.reasons,
    changes,
    changesTotal: total,
    refused,
    violations,
  }
  const said = (text: string) => {
    const answer = parseAnswerText(text)
    return answer === undefined ? text : answerSaid(answer)
  }
  const lines = changes.flatMap(({ name, before, after }) => [
    `  ${paint('bold', name.replace(/\.$/, ''))}`,
    ...(before === null ? [] : [paint('red', `    - ${said(before)}`)]),
    ...(after === null ? [] : [paint('green', `    + ${said(after)}`)]),
  ])
  const { blast } = head
  const text = [
    `${paint('bold', `generation ${head.generation}`)} would be published after ${head.parent}`,
    table(
      [
        ['changes', `${blastText(head)}, of ${count(blast.namesTotal, 'name')}`],
        [
          'capacity',
          blast.capacityRemoved > 0
            ? `takes ${percentText(blast.capacityRemoved)} of a pool out of answers`
            : 'takes none away',
        ],
        ...(blast.ttlMax === 0 ? [] : [['caches', `forget the old answers within ${blast.ttlMax} s`]]),
      ],
      '  ',
    ),
    ...refusals,
    ...violations.map(
      ({ rule, at, expected, found }) =>
        `${paint('red', 'not published')} ${rule}, ${at}: expected ${expected}, found ${found}`,
    ),
    ...(head.reasons.length === 0 ? [] : [paint('bold', 'reasons')]),
    ...head.reasons.slice(0, 50).map((reason) => `  ${reason.subject}: ${reason.text}`),
    ...(total === 0 ? [] : [paint('bold', 'differences')]),
    ...lines,
    ...(total > changes.length ? [`  and ${count(total - changes.length, 'more name')}: --names 0 lists all`] : []),
  ].join('\n')
  return { document, text }
}

/** A plan's line without its name: `since born answer` becomes the answer. */
const answerPart = (line: string): string => line.split(' ').slice(3).join(' ')
