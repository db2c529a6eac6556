/** `holdfast rollback GENERATION`: answer again what an older plan answered, under a new generation. */
import type { Command } from 'commander'
import type { Generation } from '../model/generation.ts'
import { type Cli, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'
import { carryOut, givingOptions, type OverrideOptions, overrideOf } from './override.ts'
import { readHeadPlan } from './read.ts'
import { openConfig, withStore } from './session.ts'
import { planOf } from './show.ts'

export function rollbackCommand(cli: Cli): Command {
  const command = newCommand(
    'rollback',
    'Answer again what an older plan answered, under a new generation, and stay there until taken back.',
    [
      ['holdfast rollback 41 --reason "bad targets in 42"', 'stays until --undo'],
      ['holdfast rollback 41 --reason "bad targets" --dry-run', 'say what it would change'],
      ['holdfast rollback --undo', 'follow the configuration and the health again'],
    ],
  )
    .argument('[generation]', 'the plan to go back to; holdfast history lists them')
    .option('--undo', 'take the rollback back')
  givingOptions(command, ['S5'])
  for (const option of command.options) if (option.long === '--reason') option.makeOptionMandatory(false)
  return command.action(
    async (text: string | undefined, options: OverrideOptions & { readonly undo?: boolean }, self: Command) => {
      const output = outputOf(cli, self)
      const config = openConfig(cli, self)
      if (options.undo === true) {
        if (text !== undefined) fail(exit.usage, text, '--undo alone', 'a generation as well', 'leave one of them out')
        await withStore(config, { write: options.dryRun !== true }, (store) =>
          carryOut(cli, output, config.policy, store, {
            action: { kind: 'rollback', to: 0 as Generation },
            override: null,
            options,
            undo: null,
            means: 'names follow the configuration and the health again',
            planned: (plan) => (plan.rolledBackTo === undefined ? true : null),
          }),
        )
        return
      }
      if (text === undefined)
        fail(exit.usage, 'rollback', 'a generation, or --undo', 'neither', 'holdfast history lists the generations')
      if (options.reason === undefined) fail(exit.usage, '--reason', 'why', 'nothing', 'say why: others will read it')
      await withStore(config, { write: options.dryRun !== true }, async (store) => {
        const to = await planOf(store, text ?? '')
        const head = await readHeadPlan(store)
        if (head?.generation === to.generation)
          fail(
            exit.failed,
            `generation ${text}`,
            'an older plan',
            'the newest one: it is what names answer now',
            'choose an older one (holdfast history)',
          )
        const action = { kind: 'rollback', to: to.generation } as const
        const override = overrideOf(cli, action, options)
        await carryOut(cli, output, config.policy, store, {
          action,
          override,
          options,
          undo: 'holdfast rollback --undo',
          means: `names answer what generation ${to.generation} answered`,
          planned: (plan) => (plan.rolledBackTo === to.generation ? true : null),
        })
      })
    },
  )
}
