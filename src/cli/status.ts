/** `holdfast status`: the programs, the newest plan, the pools, what holds, and what ails. */
import type { Command } from 'commander'
import { describeProblem } from '../base/problem.ts'
import type { Override } from '../model/override.ts'
import { subjectOf } from '../model/override.ts'
import type { Policy } from '../model/policy.ts'
import { writeObstacle } from '../store/room.ts'
import { type Cli, configPath, newCommand, type Output, outputOf } from './cli.ts'
import { staleMs } from './effect.ts'
import { exit } from './exit.ts'
import { copyBeside, readUsable } from './last-good.ts'
import { askServer } from './server-health.ts'
import { withStore } from './session.ts'
import { targetText } from './show.ts'
import { ailments, isFresh, type Snapshot, takeSnapshot } from './snapshot.ts'
import { agoText, bar, durationText, percentText, table, timeText } from './text.ts'

export function statusCommand(cli: Cli): Command {
  return newCommand('status', 'The programs, the newest plan, the pools, the overrides, and what ails.', [
    ['holdfast status', 'for people'],
    ['holdfast status --check --json', 'exit code 5 unless all is well'],
  ])
    .option('--check', 'exit with code 5 unless all is well')
    .action(async (options: { readonly check?: boolean }, self: Command) => {
      const output = outputOf(cli, self)
      const path = configPath(cli, self)
      const { config, fellBack } = readUsable(cli, path, copyBeside(path), false)
      const snapshot = await withStore(config, { write: false }, takeSnapshot)
      const server = config.server === null ? null : await askServer(config)
      const ails = ailments(snapshot, config)
      const unusable = fellBack === null ? null : describeProblem(fellBack)
      if (unusable !== null && !ails.some((text) => text.includes(unusable)))
        ails.unshift(`the configuration cannot be used, this is told by the last good one: ${unusable}`)
      const obstacle = writeObstacle(config.store.path)
      if (obstacle !== undefined) ails.unshift(`nothing can be written, nor reported: ${describeProblem(obstacle)}`)
      if (server !== null && !server.ok)
        ails.unshift(`the DNS server does not answer at ${server.at}: ${server.detail}`)
      const { head, progress, statuses, overrides, at: now } = snapshot
      const document = {
        owner: config.policy.owner,
        at: timeText(now),
        well: ails.length === 0,
        ails,
        head:
          head === undefined
            ? null
            : {
                generation: head.generation,
                at: timeText(head.at),
                author: head.author,
                blast: head.blast,
                rolledBackTo: head.rolledBackTo ?? null,
              },
        programs: statuses.map((status) => ({
          ...status,
          started: timeText(status.started),
          at: timeText(status.at),
          fresh: isFresh(status.at, now),
        })),
        server,
        enactors: progress.map(([id, document]) => ({
          id,
          ...document,
          at: timeText(document.at),
          fresh: isFresh(document.at, now),
        })),
        pools: head?.pools ?? {},
        overrides,
      }
      output.print(document, () => statusText(snapshot, config.policy, server, ails, output))
      if (options.check === true && ails.length > 0) cli.exitCode = exit.found
    })
}

function statusText(
  snapshot: Snapshot,
  policy: Policy,
  server: Awaited<ReturnType<typeof askServer>> | null,
  ails: readonly string[],
  { paint }: Output,
): string {
  const { head, progress, statuses, overrides, at: now } = snapshot
  const lines: string[] = []
  lines.push(
    ails.length === 0
      ? paint('green', '● all is well')
      : paint(['red', 'bold'], `○ ${ails.length === 1 ? 'something ails' : `${ails.length} things ail`}`),
  )
  for (const text of ails) lines.push(`  ${text}`)
  if (head !== undefined) {
    const back = head.rolledBackTo === undefined ? '' : paint('yellow', `, rolled back to ${head.rolledBackTo}`)
    lines.push(
      '',
      `generation ${paint('bold', String(head.generation))} by ${head.author}, ${agoText(head.at, now)}${back}`,
    )
  }
  lines.push('', paint('bold', 'programs'))
  const rows = statuses.map((status) => {
    const enacted = progress.find(([id]) => status.role === 'enactor' && id === status.id)?.[1].enacted
    const fresh = isFresh(status.at, now)
    return [
      fresh ? paint('green', '●') : paint('red', '○'),
      status.id,
      `pid ${status.pid}`,
      fresh ? `up ${durationText(now - status.started)}` : paint('red', `silent for ${durationText(now - status.at)}`),
      `${fresh ? '' : 'said last: '}${[...(enacted === undefined ? [] : [`enacted ${enacted}`]), status.note].filter((text) => text !== '').join(' · ')}`,
    ]
  })
  if (server !== null)
    rows.push([
      server.ok ? paint('green', '●') : paint('red', '○'),
      'server',
      server.pid === null ? '' : `pid ${server.pid}`,
      server.ok ? 'answers' : 'silent',
      server.ok ? server.at : server.detail,
    ])
  lines.push(rows.length === 0 ? '  none has ever reported' : table(rows, '  '))
  for (const [pool, state] of Object.entries(head?.pools ?? {})) {
    const open = state.failOpenSince === null ? '' : paint('yellow', ' · fail-open')
    lines.push('', `${paint('bold', `pool ${pool}`)}  ${bar(state.capacity, 20)} ${percentText(state.capacity)}${open}`)
    lines.push(
      table(
        Object.entries(state.targets).map(([id, target]) => [
          id,
          target.kind,
          `${targetText(target, now)}${unseenText(snapshot, policy, pool, id)}`,
        ]),
        '  ',
      ),
    )
  }
  if (overrides.length > 0) {
    lines.push('', paint('bold', 'overrides'))
    lines.push(
      table(
        overrides.map((override) => overrideRow(override, now)),
        '  ',
      ),
    )
  }
  return lines.join('\n')
}

/** S8: what a target does in the answer is no word about its health, where nobody has looked lately. */
function unseenText({ observations, at: now }: Snapshot, policy: Policy, pool: string, target: string): string {
  const probed = policy.pools.get(pool)
  if (probed === undefined || probed.check.kind === 'none') return ''
  const seen = observations.flatMap((one) => (one.pool === pool ? (one.targets[target]?.at ?? []) : []))
  const newest = Math.max(0, ...seen)
  if (now - newest <= Math.max(staleMs, 5 * probed.intervalMs)) return ''
  return newest === 0 ? '; never checked' : `; last checked ${agoText(newest, now)}`
}

export function overrideRow(override: Override, now: number): string[] {
  const { action, author, reason, at, expires } = override
  const to = action.kind === 'rollback' ? ` to ${action.to}` : ''
  return [
    `${subjectOf(action).replace('/', ' ').replace(/\.$/, '')}${to}`,
    `by ${author}, ${agoText(at, now)}`,
    expires === null ? 'until taken back' : `for ${durationText(expires - now)} more`,
    reason,
  ]
}
