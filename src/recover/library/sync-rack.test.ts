import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FakePort } from '../../../test/support/fake-port.ts'
import { type SyncHostOptions, type SyncRackOptions, syncRack } from './index.ts'

interface Reported {
  readonly id: string
  readonly epoch: number
  readonly proof: string
  readonly site: string
}

interface Request {
  readonly at: number
  readonly server: string
  readonly hosts: readonly Reported[]
}

type Answer = object | undefined
type Reply = { readonly status?: number; readonly retryAfter?: string; readonly takesMs?: number } | 'broken'

/** A rack whose hosts are answered by `answer`, unless `reply` says that the whole request comes to something else. */
function stand(
  answer: (host: Reported, request: Request, count: number) => Answer,
  options: Partial<SyncRackOptions> & { readonly reply?: (request: Request, count: number) => Reply | undefined } = {},
) {
  const fake = new FakePort()
  const requests: Request[] = []
  const heard: string[] = []
  const { reply, ...rest } = options
  const rack = syncRack({
    servers: ['http://a:1', 'http://b:1'],
    token: 'a token of the fleet',
    port: {
      now: fake.now,
      random: fake.random,
      after: fake.after,
      async post(url, text, _headers, signal) {
        const body = JSON.parse(text) as Reported | { readonly hosts: readonly Reported[] }
        const request = {
          at: fake.now(),
          server: new URL(url).host[0] as string,
          hosts: 'hosts' in body ? body.hosts : [body],
        }
        requests.push(request)
        const count = requests.length
        const told = reply?.(request, count) ?? {}
        if (told === 'broken') throw new Error('connection refused')
        if (told.takesMs !== undefined) await fake.sleep(told.takesMs, signal)
        const { status = 200, retryAfter } = told
        if (status !== 200) return { status, retryAfter, body: '' }
        const hosts = request.hosts.flatMap((host) => {
          const one = answer(host, request, count)
          return one === undefined ? [] : [{ id: host.id, ...one }]
        })
        return { status, retryAfter, body: JSON.stringify({ now: 0, gen: 1, hosts }) }
      },
    },
    ...rest,
  })
  const add = (id: string, more: Partial<SyncHostOptions> = {}) => {
    const host = rack.add({ id, bootId: `boot-of-${id}`, ...more })
    host.on('leased', ({ epoch }) => heard.push(`${id} leased ${epoch}`))
    host.on('lost', (why) => heard.push(`${id} lost: ${why}`))
    host.on('trouble', (what) => heard.push(`${id} trouble: ${what}`))
    return host
  }
  const many = (count: number) => Array.from({ length: count }, (_, index) => add(`h${index}`))
  return { rack, fake, requests, heard, add, many }
}

const numberOf = ({ id }: Reported) => Number(id.slice(1))
const leased = (epoch: number, ttl = 60_000, pollAfterMs = 20_000) => ({
  status: 'LEASED',
  epoch,
  ttl,
  pollAfterMs,
  proof: `proof-of-${epoch}`,
})
const pending = (pollAfterMs = 2_000) => ({ status: 'PENDING', epoch: 0, ttl: 0, pollAfterMs })

describe('a rack', () => {
  test('reports for all of its hosts in one request, and each has a lease of its own', async () => {
    const { rack, fake, requests, heard, many } = stand((host) => leased(100 + numberOf(host)))
    const hosts = many(500)
    await fake.advance(1)
    expect(requests.map(({ hosts: told }) => told.length)).toEqual([500])
    expect(heard).toHaveLength(500)
    expect(hosts.map((host) => host.lease()?.epoch)).toEqual(hosts.map((_, index) => 100 + index))
    await fake.advance(20_000)
    expect(requests.map(({ hosts: told }) => told.length)).toEqual([500, 500])
    expect(requests[1]?.hosts[7]).toMatchObject({ id: 'h7', bootId: 'boot-of-h7', epoch: 107, proof: 'proof-of-107' })
    expect(heard).toHaveLength(500)
    rack.close()
    await fake.advance(100_000)
    expect([requests.length, fake.timers, rack.size]).toEqual([2, 0, 0])
  })

  test('lets go together what is due at about the same time, and nobody much too early', async () => {
    const { fake, requests, many } = stand((host) => leased(1, 60_000, 20_000 + 10 * numberOf(host)))
    many(200)
    await fake.advance(22_000)
    // From 20,000 to 22,000 ms: one request a second in place of one for each host.
    expect(requests.slice(1).map(({ at, hosts }) => [at, hosts.length])).toEqual([
      [20_000, 101],
      [21_010, 99],
    ])
    const soon = stand(() => pending(1_000))
    soon.many(1)
    await soon.fake.advance(10_500)
    expect(soon.requests.map(({ at }) => at)).toEqual([
      0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000,
    ])
  })

  test('sends to each manager only its own hosts', async () => {
    const { fake, requests, heard, many } = stand((host, { server }) => {
      const to = 'cde'[numberOf(host) % 3] as string
      return server === to ? leased(1) : { status: 'MOVED', pollAfterMs: 100, to: `http://${to}:1` }
    })
    many(9)
    await fake.advance(15_000)
    expect(requests[0]).toMatchObject({ server: 'a', hosts: { length: 9 } })
    expect(requests.slice(1).map(({ server, hosts }) => [server, hosts.map(numberOf)])).toEqual([
      ['c', [0, 3, 6]],
      ['d', [1, 4, 7]],
      ['e', [2, 5, 8]],
    ])
    expect(heard).toHaveLength(9)
  })

  test('sends nobody early where nobody is due', async () => {
    const { fake, requests, add } = stand(({ id }, { server }) =>
      server === (id === 'h0' ? 'c' : 'd')
        ? leased(1, 60_000, id === 'h0' ? 10_000 : 10_500)
        : { status: 'MOVED', pollAfterMs: 0, to: `http://${id === 'h0' ? 'c' : 'd'}:1` },
    )
    add('h0')
    add('h1')
    await fake.advance(1_000)
    const before = requests.length
    const [atC, atD] = ['c', 'd'].map((name) => requests.findLast(({ server }) => server === name)?.at ?? 0)
    await fake.advance(11_000)
    expect(requests.slice(before).map(({ server, at }) => [server, at])).toEqual([
      ['c', (atC as number) + 10_000],
      ['d', (atD as number) + 10_500],
    ])
  })

  test('that is closed waits for no answer', async () => {
    const { rack, fake, heard, many } = stand(() => leased(1), { reply: () => ({ takesMs: 5_000 }) })
    many(3)
    await fake.advance(1_000)
    rack.close()
    await fake.advance(1)
    expect(fake.timers).toBe(0)
    await fake.advance(60_000)
    expect(heard).toEqual([])
  })

  test('whose manager is gone asks another, and only its hosts do', async () => {
    let isGone = false
    const { fake, requests, heard, many } = stand(
      (host, { server }) => {
        const to = isGone || numberOf(host) % 2 === 0 ? 'a' : 'c'
        return server === to || isGone
          ? leased(1, 60_000, 5_000)
          : { status: 'MOVED', pollAfterMs: 0, to: `http://${to}:1` }
      },
      { reply: ({ server }) => (isGone && server === 'c' ? 'broken' : undefined) },
    )
    many(4)
    await fake.advance(4_000)
    isGone = true
    const before = requests.length
    await fake.advance(8_000)
    const after = requests.slice(before)
    expect(after.filter(({ server }) => server === 'c')).toHaveLength(1)
    expect(after.some(({ server, hosts }) => server === 'a' && hosts.some((host) => numberOf(host) === 1))).toBe(true)
    expect(new Set(heard.filter((line) => line.includes('trouble')).map((line) => line.slice(0, 2)))).toEqual(
      new Set(['h1', 'h3']),
    )
    expect(heard.filter((line) => line.includes('lost'))).toEqual([])
  })

  test('takes a lease away from whom it is taken, by the clock of each', async () => {
    const { rack, fake, heard, add } = stand(({ id }, _, count) => {
      if (id === 'short') return leased(1, count === 1 ? 10_000 : 0, 30_000)
      if (id === 'twin')
        return count === 1 ? leased(2, 60_000, 5_000) : { status: 'STALE', pollAfterMs: 9_000, reason: 'another' }
      return leased(3)
    })
    const hosts = ['short', 'twin', 'long'].map((id) => add(id))
    await fake.advance(12_000)
    expect(heard).toEqual([
      'short leased 1',
      'twin leased 2',
      'long leased 3',
      'twin lost: another',
      'short lost: it ran out',
    ])
    expect(hosts.map((host) => host.lease()?.epoch)).toEqual([undefined, undefined, 3])
    hosts[2]?.close()
    hosts[2]?.close()
    expect(rack.size).toBe(2)
  })

  test('reports for a host no more that was closed, and for one that was added from then on', async () => {
    const { rack, fake, requests, heard, add, many } = stand(() => leased(1, 60_000, 5_000))
    const [first] = many(2)
    await fake.advance(1_000)
    first?.close()
    add('h9', { resume: { epoch: 4, proof: 'kept', pollAfterMs: 1_000 }, site: 'south' })
    await fake.advance(10_000)
    expect(requests.slice(1).flatMap(({ hosts }) => hosts.map(({ id }) => id))).not.toContain('h0')
    expect(requests.flatMap(({ hosts }) => hosts).find(({ id }) => id === 'h9')).toMatchObject({
      epoch: 4,
      proof: 'kept',
      site: 'south',
    })
    expect(heard.filter((line) => line.startsWith('h0'))).toEqual(['h0 leased 1'])
    expect(rack.size).toBe(2)
  })

  test('says what is wrong with a host, and takes no more than go into a request', () => {
    const { rack, many } = stand(() => pending())
    expect(() => rack.add({ id: 'a b', bootId: 'x' })).toThrow('id: expected')
    expect(() => rack.add({ id: 'a', bootId: '' })).toThrow('bootId: expected')
    expect(() => rack.add({ id: 'a', bootId: 'x', site: '-' })).toThrow('site: expected')
    expect(() => rack.add({ id: 'a', bootId: 'x', class: 'first' as never })).toThrow('class: expected')
    many(500)
    expect(() => rack.add({ id: 'h3', bootId: 'x' })).toThrow('found h3 again')
    expect(() => rack.add({ id: 'h500', bootId: 'x' })).toThrow('at most 500 hosts')
    rack.close()
  })
})

describe('trouble', () => {
  test('of the transport is one failure, however many hosts it is for', async () => {
    const { fake, requests, heard, many } = stand(() => undefined, { reply: () => 'broken' })
    many(100)
    await fake.advance(3_600_000)
    expect(new Set(requests.map(({ server }) => server))).toEqual(new Set(['a', 'b']))
    expect(requests.every(({ hosts }) => hosts.length === 100)).toBe(true)
    expect(requests.length).toBeGreaterThan(40)
    expect(requests.length).toBeLessThan(75)
    expect(heard[0]).toBe('h0 trouble: connection refused')
  })

  test('at a busy front door is waited out by all of them together', async () => {
    const { fake, requests, heard, many } = stand(() => leased(1), {
      reply: (_, count) => (count === 1 ? { status: 429, retryAfter: '20' } : undefined),
    })
    many(50)
    await fake.advance(40_000)
    expect(requests.slice(0, 2).map(({ hosts }) => hosts.length)).toEqual([50, 50])
    expect(requests[1]?.at).toBeGreaterThanOrEqual(20_000)
    expect(requests[1]?.at).toBeLessThanOrEqual(30_000)
    expect(heard).toHaveLength(50)
  })

  test('with one host is none of the others: a request that is refused comes again in parts', async () => {
    const bad = ({ hosts }: Request) => hosts.some(({ id }) => id === 'h3')
    const { fake, requests, heard, many } = stand(() => leased(1, 60_000, 15_000), {
      reply: (request) => (bad(request) ? { status: 400 } : undefined),
    })
    many(20)
    await fake.advance(10_000)
    expect(requests[0]?.hosts.length).toBe(20)
    expect(heard.filter((line) => line.endsWith('leased 1'))).toHaveLength(19)
    expect(heard.filter((line) => line.includes('trouble'))).toEqual([
      'h3 trouble: http://a:1: expected 200, found 400; check the token, the id and the address',
    ])
    const before = requests.length
    await fake.advance(60_000)
    // Whoever was heard goes with the others again.
    expect(Math.max(...requests.slice(before).map(({ hosts }) => hosts.length))).toBeGreaterThan(3)
    expect(
      requests
        .slice(1)
        .filter((request) => bad(request))
        .every(({ hosts }) => hosts.length === 1),
    ).toBe(true)
    expect(heard.filter((line) => line.includes('lost'))).toEqual([])
  })

  test('with one answer is none of the others, and costs them no retry', async () => {
    let isBroken = false
    const { fake, requests, heard, many } = stand(
      ({ id }, _, count) =>
        id === 'h0' ? (count % 2 === 0 ? undefined : { status: 'GONE', pollAfterMs: 1 }) : leased(1, 60_000, 5_000),
      { reply: () => (isBroken ? 'broken' : undefined) },
    )
    many(3)
    await fake.advance(300_000)
    expect(new Set(heard.filter((line) => line.includes('trouble')).map((line) => line.slice(0, 2)))).toEqual(
      new Set(['h0']),
    )
    expect(heard.filter((line) => line.startsWith('h1'))).toEqual(['h1 leased 1'])
    isBroken = true
    const before = requests.length
    await fake.advance(30_000)
    expect(requests.length - before).toBeGreaterThan(3)
  })

  test('that a host has with its own program is not its neighbour’s', async () => {
    const { fake, requests, add, heard } = stand(() => leased(1, 60_000, 5_000))
    add('h0').on('leased', () => {
      throw new Error('a bug')
    })
    add('h1')
    await expect(fake.advance(20_000)).rejects.toThrow('a bug')
    await fake.advance(20_000)
    expect(heard).toEqual(['h0 leased 1', 'h1 leased 1'])
    expect(requests.at(-1)?.hosts).toHaveLength(2)
  })

  test('never makes a host report twice at once, too early, or count on more than it was given', () => {
    const answer = fc.oneof(
      fc.record({ epoch: fc.nat(3), ttl: fc.nat(90_000), poll: fc.nat(40_000) }),
      fc.constantFrom('PENDING', 'UNKNOWN', 'STALE', 'MOVED', 'GONE'),
      fc.constant(undefined),
    )
    const reply = fc.oneof(
      { weight: 5, arbitrary: fc.record({ takesMs: fc.nat(12_000) }) },
      fc.record({ status: fc.constantFrom(400, 401, 429, 500, 503), retryAfter: fc.constantFrom('1', '30', 'x') }),
      fc.constant('broken' as const),
    )
    return fc.assert(
      fc.asyncProperty(
        fc.array(answer, { minLength: 1, maxLength: 15 }),
        fc.array(reply, { minLength: 1, maxLength: 6 }),
        async (answers, replies) => {
          const best = new Map<string, number>()
          const notBefore = new Map<string, number>()
          const asking = new Set<string>()
          // What is thrown in there would count as trouble of the transport.
          const wrong: string[] = []
          const { rack, fake, many } = stand(
            ({ id }, { at }, count) => {
              const told = answers[(count * 7 + Number(id.slice(1)) * 3) % answers.length]
              asking.delete(id)
              if (told === undefined) return undefined
              const poll = typeof told === 'string' ? 700 : told.poll
              // An epoch of 0 is none: as good as no answer.
              if (typeof told === 'string' ? told !== 'GONE' : told.epoch > 0)
                notBefore.set(id, fake.now() + Math.max(poll - 1_000, 0.75 * poll) - 1e-6)
              if (typeof told === 'string') return { status: told, pollAfterMs: 700, to: 'http://c:1' }
              if (told.epoch > 0) best.set(id, Math.max(best.get(id) ?? 0, at + 0.98 * told.ttl))
              return leased(told.epoch, told.ttl, told.poll)
            },
            {
              reply(request, count) {
                const told = replies[count % replies.length] as Reply
                for (const { id } of request.hosts) {
                  if (asking.has(id)) wrong.push(`${id} asks twice at once`)
                  if (request.at < (notBefore.get(id) ?? 0)) wrong.push(`${id} asks at ${request.at}`)
                  notBefore.delete(id)
                  asking.add(id)
                  // The client gives up after 10 s; whatever is not answered ends by itself.
                  if (told === 'broken' || told.status !== undefined || (told.takesMs ?? 0) >= 10_000) asking.delete(id)
                }
                return told
              },
            },
          )
          const hosts = many(6)
          for (let i = 0; i < 40; i++) {
            await fake.advance(3_000)
            for (const [index, host] of hosts.entries()) {
              const lease = host.lease()
              if (lease !== undefined)
                expect(fake.now() + lease.remainingMs).toBeLessThanOrEqual((best.get(`h${index}`) ?? 0) + 1e-6)
            }
          }
          expect(wrong).toEqual([])
          rack.close()
        },
      ),
      { numRuns: 60 },
    )
  })
})
