/**
 * What operators do to a deployment that runs: look, plan, drain, pin, freeze, roll back, retire, edit the
 * file, and read its metrics. Two planners and three enactors as real processes, asked with dig.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Deployment, deployment, eventually, holdfast } from './support/holdfast.ts'
import { describeWith } from './support/programs.ts'

const quick = (yaml: string): string =>
  yaml
    .replace('interval: 1s', 'interval: 200ms')
    .replace('timeout: 500ms', 'timeout: 150ms')
    .replace('fall: 3', 'fall: 2')
    .replace('ramp: 20s', 'ramp: 1s')
    .replace('window: 10s', 'window: 1s')
    .replace('coalesce: 1s', 'coalesce: 100ms')
    .replace('planners: 1', 'planners: 2')

const db = 'db.example.test'
const fixed = 'static.example.test'
const [east, west, north, south] = ['127.0.0.11', '127.0.0.12', '127.0.0.13', '127.0.0.14'] as const

interface Instructed {
  readonly outcome: string
  readonly generation: number | null
  readonly undo: string | null
  readonly why: string | null
  readonly override: { readonly author: string; readonly reason: string; readonly expires: number | null } | null
  readonly forecast?: Planned
}

interface Planned {
  readonly outcome: string
  readonly generation: number
  readonly blast: { readonly namesAdded: number; readonly namesTotal: number; readonly capacityRemoved: number }
  readonly reasons: readonly { readonly subject: string; readonly text: string }[]
  readonly changes: readonly { readonly name: string; readonly before: string | null; readonly after: string | null }[]
}

interface Status {
  readonly well: boolean
  readonly ails: readonly string[]
  readonly head: { readonly generation: number; readonly rolledBackTo: number | null }
  readonly programs: readonly {
    readonly id: string
    readonly pid: number
    readonly note: string
    readonly fresh: boolean
  }[]
  readonly overrides: readonly { readonly action: { readonly kind: string }; readonly reason: string }[]
}

interface Why {
  readonly since: { readonly generation: number }
  readonly born: number
  readonly answer: string
  readonly reasons: readonly { readonly text: string }[]
}

describeWith(['dig'], 'operators', () => {
  let running: Deployment
  const children: ChildProcess[] = []

  const text = () => readFileSync(running.config, 'utf8')
  const edit = (change: (yaml: string) => string) => {
    const before = text()
    const after = change(before)
    expect(after).not.toBe(before)
    writeFileSync(running.config, after)
  }
  const status = () => running.json<Status>('status')
  const why = (name: string) => running.json<Why>('why', name)
  const instruct = (...args: string[]) => running.json<Instructed>(...args)
  const head = async () => (await status()).head.generation
  const answers = (name: string, ...expected: string[]) =>
    eventually(45_000, `${name} to answer ${expected.join(' ')}`, async () => {
      const found = await running.addresses(name)
      return JSON.stringify(found) === JSON.stringify(expected) ? undefined : found.join(' ') || 'nothing'
    })
  /** Everybody answers with all of their weight: no plan comes by itself any more. */
  const settled = () =>
    eventually(15_000, 'all to be well', async () => {
      const { well, ails } = await status()
      return well ? undefined : ails.join('; ')
    })
  const metrics = async (url = running.http) => samplesOf(await (await fetch(`${url}/metrics`)).text())
  const ready = () => fetch(`${running.http}/readyz`)

  beforeAll(async () => {
    running = await deployment({ edit: quick })
    await running.up()
    await answers(db, east, west, north)
    await settled()
  }, 60_000)
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await running.stop()
  }, 30_000)

  test('plan says what another configuration would change, and needs no key', async () => {
    const copy = join(running.folder, 'copy.yaml')
    const changed = text()
      .replace('secret: { file: state/tsig.key }\n    generate: true', 'secret: { file: state/nowhere.key }')
      .replace(
        '  static.example.test: { addresses: 192.0.2.1',
        '  new.example.test: { alias: www.example.test }\n  static.example.test: { addresses: 192.0.2.2',
      )
    writeFileSync(copy, changed)
    const before = await head()
    const ran = await holdfast(['--config', copy, 'plan', '--json', '--check'])
    expect(ran.code).toBe(5)
    const planned = JSON.parse(ran.stdout) as Planned
    expect(planned).toMatchObject({ outcome: 'plan', blast: { namesAdded: 1, namesTotal: 4, capacityRemoved: 0 } })
    expect(planned.generation).toBeGreaterThan(before)
    expect(planned.changes).toEqual([
      { name: 'new.example.test.', before: null, after: expect.stringContaining('alias www.example.test.') },
      { name: `${fixed}.`, before: expect.stringContaining('192.0.2.1'), after: expect.stringContaining('192.0.2.2') },
    ])
    expect((await running.cli('plan', '--check')).code).toBe(0)
    expect(await head()).toBe(before)
    await answers(fixed, '192.0.2.1')
  })

  test('a drain with an end takes effect, says who and why, and ends by itself', async () => {
    const dry = await instruct('drain', 'web/east', '--reason', 'kernel', '--dry-run')
    expect(dry).toMatchObject({ outcome: 'dry run', forecast: { changes: [{ name: `${db}.` }] } })
    expect(dry.forecast?.blast.capacityRemoved).toBeCloseTo(1 / 3, 2)
    expect((await status()).overrides).toEqual([])

    const drained = await instruct('drain', 'web/east', '--reason', 'kernel', '--author', 'ann', '--for', '4s')
    expect(drained).toMatchObject({
      outcome: 'enacted',
      undo: 'holdfast undrain web/east',
      override: { author: 'ann', reason: 'kernel', expires: expect.any(Number) },
    })
    expect(await running.addresses(db)).toEqual([west, north])
    expect((await why(db)).reasons).toContainEqual({ subject: 'web/east', text: 'drained by ann: kernel' })

    const second = await running.cli('drain', 'web/west', '--reason', 'too much', '--json')
    expect([second.code, JSON.parse(second.stdout)]).toEqual([
      6,
      expect.objectContaining({ outcome: 'pending', why: expect.stringContaining('--break S5') }),
    ])
    const undone = await instruct('undrain', 'web/west')
    expect(undone.outcome).toBe('enacted')
    expect(await running.json('show', String(undone.generation))).toMatchObject({
      pools: { web: { targets: { west: { kind: 'serving' } } } },
    })

    await answers(db, east, west, north)
    await settled()
    expect((await status()).overrides).toEqual([])
  })

  test('what cannot be done is refused before anything is written, each with its exit code', async () => {
    const refusals = [
      [1, 'pin', 'nowhere.example.test', '--reason', 'x'],
      [1, 'rollback', '4711', '--reason', 'x'],
      [1, 'rollback', String(await head()), '--reason', 'x'],
      [1, 'retire', fixed, '--confirm', fixed, '--reason', 'still wanted'],
      [2, 'retire', fixed, '--confirm', 'other.example.test', '--reason', 'x'],
      [2, 'drain', 'web/east', '--reason', 'x', '--for', 'ever'],
    ] as const
    await Promise.all(
      refusals.map(async ([code, ...args]) => {
        const ran = await running.cli(...args, '--json')
        expect([args, ran.code, ran.stdout]).toEqual([args, code, ''])
        expect(JSON.parse(ran.stderr)).toMatchObject({ exit: code, problems: [{ at: expect.any(String) }] })
      }),
    )
    expect((await status()).overrides).toEqual([])
    expect((await instruct('thaw')).outcome).toBe('nothing')
  })

  test('a pinned name keeps its answer whatever its pool does', async () => {
    expect((await instruct('pin', db, '--reason', 'demonstration')).outcome).toBe('enacted')
    expect((await instruct('drain', 'web/north', '--reason', 'while pinned')).outcome).toBe('enacted')
    expect(await running.addresses(db)).toEqual([east, west, north])
    expect((await instruct('unpin', db)).outcome).toBe('enacted')
    expect(await running.addresses(db)).toEqual([east, west])
    expect((await instruct('undrain', 'web/north')).outcome).toBe('enacted')
    await answers(db, east, west, north)
    await settled()
  })

  test('frozen, nothing is published; thawed, what waited is', async () => {
    expect((await instruct('freeze', '--reason', 'audit')).outcome).toBe('in force')
    const before = await head()
    expect((await instruct('drain', 'web/west', '--reason', 'later', '--no-wait')).outcome).toBe('in force')
    const pending = await running.cli('undrain', 'web/north', '--json')
    expect(JSON.parse(pending.stdout)).toMatchObject({ outcome: 'nothing' })
    await eventually(15_000, 'a planner to say that it is frozen', async () => {
      const notes = (await status()).programs.filter(({ id }) => id.startsWith('planner')).map(({ note }) => note)
      return notes.some((note) => note.includes('audit')) ? undefined : notes.join(' | ')
    })
    expect(await head()).toBe(before)
    expect(await running.addresses(db)).toContain(west)
    expect((await instruct('thaw')).outcome).toBe('in force')
    await answers(db, east, north)
    expect((await instruct('undrain', 'web/west')).outcome).toBe('enacted')
    await answers(db, east, west, north)
    await settled()
  })

  test('a rollback answers as before under a new generation, until it is undone', async () => {
    const good = await head()
    edit((yaml) => yaml.replace('addresses: 192.0.2.1,', 'addresses: 192.0.2.2,'))
    await answers(fixed, '192.0.2.2')
    const bad = await head()
    const back = await instruct('rollback', String(good), '--reason', 'a wrong address')
    expect(back).toMatchObject({ outcome: 'enacted', undo: 'holdfast rollback --undo' })
    expect(back.generation).toBeGreaterThan(bad)
    expect(await running.addresses(fixed)).toEqual(['192.0.2.1'])
    expect((await status()).head.rolledBackTo).toBe(good)
    expect((await why(fixed)).since.generation).toBeGreaterThan(bad)
    const undone = await running.cli('rollback', '--undo', '--json')
    expect([undone.code, JSON.parse(undone.stdout).outcome]).toEqual([0, 'enacted'])
    expect(await running.addresses(fixed)).toEqual(['192.0.2.2'])
    const history = await running.json<{ head: number; plans: { generation: number }[] }>('history')
    expect(history.plans.map(({ generation }) => generation)).toEqual(expect.arrayContaining([good, bad]))
  })

  test('the file is edited while everything runs: an endpoint, an alias and a target come; nothing goes', async () => {
    children.push(
      spawn(process.execPath, [join(running.folder, 'service.mjs'), south, String(running.ports.service), 'south'], {
        stdio: 'ignore',
      }),
    )
    edit((yaml) =>
      yaml
        .replace(/( {6}north: .*\n)/, `$1      south: { site: south, addresses: ${south}, capacity: 100 }\n`)
        .replace(
          / {2}static.example.test: .*\n/,
          '  api.example.test: { alias: www.example.test }\n  extra.example.test: { addresses: [192.0.2.7, 192.0.2.8], ttl: 30 }\n',
        ),
    )
    await answers('extra.example.test', '192.0.2.7', '192.0.2.8')
    await answers(db, east, west, north, south)
    await settled()
    expect(await running.dig('api.example.test')).toContain(`${db}.`)
    expect(await running.addresses(fixed)).toEqual(['192.0.2.2'])
    expect((await why(fixed)).reasons).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('retire it by name') }),
    )
  })

  test('a name is retired by name, leaves a tombstone, and lives again when it is configured again', async () => {
    const refused = await running.cli('retire', fixed, '--reason', 'x')
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`--confirm ${fixed}`)])
    const born = (await why(fixed)).born
    const gone = await instruct('retire', fixed, '--confirm', fixed, '--reason', 'service ended')
    expect(gone).toMatchObject({ outcome: 'enacted', undo: null })
    expect(await running.addresses(fixed)).toEqual([])
    expect((await running.dig(`_holdfast.${fixed}`, 'TXT')).join(' ')).toMatch(
      new RegExp(`"g=${gone.generation}" .*"k=retired"`),
    )
    expect((await status()).overrides).toEqual([])

    // An alias keeps what it leads to.
    edit((yaml) => yaml.replace(/ {2}(?:db|www|api).example.test: .*\n/g, ''))
    await eventually(5000, 'the planners to take the file', async () =>
      (await why('www.example.test')).reasons.some(({ text: reason }) => reason.includes('retire it'))
        ? undefined
        : 'not yet',
    )
    const protectedName = await running.cli(
      'retire',
      'www.example.test',
      '--confirm',
      'www.example.test',
      '--reason',
      'x',
    )
    expect([protectedName.code, protectedName.stderr]).toEqual([
      1,
      expect.stringContaining('api.example.test. is an alias of it'),
    ])
    expect(
      (await running.cli('retire', 'api.example.test', '--confirm', 'api.example.test', '--reason', 'x')).code,
    ).toBe(0)
    expect(await running.dig('www.example.test')).toContain(`${db}.`)

    edit((yaml) =>
      yaml.replace(
        'endpoints:\n',
        `endpoints:\n  ${db}: { pool: web, ttl: 5 }\n  www.example.test: { alias: ${db} }\n  ${fixed}: { addresses: 192.0.2.9, ttl: 60 }\n`,
      ),
    )
    await answers(fixed, '192.0.2.9')
    expect((await why(fixed)).born).toBeGreaterThan(born)
  })

  test('two planners and three enactors at once; one of each killed: every change arrives, in order', async () => {
    const seen: number[] = []
    const generationOf = async () =>
      Number(/"g=(\d+)"/.exec((await running.dig(`_holdfast.${fixed}`, 'TXT')).join(' '))?.[1] ?? Number.NaN)
    for (const last of [21, 22, 23, 24]) {
      edit((yaml) => yaml.replace(/(static.example.test: \{ addresses: 192\.0\.2\.)\d+/, `$1${last}`))
      if (last === 22) await Promise.all([running.kill('planner-1'), running.kill('enactor-2')])
      await answers(fixed, `192.0.2.${last}`)
      seen.push(await generationOf())
    }
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => a - b))
    await eventually(20_000, 'all programs to be ready', async () => {
      const reply = await ready()
      return reply.ok ? undefined : await reply.text()
    })
    expect((await running.program('planner-1')).restarts).toBe(1)
    await eventually(10_000, 'every enactor to have enacted the head', async () => {
      const { head: newest, enactors } = await running.json<Status & { enactors: { id: string; enacted: number }[] }>(
        'status',
      )
      const behind = enactors.filter(({ enacted }) => enacted < newest.generation)
      return enactors.length === 3 && behind.length === 0 ? undefined : JSON.stringify(behind)
    })
    expect(running.log()).not.toMatch(/is not published: rule/)
  })

  test('metrics tell what happened, merged and each program by itself', async () => {
    const before = await metrics()
    for (let i = 0; i < 5; i++) await running.dig(db)
    await running.dig('nothing.example.test')
    const after = await metrics()
    const rose = (name: string, labels: string) => total(after, name, labels) - total(before, name, labels)
    expect(rose('holdfast_queries_total', 'transport="udp"')).toBe(6)
    expect(rose('holdfast_answers_total', 'rcode="NXDOMAIN"')).toBe(1)
    expect(rose('holdfast_answers_total', 'rcode="NOERROR"')).toBeGreaterThanOrEqual(5)

    const { head: newest } = await status()
    const published = (await why(fixed)).since.generation
    for (const enactor of ['enactor-1', 'enactor-2', 'enactor-3']) {
      const of = `program="${enactor}"`
      expect(value(after, 'holdfast_published_generation', of, `name="${fixed}."`)).toBe(published)
      expect(value(after, 'holdfast_progress_generation', of)).toBe(newest.generation)
      expect(value(after, 'holdfast_authority_up', of)).toBe(1)
      expect(value(after, 'holdfast_blocked_names', of)).toBe(0)
      expect(value(after, 'holdfast_fence_refusals_total', of)).toBeGreaterThanOrEqual(0)
      expect(value(after, 'holdfast_conflicts_total', of)).toBeGreaterThanOrEqual(0)
    }
    // Three race for every change: the winner writes, the others lose to it or come later and find it done.
    expect(total(after, 'holdfast_writes_total')).toBeGreaterThan(0)
    expect(total(after, 'holdfast_pass_seconds_count')).toBeGreaterThan(0)
    for (const planner of ['planner-1', 'planner-2']) {
      expect(value(after, 'holdfast_plan_generation', `program="${planner}"`)).toBe(newest.generation)
      expect(value(after, 'holdfast_pool_capacity_ratio', `program="${planner}"`, 'pool="web"')).toBe(1)
    }
    expect(total(after, 'holdfast_program_up')).toBe(7)
    expect(value(after, 'holdfast_program_restarts_total', 'program="enactor-2"')).toBe(1)

    const server = await metrics(`http://127.0.0.1:${running.ports.serverHttp}`)
    expect(total(server, 'holdfast_answers_total', 'rcode="NOERROR"')).toBeGreaterThan(0)
    expect([...server.keys()].some((sample) => sample.startsWith('holdfast_plan_'))).toBe(false)
  })

  test('a configuration broken half-way stops nothing: who dies comes back with the last good one', async () => {
    edit((yaml) => yaml.replace('192.0.2.8]', '192.0.2.88]'))
    await answers('extra.example.test', '192.0.2.7', '192.0.2.88')
    const good = text()
    writeFileSync(running.config, `${good.slice(0, good.indexOf('endpoints:'))}endpoints: [\n`)
    expect((await running.cli('config', 'check')).code).toBe(3)
    const killed = await Promise.all(
      ['planner-1', 'planner-2', 'enactor-1', 'enactor-3', 'prober-1'].map((name) => running.kill(name)),
    )
    await eventually(20_000, 'all programs to be ready again', async () => {
      const pids = (await running.programs()).map(({ pid }) => pid)
      if (killed.some((pid) => pids.includes(pid))) return 'some have not ended yet'
      const reply = await ready()
      return reply.ok ? undefined : await reply.text()
    })
    expect(running.log()).toMatch(/planner-\d .*the last good/)
    // They plan, check and enact what was in force, the last edit included.
    await fetch(`http://${west}:${running.ports.service}/break`, { method: 'POST' })
    await answers(db, east, north, south)
    await fetch(`http://${west}:${running.ports.service}/mend`, { method: 'POST' })
    await answers(db, east, west, north, south)
    expect(await running.addresses('extra.example.test')).toEqual(['192.0.2.7', '192.0.2.88'])
    expect(await running.addresses(fixed)).toEqual(['192.0.2.24'])
    writeFileSync(running.config, good.replace('192.0.2.88]', '192.0.2.8]'))
    await answers('extra.example.test', '192.0.2.7', '192.0.2.8')
  })

  test('a program that stands still is not ready at once, and silent, never well, soon', async () => {
    expect((await ready()).status).toBe(200)
    const pid = await running.kill('prober-1', 'SIGSTOP')
    try {
      const reply = await ready()
      expect(reply.status).toBe(503)
      const { programs } = (await reply.json()) as { programs: { name: string; ready: boolean; why: string }[] }
      expect(programs.filter((program) => !program.ready)).toEqual([
        { name: 'prober-1', ready: false, why: expect.stringContaining('does not answer') },
      ])
      expect((await fetch(`${running.http}/healthz`)).status).toBe(200)
      await eventually(25_000, 'status to call it silent', async () => {
        const { well, ails, programs: all } = await status()
        const fresh = all.find(({ id }) => id === 'prober-1')?.fresh
        return !well && fresh === false && ails.some((one) => one.includes('health is unknown'))
          ? undefined
          : ails.join('; ')
      })
      expect((await running.cli('status', '--check')).code).toBe(5)
      expect((await running.cli('status')).stdout).toMatch(
        /○ +prober-1 .*silent for .*\n(?:.*\n)*.*east +serving .*last checked/,
      )
      expect(await running.addresses(db)).toEqual([east, west, north, south])
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await eventually(10_000, 'all to be well again', async () => {
      const ran = await running.cli('status', '--check')
      return ran.code === 0 ? undefined : ran.stdout
    })
  })

  test('looking writes nothing, not even a byte of the store', async () => {
    await running.killUp()
    const file = join(running.folder, 'state', 'store', 'data.mdb')
    const digest = () => createHash('sha256').update(readFileSync(file)).digest('hex')
    const before = digest()
    await Promise.all(
      [['plan'], ['status'], ['history'], ['show', 'head'], ['why', db]].map(async (args) => {
        const ran = await running.cli(...args)
        expect([args, ran.code, ran.stderr]).toEqual([args, 0, ''])
      }),
    )
    expect(digest()).toBe(before)
    const late = await running.cli('drain', 'web/east', '--reason', 'nobody there', '--wait', '1s')
    expect([late.code, late.stdout]).toEqual([6, expect.stringContaining('not enacted within')])
    expect(digest()).not.toBe(before)
  })
})

/** Samples of a metrics page by name and labels, as they stand there. */
function samplesOf(page: string): ReadonlyMap<string, number> {
  const lines = page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

const matching = (samples: ReadonlyMap<string, number>, name: string, labels: readonly string[]): number[] =>
  [...samples].flatMap(([sample, number]) =>
    sample.split('{')[0] === name && labels.every((label) => sample.includes(label)) ? [number] : [],
  )

const total = (samples: ReadonlyMap<string, number>, name: string, ...labels: string[]): number =>
  matching(samples, name, labels).reduce((sum, number) => sum + number, 0)

/** Of the one sample that has these labels. */
function value(samples: ReadonlyMap<string, number>, name: string, ...labels: string[]): number {
  const found = matching(samples, name, labels)
  expect([name, labels, found.length]).toEqual([name, labels, 1])
  return found[0] ?? Number.NaN
}
