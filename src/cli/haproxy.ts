/** `holdfast haproxy config` and `holdfast haproxy show`. */
import { Command } from 'commander'
import { haproxyConfig } from '../balance/haproxy-config.ts'
import type { Balancing } from '../model/haproxy.ts'
import { keys } from '../model/keys.ts'
import { type Cli, newCommand, type Output, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { fail } from './io.ts'
import { entriesOf } from './read.ts'
import { haproxyIn } from './run-balancer.ts'
import { openConfig, withStore } from './session.ts'
import { isFresh } from './snapshot.ts'
import { agoText, table, timeText } from './text.ts'

export function haproxyCommand(cli: Cli): Command {
  return new Command('haproxy')
    .description('HAProxy in front of the pools: its configuration, and what it has.')
    .addCommand(configCommand(cli))
    .addCommand(showCommand(cli))
}

function configCommand(cli: Cli): Command {
  return newCommand('config', 'Write the configuration that HAProxy needs, each line with its reason.', [
    ['holdfast haproxy config > haproxy.cfg', 'then haproxy -c -f haproxy.cfg checks it'],
    ['holdfast haproxy config --pool web', 'with one pool only'],
  ])
    .option('--pool <pool...>', 'only these pools')
    .action((options: { readonly pool?: readonly string[] }, self: Command) => {
      const output = outputOf(cli, self)
      const haproxy = haproxyIn(openConfig(cli, self))
      for (const asked of options.pool ?? [])
        if (!haproxy.pools.some(({ pool }) => pool === asked))
          fail(
            exit.usage,
            asked,
            `a pool of the section haproxy: ${haproxy.pools.map(({ pool }) => pool).join(', ')}`,
            JSON.stringify(asked),
            'name one of them',
          )
      const pools = haproxy.pools.filter(({ pool }) => options.pool === undefined || options.pool.includes(pool))
      const text = haproxyConfig(haproxy, pools)
      output.print({ text, pools: pools.map(({ pool }) => pool) }, () => text.trimEnd())
    })
}

function showCommand(cli: Cli): Command {
  return newCommand('show', 'What HAProxy has: slots, weights, generation, and what was repaired.', [
    ['holdfast haproxy show', 'as the balancers read it last'],
  ]).action(async (_options: unknown, self: Command) => {
    const output = outputOf(cli, self)
    const config = openConfig(cli, self)
    haproxyIn(config)
    await withStore(config, { write: false, absent: 'empty' }, async (store) => {
      const found: { readonly id: string; readonly document: Balancing }[] = []
      for await (const { key, value } of entriesOf(store, keys.balancing.prefix)) {
        const document = keys.balancing.decode(value)
        if (document !== undefined) found.push({ id: key.slice(keys.balancing.prefix.length), document })
      }
      const now = Date.now()
      const balancers = found.map(({ id, document }) => ({
        id,
        ...document,
        at: timeText(document.at),
        fresh: isFresh(document.at, now),
      }))
      output.print({ balancers }, () =>
        found.length === 0
          ? 'no balancer has ever reported: start "holdfast up", or "holdfast run balancer"'
          : found.map(({ id, document }) => balancerText(id, document, now, output)).join('\n\n'),
      )
    })
  })
}

function balancerText(id: string, document: Balancing, now: number, { paint }: Output): string {
  const fresh = isFresh(document.at, now)
  const mark = fresh ? paint('green', '●') : paint('red', '○')
  const state = document.haproxy === null ? 'cannot use HAProxy' : `HAProxy ${document.haproxy}`
  const age = fresh ? '' : paint('red', `, silent: said last ${agoText(document.at, now)}`)
  const lines = [`${mark} ${paint('bold', id)}  plan ${document.working}, ${state}${age}`]
  for (const [pool, report] of Object.entries(document.pools)) {
    const used = report.slots.filter(({ target }) => target !== null)
    const repaired = report.repaired === 0 ? '' : `, ${report.repaired} repaired (last: ${report.lastRepair})`
    lines.push(
      `  ${paint('bold', `pool ${pool}`)}  backend ${report.backend}, generation ${report.generation ?? 'none'}, ${used.length} of ${report.slots.length} slots in use${repaired}`,
      table(
        used.map(({ slot, target, at, weight, state: its }) => [slot, target ?? '', at, its, `weight ${weight}`]),
        '    ',
      ),
    )
    if (report.foreign.length > 0) lines.push(`    not ours, never touched: ${report.foreign.join(', ')}`)
  }
  return lines.join('\n')
}
