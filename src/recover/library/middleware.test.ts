/** The middlewares in the frameworks themselves, over real sockets. */
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import express, { type Express } from 'express'
import Fastify from 'fastify'
import { afterEach, describe, expect, test } from 'vitest'
import {
  type ClassName,
  expressGovernor,
  fastifyGovernor,
  governFetch,
  governor,
  type HttpGate,
  httpGate,
  type MiddlewareOptions,
  runOf,
} from './index.ts'

/** What the handler does: waits for `go`, and answers with this status. */
interface Script {
  readonly started: string[]
  readonly aborted: string[]
  open: (() => void)[]
  status: number
}

type Ask = (path: string, headers?: Record<string, string>) => Promise<Response>

interface Stand {
  readonly ask: Ask
  /** A client that asks and goes away when told. */
  readonly port: number
  close(): Promise<unknown>
}

const classHeader = (headers: Readonly<Record<string, unknown>>) => headers['x-class'] as ClassName | undefined

async function handle(script: Script, path: string, request: object): Promise<number> {
  script.started.push(path)
  const signal = runOf(request)?.signal
  if (path === '/quick') return script.status
  await new Promise<void>((resolve, reject) => {
    script.open.push(resolve)
    if (path !== '/deaf')
      signal?.addEventListener('abort', () => {
        script.aborted.push(path)
        reject(signal.reason)
      })
  })
  return script.status
}

const stands: Readonly<Record<string, (gate: HttpGate, script: Script) => Promise<Stand>>> = {
  async express(gate, script) {
    const app: Express = express()
    app.set('env', 'test')
    app.use(expressGovernor(gate, { classOf: (request) => classHeader(request.headers) }))
    app.get('/{*path}', async (request, response) => {
      response.status(await handle(script, request.path, request)).json({ ok: true })
    })
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return {
      port,
      ask: (path, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers }),
      close: () => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      },
    }
  },
  async fastify(gate, script) {
    const app = Fastify({ forceCloseConnections: true })
    await app.register(fastifyGovernor, { gate, classOf: (request) => classHeader(request.headers) })
    app.get('/*', async (request, reply) => {
      reply.code(await handle(script, request.url, request))
      return { ok: true }
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    return {
      port,
      ask: (path, headers = {}) => fetch(`http://127.0.0.1:${port}${path}`, { headers }),
      close: () => app.close(),
    }
  },
  async fetch(gate, script) {
    const options: MiddlewareOptions<Request> = {
      classOf: ({ headers }) => (headers.get('x-class') ?? undefined) as ClassName | undefined,
    }
    const handler = governFetch(
      gate,
      async (request: Request) => {
        const status = await handle(script, new URL(request.url).pathname, request)
        return Response.json({ ok: true }, { status })
      },
      options,
    )
    const ask: Ask = (path, headers = {}) => handler(new Request(`http://127.0.0.1${path}`, { headers }))
    return { port: 0, ask, close: async () => {} }
  },
}

for (const [name, stand] of Object.entries(stands))
  describe(`middleware for ${name}`, () => {
    let running: Stand | undefined
    afterEach(() => running?.close())

    async function begin(options: Parameters<typeof httpGate>[0] = {}) {
      const gate = httpGate({ limitFirst: 1, limitMost: 1, ...options })
      const script: Script = { started: [], aborted: [], open: [], status: 200 }
      running = await stand(gate, script)
      return { gate, script, ask: running.ask, port: running.port }
    }

    const until = async (holds: () => boolean) => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
    }

    test('lets in as many as the limit, by class', async () => {
      const { gate, script, ask } = await begin()
      const first = ask('/first')
      await until(() => script.started.length === 1)
      const later = ask('/later', { 'x-class': 'background' })
      await until(() => gate.snapshot().waiting.background === 1)
      const sooner = ask('/sooner', { 'x-class': 'renewal' })
      await until(() => gate.snapshot().waiting.renewal === 1)
      for (let i = 1; i <= 3; i++) {
        await until(() => script.open.length === i)
        script.open[i - 1]?.()
      }
      const statuses = (await Promise.all([first, later, sooner])).map(({ status }) => status)
      expect(statuses).toEqual([200, 200, 200])
      expect(script.started).toEqual(['/first', '/sooner', '/later'])
      await until(() => gate.snapshot().inFlight === 0)
      expect(gate.snapshot().total).toMatchObject({ done: 3, failed: 0 })
    })

    test('answers 503 to whom it cannot serve in the time left, with a Retry-After of its own', async () => {
      const { gate, script, ask } = await begin()
      const first = ask('/first')
      await until(() => script.started.length === 1)
      const refused = await Promise.all(Array.from({ length: 12 }, () => ask('/late', { 'deadline-ms': '1' })))
      script.open[0]?.()
      await first
      expect(refused.map(({ status }) => status)).toEqual(Array(12).fill(503))
      const times = refused.map(({ headers }) => Number(headers.get('retry-after-ms')))
      expect(new Set(times).size).toBeGreaterThan(8)
      expect(new Set(refused.map(({ headers }) => headers.get('retry-after'))).size).toBeGreaterThan(1)
      expect(refused[0]?.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
      const body = (await refused[0]?.json()) as { retryAfterMs: number }
      expect(body.retryAfterMs).toBe(times[0])
      expect(script.started).toEqual(['/first'])
      expect(gate.snapshot().total.shed).toBe(12)
    })

    test('takes no notice of a deadline that is none', async () => {
      const { ask } = await begin()
      expect((await ask('/quick', { 'deadline-ms': 'soon' })).status).toBe(200)
      expect((await ask('/quick', { 'deadline-ms': '-1' })).status).toBe(200)
    })

    test('fires the signal when time is up, and answers 504', async () => {
      const { gate, script, ask } = await begin({ timeoutMs: 60 })
      const [heeds, deaf] = [await ask('/heeds'), await ask('/deaf')]
      expect(script.aborted).toEqual(['/heeds'])
      expect([heeds.status, deaf.status]).toEqual([504, 504])
      expect(Number(heeds.headers.get('retry-after'))).toBeGreaterThan(0)
      // The deaf one keeps its place for as long again.
      await until(() => gate.snapshot().inFlight === 0)
      expect(gate.snapshot()).toMatchObject({ abandoned: 1, total: { timedOut: 2 } })
      expect((await ask('/quick')).status).toBe(200)
    })

    test('counts 500 and above as failures, and refuses when nothing else comes', async () => {
      const { gate, script, ask } = await begin()
      script.status = 500
      for (let i = 0; i < 20; i++) expect((await ask('/quick')).status).toBe(500)
      expect(gate.snapshot()).toMatchObject({ dependency: 'down', total: { failed: 20 } })
      // One at a time may try, now and then; the others are told to come back.
      expect((await Promise.all([ask('/quick'), ask('/quick')])).map(({ status }) => status)).toContain(503)
      script.status = 404
      while (gate.snapshot().dependency === 'down') await ask('/quick')
      expect((await ask('/quick')).status).toBe(404)
    })

    test.skipIf(name === 'fetch')('a client that goes away while it waits is forgotten', async () => {
      const { gate, script, ask, port } = await begin()
      const first = ask('/first')
      await until(() => script.started.length === 1)
      const impatient = connect(port, '127.0.0.1')
      impatient.write('GET /impatient HTTP/1.1\r\nhost: a\r\n\r\n')
      await until(() => gate.snapshot().waiting.interactive === 1)
      impatient.destroy()
      await until(() => gate.snapshot().waiting.interactive === 0)
      script.open[0]?.()
      expect((await first).status).toBe(200)
      expect(script.started).toEqual(['/first'])
    })

    test('says what is wrong with a class that does not exist', async () => {
      const { ask } = await begin()
      const asked = ask('/quick', { 'x-class': 'vip' })
      if (name === 'fetch') await expect(asked).rejects.toThrow('found vip')
      else expect((await asked).status).toBe(500)
    })
  })

describe('without middleware', () => {
  test('Express and Fastify answer 503 with Retry-After when a route lets Shed through', async () => {
    const protect = governor(async () => 'ok', {})
    const app = express()
    app.set('env', 'test')
    app.get('/', async (_, response) => {
      response.send(await protect(undefined, { deadlineMs: 0 }))
    })
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const fastify = Fastify({ forceCloseConnections: true })
    fastify.get('/', () => protect(undefined, { deadlineMs: 0 }))
    try {
      const { port } = server.address() as AddressInfo
      const answer = await fetch(`http://127.0.0.1:${port}/`)
      expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true])
      const injected = await fastify.inject('/')
      expect([injected.statusCode, Number(injected.headers['retry-after']) > 0]).toEqual([503, true])
    } finally {
      server.closeAllConnections()
      server.close()
      await fastify.close()
    }
  })
})
