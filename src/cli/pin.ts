/** `holdfast pin` and `unpin`: keep what a name answers now, whatever its health says. */
import type { Command } from 'commander'
import { isProblem } from '../base/problem.ts'
import { type Name, parseName } from '../model/name.ts'
import type { Policy } from '../model/policy.ts'
import { type Cli, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure, fail } from './io.ts'
import { carryOut, givingOptions, type OverrideOptions, overrideOf, waitingOptions } from './override.ts'
import { openConfig, withStore } from './session.ts'
import { closest, someOf } from './text.ts'

export function pinCommand(cli: Cli): Command {
  const command = newCommand('pin', 'Keep what a name answers now, whatever the health of its targets says.', [
    ['holdfast pin db.example.test --reason "migration" --for 30m', 'ends by itself'],
  ]).argument('<name>', 'an endpoint of the configuration')
  return givingOptions(command).action(async (text: string, options: OverrideOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const action = { kind: 'pin', name: findEndpoint(config.policy, text) } as const
    const override = overrideOf(cli, action, options)
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override,
        options,
        undo: `holdfast unpin ${shown(action.name)}`,
        means: `${shown(action.name)} keeps its answer`,
        planned: (plan) => (plan.pinned?.includes(action.name) === true ? true : null),
      }),
    )
  })
}

export function unpinCommand(cli: Cli): Command {
  const command = newCommand('unpin', 'Let a pinned name follow its pool again.', [
    ['holdfast unpin db.example.test', 'take the pin back'],
  ]).argument('<name>', 'a pinned name')
  return waitingOptions(command).action(async (text: string, options: OverrideOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const name = parseName(text)
    if (isProblem(name)) throw new CliFailure(exit.usage, [name])
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action: { kind: 'pin', name },
        override: null,
        options,
        undo: `holdfast pin ${shown(name)} --reason ...`,
        means: `${shown(name)} follows its pool again`,
        planned: (plan) => (plan.pinned?.includes(name) === true ? null : true),
      }),
    )
  })
}

/** A name as people write it: without the dot at the end. */
export const shown = (name: Name): string => name.replace(/\.$/, '')

export function findEndpoint(policy: Policy, text: string): Name {
  const name = parseName(text)
  if (isProblem(name)) throw new CliFailure(exit.usage, [name])
  if (policy.endpoints.has(name)) return name
  const known = [...policy.endpoints.keys()].slice(0, 10_000).map(shown)
  const meant = closest(shown(name), known)
  return fail(
    exit.failed,
    shown(name),
    `an endpoint of the configuration: ${someOf(known)}`,
    'no endpoint of this name',
    meant === undefined ? 'name one of them' : `did you mean ${meant}?`,
  )
}
