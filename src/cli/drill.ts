/** `holdfast drill recovery`: takes a dependency of a staging system away, brings it back, and measures what follows. */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { askHttp, askPostgres, invitationPath, invitationTable } from '../drill/ask.ts'
import { runCommand } from '../drill/command.ts'
import { drill } from '../drill/drill.ts'
import { governed } from '../drill/governed.ts'
import { refusalOf, refusalOfHost } from '../drill/invitation.ts'
import { leaseService } from '../drill/lease-service.ts'
import { plotOf } from '../drill/plot.ts'
import { startProxy, type TcpProxy } from '../drill/proxy.ts'
import { reportText } from '../drill/report.ts'
import type { Service } from '../drill/service.ts'
import { wordsOf } from '../drill/words.ts'
import { httpWork } from '../leases/http-work.ts'
import { postgresWork } from '../leases/postgres.ts'
import { type Cli, durationArgument, newCommand, outputOf, wholeArgument } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure, fail, usage } from './io.ts'

interface Options {
  readonly hosts: number
  readonly dependency: string
  readonly statement?: string
  readonly tokenFile?: string
  readonly takeAway?: string
  readonly bringBack?: string
  readonly through?: number
  readonly inFrontOf?: string
  readonly away: number
  readonly atMost: number
  readonly timeout: number
  readonly connections: number
  readonly id?: string
  readonly plot?: string
  readonly iAmSure?: string
  readonly dryRun?: boolean
}

const commandMs = 60_000
const hostsMost = 1_000_000

export function drillCommand(cli: Cli): Command {
  const group = newCommand('drill', 'Rehearse what nobody wants to do for the first time at night.', [
    ['holdfast drill recovery --help', 'a fleet comes back to a dependency that was away'],
  ])
  const example = '--dependency http://127.0.0.1:9660/v1/sync --token-file fleet.token'
  return group.addCommand(
    newCommand('recovery', 'Takes a dependency away, brings it back, and measures how a fleet returns.', [
      [
        `holdfast drill recovery ${example} --take-away 'systemctl stop db' --bring-back 'systemctl start db'`,
        'a lease service, and what it depends on',
      ],
      [
        `holdfast drill recovery --dependency postgres://app@127.0.0.1/staging --statement 'UPDATE …' --through 6432`,
        'a database, with a governor here',
      ],
    ])
      .requiredOption(
        '--dependency <url>',
        'a lease service (http://HOST:PORT/v1/sync), PostgreSQL (postgres://…, password in $PGPASSWORD), or a call over HTTP for each host',
      )
      .option('--hosts <number>', 'hosts that report', hostsArgument, 20_000)
      .option('--statement <sql>', 'PostgreSQL: for each host; $1 is the host, $2 its epoch; changes one row')
      .option('--token-file <file>', 'the bearer token of the lease service or the call')
      .option('--take-away <command>', 'takes the dependency away; run without a shell: "sh -c \'…\'" asks for one')
      .option('--bring-back <command>', 'brings it back; must do no harm where it is there')
      .option('--through <port>', 'instead of commands: a proxy on this port of loopback, which is cut', portArgument)
      .option('--in-front-of <host:port>', 'lease service: what the proxy leads to')
      .option('--away <time>', 'how long it is away', durationArgument, 15_000)
      .option(
        '--at-most <time>',
        'the drill ends so long after its return, recovered or not',
        durationArgument,
        600_000,
      )
      .option('--timeout <time>', 'of an operation, with a governor here', durationArgument, 2_000)
      .option('--connections <number>', 'operations at once at most, with a governor here', connectionsArgument, 64)
      .option('--id <pattern>', 'names of hosts; {} is the number (default: drill-{}; PostgreSQL: {})')
      .option('--plot <file>', 'writes the curves there, as SVG')
      .option('--i-am-sure <host>', 'the host of a target that is not on this machine')
      .option('--dry-run', 'says what would be done, and whether it is invited')
      .action((options: Options, command: Command) => run(cli, command, options)),
  )
}

type Kind = 'lease service' | 'postgres' | 'http'

interface Target {
  readonly kind: Kind
  readonly url: URL
  readonly token: string | undefined
  readonly away: Away
}

type Away =
  | { readonly kind: 'commands'; readonly takeAway: readonly string[]; readonly bringBack: readonly string[] }
  | { readonly kind: 'proxy'; readonly port: number; readonly host: string; readonly to: number }

async function run(cli: Cli, command: Command, options: Options): Promise<void> {
  const output = outputOf(cli, command)
  const target = targetOf(cli, options)
  await refuseUninvited(target, options)
  const { hosts, away: awayMs, atMost: atMostMs } = options
  const dependency = `${target.url.protocol}//${target.url.host}${target.url.pathname}`
  if (options.dryRun === true) {
    const what = { kind: 'dry run', hosts, dependency, awayMs, atMostMs, away: target.away }
    output.print(what, () => dryText(hosts, dependency, options, target.away))
    return
  }
  const proxy = target.away.kind === 'proxy' ? await openProxy(target.away) : undefined
  const stop = new AbortController()
  const interrupt = () => {
    output.note('interrupted: bringing the dependency back')
    stop.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const began = performance.now()
  const now = () => performance.now() - began
  try {
    const report = await drill(
      { hosts, dependency, awayMs, atMostMs },
      {
        service: serviceOf(target, options, proxy, now),
        takeAway: () => takeAway(target.away, proxy),
        bringBack: () => bringBack(target.away, proxy),
        now,
        sleep: (ms) => new Promise((wake) => setTimeout(wake, ms)),
        random: Math.random,
        progress: (seconds, leased, goodput, isAway) => {
          if (seconds % 5 === 0)
            output.note(
              `${String(seconds).padStart(4)} s  ${isAway ? 'away' : 'back'}  ${leased}/${hosts} leased, ${goodput}/s`,
            )
        },
        signal: stop.signal,
      },
    ).catch((error: unknown) => failed(error, target.away))
    if (options.plot !== undefined) writeFileSync(resolve(cli.io.cwd, options.plot), plotOf(report))
    output.print(report, () => reportText(report))
    if (report.leased < hosts || report.leasedWhileAway > 0) cli.exitCode = exit.found
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    await proxy?.close()
  }
}

/** Everything that is wrong with the command line, before anything is sent anywhere. */
function targetOf(cli: Cli, options: Options): Target {
  const url = URL.canParse(options.dependency) ? new URL(options.dependency) : undefined
  const kind = url === undefined ? undefined : kindOf(url)
  if (url === undefined || kind === undefined)
    return usage('--dependency', 'http://, https:// or postgres://', masked(options.dependency), 'give a whole URL')
  if (url.password !== '' || (kind !== 'postgres' && url.username !== ''))
    return usage(
      '--dependency',
      'no secret on a command line, where everybody sees it',
      'a URL with a password',
      'PostgreSQL: $PGPASSWORD or ~/.pgpass; HTTP: --token-file',
    )
  if ((kind === 'postgres') !== (options.statement !== undefined))
    return usage(
      '--statement',
      kind === 'postgres' ? 'what is done for each host' : 'none, where the dependency is not PostgreSQL',
      options.statement === undefined ? 'nothing' : 'one',
      'UPDATE hosts SET epoch = $2 WHERE id = $1 AND epoch < $2, for example',
    )
  if (kind === 'postgres' && !/\$1/.test(options.statement ?? ''))
    return usage('--statement', 'one that names $1, the host', 'one that does not', 'name it')
  if (options.id !== undefined && !options.id.includes('{}'))
    return usage('--id', 'a pattern with {} for the number', options.id, 'drill-{}, for example')
  return { kind, url, token: tokenOf(cli, options), away: awayOf(options, kind, url) }
}

function kindOf({ protocol, pathname }: URL): Kind | undefined {
  if (protocol === 'postgres:' || protocol === 'postgresql:') return 'postgres'
  if (protocol !== 'http:' && protocol !== 'https:') return undefined
  return pathname.endsWith('/v1/sync') ? 'lease service' : 'http'
}

function awayOf({ takeAway, bringBack, through, inFrontOf }: Options, kind: Kind, url: URL): Away {
  const hasCommands = takeAway !== undefined || bringBack !== undefined
  if (hasCommands === (through !== undefined))
    return usage(
      'how the dependency is taken away',
      'either --take-away with --bring-back, or --through',
      hasCommands ? 'both' : 'neither',
      'choose one',
    )
  if (through === undefined) {
    if (takeAway === undefined || bringBack === undefined)
      return usage(
        takeAway === undefined ? '--take-away' : '--bring-back',
        'a command for each way',
        'one of the two',
        'give both: what is taken away must come back',
      )
    return { kind: 'commands', takeAway: words('--take-away', takeAway), bringBack: words('--bring-back', bringBack) }
  }
  if (url.protocol === 'https:' && kind !== 'lease service')
    return usage('--through', 'a dependency without TLS', 'https', 'use --take-away and --bring-back')
  if ((kind === 'lease service') !== (inFrontOf !== undefined))
    return usage(
      '--in-front-of',
      kind === 'lease service' ? 'what the lease service depends on, HOST:PORT' : 'none: it is --dependency',
      inFrontOf ?? 'nothing',
      kind === 'lease service' ? 'and let the lease service reach it through the port of --through' : 'leave it out',
    )
  const to = inFrontOf === undefined ? url : addressOf(inFrontOf)
  const port = Number(to.port) || (kind === 'postgres' ? 5432 : 80)
  return { kind: 'proxy', port: through, host: bare(to.hostname), to: port }
}

function addressOf(text: string): URL {
  if (!/:\d+$/.test(text) || !URL.canParse(`http://${text}`))
    return usage('--in-front-of', 'HOST:PORT', text, '127.0.0.1:5432, for example')
  return new URL(`http://${text}`)
}

function words(at: string, command: string): readonly string[] {
  const found = wordsOf(command)
  return typeof found === 'string' ? usage(at, 'words of a command', found, `for a shell: sh -c '…'`) : found
}

function tokenOf(cli: Cli, { tokenFile }: Options): string | undefined {
  if (tokenFile === undefined) return undefined
  try {
    return readFileSync(resolve(cli.io.cwd, tokenFile), 'utf8').trim()
  } catch (error) {
    return fail(exit.config, '--token-file', 'a file that can be read', (error as Error).message, 'correct the path')
  }
}

async function refuseUninvited({ kind, url, token, away }: Target, options: Options): Promise<void> {
  const host = bare(url.hostname)
  const sureOf = options.iAmSure
  const now = Date.now()
  for (const one of [host, ...(away.kind === 'proxy' ? [away.host] : [])]) {
    const refusal = refusalOfHost(one, sureOf)
    if (refusal !== undefined) throw new CliFailure(exit.failed, [refusal])
  }
  const isPostgres = kind === 'postgres'
  const where = isPostgres ? `table ${invitationTable} of ${url.host}` : `${url.origin}${invitationPath}`
  const invitation = isPostgres ? await askPostgres(url.href) : await askHttp(url.origin, token)
  const refusal = refusalOf({ host, invitation, where, sureOf, now })
  if (refusal !== undefined) throw new CliFailure(exit.failed, [refusal])
}

async function openProxy({ port, host, to }: Away & { kind: 'proxy' }): Promise<TcpProxy> {
  try {
    return await startProxy({ host, port: to }, port)
  } catch (error) {
    return fail(exit.unreachable, '--through', `port ${port} of 127.0.0.1`, (error as Error).message, 'choose another')
  }
}

function serviceOf(target: Target, options: Options, proxy: TcpProxy | undefined, now: () => number): Service {
  const { kind, url, token } = target
  const { hosts, connections, timeout, id = kind === 'postgres' ? '{}' : 'drill-{}' } = options
  const idOf = (host: number) => id.replaceAll('{}', String(host))
  if (kind === 'lease service')
    return leaseService({ url: url.href, token, idOf, bootId: `drill-${randomBytes(6).toString('hex')}` })
  const at = new URL(url.href)
  if (proxy !== undefined) at.host = `127.0.0.1:${proxy.port}`
  const bearer = token === undefined ? null : () => ({ kind: 'secret', text: token }) as const
  const secret = () => ({ kind: 'secret', text: at.href }) as const
  const work =
    kind === 'http'
      ? httpWork({ url: at.href, bearer, connections })
      : postgresWork({
          url: secret,
          statement: options.statement ?? '',
          connections,
          ready: 0,
          timeoutMs: timeout,
          now,
        })
  // Seconds since 1970: greater than in any drill before, and a whole number of PostgreSQL.
  const epochAbove = Math.floor(Date.now() / 1000)
  return governed({ hosts, work, timeoutMs: timeout, idOf, epochAbove, now, random: Math.random })
}

async function takeAway(away: Away, proxy: TcpProxy | undefined): Promise<void> {
  if (away.kind === 'commands') await runCommand(away.takeAway, commandMs)
  proxy?.takeAway()
}

async function bringBack(away: Away, proxy: TcpProxy | undefined): Promise<void> {
  if (away.kind === 'commands') await runCommand(away.bringBack, commandMs)
  proxy?.restore()
}

function failed(error: unknown, away: Away): never {
  const found = error instanceof Error ? error.message : String(error)
  const todo =
    away.kind === 'commands'
      ? `see that the dependency is there: ${away.bringBack.join(' ')}`
      : 'see that nothing else uses the port'
  return fail(exit.failed, 'drill', 'commands that take the dependency away and bring it back', found, todo)
}

function dryText(hosts: number, dependency: string, { away, atMost }: Options, how: Away): string {
  const commands = how.kind === 'commands' ? [how.takeAway.join(' '), how.bringBack.join(' ')] : undefined
  return [
    `invited; ${hosts} hosts would report to ${dependency}`,
    `  take away   ${commands?.[0] ?? `cut 127.0.0.1:${how.kind === 'proxy' ? how.port : ''}`}`,
    `  after ${away / 1000} s  ${commands?.[1] ?? 'let it through again'}`,
    `  at most     ${atMost / 1000} s after that`,
  ].join('\n')
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '')
const masked = (text: string): string => text.replace(/\/\/[^@/]*@/, '//…@').slice(0, 100)

function hostsArgument(text: string): number {
  const hosts = wholeArgument(text)
  if (hosts < 1 || hosts > hostsMost) throw new InvalidArgumentError(`expected 1 to ${hostsMost}.`)
  return hosts
}

function connectionsArgument(text: string): number {
  const count = wholeArgument(text)
  if (count < 1 || count > 4_096) throw new InvalidArgumentError('expected 1 to 4096.')
  return count
}

function portArgument(text: string): number {
  const port = wholeArgument(text)
  if (port < 1 || port > 65_535) throw new InvalidArgumentError('expected a port, 1 to 65535.')
  return port
}
