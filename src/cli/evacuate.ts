/** `holdfast evacuate`, `restore` and `maintenance`: a whole site out as one guarded action, and back in steps. */
import type { Command } from 'commander'
import type { OverrideAction } from '../model/override.ts'
import type { PlanHead } from '../model/plan.ts'
import type { Policy, Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { type Cli, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'
import { carryOut, givingOptions, type OverrideOptions, overrideOf, waitingOptions, whenArgument } from './override.ts'
import { findPool, findSite } from './pool.ts'
import { openConfig, withStore } from './session.ts'
import { durationText, shellWord, timeText } from './text.ts'

interface SiteOptions extends OverrideOptions {
  readonly pool?: string
}

export function evacuateCommand(cli: Cli): Command {
  const command = newCommand('evacuate', 'Take a whole site out at once, where what is left can carry the load.', [
    ['holdfast evacuate rack-2 --reason "power work" --dry-run', 'what it would do'],
    ['holdfast evacuate rack-2 --pool web --reason "switch loses frames"', 'in one pool only'],
  ])
    .argument('<site>', 'a site of the configuration')
    .option('--pool <pool>', 'in this pool alone')
  return givingOptions(command, ['S5']).action(async (text: string, options: SiteOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const { action, pools } = orderOf(config.policy, text, options.pool)
    const override = overrideOf(cli, action, options)
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override,
        options,
        undo: `holdfast restore ${words(action)}`,
        means: `site ${action.site} is out of every answer of ${poolsText(pools)}`,
        held: (plan) => inTheWay(plan, pools, action.site),
        planned: (plan) => pools.every((pool) => isOut(plan, pool, action.site)) || inTheWay(plan, pools, action.site),
      }),
    )
  })
}

export function restoreCommand(cli: Cli): Command {
  const command = newCommand('restore', 'Let an evacuated site come back: in steps, once it has passed its checks.', [
    ['holdfast restore rack-2', 'take the evacuation back'],
    ['holdfast restore rack-2 --dry-run', 'what would follow'],
  ])
    .argument('<site>', 'an evacuated site')
    .option('--pool <pool>', 'where it was evacuated in this pool alone')
  return waitingOptions(command).action(async (text: string, options: SiteOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const { action, pools } = orderOf(config.policy, text, options.pool)
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override: null,
        options,
        undo: `holdfast evacuate ${words(action)} --reason ...`,
        means: `site ${action.site} comes back in steps`,
        planned: (plan) => returning(plan, pools, action.site),
      }),
    )
  })
}

export function maintenanceCommand(cli: Cli): Command {
  const command = newCommand(
    'maintenance',
    'A window in which a site is out: evacuated at its start, back after its end.',
    [
      ['holdfast maintenance rack-2 --from 2030-01-31T02:00:00Z --for 2h --reason "power work"', 'once'],
      ['holdfast maintenance rack-2 --for 30m --reason "reboot"', 'from now on'],
      ['holdfast maintenance rack-2 --cancel', 'take it back'],
    ],
  )
    .argument('<site>', 'a site of the configuration')
    .option('--from <when>', 'when it begins, such as 2030-01-31T02:00:00Z (default: now)', whenArgument)
    .option('--cancel', 'take the window back; what is out comes back in steps')
  // Needed save with --cancel, which has no reason to give.
  givingOptions(command, ['S5'])
  for (const option of command.options) if (option.long === '--reason') option.makeOptionMandatory(false)
  return command.action(async (text: string, options: MaintenanceOptions, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    const { site, pools } = siteOf(config.policy, text, undefined)
    if (options.cancel === true) {
      const action = { kind: 'maintenance', site, from: 0 as EpochMs, until: 0 as EpochMs } as const
      await withStore(config, { write: options.dryRun !== true }, (store) =>
        carryOut(cli, output, config.policy, store, {
          action,
          override: null,
          options,
          undo: `holdfast maintenance ${shellWord(site)} --from ... --for ... --reason ...`,
          means: `the window of site ${site} is taken back`,
          planned: (plan) => returning(plan, pools, site),
        }),
      )
      return
    }
    const window = windowOf(options)
    const action = { kind: 'maintenance', site, ...window } as const
    const { until: _until, for: _for, ...rest } = options
    const override = overrideOf(cli, action, { ...rest, reason: options.reason ?? '', until: window.until })
    const begins = window.from <= override.at
    await withStore(config, { write: options.dryRun !== true }, (store) =>
      carryOut(cli, output, config.policy, store, {
        action,
        override,
        options,
        undo: `holdfast maintenance ${shellWord(site)} --cancel`,
        means: `site ${site} is out ${begins ? '' : `from ${timeText(window.from)} `}until ${timeText(window.until)}`,
        ...(begins
          ? {
              held: (plan: PlanHead) => inTheWay(plan, pools, site),
              planned: (plan: PlanHead) =>
                pools.every((pool) => isOut(plan, pool, site)) || inTheWay(plan, pools, site),
            }
          : {}),
      }),
    )
  })
}

interface MaintenanceOptions extends Omit<OverrideOptions, 'reason'> {
  readonly reason?: string
  readonly from?: number
  readonly cancel?: boolean
}

function windowOf({ from: begin, until: end, for: ms }: MaintenanceOptions): {
  readonly from: EpochMs
  readonly until: EpochMs
} {
  const from = begin ?? Date.now()
  const until = end ?? (ms === undefined ? undefined : from + ms)
  if (until === undefined)
    return fail(exit.usage, '--for', 'how long the window is', 'no end', 'give --for 2h or --until WHEN')
  if (until <= from)
    fail(exit.usage, '--until', `a time after the beginning, ${timeText(from)}`, timeText(until), 'give a later one')
  return { from: from as EpochMs, until: until as EpochMs }
}

function siteOf(policy: Policy, text: string, poolId: string | undefined) {
  const within = poolId === undefined ? [...policy.pools.values()] : [findPool(policy, poolId)]
  const site = findSite(within, text)
  return { site, pools: within.filter(({ targets }) => targets.some((target) => target.site === site)) }
}

function orderOf(policy: Policy, text: string, poolId: string | undefined) {
  const { site, pools } = siteOf(policy, text, poolId)
  return { action: { kind: 'evacuate', site, pool: poolId ?? null } as const, pools }
}

const words = ({ site, pool }: Extract<OverrideAction, { kind: 'evacuate' }>): string =>
  pool === null ? shellWord(site) : `${shellWord(site)} --pool ${shellWord(pool)}`

const poolsText = (pools: readonly Pool[]): string => pools.map(({ id }) => id).join(', ')

const isOut = (plan: PlanHead, pool: Pool, site: string): boolean =>
  plan.pools[pool.id]?.sites?.[site]?.kind === 'evacuated'

/** Why it is not out of one of the pools, in the planner's words; null: it says nothing about it. */
function inTheWay(plan: PlanHead, pools: readonly Pool[], site: string): string | null {
  const said = pools.flatMap((pool) => {
    const subject = `${pool.id}/site ${site}`
    const why = plan.reasons.find((reason) => reason.subject === subject && reason.text.startsWith('is not taken out'))
    return isOut(plan, pool, site) || why === undefined ? [] : [`${subject} ${why.text}`]
  })
  return said.length === 0 ? null : `${said.join('; ')}. To take it out all the same: --break S5`
}

/** True once it is out of no pool; else how far it is. */
function returning(plan: PlanHead, pools: readonly Pool[], site: string): true | string {
  for (const { id, limits } of pools) {
    const state = plan.pools[id]?.sites?.[site]
    if (state?.kind !== 'evacuated') continue
    const needed = `at least ${limits.evacuation.healthy * 100} % of it for ${durationText(limits.evacuation.healthyMs)}`
    return state.healthySince === null
      ? `${id}: it does not pass its checks; ${needed} has to`
      : `${id}: passes since ${timeText(state.healthySince)}; ${needed} has to, then it comes back in steps`
  }
  return true
}
