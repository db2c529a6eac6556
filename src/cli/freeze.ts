/** `holdfast freeze` and `thaw`: publish nothing new at all, and go on again. */
import type { Command } from 'commander'
import { type Cli, newCommand, outputOf } from './cli.ts'
import { carryOut, givingOptions, type OverrideOptions, overrideOf, waitingOptions } from './override.ts'
import { openConfig, withStore } from './session.ts'

const action = { kind: 'freeze' } as const

export function freezeCommand(cli: Cli): Command {
  const command = newCommand(
    'freeze',
    'Publish no new plan until thawed. Enactors go on repairing what is published.',
    [['holdfast freeze --reason "incident 4711" --for 1h', 'ends by itself']],
  )
  return givingOptions(command).action(async (options: OverrideOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const override = overrideOf(cli, action, options)
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override,
        options,
        undo: 'holdfast thaw',
        means: 'no new plan is published',
      }),
    )
  })
}

export function thawCommand(cli: Cli): Command {
  const command = newCommand('thaw', 'End a freeze: plans are published again.', [['holdfast thaw', 'go on']])
  return waitingOptions(command).action(async (options: OverrideOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override: null,
        options,
        undo: 'holdfast freeze --reason ...',
        means: 'plans are published again',
      }),
    )
  })
}
