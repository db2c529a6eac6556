import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { authority, certificate, certificateKey } from '../../test/support/certificates.ts'
import { memoryStore } from '../../test/support/memory-store.ts'
import type { Digest } from '../base/bytes.ts'
import type { NonEmpty } from '../base/nonempty.ts'
import { isProblem } from '../base/problem.ts'
import type { IpAddress } from '../model/address.ts'
import { keys } from '../model/keys.ts'
import type { DemandSource, Policy, PolicyReading, Pool } from '../model/policy.ts'
import type { ReadSecret } from '../model/secret.ts'
import type { Store } from '../store/store.ts'
import { nodeWorld } from '../world/node.ts'
import type { EpochMs, TraceEvent } from '../world/world.ts'
import { askPrometheus } from './ask-node.ts'
import { serveIntake } from './http.ts'
import { intake } from './intake.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const token = '0123456789abcdef0123456789abcdef'
const secret: ReadSecret = (source) =>
  source.kind === 'env' && source.env === 'HOLDFAST_FLEET'
    ? { kind: 'secret', text: token }
    : { kind: 'unreadable', why: 'no such file' }

function policyOf(demand?: DemandSource): PolicyReading {
  const targets = ['a', 'b'].map((id) => ({ id, site: 's', addresses: ['192.0.2.1' as IpAddress], capacity: 1 }))
  const pool = {
    id: 'web',
    targets: targets as unknown as NonEmpty<(typeof targets)[number]>,
    ...(demand && { demand }),
  }
  const pools = new Map([['web', pool as unknown as Pool]])
  const policy = { digest: JSON.stringify([...pools]) as Digest, pools } as unknown as Policy
  return { kind: 'policy', policy, modified: 0 as EpochMs }
}

interface Running {
  readonly store: Store
  readonly events: TraceEvent[]
  readonly url: string
}

/** A real intake; its loop ends with the process of the tests. */
async function started(read: () => PolicyReading, store = memoryStore(), dir = '.'): Promise<Running> {
  const events: TraceEvent[] = []
  const world = nodeWorld({ id: 'intake-1', onTrace: (event) => void events.push(event) })
  const allowed = { name: 'fleet', targets: null, token: { kind: 'env', env: 'HOLDFAST_FLEET' } } as const
  let listening: (url: string) => void = () => {}
  const url = new Promise<string>((resolve) => {
    listening = resolve
  })
  void intake(world, {
    store,
    policy: { read: () => Promise.resolve(read()) },
    secret,
    ask: askPrometheus(world, dir),
    agents: { agents: [allowed], freshnessMs: 30_000 },
    serve: async (desk) => {
      const server = await serveIntake({ host: '127.0.0.1', port: 0 }, desk)
      if (isProblem(server)) throw new Error(server.found)
      open.push(server)
      listening(server.url)
      return server
    },
  })
  return { store, events, url: await url }
}

const observation = (changes: object = {}) => ({
  pool: 'web',
  target: 'a',
  state: 'pending',
  detail: 'no network yet',
  sentAt: new Date().toISOString(),
  sequence: Date.now(),
  ...changes,
})
const post = async (url: string, body: unknown, headers: Record<string, string> = {}) => {
  const reply = await fetch(`${url}/v1/observations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as Record<string, unknown> }
}
const report = async ({ store }: Running) => {
  const entry = await store.get(keys.report.key('web', 'intake-1'))
  return entry === undefined ? undefined : keys.report.decode(entry.value)
}
const demandOf = async ({ store }: Running) => {
  const entry = await store.get(keys.demand.key('web', 'intake-1'))
  return entry === undefined ? undefined : keys.demand.decode(entry.value)
}
const eventually = { timeout: 5_000, interval: 20 }

describe('what agents post', () => {
  test('becomes one document', async () => {
    const running = await started(() => policyOf())
    await expect.poll(() => running.events.map(({ event }) => event), eventually).toContain('intake.policy_changed')
    const one = observation()
    expect(await post(running.url, one)).toMatchObject({ status: 200, body: { accepted: 1, repeated: 0, refused: [] } })
    expect(await post(running.url, one)).toMatchObject({ status: 200, body: { accepted: 1, repeated: 1 } })
    await expect
      .poll(() => report(running), eventually)
      .toMatchObject({
        pool: 'web',
        intake: 'intake-1',
        targets: { a: { state: 'pending', load: null, agent: 'fleet', detail: 'no network yet' } },
      })
    const mixed = [observation({ sequence: 1 }), observation({ target: 'b', state: 'ready', load: 0.25, agent: 'i-1' })]
    expect(await post(running.url, mixed)).toMatchObject({
      status: 207,
      body: { accepted: 1, refused: [{ index: 0, status: 409, found: '1' }] },
    })
    await expect
      .poll(() => report(running), eventually)
      .toMatchObject({
        targets: { a: { state: 'pending' }, b: { state: 'ready', load: 0.25, agent: 'fleet/i-1' } },
      })
    expect(running.events.filter(({ event }) => event === 'intake.turned')).toMatchObject([
      { target: 'a', from: '', to: 'pending' },
      { target: 'b', from: '', to: 'ready' },
    ])
    expect(JSON.stringify(running.events)).not.toContain(token)
  })

  test('is refused with a reason when it is wrong', async () => {
    const { url, events } = await started(() => policyOf())
    await expect.poll(() => events.map(({ event }) => event), eventually).toContain('intake.policy_changed')
    const cases: readonly (readonly [unknown, Record<string, string>, number, string])[] = [
      [observation(), { authorization: 'Bearer wrong' }, 401, 'another one'],
      [observation({ sentAt: '2025-10-20T06:48:00Z' }), {}, 422, '2025-10-20T06:48:00Z'],
      [observation({ sentAt: '2225-10-20T06:48:00Z' }), {}, 422, '2225-10-20T06:48:00Z'],
      [observation({ pool: 'wbe' }), {}, 404, 'wbe'],
      [observation({ target: 'z' }), {}, 404, 'z'],
      [observation({ state: 'sick' }), {}, 400, 'must be equal to one of the allowed values'],
      [observation({ load: -1 }), {}, 400, 'must be >= 0'],
      [observation({ sequence: '5' }), {}, 400, 'must be integer'],
      [observation({ colour: 'red' }), {}, 400, 'colour'],
      [{ ...observation(), sentAt: undefined }, {}, 400, "must have required property 'sentAt'"],
      [observation({ detail: 'x'.repeat(201) }), {}, 400, 'must NOT have more than 200 characters'],
      [[], {}, 400, 'must NOT have fewer than 1 items'],
      [Array.from({ length: 1_001 }, () => observation()), {}, 400, 'must NOT have more than 1000 items'],
      ['5', {}, 400, 'body'],
      ['null', {}, 400, 'body'],
      ['{', {}, 400, 'something else'],
      ['', {}, 400, 'something else'],
      [`"${'x'.repeat(600_000)}"`, {}, 413, 'more'],
      ['a: 1', { 'content-type': 'text/yaml' }, 415, 'another one, or none'],
    ]
    for (const [body, headers, status, words] of cases) {
      const said = await post(url, body, headers)
      expect(said.status, JSON.stringify(body).slice(0, 200)).toBe(status)
      expect(JSON.stringify(said.body), JSON.stringify(body).slice(0, 200)).toContain(
        JSON.stringify(words).slice(1, -1),
      )
    }
    const elsewhere = await fetch(`${url}/v1/observation`, { headers: { authorization: `Bearer ${token}` } })
    expect(elsewhere.status).toBe(404)
    expect(events.filter(({ event, why }) => event === 'intake.refused' && why === 'future')).toHaveLength(1)
  })

  test('too often is told to come again later', async () => {
    const { url, events } = await started(() => policyOf())
    await expect.poll(() => events.map(({ event }) => event), eventually).toContain('intake.policy_changed')
    const many = Array.from({ length: 1_000 }, (_, n) =>
      observation({ target: n % 2 === 0 ? 'a' : 'b', sequence: n + 1 }),
    )
    const statuses = []
    for (let n = 0; n < 4; n++) statuses.push(await post(url, many))
    const last = statuses.find(({ status }) => status === 429)
    expect(statuses[0]?.status).toBe(200)
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  })

  test('before there is a policy is not lost in silence', async () => {
    const { url } = await started(() => ({
      kind: 'unreadable',
      problems: [{ kind: 'problem', at: 'x', expected: 'a', found: 'b', todo: 'c' }],
    }))
    expect(await post(url, observation())).toMatchObject({ status: 503, body: { problems: [{ found: 'none yet' }] } })
  })

  test('survives a restart of the intake', async () => {
    const first = await started(() => policyOf())
    await expect.poll(() => first.events.map(({ event }) => event), eventually).toContain('intake.policy_changed')
    await post(first.url, observation({ state: 'not-ready' }))
    await expect.poll(() => report(first), eventually).toMatchObject({ targets: { a: { state: 'not-ready' } } })
    const store = memoryStore()
    const before = await first.store.get(keys.report.key('web', 'intake-1'))
    await store.commit(
      [],
      [{ kind: 'put', key: keys.report.key('web', 'intake-1'), value: before?.value ?? new Uint8Array() }],
    )
    const second = await started(() => policyOf(), store)
    await expect.poll(() => second.events.map(({ event }) => event), eventually).toContain('intake.policy_changed')
    await post(second.url, observation({ target: 'b', state: 'ready' }))
    await expect
      .poll(() => report(second), eventually)
      .toMatchObject({ targets: { a: { state: 'not-ready' }, b: { state: 'ready' } } })
  })
})

describe('demand', () => {
  const listening = async (server: Server): Promise<number> => {
    open.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }
  const source = (
    port: number,
    changes: Partial<Extract<DemandSource, { kind: 'prometheus' }>> = {},
  ): DemandSource => ({
    kind: 'prometheus',
    address: { host: '127.0.0.1', port },
    query: 'sum(demand)',
    everyMs: 1_000,
    maxAgeMs: 60_000,
    path: '',
    ...changes,
  })
  const answer = (value: string) =>
    JSON.stringify({
      status: 'success',
      data: { resultType: 'vector', result: [{ metric: {}, value: [Date.now() / 1_000, value] }] },
    })

  test.each(['HTTP', 'HTTPS'])('is asked for over %s, with a token', async (how) => {
    const asked: (string | undefined)[] = []
    const listener: RequestListener = (request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`)
      response.end(answer('42'))
    }
    const dir = mkdtempSync(join(tmpdir(), 'holdfast-demand-'))
    open.push({ close: () => rmSync(dir, { recursive: true }) })
    writeFileSync(join(dir, 'ca.pem'), authority)
    const port = await listening(
      how === 'HTTP' ? createServer(listener) : createHttpsServer({ key: certificateKey, cert: certificate }, listener),
    )
    const tls = { serverName: 'db.example.test', verify: true, ca: 'ca.pem' }
    const demand = source(port, { bearer: { kind: 'env', env: 'HOLDFAST_FLEET' }, ...(how === 'HTTPS' && { tls }) })
    const running = await started(() => policyOf(demand), memoryStore(), dir)
    await expect
      .poll(() => demandOf(running), eventually)
      .toMatchObject({
        pool: 'web',
        by: 'intake-1',
        value: 42,
        source: `prometheus 127.0.0.1:${port}`,
      })
    expect(asked[0]).toBe(`/api/v1/query?query=sum%28demand%29&timeout=1s&lookback_delta=60s Bearer ${token}`)
    expect(JSON.stringify(running.events)).not.toContain(token)
  })

  test('that nobody can say is told, stays as it was, and is found again', async () => {
    let reply = answer('7')
    const port = await listening(createServer((_, response) => response.end(reply)))
    const running = await started(() => policyOf(source(port)))
    await expect.poll(async () => (await demandOf(running))?.value, eventually).toBe(7)
    reply = answer('NaN')
    await expect
      .poll(() => running.events.filter(({ event }) => event === 'intake.demand_lost'), eventually)
      .toMatchObject([{ pool: 'web', why: 'expected a number of 0 or more, found "NaN"' }])
    const status = async () => {
      const entry = await running.store.get(keys.status.key('intake', 'intake-1'))
      return entry === undefined ? [] : keys.status.decode(entry.value)?.ails
    }
    await expect
      .poll(status, { timeout: 10_000 })
      .toEqual(['the demand of web is not known: expected a number of 0 or more, found "NaN"'])
    expect((await demandOf(running))?.value).toBe(7)
    reply = answer('9')
    await expect.poll(async () => (await demandOf(running))?.value, eventually).toBe(9)
    expect(running.events.filter(({ event }) => event === 'intake.demand_found')).toHaveLength(1)
  })

  test('of a pool that asks no more is deleted', async () => {
    const port = await listening(createServer((_, response) => response.end(answer('7'))))
    let reading = policyOf(source(port))
    const running = await started(() => reading)
    await expect.poll(async () => (await demandOf(running))?.value, eventually).toBe(7)
    reading = policyOf()
    await expect.poll(() => demandOf(running), eventually).toBeUndefined()
  })

  test('whose token cannot be read is not asked for without', async () => {
    let asked = 0
    const port = await listening(createServer((_, response) => response.end(answer(String(asked++)))))
    const { events } = await started(() => policyOf(source(port, { bearer: { kind: 'file', file: 'gone' } })))
    await expect
      .poll(() => events.filter(({ event }) => event === 'intake.demand_lost'), eventually)
      .toMatchObject([{ why: 'its token cannot be read: no such file' }])
    expect(asked).toBe(0)
  })
})
