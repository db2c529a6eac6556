/** `holdfast retire NAME --confirm NAME`: give a name up for good. The only way to remove a last address. */
import type { Command } from 'commander'
import { isProblem } from '../base/problem.ts'
import { parseName } from '../model/name.ts'
import { subjectOf } from '../model/override.ts'
import { readEntry } from '../store/plans.ts'
import { type Cli, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure, fail } from './io.ts'
import { carryOut, givingOptions, type OverrideOptions, overrideOf } from './override.ts'
import { shown } from './pin.ts'
import { openConfig, withStore } from './session.ts'
import { planOf } from './show.ts'

export function retireCommand(cli: Cli): Command {
  const command = newCommand(
    'retire',
    'Give a name up for good: its records are deleted and a tombstone stays. Remove it from the configuration first.',
    [['holdfast retire old.example.test --confirm old.example.test --reason "service ended"', 'type the name twice']],
  )
    .argument('<name>', 'the name to give up')
    .option('--confirm <name>', 'the same name again')
  return givingOptions(command).action(
    async (text: string, options: OverrideOptions & { readonly confirm?: string }, self: Command) => {
      const output = outputOf(cli, self)
      const name = parseName(text)
      if (isProblem(name)) throw new CliFailure(exit.usage, [name])
      const confirmed = options.confirm === undefined ? undefined : parseName(options.confirm)
      if (confirmed !== name)
        fail(
          exit.usage,
          '--confirm',
          shown(name),
          options.confirm === undefined ? 'nothing' : JSON.stringify(options.confirm),
          `this deletes the last address of ${shown(name)}: if you mean it, add --confirm ${shown(name)}`,
        )
      const config = openConfig(cli, self)
      if (config.policy.endpoints.has(name))
        fail(
          exit.failed,
          shown(name),
          'a name that the configuration no longer contains',
          'an endpoint of the configuration',
          'remove it there first: a name that is still wanted would come back with the next plan',
        )
      await withStore(config, { write: options.dryRun !== true }, async (store) => {
        const plan = await planOf(store, 'head')
        const reading = await readEntry(store, plan, name)
        if (reading.kind === 'missing' || reading.kind === 'damaged')
          throw new CliFailure(exit.failed, [reading.problem])
        if (reading.kind === 'absent')
          fail(
            exit.failed,
            shown(name),
            `a name of generation ${plan.generation}`,
            'no such name there',
            'holdfast show head lists the names',
          )
        if (reading.kind === 'entry' && reading.entry.answer.kind === 'retired')
          fail(
            exit.failed,
            shown(name),
            'a live name',
            `one that was retired in generation ${reading.entry.since}`,
            'nothing is left to do',
          )
        const action = { kind: 'retire', name } as const
        const override = overrideOf(cli, action, options)
        await carryOut(cli, output, config.policy, store, {
          action,
          override,
          options,
          undo: null,
          means: `${shown(name)} answers nothing any more. To have it back, put it into the configuration again`,
          async planned(next) {
            const now = await readEntry(store, next, name)
            if (now.kind === 'entry' && now.entry.answer.kind === 'retired') return true
            return next.reasons.find(({ subject }) => subject === subjectOf(action))?.text ?? null
          },
        })
      })
    },
  )
}
