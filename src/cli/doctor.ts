/** `holdfast doctor`: looks at everything that Holdfast needs here, and says what to do about what is wrong. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Command } from 'commander'
import { describeProblem, isProblem } from '../base/problem.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { addressText } from '../config/units.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import { writeObstacle } from '../store/room.ts'
import { type Store, StoreOutage } from '../store/store.ts'
import type { Address } from '../world/world.ts'
import { type Cli, configPath, newCommand, outputOf } from './cli.ts'
import { exit } from './exit.ts'
import { publishedReader } from './published.ts'
import { askServer } from './server-health.ts'
import { ailments, isFresh, type Snapshot, takeSnapshot } from './snapshot.ts'
import { agoText, count, durationText, table } from './text.ts'

export interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** What to do; empty when nothing is. */
  readonly todo: string
}

export function doctorCommand(cli: Cli): Command {
  return newCommand(
    'doctor',
    'Look at Node, configuration, store, programs, server, markers, clock and ports; say what to do.',
    [['holdfast doctor', 'exit code 5 if something fails']],
  ).action(async (_options: unknown, self: Command) => {
    const output = outputOf(cli, self)
    const findings: Finding[] = []
    for await (const finding of examine(cli, configPath(cli, self))) findings.push(finding)
    const failed = findings.filter(({ state }) => state === 'fail').length
    const warned = findings.filter(({ state }) => state === 'warn').length
    output.print({ ok: failed === 0, findings }, () => {
      const colour = { ok: 'green', warn: 'yellow', fail: 'red' } as const
      const rows = findings.map(({ check, state, found, todo }) => [
        output.paint(colour[state], state.padEnd(4)),
        check,
        todo === '' ? found : `${found}\n${' '.repeat(8 + checkWidth(findings))}→ ${todo}`,
      ])
      const end =
        failed + warned === 0
          ? output.paint('green', 'All is well.')
          : `${count(failed, 'failure')}, ${count(warned, 'warning')}.`
      return `${table(rows)}\n\n${end}`
    })
    if (failed > 0) cli.exitCode = exit.found
  })
}

const checkWidth = (findings: readonly Finding[]) => Math.max(...findings.map(({ check }) => check.length))

const ok = (check: string, found: string): Finding => ({ check, state: 'ok', found, todo: '' })
const warn = (check: string, found: string, todo: string): Finding => ({ check, state: 'warn', found, todo })
const bad = (check: string, found: string, todo: string): Finding => ({ check, state: 'fail', found, todo })

async function* examine(cli: Cli, path: string): AsyncGenerator<Finding> {
  yield nodeVersion()
  const loaded = loadConfig(path, cli.io.env, { secrets: true })
  if (loaded.kind === 'problems') {
    for (const problem of loaded.problems)
      yield bad('config', `${problem.at}: expected ${problem.expected}, found ${problem.found}`, problem.todo)
    return
  }
  const { config } = loaded
  yield ok('config', `${config.path}: ${count(config.policy.endpoints.size, 'endpoint')}`)
  for (const warning of loaded.warnings)
    yield warn('config', `${warning.at}: expected ${warning.expected}, found ${warning.found}`, warning.todo)
  for (const { file } of config.generate) yield warn('secret', `${file} does not exist yet`, 'holdfast up makes it')
  yield permissions(config)
  const store = await openStore(config)
  let snapshot: Snapshot | null = null
  if ('check' in store) yield store
  else {
    try {
      snapshot = await takeSnapshot(store)
      const obstacle = writeObstacle(config.store.path)
      yield obstacle === undefined
        ? ok(
            'store',
            `${config.store.path}: ${snapshot.head === undefined ? 'no plan yet' : `generation ${snapshot.head.generation}`}`,
          )
        : bad('store', `${obstacle.at}: ${obstacle.found}`, obstacle.todo)
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
      yield bad('store', describeProblem(error.problem), error.problem.todo)
    } finally {
      await store.close()
    }
  }
  if (snapshot !== null) {
    yield clock(snapshot)
    const ails = ailments(snapshot, config)
    if (ails.length === 0)
      yield ok(
        'programs',
        `${count(snapshot.statuses.filter(({ at }) => isFresh(at, Date.now())).length, 'program')} report`,
      )
    for (const text of ails)
      yield (/^no (?:planner|enactor|prober)/.test(text) ? bad : warn)(
        'programs',
        text,
        'holdfast status; start what is missing with holdfast up',
      )
  }
  const server = config.server === null ? null : await askServer(config)
  if (server !== null)
    yield server.ok
      ? ok('server', `${server.at} answers`)
      : bad('server', `${server.at}: ${server.detail}`, 'start it with holdfast up, or holdfast run server')
  yield* ports(config, server?.ok === true)
  yield* markers(config, snapshot)
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const enough = major > 22 || (major === 22 && minor >= 18)
  return enough
    ? ok('node', process.version)
    : bad(
        'node',
        `${process.version}, which is older than 22.18`,
        'install Node 24, or start Holdfast with npm, which brings it',
      )
}

function permissions(config: Config): Finding {
  if (!existsSync(config.state)) return warn('state', `${config.state} does not exist yet`, 'holdfast up makes it')
  try {
    accessSync(config.state, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch {
    return bad(
      'state',
      `${config.state} cannot be written by this user`,
      `chown it: sudo chown -R $USER ${config.state}`,
    )
  }
  const mode = statSync(config.state).mode & 0o777
  return (mode & 0o077) === 0
    ? ok('state', `${config.state}, for its owner alone`)
    : warn('state', `${config.state} is open to others (mode ${mode.toString(8)})`, `chmod 700 ${config.state}`)
}

async function openStore(config: Config): Promise<Store | Finding> {
  if (!existsSync(config.store.path))
    return warn('store', `${config.store.path} does not exist yet`, 'holdfast up makes it')
  const store = await openLmdbStore({ path: config.store.path, readOnly: true })
  return isProblem(store) ? bad('store', describeProblem(store), store.todo) : store
}

/** Documents from the future mean that somebody's clock is wrong; TSIG fails from 300 s on (RFC 8945, section 10). */
function clock({ at, statuses, observations }: Snapshot): Finding {
  const newest = Math.max(0, ...statuses.map((one) => one.at), ...observations.map((one) => one.at))
  if (newest - at > 2000)
    return bad(
      'clock',
      `a program reported ${durationText(newest - at)} in the future`,
      'let NTP set the clocks of these machines',
    )
  if (at < Date.UTC(2024, 0))
    return bad('clock', `this machine believes it is ${new Date(at).toISOString()}`, 'let NTP set the clock')
  return ok('clock', newest === 0 ? 'nobody to compare with yet' : `newest report ${agoText(newest, at)}`)
}

/** Only while nothing of ours runs there: then somebody else must not. */
async function* ports(config: Config, serverAnswers: boolean): AsyncGenerator<Finding> {
  if (config.server !== null && !serverAnswers)
    for (const address of config.server.listen) yield await portOf(address, 'server.listen')
}

async function portOf(address: Address, key: string): Promise<Finding> {
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    probe.listen(address.port, address.host, () => probe.close(() => resolve(undefined)))
  })
  const at = addressText(address)
  if (code === undefined) return ok('port', `${at} is free`)
  if (code === 'EADDRINUSE')
    return bad(
      'port',
      `${at} is in use by another program`,
      `stop it (ss -lntup 'sport = :${address.port}' names it), or change ${key}`,
    )
  if (code === 'EACCES')
    return bad(
      'port',
      `${at} may not be used by this user`,
      `use a port from 1024 on, or: sudo setcap cap_net_bind_service=+ep $(readlink -f $(command -v node))`,
    )
  return bad('port', `${at}: ${code}`, `change ${key}`)
}

const markersLooked = 200

/** Do authorities and the newest plan agree? */
async function* markers(config: Config, snapshot: Snapshot | null): AsyncGenerator<Finding> {
  if (snapshot?.head === undefined) return
  const { generation } = snapshot.head
  const names = [...config.policy.endpoints.keys()].slice(0, markersLooked)
  const published = await publishedReader(config)(names)
  const outages = new Map(
    published.flatMap((one) => (one.kind === 'outage' ? [[one.authority, one.reason] as const] : [])),
  )
  for (const [authority, reason] of outages)
    yield bad('markers', `${authority}: ${reason}`, 'see that the authority runs, takes the key, and allows updates')
  const read = published.filter((one) => one.kind === 'published')
  const foreign = read.filter(({ marker }) => marker !== null && marker.owner !== config.policy.owner)
  const missing = read.filter(({ marker }) => marker === null)
  const ahead = read.filter(
    ({ marker }) => marker !== null && marker.owner === config.policy.owner && marker.generation > generation,
  )
  for (const { name, marker } of foreign.slice(0, 5))
    yield bad('markers', `${name} belongs to ${marker?.owner}`, 'choose other names, or end the other deployment first')
  for (const { name, marker } of ahead.slice(0, 5))
    yield warn(
      'markers',
      `${name} is at generation ${marker?.generation}, the newest plan is ${generation}`,
      'the store lost history: a running planner goes on above it by itself',
    )
  if (missing.length > 0)
    yield warn(
      'markers',
      `${count(missing.length, 'name')} without a marker, such as ${missing[0]?.name}`,
      'a running enactor writes them; holdfast why NAME says what stands in the way',
    )
  if (outages.size + foreign.length + ahead.length + missing.length === 0)
    yield ok('markers', `${count(read.length, 'name')} looked at, all published by this deployment`)
}
