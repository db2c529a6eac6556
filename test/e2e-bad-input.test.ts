/**
 * Bad input gets a clear error and loses nothing: one deployment of real processes, into which everything
 * that can be wrong is put in turn. After each, names answer as before.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { encodeSchema, schemaKey, schemaVersion } from '../src/store/layout.ts'
import { type Deployment, deployment, eventually, holdfast, type Ran } from './support/holdfast.ts'
import { describeWith } from './support/programs.ts'

const db = 'db.example.test'
const everyone = ['127.0.0.11', '127.0.0.12', '127.0.0.13']
const secrets = ['recognisable: the secret of the server', 'recognisable: the secret of somebody else'] as const
const [secret, wrongSecret] = secrets.map((text) => Buffer.from(text).toString('base64')) as [string, string]

const quick = (yaml: string): string =>
  yaml
    .replace('interval: 1s', 'interval: 200ms')
    .replace('timeout: 500ms', 'timeout: 150ms')
    .replace('fall: 3', 'fall: 2')
    .replace('ramp: 20s', 'ramp: 1s')
    .replace(/window: [0-9]+s/, 'window: 1s')
    .replace('coalesce: 1s', 'coalesce: 100ms')
    .replace('enactors: 3', 'enactors: 2')

/** A small file system in memory, where we may: for a store that is full or read-only. */
function mounted(at: string, size: string): boolean {
  mkdirSync(at, { recursive: true })
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'holdfast-test', at]).status === 0
}
const probe = mkdtempSync(join(tmpdir(), 'holdfast-mount-'))
const canMount = mounted(probe, '64k')
if (canMount) execFileSync('umount', [probe])
rmSync(probe, { recursive: true, force: true })

interface Status {
  readonly well: boolean
  readonly ails: readonly string[]
  readonly head: { readonly generation: number }
}

describeWith(['dig', 'nsupdate'], 'bad input', () => {
  let running: Deployment
  /** The configuration as it should be. */
  let good: string
  /** All that any command said, for the last look: no secret in it. */
  const said: string[] = []
  const children: ChildProcess[] = []

  const keep = (result: Ran): Ran => {
    said.push(result.stdout, result.stderr)
    return result
  }
  const cli = async (...args: string[]) => keep(await running.cli(...args))
  const status = async () => await running.json<Status>('status')
  const inFolder = (name: string) => join(running.folder, name)

  /** The command ends with this code, and its error has all these words. */
  async function refused(code: number, args: readonly string[], ...words: (string | RegExp)[]): Promise<void> {
    const result = await cli(...args)
    expect([args.join(' '), result.code, result.stderr]).toEqual([args.join(' '), code, expect.anything()])
    for (const word of words) expect(result.stderr).toMatch(word)
  }

  /** A few at a time: each is a process of its own. */
  async function inTurns<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
    for (let from = 0; from < items.length; from += 3) await Promise.all(items.slice(from, from + 3).map(work))
  }

  const answers = (expected: readonly string[]) => async () => {
    const found = await running.addresses(db)
    return found.join() === expected.join() ? undefined : `${db} answers ${found.join(' ')}`
  }
  const ails = (...words: (string | RegExp)[]) =>
    eventually(15_000, `status to say ${words.join(', ')}`, async () => {
      const { ails: found } = await status()
      said.push(...found)
      return words.every((word) => found.some((text) => new RegExp(word).test(text))) ? undefined : found.join('; ')
    })
  const isWell = () =>
    eventually(15_000, 'all to be well', async () => {
      const { ails: found } = await status()
      return found.length === 0 ? undefined : found.join('; ')
    })
  const post = async (address: string, what: string) =>
    await fetch(`http://${address}:${running.ports.service}/${what}`, { method: 'POST' })

  /** One more program of this deployment; resolves with what it logged once `event` is in it. */
  async function started(event: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
    const child = spawn(process.execPath, [main, ...args], {
      cwd: running.folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    children.push(child)
    let log = ''
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      said.push(chunk.toString())
    })
    await eventually(15_000, `${args.join(' ')} to log ${event}`, async () => (log.includes(event) ? undefined : log))
    return log
  }
  async function endChildren(): Promise<void> {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
  }

  beforeAll(async () => {
    running = await deployment({ edit: quick })
    good = readFileSync(running.config, 'utf8')
    mkdirSync(inFolder('state'), { mode: 0o700 })
    writeFileSync(inFolder('state/tsig.key'), `${secret}\n`, { mode: 0o600 })
    writeFileSync(inFolder('state/wrong.key'), `${wrongSecret}\n`, { mode: 0o600 })
    if (canMount && !mounted(inFolder('state/store'), '8m')) throw new Error('expected a file system for the store')
    await running.up('--keep-server')
    await eventually(10_000, 'all three to answer', answers(everyone))
  })
  afterEach(async () => {
    await endChildren()
    expect(await running.dig(db)).not.toEqual([])
  })
  afterAll(async () => {
    if (running === undefined) return
    if (canMount) spawnSync('umount', ['-l', inFolder('state/store')])
    await running.stop()
  })

  describe('a configuration', () => {
    /** By name: what is wrong, and words of the error. */
    const wrong: Readonly<Record<string, readonly [broken: (yaml: string) => string | Buffer, ...words: RegExp[]]>> = {
      'half written': [(yaml) => yaml.slice(0, 700), /:\d+:\d+: zones/, /add "zones"/],
      empty: [() => '', /an empty file/, /holdfast init/],
      'not UTF-8': [() => Buffer.from([0x6f, 0xff, 0xfe]), /text in UTF-8/],
      'not YAML': [() => 'owner: [a\nzones: }{', /:2:\d+\s/, /YAML 1.2/],
      'contradictory, all of it said at once': [
        (yaml) =>
          yaml
            .replace('timeout: 150ms', 'timeout: 900ms')
            .replace('floor: 0.5', 'floor: 1.5')
            .replace(`alias: ${db}`, 'alias: dp.example.test')
            .replace(
              'endpoints:\n',
              [
                'endpoints:',
                '  v.example.test: { alias: w.example.test }',
                '  w.example.test: { alias: v.example.test }',
                '  DB.example.test.: { addresses: 192.0.2.1 }',
                '  www.example.org: { addresses: 192.0.2.1 }',
                '',
              ].join('\n'),
            ),
        /pools\.web\.timeout\s+expected {2}less than the interval/,
        /pools\.web\.limits\.floor\s+expected {2}floor, a share from 0 to 1/,
        /endpoints\.www\.example\.test\.alias[\s\S]*did you mean "db\.example\.test"/,
        /a circle: v\.example\.test → w\.example\.test → v\.example\.test/,
        /one endpoint of the name db\.example\.test/,
        /a name in one of the zones: example\.test/,
      ],
      'with the secret in it': [
        (yaml) => yaml.replace('{ file: state/tsig.key }', secret).replace('    generate: true\n', ''),
        /not shown: it may be the secret itself/,
      ],
    }

    test('that is wrong is refused with its place, and what to do', async () => {
      await inTurns(Object.entries(wrong), async ([name, [broken, ...words]]) => {
        const file = inFolder(`${name.replaceAll(/\W+/g, '-')}.yaml`)
        writeFileSync(file, broken(good))
        await refused(3, ['config', 'check', file], /\.yaml:\d+:\d+/, /to do/, ...words)
      })
      await refused(3, ['config', 'check', inFolder('none.yaml')], /none of that name/)
      await refused(3, ['config', 'check', running.folder], /a folder/)
    })

    test('a circular bootstrap is refused by the check and by every role', async () => {
      const circular = good
        .replace('authority: builtin', `authority: { rfc2136: ${db} }`)
        .replace('listen: 127.0.0.1:', 'listen: ns1.example.test:')
        .replace('addresses: 127.0.0.11', `addresses: ${db}`)
        .replace('state: state', `state: state\nstore: ${db}:2379`)
      const file = inFolder('circular.yaml')
      writeFileSync(file, circular)
      const roles = ['planner', 'enactor', 'prober', 'server'].map((role) => ['run', role, '--config', file])
      await inTurns([['config', 'check', file], ['up', file], ...roles], async (args) => {
        const { code, stderr } = keep(await holdfast(args, { cwd: running.folder }))
        const places = ['authority', 'listen', 'addresses', 'store'].filter((place) =>
          new RegExp(`${place}.*?: expected|${place}\\S*\\s+expected`).test(stderr),
        )
        const times = stderr.split('a circular bootstrap').length - 1
        expect([args[1], code, places.length, times]).toEqual([args[1], 3, 4, 4])
      })
    })

    test('broken while everything runs: answers follow health, status says so, it is mended by itself', async () => {
      writeFileSync(running.config, 'owner: [a\nzones: }{')
      // All of them go on with the last good one; so does status itself.
      await ails(
        /the configuration cannot be used.*:2:\d+: expected YAML 1\.2.*enactor-1.*enactor-2.*planner-1.*prober-1/,
      )
      expect((await cli('status', '--check')).code).toBe(5)
      await refused(3, ['drain', 'web/east', '--reason', 'x'], /YAML 1\.2/)
      await post('127.0.0.11', 'break')
      await eventually(5000, 'east to leave', answers(everyone.slice(1)))
      rmSync(running.config)
      await eventually(5000, 'the missing file to be told', async () =>
        running.log().includes('found none of that name') ? undefined : running.log().slice(-300),
      )
      await post('127.0.0.11', 'mend')
      writeFileSync(running.config, good)
      await eventually(10_000, 'east to come back', answers(everyone))
      await isWell()
    })
  })

  test('a port in use, or the state folder: who has it and what to do, and what ran goes on', async () => {
    const { dns, http, serverHttp } = running.ports
    const pid = (await running.program('server')).pid
    const variant = (name: string, edit: (yaml: string) => string) => {
      const elsewhere = good
        .replace('state: state\n', `state: ${name}\n`)
        .replace(/\ncompanions:[\s\S]*/, '\n')
        .replace('enactors: 2', 'enactors: 1')
        .replace(/\nhttp: .*/, '\nhttp: 127.0.0.1:1')
        .replace(`http: 127.0.0.1:${serverHttp}`, 'http: null')
      writeFileSync(inFolder(`${name}.yaml`), edit(elsewhere))
      return inFolder(`${name}.yaml`)
    }
    const nothing = (yaml: string) => yaml.replace('http: 127.0.0.1:1\n', 'http: null\n')
    const dnsTaken = variant('dns-taken', nothing)
    const pageTaken = variant('page-taken', (yaml) => yaml.replace('127.0.0.1:1\n', `127.0.0.1:${http}\n`))
    const healthTaken = variant('health-taken', (yaml) =>
      nothing(yaml)
        .replace(`127.0.0.1:${dns}`, '127.0.0.2:0')
        .replace('http: null', `http: 127.0.0.1:${http}`)
        .replace('127.0.0.2:0', `127.0.0.2:${dns}`),
    )
    await Promise.all([
      refused(4, ['up', dnsTaken], /server\.listen 127\.0\.0\.1:\d+/, /in use by another program/, `sport = :${dns}`),
      refused(4, ['up', pageTaken], `http 127.0.0.1:${http}`, /in use by another program/, `sport = :${http}`),
    ])
    await refused(4, ['up', healthTaken], `http 127.0.0.1:${http}`, /in use by another program/, `sport = :${http}`)
    await refused(1, ['up', running.config], /no other "holdfast up"/, `pid ${running.pid()}`, /stop it first/)
    expect((await running.program('server')).pid).toBe(pid)
  })

  test('a start that fails leaves the DNS server that it found', async () => {
    const { pid } = await running.program('server')
    await running.killUp()
    const blocker = spawn(
      process.execPath,
      ['-e', `require("net").createServer().listen(${running.ports.http}, "127.0.0.1", () => console.log("up"))`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    children.push(blocker)
    await once(blocker.stdout, 'data')
    await refused(4, ['up'], /in use by another program/)
    expect(await running.addresses(db)).toEqual(everyone)
    await endChildren()
    await running.up('--keep-server')
    expect((await running.program('server')).pid).toBe(pid)
    // Nor does it hold the store, which somebody may have to move away while DNS is served.
    const open = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`)
      return target.startsWith(inFolder('state/store')) ? [target] : []
    })
    expect(open).toEqual([])
  })

  test("operators' mistakes change nothing", async () => {
    const before = await status()
    const why = ['--reason', 'x'] as const
    const mistakes: [number, string[], ...(string | RegExp)[]][] = [
      [1, ['drain', 'web/esat', ...why], /did you mean web\/east/],
      [2, ['drain', 'web/east'], /--reason/],
      [2, ['drain', 'web/east', '--reason', ' '], /say why/],
      [2, ['drain', 'web/east', ...why, '--until', '2020-01-01T00:00:00Z'], /a time to come/],
      [2, ['drain', 'web/east', ...why, '--break', 'S2'], /expected S5/],
      [1, ['pin', 'bd.example.test', ...why], /did you mean db\.example\.test/],
      [1, ['retire', db, '--confirm', db, ...why], /remove it there first/],
      [2, ['retire', db, ...why], /--confirm/, /the last address of db\.example\.test/],
      [2, ['retire', db, '--confirm', 'www.example.test', ...why], /found +"www\.example\.test"/],
      [1, ['show', '4711'], /one that is kept: 1/, /holdfast history/],
      [1, ['rollback', '4711', ...why], /no such generation/, /holdfast history/],
      [1, ['rollback', String(before.head.generation), ...why], /the newest one/],
      [2, ['rollback', 'one', ...why], /the number of a generation/],
    ]
    await inTurns(mistakes, ([code, args, ...words]) => refused(code, args, ...words))
    const after = await running.json<Status & { overrides: unknown[] }>('status')
    expect([after.head.generation, after.overrides]).toEqual([before.head.generation, []])
  })

  test('the last target is never drained; a rollback under the floor names the rule and the flag', async () => {
    const drain = (target: string, ...more: string[]) => cli('drain', target, '--reason', 'x', ...more)
    expect((await drain('web/east')).code).toBe(0)
    const held = await drain('web/west')
    expect([held.code, held.stdout]).toEqual([6, expect.stringContaining('--break S5')])
    expect((await drain('web/west', '--break', 'S5')).code).toBe(0)
    const last = await drain('web/north', '--break', 'S5')
    expect([last.code, last.stdout]).toEqual([6, expect.stringContaining('no instruction empties a name (S2)')])
    expect(last.stdout).not.toContain('--break')
    expect(await running.addresses(db)).toEqual(['127.0.0.13'])
    const low = (await status()).head.generation
    for (const target of ['web/north', 'web/west', 'web/east']) await cli('undrain', target, '--no-wait')
    await eventually(10_000, 'all three to answer', answers(everyone))
    await refused(1, ['rollback', String(low), '--reason', 'x'], /rule S5/, /150 of 300 capacity left/, /--break S5/)
    expect(await running.addresses(db)).toEqual(everyone)

    // And a rollback to targets that are gone.
    const targets = /east: \{ site: east[\s\S]*?north: .*\n/
    writeFileSync(running.config, good.replace(targets, 'new: { site: new, addresses: 127.0.0.14, capacity: 100 }\n'))
    await eventually(10_000, 'the new target to answer', answers(['127.0.0.14']))
    await refused(1, ['rollback', '1', '--reason', 'x'], /rule S5/, /found +0/, /--break S5/)
    expect(await running.addresses(db)).toEqual(['127.0.0.14'])
    writeFileSync(running.config, good)
    await eventually(10_000, 'all three to answer', answers(everyone))
  })

  test('a name that an alias still leads to is not retired', async () => {
    writeFileSync(running.config, good.replace(/ {2}(?:db|www)\.example\.test: .*\n/g, ''))
    await eventually(10_000, 'the planner to keep what the file no longer has', async () => {
      const { stdout } = await cli('history')
      return stdout.includes('kept: the policy no longer has it') ? undefined : stdout
    })
    await refused(1, ['retire', db, '--confirm', db, '--reason', 'x'], /www\.example\.test\. is an alias of it/)
    expect(await running.addresses(db)).toEqual(everyone)
    writeFileSync(running.config, good)
  })

  test('what somebody else made is left alone, and said; adopt takes the unmarked', async () => {
    const theirs = '"v=holdfast1" "g=7" "d=0123456789abcdef" "o=somebody" "w=198.51.100.8*100"'
    const made = await running.nsupdate(
      'update add taken.example.test 60 A 198.51.100.7',
      'update add theirs.example.test 60 A 198.51.100.8',
      `update add _holdfast.theirs.example.test 60 TXT ${theirs}`,
    )
    expect(made).toMatchObject({ code: 0 })
    const wanted = (adopt: boolean) =>
      ['taken', 'theirs'].map((name) => `  ${name}.example.test: { addresses: 192.0.2.9, adopt: ${adopt} }\n`).join('')
    const withBoth = (adopt: boolean) => good.replace('endpoints:\n', `endpoints:\n${wanted(adopt)}`)
    writeFileSync(running.config, withBoth(false))
    await ails(/2 names cannot be written, such as (?:taken|theirs)\.example\.test: expected /)
    const whyTaken = await cli('why', 'taken.example.test')
    expect(whyTaken.stdout).toMatch(/198\.51\.100\.7 without a marker of ours; .*"adopt: true"/)
    const whyTheirs = await cli('why', 'theirs.example.test')
    expect(whyTheirs.stdout).toContain('a marker of deployment "somebody"')
    expect(await running.addresses('taken.example.test')).toEqual(['198.51.100.7'])

    writeFileSync(running.config, withBoth(true))
    await eventually(10_000, 'the unmarked name to be taken over', async () => {
      const found = await running.addresses('taken.example.test')
      return found.join() === '192.0.2.9' ? undefined : found.join()
    })
    await ails(/1 name cannot be written, such as theirs\.example\.test: .*deployment "somebody"/)
    expect(await running.addresses('theirs.example.test')).toEqual(['198.51.100.8'])
    expect((await running.dig('_holdfast.theirs.example.test', 'TXT')).join()).toBe(theirs)
    // Given up, so that all is well for those who follow.
    expect(await running.nsupdate('update delete theirs.example.test A')).toMatchObject({ code: 2 })
  })

  test('a wrong secret and a wrong clock are told apart, by the enactor, in status and by the server', async () => {
    writeFileSync(inFolder('wrong.yaml'), good.replace('state/tsig.key', 'state/wrong.key'))
    const shifted = 'const now=Date.now;Date.now=()=>now()+3600000'
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(shifted)}`
    const enactor = (id: string, config: string) => ['run', 'enactor', '--id', id, '--config', config]
    const before = await running.dig(`_holdfast.${db}`, 'TXT')
    const [wrongKey, wrongClock] = await Promise.all([
      started('enact.authority_lost', enactor('wrong-key', inFolder('wrong.yaml'))),
      started('enact.authority_lost', enactor('wrong-clock', running.config), { NODE_OPTIONS }),
    ])
    expect(wrongKey).toMatch(/another secret for key holdfast\.: give both sides the same key.*\(BADSIG\)/)
    expect(wrongClock).toMatch(
      /the clocks differ too much: the server's says \d+ .* the request's said \d+: set them \(BADTIME\)/,
    )
    await ails(
      /authority of example\.test.*BADSIG\) \(wrong-key\)/,
      /authority of example\.test.*BADTIME\) \(wrong-clock\)/,
    )
    const server = readFileSync(inFolder('state/logs/server.log'), 'utf8')
    expect(server).toMatch(/serve\.signature_refused.*(?:the MAC does not fit|allowed difference 300)/)
    const doctor = await cli('doctor')
    expect([doctor.code, doctor.stdout]).toEqual([
      5,
      expect.stringMatching(/fail +clock +a program reported .* in the future/),
    ])
    expect(await running.dig(`_holdfast.${db}`, 'TXT')).toEqual(before)
    for (const page of ['metrics', 'healthz', 'readyz'])
      said.push(await (await fetch(`${running.http}/${page}`)).text())
  })

  describe.skipIf(!canMount)('a store (needs root for a file system of its own)', () => {
    const store = () => inFolder('state/store')
    const mount = (...args: string[]) => execFileSync('mount', args)

    test('full: status, doctor and drain say so, answers stay; with room it goes on by itself', async () => {
      const fill = join(store(), 'fill')
      spawnSync('dd', ['if=/dev/zero', `of=${fill}`, 'bs=4k'])
      await post('127.0.0.12', 'break')
      await ails(/nothing can be written.*no space left on the disk; make room/)
      const full = await cli('drain', 'web/east', '--reason', 'x', '--json')
      expect([full.code, full.stdout]).toEqual([4, ''])
      expect(JSON.parse(full.stderr)).toMatchObject({
        exit: 4,
        problems: [{ found: 'no space left on the disk', todo: 'make room on the disk' }],
      })
      expect((await cli('plan')).code).toBe(0)
      expect((await cli('doctor')).stdout).toMatch(/fail +store .*no space left on the disk/)
      expect(await running.addresses(db)).toEqual(everyone)
      rmSync(fill)
      await eventually(10_000, 'west to leave', answers(['127.0.0.11', '127.0.0.13']))
      await post('127.0.0.12', 'mend')
      await eventually(10_000, 'west to come back', answers(everyone))
    })

    test('read-only, of a newer version, or garbage: refused by all, and DNS goes on', async () => {
      const control = running.pid()
      process.kill(control, 'SIGTERM')
      await eventually(10_000, 'up to end', async () =>
        running.log().includes('the DNS server goes on') && !isAlive(control) ? undefined : 'it runs',
      )
      const whole = readFileSync(join(store(), 'data.mdb'))
      const writing = [['up'], ['drain', 'web/east', '--reason', 'x']]
      const all = async (commands: readonly (readonly string[])[], ...words: RegExp[]) => {
        await inTurns(commands, (args) => refused(4, args, ...words, /to do/))
        expect(await running.addresses(db)).toEqual(everyone)
      }

      // A file system that no program has open, since it would not become read-only under those.
      execFileSync('umount', ['-l', store()])
      expect(mounted(store(), '8m')).toBe(true)
      writeFileSync(join(store(), 'data.mdb'), whole, { mode: 0o600 })
      mount('-o', 'remount,ro', store())
      await all(writing, /a file system mounted read-only/, /mount it writable/)
      expect((await cli('status')).stdout).toContain('a file system mounted read-only')
      mount('-o', 'remount,rw', store())

      const raw = open({
        path: store(),
        noSubdir: false,
        encoding: 'binary',
        keyEncoding: 'binary',
        useVersions: true,
        overlappingSync: false,
      })
      await raw.put(schemaKey, encodeSchema(schemaVersion + 1), 0)
      await raw.close()
      await all(
        [['status'], ['plan'], ...writing],
        new RegExp(`schema ${schemaVersion + 1}`),
        /use the newer Holdfast that wrote it/,
      )

      writeFileSync(join(store(), 'data.mdb'), randomBytes(65_536))
      await all([['status'], ['up']], /a data file that LMDB did not write/, /move it away/)
      await refused(4, ['run', 'planner'], /a data file that LMDB did not write/)
      await refused(4, ['up'], /DNS needs no store: "holdfast run server"/)

      // Nothing was lost: what was moved away can be put back.
      writeFileSync(join(store(), 'data.mdb'), whole)
      rmSync(join(store(), 'lock.mdb'), { force: true })
      expect((await cli('history')).code).toBe(0)
    })
  })

  test('no secret in any log, error, document, page or store', async () => {
    said.push(await (await fetch(`http://127.0.0.1:${running.ports.serverHttp}/metrics`)).text(), running.log())
    for (const args of [
      ['status', '--json'],
      ['doctor', '--json'],
      ['why', db, '--json'],
    ])
      await cli(...args)
    const haystack: (readonly [where: string, what: Buffer])[] = [['what was said', Buffer.from(said.join('\n'))]]
    for (const file of readdirSync(running.folder, { recursive: true, encoding: 'utf8' }))
      if (!file.endsWith('.key') && file !== 'with-the-secret-in-it.yaml' && statSync(inFolder(file)).isFile())
        haystack.push([file, readFileSync(inFolder(file))])
    expect(haystack.map(([where]) => where)).toEqual(
      expect.arrayContaining([
        'state/store/data.mdb',
        'state/server/data.mdb',
        'state/logs/server.log',
        'state/logs/holdfast.log',
      ]),
    )
    const forms = secrets.flatMap((text) => [
      text,
      Buffer.from(text).toString('base64'),
      Buffer.from(text).toString('hex'),
    ])
    for (const [where, what] of haystack)
      for (const form of forms) expect([where, form, what.includes(form)]).toEqual([where, form, false])
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
