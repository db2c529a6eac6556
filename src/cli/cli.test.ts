/** Commands as a person or a script meets them: help, refusals, exit codes, and the shape of their JSON. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { digestOf, utf8 } from '../base/bytes.ts'
import { isProblem } from '../base/problem.ts'
import { loadConfig } from '../config/config.ts'
import { keys } from '../model/keys.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import type { Store, Write } from '../store/store.ts'
import { exit } from './exit.ts'
import { forecast } from './forecast.ts'
import type { Io } from './io.ts'
import { programOf, runCli } from './run-cli.ts'

let folder = ''
let config = ''
let store: Store

const yaml = `owner: test
keys:
  holdfast: { secret: { file: state/tsig.key }, generate: true }
server: { listen: [127.0.0.1:1] }
zones:
  example.test: { authority: builtin, key: holdfast, records: "ns 60 A 127.0.0.1" }
pools:
  web:
    targets:
      east: { site: east, addresses: 127.0.0.11 }
      west: { site: west, addresses: 127.0.0.12 }
      north: { site: north, addresses: 127.0.0.13 }
  api:
    targets:
      east: { site: east, addresses: 127.0.0.21 }
endpoints:
  db.example.test: { pool: web, ttl: 5 }
  www.example.test: { alias: db.example.test }
  static.example.test: { addresses: 192.0.2.1 }
`

interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function say(...args: string[]): Promise<Said> {
  let out = ''
  let err = ''
  const io: Io = {
    env: { USER: 'ann', HOLDFAST_CONFIG: config },
    cwd: folder,
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    outIsTty: false,
    errIsTty: false,
    columns: () => 80,
  }
  const code = await runCli(args, io)
  return { code, out, err }
}

/** Publishes what a planner would, as its one commit does. */
async function publish(): Promise<void> {
  const loaded = loadConfig(config, {})
  if (loaded.kind === 'problems') throw new Error(loaded.problems[0].found)
  const { decided } = await forecast(store, loaded.config.policy)
  if (decided.kind !== 'plan') throw new Error(decided.reasons[0]?.text ?? 'hold')
  const document = keys.plan.encode(decided.head)
  const { generation } = decided.head
  const writes: Write[] = [
    ...[...decided.newShards].map(
      ([digest, text]) => ({ kind: 'put', key: keys.shard.key(digest), value: utf8(text) }) as const,
    ),
    { kind: 'put', key: keys.plan.key(generation), value: document },
    { kind: 'put', key: keys.head.key(), value: keys.head.encode({ generation, digest: digestOf(document) }) },
  ]
  expect((await store.commit([], writes)).kind).toBe('committed')
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'))
  config = join(folder, 'holdfast.yaml')
  writeFileSync(config, yaml)
  const opened = await openLmdbStore({ path: join(folder, 'state', 'store') })
  if (isProblem(opened)) throw new Error(opened.found)
  store = opened
  await publish()
})
afterAll(async () => {
  await store?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Every command with its full name, such as `config check`. */
function commands(from: Command, before: readonly string[] = []): string[][] {
  return from.commands.flatMap((command) => {
    const path = [...before, command.name()]
    return command.commands.length > 0 ? commands(command, path) : [path]
  })
}
// The laboratory explains itself.
const all = commands(
  programOf({
    io: { env: {}, cwd: '/', out() {}, err() {}, outIsTty: false, errIsTty: false, columns: () => 80 },
    exitCode: exit.ok,
  }),
).filter(([first]) => first !== 'lab')

test.each(all.map((path) => [path.join(' '), path] as const))(
  '%s --help says what it does and shows examples',
  async (name, path) => {
    const { code, out } = await say(...path, '--help')
    expect(code).toBe(exit.ok)
    expect(out).toContain(`Usage: holdfast ${name}`)
    expect(out).toMatch(/\nExamples:\n {2}\$ holdfast /)
  },
)

test('the help of the program lists every command and the exit codes', async () => {
  const { code, out } = await say('--help')
  expect(code).toBe(exit.ok)
  for (const [first] of all) expect(out).toContain(`  ${first}`)
  for (const meaning of Object.values(exit)) expect(out).toMatch(new RegExp(`\\n +${meaning}  `))
})

test.each<[args: string[], code: number, ...says: string[]]>([
  [[], exit.usage, 'Usage: holdfast'],
  [['drian', 'east'], exit.usage, "unknown command 'drian'", 'Did you mean drain?'],
  [['status', '--chekc'], exit.usage, "unknown option '--chekc'"],
  [['drain', 'web/east'], exit.usage, '--reason'],
  [['drain', 'web/east', '--reason', 'x', '--for', 'soon'], exit.usage, '90s'],
  [['drain', 'web/east', '--reason', 'x', '--until', '2001-01-01T00:00:00Z'], exit.usage, 'a time to come'],
  [
    ['drain', 'web/east', '--reason', 'x', '--for', '1h', '--until', '2099-01-01T00:00:00Z'],
    exit.usage,
    'cannot be used with',
  ],
  [['drain', 'web/east', '--reason', 'x', '--break', 'S2'], exit.usage, 'expected S5'],
  [['drain', 'web/esat', '--reason', 'x'], exit.failed, 'did you mean web/east?'],
  [['drain', 'east', '--reason', 'x'], exit.failed, 'web/east, api/east', 'name the pool as well'],
  [['pin', 'bd.example.test', '--reason', 'x'], exit.failed, 'did you mean db.example.test?'],
  [['pin', 'no_such..name', '--reason', 'x'], exit.usage, 'labels of 1 to 63'],
  [['rollback', '99', '--reason', 'x'], exit.failed, 'one that is kept: 1', 'holdfast history'],
  [['rollback', '1', '--reason', 'x'], exit.failed, 'an older plan'],
  [['rollback', '1'], exit.usage, 'say why'],
  [['rollback'], exit.usage, 'a generation, or --undo'],
  [['show', '99'], exit.failed, 'one that is kept: 1'],
  [['show', 'newest'], exit.usage, '"head"'],
  [['why', 'nothing.example.test'], exit.failed, 'no endpoint of this name'],
  [['retire', 'static.example.test', '--reason', 'x'], exit.usage, '--confirm static.example.test'],
  [
    ['retire', 'static.example.test', '--confirm', 'other.example.test', '--reason', 'x'],
    exit.usage,
    '"other.example.test"',
  ],
  [
    ['retire', 'static.example.test', '--confirm', 'static.example.test', '--reason', 'x'],
    exit.failed,
    'remove it there first',
  ],
  [['pool', 'wbe'], exit.failed, 'did you mean web?'],
  [['pool', 'web', '--if-down', 'east'], exit.failed, 'a pool with a check'],
  [['pool', 'web', '--if-drained', 'esat'], exit.failed, 'did you mean east?'],
  [['pool', 'web', '--if-evacuated', 'weest'], exit.failed, 'did you mean west?'],
  [['evacuate', 'east'], exit.usage, '--reason'],
  [['evacuate', 'norht', '--reason', 'x'], exit.failed, 'did you mean north?'],
  [['evacuate', 'north', '--pool', 'api', '--reason', 'x'], exit.failed, 'a site: east'],
  [['maintenance', 'east', '--reason', 'x'], exit.usage, 'how long the window is'],
  [['maintenance', 'east', '--from', 'soon', '--for', '1h', '--reason', 'x'], exit.usage, '2030-01-31'],
  [['maintenance', 'east', '--for', '1h'], exit.usage, 'say why'],
  [['maintenance', 'east', '--until', '2001-01-01T00:00:00Z', '--reason', 'x'], exit.usage, 'give a later one'],
  [['init'], exit.failed, 'no file of this name', 'choose another folder'],
  [['run', 'governor'], exit.usage, 'planner, enactor, prober, balancer, intake, leases, server'],
  [['--config', 'nowhere.yaml', 'status'], exit.config, 'nowhere.yaml'],
])('%j ends with %i', async (args, code, ...says) => {
  const { code: found, err } = await say(...args)
  expect([found, err]).toEqual([code, err])
  for (const text of says) expect(err).toContain(text)
})

test('with --json an error is a document on standard error, and standard output stays empty', async () => {
  const { code, out, err } = await say('drain', 'web/esat', '--reason', 'x', '--json')
  expect([code, out]).toEqual([exit.failed, ''])
  expect(JSON.parse(err)).toEqual({
    exit: exit.failed,
    problems: [
      {
        kind: 'problem',
        at: 'web/esat',
        expected: expect.any(String),
        found: 'no target of this name',
        todo: 'did you mean web/east?',
      },
    ],
  })
  const usage = await say('drian', '--json')
  expect(JSON.parse(usage.err)).toMatchObject({ exit: exit.usage, problems: [{ at: 'command line' }] })
})

test('all that is wrong with a configuration comes at once, each with its line', async () => {
  const broken = join(folder, 'broken.yaml')
  writeFileSync(broken, yaml.replace('ttl: 5', 'ttl: soon').replace('alias: db.', 'alias: bd.'))
  const { code, err } = await say('config', 'check', broken, '--json')
  expect(code).toBe(exit.config)
  const { problems } = JSON.parse(err) as { problems: { line: number }[] }
  expect(problems.map(({ line }) => line)).toEqual([17, 18])
})

async function json(...args: string[]): Promise<unknown> {
  const { out, err } = await say(...args, '--json')
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

test('status: nothing is well that has not reported', async () => {
  expect(await json('status')).toMatchObject({
    owner: 'test',
    well: false,
    ails: expect.arrayContaining([expect.stringContaining('no planner runs and none ever has')]),
    head: { generation: 1, author: 'dry run', rolledBackTo: null },
    programs: [],
    enactors: [],
    overrides: [],
    server: { ok: false, at: '127.0.0.1:1', pid: null },
  })
  expect((await say('status', '--check')).code).toBe(exit.found)
})

test('history, show and plan', async () => {
  expect(await json('history')).toMatchObject({
    head: 1,
    kept: 1,
    plans: [{ generation: 1, parent: 0, blast: { namesAdded: 3 } }],
  })
  expect(await json('show', 'head', '--names', '1')).toMatchObject({
    generation: 1,
    namesTotal: 3,
    names: [
      {
        name: 'db.example.test.',
        since: 1,
        born: 1,
        answer: '5 addresses 127.0.0.11*100 127.0.0.12*100 127.0.0.13*100',
      },
    ],
  })
  expect(await json('plan')).toMatchObject({ outcome: 'hold', changes: [], changesTotal: 0, violations: [] })
})

test('plan --check says by its exit code that a changed file would change names; nothing is written', async () => {
  const changed = join(folder, 'changed.yaml')
  writeFileSync(changed, yaml.replace('192.0.2.1', '192.0.2.2'))
  const revision = (await store.range('')).revision
  const { code, out } = await say('plan', '--config', changed, '--check', '--json')
  expect(code).toBe(exit.found)
  expect(JSON.parse(out)).toMatchObject({
    outcome: 'plan',
    generation: 2,
    changesTotal: 1,
    changes: [
      { name: 'static.example.test.', before: '60 addresses 192.0.2.1*100', after: '60 addresses 192.0.2.2*100' },
    ],
  })
  expect((await store.range('')).revision).toBe(revision)
})

test('an instruction is kept with author, reason and expiry; it names its undo; a dry run writes nothing', async () => {
  const key = keys.override.key({ kind: 'drain', pool: 'web', target: 'east' })
  const dry = await json('drain', 'web/east', '--reason', 'a new kernel', '--dry-run')
  expect(dry).toMatchObject({
    outcome: 'dry run',
    undo: 'holdfast undrain web/east',
    forecast: { outcome: 'plan', changesTotal: 1 },
  })
  expect(await store.get(key)).toBeUndefined()

  const given = await json('drain', 'web/east', '--reason', 'a new kernel', '--for', '2h', '--no-wait')
  expect(given).toMatchObject({
    outcome: 'in force',
    replaced: null,
    override: { author: 'ann', reason: 'a new kernel', breaks: [] },
  })
  const stored = keys.override.decode((await store.get(key))?.value ?? utf8(''))
  expect((stored?.expires ?? 0) - (stored?.at ?? 0)).toBe(7_200_000)

  const waited = await say('drain', 'web/east', '--reason', 'again', '--wait', '100ms')
  expect([waited.code, waited.out]).toEqual([
    exit.pending,
    expect.stringContaining('no planner has ever reported: start one with "holdfast up"'),
  ])
  expect(await json('undrain', 'web/east', '--no-wait')).toMatchObject({ outcome: 'in force', override: null })
  expect(await json('undrain', 'web/east')).toMatchObject({ outcome: 'nothing' })
})

test('why names the answer, its pool and what stands at the authority, or why that cannot be read', async () => {
  expect(await json('why', 'www.example.test')).toMatchObject({
    name: 'www.example.test.',
    generation: 1,
    answer: '60 alias db.example.test.',
    chain: [{ name: 'www.example.test.' }, { name: 'db.example.test.' }],
    pool: { id: 'web', capacity: 1, targets: { east: { kind: 'serving' } } },
    published: [{ kind: 'outage' }, { kind: 'outage' }],
  })
})

test('init writes a configuration that is right, and a secret for its owner alone; the secret is shown nowhere', async () => {
  const into = join(folder, 'new')
  const { code, out } = await say('init', into)
  expect(code).toBe(exit.ok)
  const secret = join(into, 'state', 'tsig.key')
  expect(statSync(secret).mode & 0o777).toBe(0o600)
  expect(out).not.toContain(readFileSync(secret, 'utf8').trim())
  expect((await say('config', 'check', join(into, 'holdfast.yaml'))).code).toBe(exit.ok)
  const again = await say('init', into)
  expect(again.code).toBe(exit.failed)
  expect(existsSync(join(into, 'holdfast.yaml'))).toBe(true)
})

test('doctor says of each thing whether it is well, and what to do', async () => {
  const { code, out } = await say('doctor', '--json')
  expect(code).toBe(exit.found)
  const { ok, findings } = JSON.parse(out) as {
    ok: boolean
    findings: { check: string; state: string; todo: string }[]
  }
  expect(ok).toBe(false)
  for (const check of ['node', 'config', 'store', 'clock', 'programs', 'server'])
    expect(findings.map((one) => one.check)).toContain(check)
  for (const { state, todo } of findings) expect(todo === '').toBe(state === 'ok')
})

test('the schema for editors is JSON Schema', async () => {
  const { out } = await say('config', 'schema')
  expect(JSON.parse(out)).toMatchObject({ $schema: expect.stringContaining('json-schema.org'), type: 'object' })
})

test('a pool is shown with its budgets, and what would happen if', async () => {
  const shown = await say('pool', 'web')
  expect([shown.code, shown.err]).toEqual([exit.ok, ''])
  for (const text of ['pool web', 'east', 'healthy', 'budgets for removals', 'site north', 'no prober has reported'])
    expect(shown.out).toContain(text)
  const supposed = await say('pool', 'web', '--if-drained', 'east', '--for', '10s', '--json')
  const document = JSON.parse(supposed.out)
  expect(document.targets.map(({ id, share }: { id: string; share: number }) => [id, share])).toEqual([
    ['east', 1],
    ['west', 1],
    ['north', 1],
  ])
  const { targets } = document.whatIf
  expect(targets.find(({ id }: { id: string }) => id === 'east')).toMatchObject({ state: 'admin', share: 0 })
})

test('a site is evacuated, restored and put under maintenance; the dry run writes nothing', async () => {
  const why = ['--reason', 'x', '--no-wait']
  const dry = await say('evacuate', 'north', ...why, '--dry-run', '--json')
  expect([dry.code, JSON.parse(dry.out)]).toMatchObject([
    exit.ok,
    { outcome: 'dry run', forecast: { outcome: 'hold' } },
  ])
  // Two thirds of the pool stay, and its floor is seven tenths.
  expect(JSON.parse(dry.out).forecast.reasons).toContainEqual({
    subject: 'web/site north',
    text: expect.stringContaining('is not taken out: the other sites carry 200'),
  })
  const held = await say('evacuate', 'north', '--reason', 'x')
  expect([held.code, held.out]).toEqual([exit.pending, expect.stringContaining('--break S5')])
  const given = await say('evacuate', 'north', ...why, '--break', 'S5', '--json')
  expect(JSON.parse(given.out)).toMatchObject({ outcome: 'in force', undo: 'holdfast restore north' })
  expect(JSON.parse((await say('pool', 'web', '--json')).out).targets).toContainEqual(
    expect.objectContaining({ id: 'north', state: 'evacuated', share: 0 }),
  )
  expect(JSON.parse((await say('restore', 'north', '--no-wait', '--json')).out).outcome).toBe('in force')
  expect((await say('restore', 'north', '--no-wait')).out).toContain('nothing to take back')
  const window = ['--from', '2090-01-31T02:00:00Z', '--for', '2h', '--reason', 'power work']
  const planned = await say('maintenance', 'east', ...window, '--json')
  expect(JSON.parse(planned.out)).toMatchObject({
    outcome: 'in force',
    override: { action: { kind: 'maintenance', site: 'east' }, expires: Date.parse('2090-01-31T04:00:00Z') },
    undo: 'holdfast maintenance east --cancel',
  })
  expect((await say('maintenance', 'east', '--cancel', '--no-wait')).code).toBe(exit.ok)
})
