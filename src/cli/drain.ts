/** `holdfast drain` and `undrain`: take a target out of every answer, and let it in again. */
import type { Command } from 'commander'
import { shareOf } from '../health/weights.ts'
import type { Policy } from '../model/policy.ts'
import { type Cli, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'
import { carryOut, givingOptions, type OverrideOptions, overrideOf, waitingOptions } from './override.ts'
import { openConfig, withStore } from './session.ts'
import { closest, shellWord, someOf } from './text.ts'

export function drainCommand(cli: Cli): Command {
  const command = newCommand(
    'drain',
    'Take a target out of every answer, however healthy it is. Never empties a name.',
    [
      ['holdfast drain web/east --reason "kernel update" --for 2h', 'comes back by itself'],
      ['holdfast drain east --reason "kernel update" --dry-run', 'say what it would do'],
    ],
  ).argument('<target>', 'pool/target, or the target alone where only one pool has it')
  return givingOptions(command, ['S5']).action(async (text: string, options: OverrideOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const { pool, target } = findTarget(config.policy, text)
    const action = { kind: 'drain', pool, target } as const
    const override = overrideOf(cli, action, options)
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override,
        options,
        undo: `holdfast undrain ${shellWord(`${pool}/${target}`)}`,
        means: `${pool}/${target} is out of every answer`,
        held: (plan) => {
          if (plan.pools[pool]?.targets[target]?.kind !== 'held') return null
          const why =
            plan.reasons.find(({ subject }) => subject === `${pool}/${target}`)?.text ??
            'too little capacity would answer'
          const others = Object.entries(plan.pools[pool]?.targets ?? {}).filter(([id]) => id !== target)
          const mayBreak = options.break?.includes('S5') !== true && others.some(([, state]) => shareOf(state) > 0)
          return !mayBreak ? why : `${why}. To take it out all the same: --break S5`
        },
        planned: (plan) => {
          const state = plan.pools[pool]?.targets[target]
          if (state?.kind === 'drained') return true
          return plan.reasons.find(({ subject }) => subject === `${pool}/${target}`)?.text ?? null
        },
      }),
    )
  })
}

export function undrainCommand(cli: Cli): Command {
  const command = newCommand('undrain', 'Let a drained target answer again; it ramps up.', [
    ['holdfast undrain web/east', 'take the drain back'],
  ]).argument('<target>', 'pool/target, or the target alone where only one pool has it')
  return waitingOptions(command).action(async (text: string, options: OverrideOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const { pool, target } = findTarget(config.policy, text)
    const action = { kind: 'drain', pool, target } as const
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override: null,
        options,
        undo: `holdfast drain ${shellWord(`${pool}/${target}`)} --reason ...`,
        means: `${pool}/${target} is judged by its health again`,
        planned: (plan) => {
          const state = plan.pools[pool]?.targets[target]
          return state?.kind === 'drained' || (state?.kind === 'held' && state.by === 'drain') ? null : true
        },
      }),
    )
  })
}

/** Suggests the closest target when there is none of that name. */
export function findTarget(policy: Policy, text: string): { readonly pool: string; readonly target: string } {
  const all = [...policy.pools.values()].flatMap((pool) =>
    pool.targets.map(({ id }) => ({ pool: pool.id, target: id })),
  )
  const found = all.filter(({ pool, target }) => text === `${pool}/${target}` || text === target)
  const [first, ...others] = found
  if (first !== undefined && others.length === 0) return first
  const names = (list: typeof all) => someOf(list.map(({ pool, target }) => `${pool}/${target}`))
  if (first !== undefined)
    fail(
      exit.failed,
      text,
      'one target',
      `${found.length} of this name: ${names(found)}`,
      'name the pool as well, such as pool/target',
    )
  const full = all.map(({ pool, target }) => `${pool}/${target}`)
  const meant =
    closest(text, full) ??
    full[
      all.findIndex(
        ({ target }) =>
          target ===
          closest(
            text,
            all.map((one) => one.target),
          ),
      )
    ]
  return fail(
    exit.failed,
    text,
    `a target of the configuration: ${names(all)}`,
    'no target of this name',
    meant === undefined ? 'name one of them as pool/target' : `did you mean ${meant}?`,
  )
}
