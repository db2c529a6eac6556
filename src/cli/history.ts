/** `holdfast history`: the plans that are kept, newest first, and what each changed. */
import type { Command } from 'commander'
import type { PlanHead } from '../model/plan.ts'
import { planGenerations, readHead, readPlan } from '../store/plans.ts'
import type { Store } from '../store/store.ts'
import { type Cli, newCommand, outputOf, wholeArgument } from './cli.ts'
import { openConfig, withStore } from './session.ts'
import { agoText, count, percentText, table, timeText } from './text.ts'

export function historyCommand(cli: Cli): Command {
  return newCommand('history', 'The plans that are kept, newest first, and what each changed.', [
    ['holdfast history', 'the last 20'],
    ['holdfast history --limit 100 --json', 'for a script'],
  ])
    .option('--limit <n>', 'at most this many', wholeArgument, 20)
    .action(async ({ limit }: { limit: number }, self: Command) => {
      const output = outputOf(cli, self)
      const config = openConfig(cli, self)
      await withStore(config, { write: false }, async (store) => {
        const head = await readHead(store)
        const generations = await planGenerations(store)
        const plans = await readPlans(store, generations.slice(-limit).toReversed())
        const newest = head.kind === 'head' ? head.head.generation : null
        const document = {
          head: newest,
          kept: generations.length,
          plans: plans.map((plan) => ({
            generation: plan.generation,
            parent: plan.parent,
            at: timeText(plan.at),
            author: plan.author,
            blast: plan.blast,
            reasons: plan.reasons.slice(0, 20),
          })),
        }
        output.print(document, () => {
          if (plans.length === 0) return 'no plan has been published yet'
          const now = Date.now()
          const rows = plans.map((plan) => [
            `${plan.generation === newest ? output.paint('green', '●') : ' '} ${output.paint('bold', String(plan.generation))}`,
            agoText(plan.at, now),
            plan.author,
            blastText(plan),
            plan.reasons[0] === undefined ? '' : `${plan.reasons[0].subject}: ${plan.reasons[0].text}`,
          ])
          const more =
            generations.length > plans.length ? `\n  and ${count(generations.length - plans.length, 'older plan')}` : ''
          return `${table(rows)}${more}`
        })
      })
    })
}

/** Those of them that are whole; a plan may be swept while it is being read. */
async function readPlans(store: Store, generations: readonly PlanHead['generation'][]): Promise<PlanHead[]> {
  const plans: PlanHead[] = []
  for (const generation of generations) {
    const reading = await readPlan(store, generation)
    if (reading.kind === 'plan') plans.push(reading.plan)
  }
  return plans
}

/** "3 changed, 1 new, -33 %". */
export function blastText({ blast }: Pick<PlanHead, 'blast'>): string {
  const parts = [
    ...(blast.namesChanged > 0 ? [`${blast.namesChanged} changed`] : []),
    ...(blast.namesAdded > 0 ? [`${blast.namesAdded} new`] : []),
    ...(blast.namesRetired > 0 ? [`${blast.namesRetired} retired`] : []),
    ...(blast.capacityRemoved > 0 ? [`-${percentText(blast.capacityRemoved)} capacity`] : []),
  ]
  return parts.length === 0 ? 'no name changed' : parts.join(', ')
}
