/** The fleet as people and scripts are told of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { isProblem } from '../base/problem.ts'
import { keys } from '../model/keys.ts'
import type { FleetPart, ShardLease } from '../model/lease.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import type { Store } from '../store/store.ts'
import type { EpochMs } from '../world/world.ts'
import { exit } from './exit.ts'
import { fleetOf } from './fleet.ts'
import { runCli } from './run-cli.ts'

const now = Date.now()
const part = (changes: Partial<FleetPart> = {}): FleetPart => ({
  at: now as EpochMs,
  url: 'http://10.0.0.5:9660',
  shards: 2,
  known: 100,
  leased: 60,
  waiting: [0, 10, 25, 5, 0, 0],
  inFlight: 4,
  limit: 8,
  knee: 6,
  mode: 'cruise',
  dependency: 'up',
  goodput: 20.4,
  throughput: 21,
  meanLatencyMs: 12,
  drainMs: 2_001,
  ttlMs: 60_000,
  overdue: 0,
  expired: 0,
  expirySuspended: false,
  downstream: null,
  ails: [],
  ...changes,
})
const silent = { at: (now - 3_600_000) as EpochMs }
const one = (id: string, changes: Partial<FleetPart> = {}) => ({ id, part: part(changes) })

describe('the fleet', () => {
  test('is the sum of its managers, and done when the last of them is', () => {
    const fleet = fleetOf(
      { parts: [one('a'), one('b', { drainMs: 9_500, goodput: 10 })], owners: ['a', 'b', 'a', 'b'] },
      4,
      now,
    )
    expect(fleet).toMatchObject({ hosts: 200, leased: 120, waiting: 80, inFlight: 8, limit: 16, drainSeconds: 10 })
    expect(fleet.goodput).toBeCloseTo(30.4)
    expect(fleet.shards).toEqual({ all: 4, owned: { a: 2, b: 2 }, unowned: 0 })
    expect(fleet.ails).toEqual([])
    expect(fleet.managers[0]).toMatchObject({ id: 'a', waiting: 40, fresh: true, silentSeconds: 0 })
  })

  test('has no time for its end that anybody knows while one manager has none', () => {
    expect(fleetOf({ parts: [one('a'), one('b', { drainMs: null })], owners: [] }, 4, now).drainSeconds).toBeNull()
  })

  test('does not count what a manager said that is silent, nor its shards', () => {
    const parts = [one('a'), one('b', { ...silent, drainMs: null, ails: ['old trouble'] })]
    const fleet = fleetOf({ parts, owners: ['a', 'b', 'b', ''] }, 4, now)
    expect(fleet).toMatchObject({ hosts: 100, leased: 60, waiting: 40, drainSeconds: 3 })
    expect(fleet.shards).toEqual({ all: 4, owned: { a: 1 }, unowned: 3 })
    expect(fleet.ails).toEqual(['3 shards of 4 without a manager'])
    expect(fleet.managers[1]).toMatchObject({ id: 'b', fresh: false, silentSeconds: 3_600 })
  })

  test('says what ails once, whoever says it, and that nobody is there', () => {
    const ails = ['the dependency does not answer']
    const parts = [one('a', { ails }), one('b', { ails: [...ails, 'another thing'] })]
    expect(fleetOf({ parts, owners: ['a', 'b'] }, 2, now).ails).toEqual([...ails, 'another thing'])
    expect(fleetOf({ parts: [one('a', silent)], owners: ['a'] }, 1, now)).toMatchObject({
      hosts: 0,
      waiting: 0,
      ails: ['no lease manager runs'],
    })
  })
})

describe('holdfast fleet', () => {
  let folder = ''
  let store: Store
  const config = () => join(folder, 'holdfast.yaml')
  const put = async (parts: Readonly<Record<string, FleetPart>>, owners: readonly string[]) => {
    const lease = (owner: string): ShardLease => ({ owner, life: 'x', epoch: 1, at: now as EpochMs })
    await store.commit(
      [],
      [
        ...Object.entries(parts).map(
          ([id, value]) =>
            ({ kind: 'put', key: keys.leaseFleet.key(id), value: keys.leaseFleet.encode(value) }) as const,
        ),
        ...owners.map(
          (owner, shard) =>
            ({ kind: 'put', key: keys.leaseShard.key(shard), value: keys.leaseShard.encode(lease(owner)) }) as const,
        ),
      ],
    )
  }
  async function say(...args: string[]) {
    const said = { out: '', err: '' }
    const code = await runCli(['--config', config(), 'fleet', ...args], {
      env: {},
      cwd: folder,
      out: (text) => {
        said.out += text
      },
      err: (text) => {
        said.err += text
      },
      outIsTty: false,
      errIsTty: false,
      columns: () => 80,
    })
    return { code, ...said }
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-fleet-'))
    writeFileSync(join(folder, 'token'), 'a-token-of-a-whole-fleet', { mode: 0o600 })
    const opened = await openLmdbStore({ path: join(folder, 'state', 'store') })
    if (isProblem(opened)) throw new Error(opened.found)
    store = opened
  })
  beforeEach(() =>
    writeFileSync(
      config(),
      'owner: test\nzones: {}\nleases:\n  token: { file: token }\n  shards: 2\n  dependency: { store: true }\n',
    ),
  )
  afterAll(async () => {
    await store?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('before anybody ran says so', async () => {
    const { code, out } = await say('--check')
    expect(code).toBe(exit.found)
    expect(out).toMatch(/^○ something ails\n {2}no lease manager runs\n/)
    expect(out).toContain('none has ever reported')
  })

  test('says who waits, how fast they are served and when it is over', async () => {
    const downstream = { waiting: 7, inFlight: 1, limit: 2, goodput: 5, drainMs: 900, dependency: 'degraded' } as const
    await put({ 'leases-1': part({ downstream }) }, ['leases-1', 'leases-1'])
    const { code, out } = await say()
    expect(code).toBe(exit.ok)
    expect(out).toMatch(/^● 40 hosts wait for a lease\n/)
    expect(out).toContain('60 of 100 hosts leased')
    expect(out).toMatch(/40 wait, 20 a second are served: over in about 3 ?s/)
    expect(out).toMatch(/leases-1 .*2 of 2 shards .*60\/100 leased .*40 wait .*4 of 8 in flight, knee 6 .*20\/s/)
    expect(out).toContain('then 7 wait, 5/s, degraded')
    expect((await say('--check')).code).toBe(exit.found)
    const { at, ...json } = JSON.parse((await say('--json')).out) as Record<string, unknown>
    expect(json).toMatchObject({ hosts: 100, leased: 60, waiting: 40, drainSeconds: 3, ails: [] })
  })

  test('of a whole fleet is one green line, and a check that passes', async () => {
    await put({ 'leases-1': part({ leased: 100, waiting: [0, 0, 0, 0, 0, 0], drainMs: 0 }) }, ['leases-1', 'leases-1'])
    const { code, out } = await say('--check')
    expect([code, out.split('\n')[0]]).toEqual([exit.ok, '● nobody waits'])
    expect(out).not.toContain('over in')
  })

  test('does not promise an end while the dependency does not answer', async () => {
    const down = { dependency: 'down', drainMs: null, ails: ['the dependency does not answer'] } as const
    await put({ 'leases-1': part(down) }, ['leases-1', 'leases-1'])
    const { out } = await say()
    expect(out).toContain('40 wait; nobody can know how long while the dependency does not answer')
    expect(out).not.toContain('over in')
  })

  test('without the section in the configuration says what to write', async () => {
    const zone = 'example.test: { authority: builtin, key: k, records: "ns 60 A 127.0.0.1" }'
    const rest = 'keys: { k: { secret: { file: key }, generate: true } }\nserver: { listen: [127.0.0.1:1] }'
    writeFileSync(config(), `owner: test\n${rest}\nzones: { ${zone} }\n`)
    const { code, err } = await say()
    expect(code).toBe(exit.config)
    expect(err).toContain('a section leases')
  })
})
