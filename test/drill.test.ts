/** `holdfast drill recovery` as an operator runs it: against PostgreSQL, and against whoever did not ask for it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DrillReport } from '../src/drill/report.ts'
import { holdfast } from './support/holdfast.ts'
import { freePort } from './support/ports.ts'
import { type Postgres, postgres, postgresPrograms } from './support/postgres.ts'
import { describeWith } from './support/programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-drill-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const drill = (...args: readonly string[]) => holdfast(['drill', 'recovery', ...args], { cwd: folder })

describe('what is wrong with a drill is said before anything happens', () => {
  const there = ['--dependency', 'http://127.0.0.1:9/each']
  const away = ['--take-away', 'true', '--bring-back', 'true']
  const cases: readonly (readonly [what: string, args: readonly string[], code: number, said: string])[] = [
    ['no dependency', away, 2, '--dependency'],
    ['no URL', ['--dependency', 'postgres', ...away], 2, 'whole URL'],
    ['another kind of URL', ['--dependency', 'ftp://127.0.0.1/', ...away], 2, 'postgres://'],
    ['nothing that takes it away', there, 2, 'neither'],
    ['two things that do', [...there, ...away, '--through', '6000'], 2, 'both'],
    ['no way back', [...there, '--take-away', 'true'], 2, '--bring-back'],
    ['a shell in a command', [...there, '--take-away', 'a | b', '--bring-back', 'true'], 2, "sh -c '"],
    ['no statement', ['--dependency', 'postgres://127.0.0.1/x', ...away], 2, '--statement'],
    ['a statement for HTTP', [...there, ...away, '--statement', 'select $1'], 2, '--statement'],
    [
      'a lease service behind nobody knows what',
      ['--dependency', 'http://127.0.0.1:9/v1/sync', '--through', '6000'],
      2,
      '--in-front-of',
    ],
    ['no hosts', [...there, ...away, '--hosts', '0'], 2, '1 to 1000000'],
    ['too many hosts', [...there, ...away, '--hosts', '1000001'], 2, '1 to 1000000'],
    ['no port', [...there, '--through', '70000'], 2, '65535'],
    ['no time', [...there, ...away, '--away', 'soon'], 2, '90s'],
    ['a token that is not there', [...there, ...away, '--token-file', 'absent'], 3, '--token-file'],
    ['another machine', ['--dependency', 'http://192.0.2.1/each', ...away], 1, '--i-am-sure 192.0.2.1'],
    ['nobody there to invite', [...there, ...away], 1, 'an invitation at http://127.0.0.1:9/.well-known'],
  ]
  test.each(cases)('%s', async (_what, args, code, said) => {
    const ran = await drill(...args)
    expect(`${ran.code} ${ran.stderr}`).toContain(`${code} `)
    expect(ran.stderr).toContain(said)
    expect(ran.stdout).toBe('')
  })

  test('a password on the command line is refused, and not repeated', async () => {
    const ran = await drill('--dependency', 'postgres://a:hunter2@127.0.0.1/x', '--statement', 'select $1', ...away)
    expect(ran.code).toBe(2)
    expect(ran.stderr).toContain('PGPASSWORD')
    expect(ran.stderr).not.toContain('hunter2')
  })
})

describe('a call over HTTP for each host', () => {
  let server: Server | undefined
  let url = ''
  let calls = 0
  let invitation: unknown
  const marker = join(folder, 'away')

  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/.well-known/holdfast-drill') {
        response.end(JSON.stringify(invitation))
        return
      }
      calls++
      request.resume()
      response.statusCode = existsSync(marker) ? 503 : 200
      response.end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/each`
  })
  afterAll(() => server?.close())
  afterEach(() => rmSync(marker, { force: true }))

  const args = () => ['--dependency', url, '--take-away', `touch ${marker}`, '--bring-back', `rm -f ${marker}`]

  test('whoever does not invite it is left alone', async () => {
    for (const one of [
      undefined,
      {},
      { allow: false },
      { allow: 'yes' },
      { allow: true, until: '2020-01-01T00:00:00Z' },
    ]) {
      invitation = one
      const ran = await drill(...args())
      expect(ran.code).toBe(1)
      expect(ran.stderr).toContain('invitation')
    }
    expect(calls).toBe(0)
    expect(existsSync(marker)).toBe(false)
  })

  test('a dry run does nothing', async () => {
    invitation = { allow: true }
    const ran = await drill(...args(), '--dry-run')
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining(`touch ${marker}`) })
    expect(calls).toBe(0)
  })

  test('Ctrl-C brings the dependency back', async () => {
    invitation = { allow: true }
    const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
    const child = spawn(process.execPath, [
      main,
      '--json',
      'drill',
      'recovery',
      ...args(),
      '--away',
      '1h',
      '--hosts',
      '50',
    ])
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    const ended = once(child, 'close')
    await expect.poll(() => existsSync(marker), { timeout: 20_000 }).toBe(true)
    await expect.poll(() => calls, { timeout: 20_000 }).toBeGreaterThan(0)
    child.kill('SIGINT')
    expect((await ended)[0]).toBe(5)
    expect(existsSync(marker)).toBe(false)
    expect(JSON.parse(out)).toMatchObject({ kind: 'drill', isInterrupted: true, leased: 0 })
  })

  test('a command that fails takes nothing away for long, and is told', async () => {
    invitation = { allow: true }
    const ran = await drill(...args(), '--take-away', `sh -c 'touch ${marker}; echo no permission; exit 3'`)
    expect(ran.code).toBe(1)
    expect(ran.stderr).toContain('no permission')
    expect(existsSync(marker)).toBe(false)
  })
})

describeWith(postgresPrograms, 'a drill with PostgreSQL', () => {
  let server: Postgres | undefined
  let url = ''
  const run = async (statement: string) => {
    const client = new Client({ connectionString: url })
    await client.connect()
    await client.query(statement)
    await client.end()
  }

  beforeAll(async () => {
    server = await postgres('127.0.0.1', await freePort())
    url = `postgres://postgres@127.0.0.1:${server.port}/postgres`
    await run('create table host (id int primary key, epoch int not null)')
    await run('insert into host select i, 0 from generate_series(0, 999) i')
  })
  afterAll(() => server?.stop())

  const args = ['--statement', 'update host set epoch = $2 where id = $1 and epoch < $2', '--hosts', '1000']

  test('is refused until a row invites it, then measured through the proxy', async () => {
    const through = String(await freePort())
    const all = [
      '--json',
      '--dependency',
      url,
      ...args,
      '--through',
      through,
      '--away',
      '4s',
      '--at-most',
      '60s',
      '--plot',
      'it.svg',
    ]
    const uninvited = await drill(...all)
    expect(uninvited).toMatchObject({ code: 1, stdout: '' })
    expect(uninvited.stderr).toContain('drill_invitation')

    await run('create table drill_invitation (allow boolean not null, until timestamptz)')
    await run('insert into drill_invitation values (true, null)')
    const ran = await drill(...all)
    expect(ran, ran.stderr).toMatchObject({ code: 0 })
    const report = JSON.parse(ran.stdout) as DrillReport
    expect(report).toMatchObject({ leased: 1000, isInterrupted: false, leasedWhileAway: 0 })
    expect(report.t50 ?? 99).toBeLessThanOrEqual(report.t99 ?? 0)
    expect(report.work?.operations ?? 0).toBeGreaterThanOrEqual(1000)
    expect(readFileSync(join(folder, 'it.svg'), 'utf8')).toContain('1,000 hosts')

    // Again, by commands, with higher epochs, and people read it.
    writeFileSync(join(folder, 'pid'), String(server?.pid))
    const again = await drill(
      '--dependency',
      url,
      ...args,
      '--away',
      '3s',
      '--at-most',
      '60s',
      '--take-away',
      `sh -c 'kill -STOP $(cat pid) $(pgrep -P $(cat pid))'`,
      '--bring-back',
      `sh -c 'kill -CONT $(cat pid) $(pgrep -P $(cat pid))'`,
    )
    expect(again, again.stderr).toMatchObject({ code: 0 })
    expect(again.stdout).toMatch(/^recovered: 1,000 of 1,000[\s\S]*wasted work/)
  })
})
