/** `holdfast up`: everything on this machine, each program in a process of its own, and a view of it. */
import { randomBytes } from 'node:crypto'
import { appendFileSync, chmodSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Command } from 'commander'
import { describeProblem, isProblem, type Problem } from '../base/problem.ts'
import type { Config } from '../config/config.ts'
import { makeSecretFile } from '../config/secrets.ts'
import { policySourceOf } from '../config/source.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import { type Store, StoreOutage } from '../store/store.ts'
import { describeEvent, isNotable } from '../telemetry/events.ts'
import { parseLogLine } from '../telemetry/log.ts'
import { type Cli, configPath, newCommand } from './cli.ts'
import { endBy, endOnUncaught } from './end.ts'
import { exit } from './exit.ts'
import { followFile } from './follow.ts'
import { CliFailure, fail, painter } from './io.ts'
import { keepCopy, lastGoodPath } from './last-good.ts'
import { holdState } from './processes.ts'
import { companionCommand, logFolder, programsOf } from './programs.ts'
import { publishedReader, type Shown } from './published.ts'
import { type Drawing, drawOn } from './screen.ts'
import { openConfig } from './session.ts'
import { type Snapshot, takeSnapshot } from './snapshot.ts'
import { type Supervisor, superviseAll } from './supervisor.ts'
import { clockText, padEnd } from './text.ts'
import { serveWhole } from './up-http.ts'
import { namesShown, screenOf } from './up-screen.ts'
import { render, type Screen } from './view.ts'

export function upCommand(cli: Cli): Command {
  return newCommand(
    'up',
    'Run everything here: planner, enactors, prober, DNS server; show what goes on until Ctrl-C.',
    [
      ['holdfast up', './holdfast.yaml'],
      ['holdfast up examples/quickstart/holdfast.yaml', 'three services to break'],
      ['holdfast up --keep-server', 'Ctrl-C leaves the DNS server running'],
    ],
  )
    .argument('[config]', 'the configuration; default as for every command')
    .option('--keep-server', 'on Ctrl-C, leave the DNS server (and companions) running')
    .option('--plain', 'log lines instead of the live view')
    .action(
      async (
        path: string | undefined,
        options: { readonly keepServer?: boolean; readonly plain?: boolean },
        self: Command,
      ) => {
        await up(cli, configPath(cli, self, path), options)
      },
    )
}

const dnsAlone = 'DNS needs no store: "holdfast run server" answers meanwhile'

interface Happening {
  readonly at: number
  readonly program: string
  readonly text: string
  readonly bad: boolean
}

async function up(
  cli: Cli,
  path: string,
  options: { readonly keepServer?: boolean; readonly plain?: boolean },
): Promise<void> {
  const config = prepared(cli, path)
  const held = await holdState(config.state)
  if (held.kind === 'taken')
    fail(
      exit.failed,
      config.state,
      'no other "holdfast up" on this state folder',
      `one that runs (${held.by})`,
      'use that one, or stop it first',
    )
  const store = await openLmdbStore({ path: config.store.path })
  if (isProblem(store)) {
    held.release()
    throw new CliFailure(exit.unreachable, [
      config.server === null ? store : { ...store, todo: `${store.todo}. ${dnsAlone}` },
    ])
  }
  endOnUncaught()

  const live = cli.io.outIsTty && options.plain !== true
  const paint = painter(cli.io.outIsTty, cli.io.env)
  const started = Date.now()
  const keepLog = logWriter(join(logFolder(config), 'holdfast.log'))
  const happenings: Happening[] = []
  let changed = true
  const tell = (happening: Happening) => {
    // Several enactors finish the same plan: the first one is news.
    const since = happening.at - sameNewsMs
    if (!happening.bad && happenings.some(({ at, text }) => at > since && text === happening.text)) return
    happenings.push(happening)
    if (happenings.length > 200) happenings.shift()
    changed = true
    if (!live) {
      const text = happening.bad ? paint('yellow', happening.text) : happening.text
      cli.io.out(`${paint('dim', clockText(happening.at))} ${padEnd(happening.program, 11)} ${text}\n`)
    }
  }
  const line = (program: string, text: string) => {
    keepLog(text)
    const parsed = parseLogLine(text)
    if (parsed === undefined) tell({ at: Date.now(), program, text, bad: true })
    else if (isNotable(parsed.level) && parsed.event.event !== 'program.started')
      tell({ at: parsed.time, program, text: describeEvent(parsed.event), bad: parsed.level !== 'info' })
  }

  const refusals: Problem[] = []
  let end: (why: string) => void = () => {}
  const ended = new Promise<string>((resolve) => {
    end = resolve
  })
  const specs = programsOf(config, { ...process.env, ...definedOnly(cli.io.env) })
  const server = specs.find(({ kind }) => kind === 'server')
  const unfollow = server?.detached == null ? () => {} : followFile(server.detached.log, (text) => line('server', text))
  let supervisor: Supervisor | undefined
  const programs = () => supervisor?.programs() ?? []
  const http = await serveWhole(config, programs, started)
  if (isProblem(http)) {
    unfollow()
    await store.close()
    held.release()
    throw new CliFailure(exit.unreachable, [http])
  }
  supervisor = superviseAll(specs, {
    line,
    changed(program, what) {
      const gone =
        program.state === 'gone' ? `; start it again: ${companionCommand(config, program.name, cli.io.cwd)}` : ''
      const bad = program.state === 'waiting' || program.state === 'gone'
      if (program.state !== 'starting' || program.restarts === 0)
        if (program.state !== 'running' || program.restarts > 0 || program.adopted || bad)
          tell({ at: Date.now(), program: program.name, text: `${what}${gone}`, bad })
      changed = true
    },
    refused(_program, problem) {
      refusals.push(problem)
      end('refused')
    },
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal))
  const view = startView(cli, config, store, {
    live,
    programs,
    started,
    events: () => happenings,
    takeChange: () => {
      const was = changed
      changed = false
      return was
    },
  })
  const why = await ended
  await view.close()
  const keep = options.keepServer === true || why === 'SIGHUP'
  const shownEnd = (text: string) => cli.io.out(`${text}\n`)
  if (why !== 'refused')
    shownEnd(`${live ? '\n' : ''}${keep ? 'Stopping; the DNS server goes on.' : 'Stopping everything.'}`)
  // A second signal does not wait.
  process.on('SIGINT', () => endBy('SIGINT'))
  // What ran before this was started, and could not be, goes on: DNS above all.
  await supervisor.stop(({ kind, adopted }) => kind !== 'role' && (keep || (why === 'refused' && adopted)))
  unfollow()
  if (http !== null) await http.close()
  await store.close()
  held.release()
  if (refusals.length > 0) throw new CliFailure(exit.unreachable, refusals)
  if (keep && config.server !== null)
    shownEnd(
      `DNS server: process ${programs().find(({ kind }) => kind === 'server')?.pid ?? '?'}. To stop it: kill it, or run "holdfast up" and press Ctrl-C.`,
    )
}

/** The configuration, with the secrets that it asks for made, and the state folder for its owner alone. */
function prepared(cli: Cli, path: string): Config {
  const first = openConfig(cli, path, { secrets: true })
  mkdirSync(first.state, { recursive: true, mode: 0o700 })
  chmodSync(first.state, 0o700)
  if (first.generate.length === 0) return first
  for (const secret of first.generate) {
    const trouble = makeSecretFile(secret, randomBytes)
    if (trouble !== undefined) throw new CliFailure(exit.config, [trouble])
    cli.io.err(`made a secret for the key ${secret.key.replace(/\.$/, '')} in ${relative(cli.io.cwd, secret.file)}\n`)
  }
  return openConfig(cli, path, { secrets: true })
}

const definedOnly = (env: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined))

const sameNewsMs = 2000

const logMaxBytes = 16 * 1024 * 1024

/** Appends lines; puts the file aside when it has grown large, so that two files at most are kept. */
function logWriter(path: string): (line: string) => void {
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
  let size = 0
  try {
    size = statSync(path).size
  } catch {
    // There is none yet.
  }
  return (line) => {
    try {
      if (size > logMaxBytes) {
        rmSync(`${path}.1`, { force: true })
        renameSync(path, `${path}.1`)
        size = 0
      }
      appendFileSync(path, `${line}\n`, { mode: 0o600 })
      size += line.length + 1
    } catch {
      // A full disk must not end what keeps names alive.
    }
  }
}

interface ViewSources {
  readonly live: boolean
  readonly started: number
  programs(): ReturnType<Supervisor['programs']>
  events(): readonly Happening[]
  takeChange(): boolean
}

const lookEveryMs = 500
const drawEveryMs = 250

/** Looks at the store and at DNS, and draws on a terminal; elsewhere it says once what to try. */
function startView(cli: Cli, config: Config, store: Store, sources: ViewSources): { close(): Promise<void> } {
  const paint = painter(cli.io.outIsTty, cli.io.env)
  const source = policySourceOf(config.path, cli.io.env)
  let { policy } = config
  let unusable: string | null = null
  const read = publishedReader({
    get policy() {
      return policy
    },
    keys: config.keys,
  })
  let snapshot: Snapshot | null = null
  let outage: string | null = null
  let published: Shown[] = []
  let closing = false
  let told = false

  /** The file is edited while this runs: the view follows it, and what roles may have to start with is kept. */
  const follow = async () => {
    const reading = await source.read()
    unusable = reading.kind === 'unreadable' ? describeProblem(reading.problems[0]) : null
    if (reading.kind === 'unreadable' || reading.policy.digest === policy.digest) return
    policy = reading.policy
    keepCopy({ path: config.path, modified: reading.modified }, lastGoodPath(config))
  }
  const look = async () => {
    await follow()
    try {
      snapshot = await takeSnapshot(store)
      outage = null
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
      outage = error.message
    }
    published = await read([...policy.endpoints.keys()].slice(0, namesShown))
  }
  const screen = (): Screen =>
    screenOf({
      config,
      policy,
      unusable,
      cwd: cli.io.cwd,
      now: Date.now(),
      started: sources.started,
      programs: sources.programs(),
      snapshot,
      outage,
      published,
      events: sources.events(),
    })
  const looking = (async () => {
    while (!closing) {
      await look()
      if (!sources.live && !told && published.some((one) => one.kind === 'published' && one.marker !== null)) {
        told = true
        for (const { command, what } of screen().tries) cli.io.out(`  try  ${command}   # ${what}\n`)
      }
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
    }
  })()
  const stop = async () => {
    closing = true
    await looking
  }
  if (!sources.live) return { close: stop }

  const drawing: Drawing = drawOn(() => ({
    columns: cli.io.columns(),
    rows: process.stdout.rows ?? 24,
    write: cli.io.out,
  }))
  const draw = () => {
    const size = { columns: cli.io.columns(), rows: (process.stdout.rows ?? 24) - 1 }
    drawing.draw(render(screen(), size, paint))
  }
  draw()
  const timer = setInterval(draw, drawEveryMs)
  process.stdout.on('resize', draw)
  return {
    async close() {
      clearInterval(timer)
      process.stdout.off('resize', draw)
      draw()
      drawing.close()
      await stop()
    },
  }
}
