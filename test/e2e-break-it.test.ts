/**
 * Every line of "Break it": real processes, real sockets, asked with dig and changed with nsupdate.
 * Whatever is killed, DNS goes on answering, and everything converges by itself.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { isProblem } from '../src/base/problem.ts'
import { startMarkOf } from '../src/cli/processes.ts'
import { keys } from '../src/model/keys.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { type Bind, startBind } from './support/bind.ts'
import { type Deployment, deployment, eventually, ran } from './support/holdfast.ts'
import { describeWith } from './support/programs.ts'

const intervalMs = 200
const fall = 2
/** What the issue allows from death to the changed answer. */
const leavesWithinMs = fall * intervalMs + 1000
const sites = { east: '127.0.0.11', west: '127.0.0.12', north: '127.0.0.13' } as const
type Site = keyof typeof sites
const everyone = Object.values(sites).toSorted()
const db = 'db.example.test'

const quick = (yaml: string): string =>
  yaml
    .replace('interval: 1s', `interval: ${intervalMs}ms`)
    .replace('timeout: 500ms', 'timeout: 150ms')
    .replace('fall: 3', `fall: ${fall}`)
    .replace('ramp: 20s', 'ramp: 3s')
    .replace('window: 10s', 'window: 1s')
    .replace('coalesce: 1s', 'coalesce: 100ms')

/** For tests that failed half-way. */
const stopAsking: (() => void)[] = []
afterEach(() => {
  for (const stop of stopAsking.splice(0)) stop()
})

/** Asks again and again while something is broken: every question must be answered with addresses. */
function keepAsking(running: Deployment, name = db): { stop(): Promise<{ asked: number; failures: string[] }> } {
  let going = true
  let asked = 0
  const failures: string[] = []
  stopAsking.push(() => {
    going = false
  })
  const asking = (async () => {
    while (going) {
      asked += 1
      try {
        const answer = await running.dig(name)
        if (answer.length === 0) failures.push(`question ${asked}: no address`)
      } catch (error) {
        failures.push(`question ${asked}: ${error instanceof Error ? error.message : error}`)
      }
      await pause(20)
    }
  })()
  return {
    async stop() {
      going = false
      await asking
      return { asked, failures }
    },
  }
}

const answersWith = (running: Deployment, expected: readonly string[]) => async () => {
  const found = await running.addresses(db)
  return JSON.stringify(found) === JSON.stringify(expected) ? undefined : `${db} answers ${found.join(' ')}`
}

describeWith(['dig', 'nsupdate'], 'break it: the quickstart', () => {
  let running: Deployment
  /** Services that were started again by hand, as the terminal says. */
  const restarted: { kill(): void }[] = []

  async function startService(site: Site): Promise<void> {
    const child = spawn(
      process.execPath,
      [join(running.folder, 'service.mjs'), sites[site], String(running.ports.service), site],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    await once(child.stdout, 'data')
    restarted.push({ kill: () => void child.kill('SIGKILL') })
  }

  beforeAll(async () => {
    running = await deployment({ edit: quick })
    await running.up()
    await eventually(10_000, 'all three to answer', answersWith(running, everyone))
  })
  afterAll(async () => {
    for (const service of restarted) service.kill()
    await running?.stop()
  })

  test('a service that dies leaves the answer in time; back again it ramps', async () => {
    const pid = await running.kill('east')
    const took = await eventually(leavesWithinMs, 'east to leave', answersWith(running, ['127.0.0.12', '127.0.0.13']))
    expect(took).toBeLessThan(leavesWithinMs)
    expect(startMarkOf(pid)).toBeUndefined()
    const why = await running.cli('why', db)
    expect(why.stdout).toMatch(/out\s+east\s+127\.0\.0\.11\s+removed/)

    await startService('east')
    await eventually(15_000, 'east to come back', answersWith(running, everyone))
    // It starts with a small share, which the marker shows, and has all of it again after the ramp.
    const shares: number[] = []
    await eventually(10_000, 'east to have its whole share', async () => {
      const [marker = ''] = await running.dig(`_holdfast.${db}`, 'TXT')
      const share = Number(/127\.0\.0\.11\*(\d+)/.exec(marker)?.[1])
      const whole = Number(/127\.0\.0\.12\*(\d+)/.exec(marker)?.[1])
      shares.push(share / whole)
      return share === whole ? undefined : marker
    })
    expect(shares[0]).toBeLessThan(0.5)
    expect(shares).toEqual(shares.toSorted((a, b) => a - b))
  })

  test('when all three die, the answer stays: fail-open', async () => {
    const asking = keepAsking(running)
    for (const service of restarted.splice(0)) service.kill()
    await running.kill('west')
    await running.kill('north')
    await eventually(10_000, 'the pool to be fail-open', async () => {
      const status = await running.json<{ pools: Record<string, { failOpenSince: number | null }> }>('status')
      return status.pools.web?.failOpenSince != null ? undefined : JSON.stringify(status.pools)
    })
    await eventually(5000, 'all three to answer', answersWith(running, everyone))
    const { failures } = await asking.stop()
    expect(failures).toEqual([])
    for (const site of ['east', 'west', 'north'] as const) await startService(site)
    await eventually(30_000, 'the checks to be believed again', async () => {
      const status = await running.json<{ pools: Record<string, { failOpenSince: number | null }> }>('status')
      return status.pools.web?.failOpenSince === null ? undefined : JSON.stringify(status.pools)
    })
  })

  for (const victims of [['enactor-2'], ['enactor-1', 'enactor-2', 'enactor-3'], ['planner-1'], ['prober-1']])
    test(`kill -9 ${victims.join(' ')}: DNS goes on, they start again, changes arrive`, async () => {
      const asking = keepAsking(running)
      const before = await Promise.all(victims.map((name) => running.program(name)))
      for (const name of victims) await running.kill(name)
      await eventually(10_000, 'them to run again', async () => {
        const now = await running.programs()
        const left = before.filter(({ name, pid }) => {
          const program = now.find((one) => one.name === name)
          return program?.state !== 'running' || program.pid === pid
        })
        return left.length === 0 ? undefined : left.map(({ name }) => name).join(' ')
      })
      const drained = await running.cli('drain', 'web/north', '--reason', 'a test', '--for', '1h')
      expect([drained.code, drained.stdout]).toEqual([0, expect.stringContaining('undo: holdfast undrain web/north')])
      expect(await running.addresses(db)).toEqual(['127.0.0.11', '127.0.0.12'])
      expect((await running.cli('undrain', 'web/north')).code).toBe(0)
      await eventually(5000, 'north to come back', answersWith(running, everyone))
      expect((await asking.stop()).failures).toEqual([])
    })

  test('kill -9 the control process: DNS and services go on, roles leave; up again takes them over', async () => {
    const before = await running.program('server')
    const asking = keepAsking(running)
    await running.killUp()
    expect(startMarkOf(before.pid ?? 0)).toBeDefined()
    expect((await asking.stop()).failures).toEqual([])
    await running.up()
    expect((await running.program('server')).pid).toBe(before.pid)
    await eventually(10_000, 'all three to answer', answersWith(running, everyone))
  })

  test('kill -9 the DNS server with nothing else running: it comes back from its own disk', async () => {
    const server = await running.program('server')
    await running.killUp()
    const before = await running.dig(`_holdfast.${db}`, 'TXT')
    process.kill(server.pid ?? 0, 'SIGKILL')
    await eventually(2000, 'DNS to be silent', async () => {
      const reply = await running.dig(db).catch(() => 'silent')
      return reply === 'silent' ? undefined : 'an answer'
    })
    // Alone: no store, no planner, no enactor.
    const alone = spawn(
      process.execPath,
      [join(import.meta.dirname, '..', 'src', 'cli', 'main.ts'), 'run', 'server', '--config', running.config],
      { stdio: 'ignore' },
    )
    try {
      await eventually(10_000, 'the last state to be answered', answersWith(running, everyone))
      expect(await running.dig(`_holdfast.${db}`, 'TXT')).toEqual(before)
      expect(await running.dig('www.example.test', 'CNAME')).toEqual([`${db}.`])
    } finally {
      const ended = once(alone, 'exit')
      alone.kill('SIGKILL')
      await ended
    }
    await running.up()
    await eventually(10_000, 'all three to answer', answersWith(running, everyone))
  })

  test('kill -9 the DNS server under up: it is started again with the last state', async () => {
    const before = await running.kill('server')
    await eventually(10_000, 'the server to answer again', answersWith(running, everyone))
    expect((await running.program('server')).pid).not.toBe(before)
  })

  test('kill -9 the DNS server while the configuration is broken: it comes back with the last good one', async () => {
    const good = readFileSync(running.config, 'utf8')
    writeFileSync(running.config, good.replace('zones:', 'zoneses:'))
    try {
      const before = await running.kill('server')
      await eventually(10_000, 'the server to answer again', answersWith(running, everyone))
      expect((await running.program('server')).pid).not.toBe(before)
    } finally {
      writeFileSync(running.config, good)
    }
  })

  test('records edited by nsupdate are repaired', async () => {
    const edited = await running.nsupdate(
      'update delete static.example.test A 192.0.2.1',
      'update add static.example.test 60 A 192.0.2.66',
    )
    expect(edited).toMatchObject({ code: 0 })
    await eventually(10_000, 'the edit to be repaired', async () => {
      const found = await running.addresses('static.example.test')
      return found.join() === '192.0.2.1' ? undefined : found.join()
    })
  })

  test('what would empty a name or take its marker away is refused, whoever signs it', async () => {
    for (const line of [
      `update delete ${db} A`,
      `update delete ${db}`,
      `update delete _holdfast.${db} TXT`,
      `update delete www.example.test CNAME`,
    ]) {
      const refused = await running.nsupdate(line)
      expect([line, refused.code, refused.stderr]).toEqual([line, 2, expect.stringContaining('REFUSED')])
    }
    expect(await running.addresses(db)).toEqual(everyone)
  })

  test('plans deleted from the store come back, and names never notice', async () => {
    const asking = keepAsking(running)
    const store = await openLmdbStore({ path: join(running.folder, 'state', 'store') })
    if (isProblem(store)) throw new Error(store.found)
    const before = await running.json<{ head: { generation: number } }>('status')
    try {
      const plans = await store.range(keys.plan.prefix)
      const shards = await store.range(keys.shard.prefix)
      const writes = [...plans.entries, ...shards.entries].map(({ key }) => ({ kind: 'delete', key }) as const)
      expect((await store.commit([], writes)).kind).toBe('committed')
      await eventually(15_000, 'a new plan above the lost one', async () => {
        const status = await running.json<{ head: { generation: number } | null }>('status')
        const found = status.head?.generation ?? 0
        return found > before.head.generation ? undefined : `generation ${found}`
      })
    } finally {
      await store.close()
    }
    await eventually(15_000, 'enactors to finish it', async () => {
      const status = await running.json<{ ails: string[]; well: boolean }>('status')
      return status.well ? undefined : status.ails.join('; ')
    })
    expect(await running.addresses(db)).toEqual(everyone)
    expect((await asking.stop()).failures).toEqual([])
  })
})

describeWith(['dig', 'nsupdate', 'named'], 'break it: your own BIND', () => {
  let bind: Bind
  let running: Deployment

  beforeAll(async () => {
    bind = await startBind()
    running = await deployment({
      edit: (yaml) =>
        quick(yaml)
          .replace(/# The built-in DNS server, on[\s\S]*?\nzones:/, 'zones:')
          .replace(
            /authority: builtin[\s\S]*?kept alive by Holdfast"\n/,
            `authority: { rfc2136: 127.0.0.1:${bind.address.port} }\n    key: holdfast-test\n`,
          )
          .replace('  holdfast:\n', '  holdfast-test:\n')
          .replace(/generate: true/, '')
          .replace('{ file: state/tsig.key }', '{ env: HOLDFAST_TEST_SECRET }'),
    })
    process.env.HOLDFAST_TEST_SECRET = bind.keyText.split(':')[2] ?? ''
    await running.up()
    await eventually(10_000, 'all three to answer', everyoneAnswers)
  })
  afterAll(async () => {
    delete process.env.HOLDFAST_TEST_SECRET
    await running?.stop()
    await bind?.stop()
  })

  const ask = async (name: string, type: string) => {
    const { stdout } = await ran('dig', [
      '@127.0.0.1',
      '-p',
      String(bind.address.port),
      '+short',
      '+tries=1',
      '+time=1',
      name,
      type,
    ])
    return stdout.trim().split('\n').toSorted()
  }
  const everyoneAnswers = async () => {
    const found = await ask(db, 'A')
    return found.join() === everyone.join() ? undefined : found.join()
  }
  const update = async (...lines: string[]) => {
    const input = [`server 127.0.0.1 ${bind.address.port}`, 'zone example.test', ...lines, 'send', ''].join('\n')
    return await ran('nsupdate', ['-t', '5', '-y', bind.keyText], { input })
  }

  test('deleted records, a deleted marker and a foreign address are repaired', async () => {
    expect(await update(`update delete ${db} A`)).toMatchObject({ code: 0 })
    await eventually(10_000, 'deleted addresses to come back', everyoneAnswers)

    expect(await update(`update delete _holdfast.${db} TXT`)).toMatchObject({ code: 0 })
    await eventually(10_000, 'the marker to come back', async () => {
      const [marker = ''] = await ask(`_holdfast.${db}`, 'TXT')
      return marker.includes('v=holdfast1') ? undefined : marker
    })

    expect(await update(`update add ${db} 5 A 192.0.2.99`)).toMatchObject({ code: 0 })
    await eventually(10_000, 'a foreign address to go', everyoneAnswers)

    expect(await update(`update delete ${db} A`, `update delete _holdfast.${db} TXT`)).toMatchObject({ code: 0 })
    await eventually(10_000, 'all of it to come back', everyoneAnswers)
  })
})
