import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FakePort } from '../../../test/support/fake-port.ts'
import { isProblem } from '../../base/problem.ts'
import { type HttpPort, type SyncClientOptions, syncClient } from './index.ts'
import { RetryBucket, readReplies, retryAfterMs } from './sync-protocol.ts'

interface Said {
  readonly at: number
  readonly url: string
  readonly host: { id: string; bootId: string; epoch: number; proof: string }
  readonly authorization: string | undefined
}

type Answer = { status?: number; retryAfter?: string; host?: object; body?: string; takesMs?: number } | 'broken'

/** A client whose reports are answered by `answer`, with all that it said and was told. */
function stand(answer: (said: Said, count: number) => Answer, options: Partial<SyncClientOptions> = {}) {
  const fake = new FakePort()
  const said: Said[] = []
  const heard: string[] = []
  const port: HttpPort = {
    now: fake.now,
    random: fake.random,
    after: fake.after,
    async post(url, body, headers, signal) {
      const report = { at: fake.now(), url, host: JSON.parse(body), authorization: headers.authorization }
      said.push(report)
      const told = answer(report, said.length)
      if (told === 'broken') throw new Error('connection refused')
      if (told.takesMs !== undefined) await fake.sleep(told.takesMs, signal)
      const hosts = [{ id: 'h1', ...told.host }]
      return {
        status: told.status ?? 200,
        retryAfter: told.retryAfter,
        body: told.body ?? JSON.stringify({ now: 0, gen: 1, hosts }),
      }
    },
  }
  const client = syncClient({
    servers: ['http://a:1', 'http://b:1'],
    token: 'a token of the fleet',
    id: 'h1',
    bootId: 'boot-1',
    port,
    ...options,
  })
  client.on('leased', ({ epoch }) => heard.push(`leased ${epoch}`))
  client.on('lost', (why) => heard.push(`lost: ${why}`))
  client.on('trouble', (what) => heard.push(`trouble: ${what}`))
  return { client, fake, said, heard }
}

const leased = (epoch: number, ttl = 60_000, pollAfterMs = 20_000) => ({
  host: { status: 'LEASED', epoch, ttl, pollAfterMs, proof: `proof of ${epoch}` },
})
const pending = (pollAfterMs = 2_000) => ({ host: { status: 'PENDING', epoch: 0, ttl: 0, pollAfterMs } })

describe('a host', () => {
  test('reports when it was told to, and shows what it was given', async () => {
    const { client, fake, said, heard } = stand((_, count) => (count < 3 ? pending() : leased(7)))
    await fake.advance(45_000)
    expect(said.map(({ at }) => at)).toEqual([0, 2_000, 4_000, 24_000, 44_000])
    expect(said.map(({ host }) => [host.epoch, host.proof])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
      [7, 'proof of 7'],
      [7, 'proof of 7'],
    ])
    expect(said[0]).toMatchObject({ url: 'http://a:1/v1/sync', authorization: 'Bearer a token of the fleet' })
    expect(heard).toEqual(['leased 7'])
    expect(client.lease()?.epoch).toBe(7)
    client.close()
    await fake.advance(1)
    expect(fake.timers).toBe(0)
  })

  test('counts on a lease for 98 % of its time from before it asked', async () => {
    const { client, fake, heard } = stand((_, count) =>
      count === 1 ? { ...leased(1, 10_000), takesMs: 3_000 } : pending(),
    )
    await fake.advance(3_000)
    expect(client.lease()).toEqual({ epoch: 1, remainingMs: 6_800 })
    await fake.advance(6_799)
    expect(client.lease()?.remainingMs).toBeCloseTo(1)
    await fake.advance(2)
    expect(client.lease()).toBeUndefined()
    expect(heard).toEqual(['leased 1', 'lost: it ran out'])
  })

  test('that is another one here loses its lease at once', async () => {
    const { client, fake, heard } = stand((_, count) =>
      count === 1
        ? leased(1)
        : { host: { status: 'STALE', epoch: 9, ttl: 0, pollAfterMs: 5_000, reason: 'another started later' } },
    )
    await fake.advance(20_001)
    expect(client.lease()).toBeUndefined()
    expect(heard).toEqual(['leased 1', 'lost: another started later'])
  })

  test('hears of a new epoch', async () => {
    const { fake, heard } = stand((_, count) => leased(count < 3 ? 4 : 5))
    await fake.advance(65_000)
    expect(heard).toEqual(['leased 4', 'leased 5'])
  })

  test('begins within the time that it remembers, with the lease that it had', async () => {
    const { client, fake, said } = stand(() => leased(3), { resume: { epoch: 3, proof: 'kept', pollAfterMs: 30_000 } })
    expect(client.lease()).toBeUndefined()
    await fake.advance(30_000)
    expect(said[0]?.host).toMatchObject({ epoch: 3, proof: 'kept', bootId: 'boot-1' })
    expect(said[0]?.at).toBeGreaterThan(1_000)
    expect(client.lease()?.epoch).toBe(3)
  })

  test('goes where it is sent, and back when nobody is there', async () => {
    const { fake, said } = stand(({ url }) => {
      if (url.startsWith('http://c')) return said.length < 4 ? leased(2) : 'broken'
      return { host: { status: 'MOVED', epoch: 0, ttl: 0, pollAfterMs: 500, to: 'http://c:1' } }
    })
    await fake.advance(43_000)
    expect(said.slice(0, 5).map(({ url }) => url[7])).toEqual(['a', 'c', 'c', 'c', 'a'])
    expect(said[1]?.at).toBe(500)
  })

  test('that is sent round in a circle goes ever more slowly', async () => {
    const { fake, said } = stand(({ url }) => ({
      host: { status: 'MOVED', pollAfterMs: 0, to: url.startsWith('http://a') ? 'http://c:1' : 'http://a:1' },
    }))
    await fake.advance(60_000)
    expect(said.length).toBeGreaterThan(5)
    expect(said.length).toBeLessThan(15)
  })

  test('does not carry its token from https to http', async () => {
    const { fake, said, heard } = stand(() => ({ host: { status: 'MOVED', pollAfterMs: 100, to: 'http://c:1' } }), {
      servers: ['https://a:1'],
    })
    await fake.advance(10_000)
    expect(said.filter(({ url }) => !url.startsWith('https:'))).toEqual([])
    expect(heard[0]).toContain('expected to be sent to another https address')
  })
})

describe('trouble', () => {
  test('of the transport is tried again by jitter, elsewhere, and then seldom', async () => {
    const { fake, said } = stand(() => 'broken')
    await fake.advance(60_000)
    const inTheFirstMinute = said.length
    expect(new Set(said.map(({ url }) => url)).size).toBe(2)
    expect(inTheFirstMinute).toBeGreaterThan(3)
    await fake.advance(3_540_000)
    // Ten tokens, then about one a minute.
    expect(said.length).toBeLessThan(75)
    expect(said.length).toBeGreaterThan(40)
  })

  test('at a front door that is busy is waited out as it says, and costs no retry', async () => {
    const { fake, said, heard } = stand(() => ({ status: 429, retryAfter: '20' }))
    await fake.advance(300_000)
    const gaps = said.slice(1).map(({ at }, i) => at - (said[i]?.at ?? 0))
    expect(gaps.length).toBeGreaterThan(8)
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(20_000)
      expect(gap).toBeLessThanOrEqual(30_000)
    }
    expect(new Set(gaps).size).toBe(gaps.length)
    expect(heard).toEqual([])
  })

  test('that is ours is told, and not hammered', async () => {
    const { fake, said, heard } = stand(() => ({ status: 401 }))
    await fake.advance(600_000)
    expect(said.length).toBeLessThan(22)
    expect(heard[0]).toBe('trouble: http://a:1: expected 200, found 401; check the token, the id and the address')
  })

  test('is an answer that is none, or never comes', async () => {
    const { fake, heard } = stand((_, count) => (count === 1 ? { body: 'hello' } : { ...pending(), takesMs: 60_000 }), {
      timeoutMs: 1_000,
    })
    await fake.advance(20_000)
    expect(heard[0]).toContain('expected JSON, found hello')
    expect(heard[1]).toContain('no answer within 1000 ms')
  })

  test('never makes a host count on more than it was given', () => {
    const answer = fc.oneof(
      fc.constant<Answer>('broken'),
      fc.record({ status: fc.constantFrom(401, 429, 500, 503), retryAfter: fc.constantFrom('1', '30', 'x') }),
      fc
        .record({ epoch: fc.nat(3), ttl: fc.nat(90_000), poll: fc.nat(40_000), takesMs: fc.nat(12_000) })
        .map(({ epoch, ttl, poll, takesMs }): Answer => ({ ...leased(epoch, ttl, poll), takesMs })),
      fc.constantFrom('PENDING', 'UNKNOWN', 'STALE').map((status): Answer => ({ host: { status, pollAfterMs: 700 } })),
      fc.constant<Answer>({ body: '{"hosts":[{"id":"h1","status":"LEASED","epoch":-1,"ttl":1e99,"pollAfterMs":1}]}' }),
    )
    return fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 12 }), async (answers) => {
        let best = Number.NEGATIVE_INFINITY
        const { client, fake } = stand(({ at }, count) => {
          const told = answers[(count - 1) % answers.length] as Answer
          if (told !== 'broken' && told.host !== undefined && 'ttl' in told.host)
            best = Math.max(best, at + 0.98 * Number(told.host.ttl))
          return told
        })
        for (let i = 0; i < 40; i++) {
          await fake.advance(3_000)
          const lease = client.lease()
          if (lease !== undefined) expect(fake.now() + lease.remainingMs).toBeLessThanOrEqual(best + 1e-6)
        }
        client.close()
      }),
      { numRuns: 60 },
    )
  })
})

test('replies are not believed that cannot be', () => {
  const reply = (host: object) => JSON.stringify({ now: 1, gen: 1, hosts: [{ id: 'x', pollAfterMs: 1, ...host }] })
  const kinds = [
    'null',
    '[]',
    reply({ id: 'y', status: 'PENDING' }),
    reply({ status: 'PENDING', pollAfterMs: -1 }),
    reply({ status: 'PENDING', pollAfterMs: '5' }),
    reply({ status: 'LEASED', epoch: 1.5, ttl: 1 }),
    reply({ status: 'LEASED', epoch: 1 }),
    reply({ status: 'MOVED', to: 'over there' }),
    reply({ status: 'GONE' }),
  ].map((text) => {
    const replies = readReplies(text, ['x'])
    return isProblem(replies) || isProblem(replies.get('x'))
  })
  expect(kinds).toEqual(Array(9).fill(true))
})

test('Retry-After is seconds, and nothing else is', () => {
  expect(['5', '0', 'soon', '-1', '1e9', undefined].map(retryAfterMs)).toEqual([
    5_000,
    1_000,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})

test('ten retries are free, then a tenth for each answer', () => {
  const bucket = new RetryBucket()
  const waits = Array.from({ length: 11 }, () => bucket.failed(0, 0.5))
  expect(waits.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  expect(waits[10]).toBe(60_000)
  for (let i = 0; i < 11; i++) bucket.succeeded()
  expect([bucket.failed(0, 0.5), bucket.failed(0, 0.5)]).toEqual([500, 60_000])
})
