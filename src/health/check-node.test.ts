import { createSocket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { authority, certificate, certificateKey } from '../../test/support/certificates.ts'
import { startMarkOf } from '../cli/processes.ts'
import { decodeMessage } from '../dns/decode.ts'
import { encodeMessage, isMalformed, messageOf } from '../dns/message.ts'
import { aData } from '../dns/rdata.ts'
import type { IpAddress } from '../model/address.ts'
import type { CheckTls, DnsCheck, GrpcCheck, HttpCheck, Probed } from '../model/check.ts'
import type { Name } from '../model/name.ts'
import { nodeWorld } from '../world/node.ts'
import type { EpochMs } from '../world/world.ts'
import { nodeChecker } from './check-node.ts'
import { checkRequest, grpcStatusText, readCheckResponse } from './grpc.ts'

const here = '127.0.0.1' as IpAddress
const pass = { kind: 'pass' }
const real = nodeWorld({ id: 'prober-1', onTrace: () => {} })
let dir = ''
let wall = Date.now()
const world = { ...real, clock: { ...real.clock, wall: () => wall as EpochMs } }
const checker = () =>
  nodeChecker(world, {
    secret: (source) =>
      source.kind === 'env' ? { kind: 'secret', text: 's3cret' } : { kind: 'unreadable', why: 'no such file' },
    dir,
    env: { PATH: process.env.PATH, HOLDFAST_TOKEN: 's3cret' },
    canaries: [],
  })
const look = (check: Probed, ms = 2_000) => checker().check(check, { pool: 'web', target: 'a', address: here }, ms)

const open: { close(): unknown }[] = []
const sockets = new Set<Socket>()
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-checks-'))
  writeFileSync(join(dir, 'ca.pem'), authority)
})
afterAll(() => rmSync(dir, { recursive: true }))
afterEach(() => {
  wall = Date.now()
  for (const socket of sockets) socket.destroy()
  sockets.clear()
  for (const one of open.splice(0)) one.close()
})

async function listening<Listener extends Server>(server: Listener): Promise<number> {
  open.push(server)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, here, resolve))
  return (server.address() as AddressInfo).port
}
const keys = { key: certificateKey, cert: certificate }
const tls = (changes: Partial<CheckTls> = {}): CheckTls => ({
  serverName: 'db.example.test',
  verify: true,
  ca: 'ca.pem',
  daysLeft: 0,
  ...changes,
})

/** Whatever the kind: nobody there, silence, a broken connection. */
const kinds: readonly (readonly [string, (port: number) => Probed])[] = [
  ['http', (port) => ({ kind: 'http', port, path: '/', host: null, status: [200] })],
  ['https', (port) => ({ kind: 'http', port, path: '/', host: null, status: [200], tls: tls() })],
  ['tls', (port) => ({ kind: 'tls', port, tls: tls() })],
  ['grpc', (port) => ({ kind: 'grpc', port, service: '', host: null })],
  ['grpc with TLS', (port) => ({ kind: 'grpc', port, service: '', host: null, tls: tls() })],
  [
    'dns over TCP',
    (port) => ({
      kind: 'dns',
      port,
      name: 'a.test.' as Name,
      type: 'A',
      transport: 'tcp',
      rcode: 'NOERROR',
      answer: [],
    }),
  ],
]
describe.each(kinds)('%s', (kind, check) => {
  test('nobody listens', async () => {
    const server = createServer()
    const port = await listening(server)
    await new Promise((resolve) => server.close(resolve))
    expect(await look(check(port))).toMatchObject({
      kind: 'fail',
      detail: expect.stringMatching(/^connection refused/),
    })
  })
  test('silence', async () => {
    const port = await listening(createServer())
    const began = performance.now()
    expect(await look(check(port), 150)).toMatchObject({
      kind: 'fail',
      detail: expect.stringMatching(/^no answer in time/),
    })
    expect(performance.now() - began).toBeLessThan(1_000)
  })
  test('a connection that is reset or closed', async () => {
    for (const end of ['reset', 'close']) {
      const port = await listening(
        createServer((socket) => {
          socket.once('data', () => (end === 'reset' ? socket.resetAndDestroy() : socket.end()))
        }),
      )
      const found = await look(check(port))
      expect(found, end).toMatchObject({ kind: 'fail' })
      expect(JSON.stringify(found), end).toMatch(/reset|closed|hang up|disconnected|not established|failed/)
    }
  })
  test('whatever anybody says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ minLength: 1, maxLength: 300 }),
          fc
            .constantFrom('HTTP/1.1 999 x\r\n\r\n', 'HTTP/1.1 204 x\r\ncontent-length: -1\r\n\r\n', 'SSH-2.0-x\r\n')
            .map((t) => Buffer.from(t)),
          // The preface of an HTTP/2 server, then anything.
          fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0, ...bytes])),
        ),
        async (bytes) => {
          const port = await listening(createServer((socket) => void socket.on('error', () => {}).end(bytes)))
          expect((await look(check(port), 500)).kind, kind).toBe('fail')
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('http and https', () => {
  const answering: RequestListener = (request, response): unknown => {
    if (request.url === '/lie') return response.end('<h1>Welcome to the default page</h1>')
    if (request.url === '/never') return response.write('ok')
    if (request.url === '/large') return response.end(Buffer.alloc(1_000_000, 'x'))
    if (request.url === '/echo')
      return response.end(
        `${request.method} ${request.headers.host} ${request.headers.authorization} ${request.headers.connection}`,
      )
    return response.writeHead(request.url === '/broken' ? 500 : 200).end('ok')
  }
  const http = (port: number, path: string, changes: Partial<HttpCheck> = {}): HttpCheck => ({
    kind: 'http',
    port,
    path,
    host: null,
    status: [200],
    ...changes,
  })
  test.each(['http', 'https'] as const)('%s', async (scheme) => {
    const port = await listening(scheme === 'http' ? createHttpServer(answering) : createHttpsServer(keys, answering))
    const more = scheme === 'http' ? {} : { tls: tls() }
    const contains = (text: string) => ({ ...more, body: { kind: 'contains', text } as const })
    expect(await look(http(port, '/', contains('ok')))).toEqual(pass)
    expect(await look(http(port, '/', { ...more, method: 'HEAD' }))).toEqual(pass)
    expect(await look(http(port, '/broken', more))).toEqual({ kind: 'fail', detail: 'expected status 200, found 500' })
    expect(await look(http(port, '/lie', contains('"status":"ok"')))).toEqual({
      kind: 'fail',
      detail: 'expected a body that contains "\\"status\\":\\"ok\\"", found "<h1>Welcome to the default page</h1>"',
    })
    expect(await look(http(port, '/never', more), 150)).toMatchObject({ kind: 'fail' })
    expect(await look(http(port, '/large', { ...more, body: { kind: 'matches', text: '(x+x+)+y' } }))).toMatchObject({
      kind: 'fail',
    })
    const secret = { kind: 'env', env: 'HOLDFAST_TOKEN' } as const
    const headers = [{ name: 'authorization', secret, prefix: 'Bearer ' }]
    expect(
      await look(
        http(port, '/echo', {
          ...contains('GET db.example.test Bearer s3cret close'),
          host: 'db.example.test',
          headers,
        }),
      ),
    ).toEqual(pass)
    const unreadable = [{ name: 'authorization', secret: { kind: 'file', file: 'x' } as const, prefix: '' }]
    expect(await look(http(port, '/', { ...more, headers: unreadable }))).toEqual({
      kind: 'could-not-look',
      why: 'the header authorization cannot be sent: no such file',
    })
  })
})

describe('a certificate', () => {
  const day = 86_400_000
  test.each([
    ['that is good', tls(), 0, pass],
    ['by the address', tls({ serverName: null }), 0, pass],
    ['of another name', tls({ serverName: 'www.example.test' }), 0, /altnames.*www\.example\.test/],
    ['that any may be', tls({ serverName: 'www.example.test', verify: false, ca: null }), 0, pass],
    ['of an authority that nobody knows', tls({ ca: null }), 0, /unable to (?:verify|get)|self-signed/],
    ['that runs out', tls({ daysLeft: 14 }), 36_495 * day, /expected a certificate for 14 more days, found \d$/],
    ['that ran out', tls(), 36_600 * day, /^the certificate expired on/],
    ['that ran out, unverified', tls({ verify: false }), 36_600 * day, /^the certificate expired on/],
  ])('%s', async (_what, settings, later, found) => {
    const port = await listening(createTlsServer(keys))
    wall = Date.UTC(2026, 10, 22) + later
    const said = await look({ kind: 'tls', port, tls: settings })
    if (found instanceof RegExp) expect(said).toMatchObject({ kind: 'fail', detail: expect.stringMatching(found) })
    else expect(said).toEqual(found)
  })
  test('whose authority cannot be read is no fault of the target', async () => {
    const port = await listening(createTlsServer(keys))
    expect(await look({ kind: 'tls', port, tls: tls({ ca: 'gone.pem' }) })).toEqual({
      kind: 'could-not-look',
      why: `the authorities in ${join(dir, 'gone.pem')} cannot be used: ENOENT`,
    })
  })
})

describe('gRPC', () => {
  /** A health service as `grpc/health/v1/health.proto` has it. */
  const health = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      const service = Buffer.concat(chunks).subarray(7).toString()
      if (headers[':path'] !== '/grpc.health.v1.Health/Check')
        return stream.respond({ ':status': 404 }, { endStream: true })
      if (service === 'unknown')
        return stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' },
          { endStream: true },
        )
      if (service === 'large') {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
        return stream.end(Buffer.alloc(100_000))
      }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': service === 'late' ? '14' : '0' }))
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, service === 'sick' ? 2 : 1]))
    })
  }
  const grpc = (port: number, service: string, changes: Partial<GrpcCheck> = {}): GrpcCheck => ({
    kind: 'grpc',
    port,
    service,
    host: null,
    ...changes,
  })
  test.each(['plain', 'TLS'])('%s', async (how) => {
    const server = how === 'plain' ? createHttp2Server() : createSecureServer(keys)
    server.on('stream', health)
    const port = await listening(server as unknown as Server)
    const more = how === 'plain' ? {} : { tls: tls() }
    expect(await look(grpc(port, '', more))).toEqual(pass)
    expect(await look(grpc(port, 'my.Service', { ...more, host: 'db.example.test' }))).toEqual(pass)
    expect(await look(grpc(port, 'sick', more))).toEqual({
      kind: 'fail',
      detail: 'expected SERVING, found NOT_SERVING',
    })
    expect(await look(grpc(port, 'unknown', more))).toEqual({
      kind: 'fail',
      detail: 'expected SERVING, found gRPC status 5 (NOT_FOUND)',
    })
    expect(await look(grpc(port, 'late', more))).toEqual({
      kind: 'fail',
      detail: 'expected SERVING, found gRPC status 14 (UNAVAILABLE)',
    })
    expect(await look(grpc(port, 'large', more))).toEqual({
      kind: 'fail',
      detail: 'expected a health response, found more than 4096 octets',
    })
  })
  test('a TLS server that speaks HTTP/1.1 alone', async () => {
    const port = await listening(createHttpsServer(keys, (_, response) => response.end()))
    expect(await look(grpc(port, '', { tls: tls() }))).toMatchObject({ kind: 'fail' })
  })
  test('messages', () => {
    expect([...checkRequest('')]).toEqual([0, 0, 0, 0, 0])
    expect(Buffer.from(checkRequest('ab')).toString('hex')).toBe('00000000040a026162')
    const long = checkRequest('x'.repeat(200))
    expect([...long.subarray(0, 8)]).toEqual([0, 0, 0, 0, 203, 0x0a, 0xc8, 1])
    expect(readCheckResponse(Uint8Array.of(0, 0, 0, 0, 0))).toEqual({ kind: 'status', status: 'UNKNOWN' })
    // An unknown field of each kind in front.
    const skipped = [0x12, 1, 7, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x28, 0x80, 1, 8, 1]
    expect(readCheckResponse(Uint8Array.of(0, 0, 0, 0, skipped.length, ...skipped))).toEqual({
      kind: 'status',
      status: 'SERVING',
    })
    expect(grpcStatusText('constructor')).toBe('gRPC status constructor')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const framed = Uint8Array.of(0, 0, 0, 0, bytes.length, ...bytes)
        expect(['status', 'malformed']).toContain(readCheckResponse(framed).kind)
        expect(['status', 'malformed']).toContain(readCheckResponse(bytes).kind)
      }),
    )
  })
})

describe('DNS', () => {
  const check = (port: number, changes: Partial<DnsCheck> = {}): DnsCheck => ({
    kind: 'dns',
    port,
    name: 'db.example.test.' as Name,
    type: 'A',
    transport: 'udp',
    rcode: 'NOERROR',
    answer: ['192.0.2.1'],
    ...changes,
  })
  const server = async (answer: (question: Buffer) => Uint8Array): Promise<number> => {
    const socket = createSocket('udp4')
    open.push(socket)
    socket.on('message', (bytes, { port, address }) => void socket.send(answer(bytes), port, address))
    await new Promise<void>((resolve) => socket.bind(0, here, resolve))
    return socket.address().port
  }
  const replying =
    (rcode: number, ...addresses: string[]) =>
    (bytes: Buffer) => {
      const message = decodeMessage(bytes)
      if (isMalformed(message)) throw new Error('expected a question')
      const [question] = message.questions
      if (question === undefined) throw new Error('expected a question')
      const answers = addresses.map((address) => ({
        name: question.name,
        type: 1,
        class: 1,
        ttl: 1,
        data: aData(address),
      }))
      return encodeMessage(messageOf({ ...message, qr: true, rcode, answers }))
    }
  test('over UDP', async () => {
    const good = await server(replying(0, '192.0.2.7', '192.0.2.1'))
    expect(await look(check(good))).toEqual(pass)
    expect(await look(check(good, { answer: ['192.0.2.9'] }))).toEqual({
      kind: 'fail',
      detail: 'expected A 192.0.2.9, found 192.0.2.7, 192.0.2.1',
    })
    const gone = await server(replying(3))
    expect(await look(check(gone))).toEqual({ kind: 'fail', detail: 'expected NOERROR, found NXDOMAIN' })
    expect(await look(check(gone, { rcode: 'NXDOMAIN', answer: [] }))).toEqual(pass)
    const silent = await server(() => new Uint8Array())
    expect(await look(check(silent), 150)).toMatchObject({ kind: 'fail' })
  })
})

describe('a command', () => {
  const run = (script: string, ms?: number, ...args: string[]) =>
    look({ kind: 'command', run: ['/bin/sh', '-c', script, 'check', ...args], port: 5432 }, ms)
  test('passes by its exit code', async () => {
    expect(await run('exit 0')).toEqual(pass)
    expect(await run('echo; echo "CRITICAL: no \x1b[31mdisk" >&2; exit 2')).toEqual({
      kind: 'fail',
      detail: 'exit code 2: CRITICAL: no ?[31mdisk',
    })
    expect(await run('kill -9 $$')).toEqual({ kind: 'fail', detail: 'ended by SIGKILL' })
  })
  test('is told what to look at, through no shell, and no secrets', async () => {
    expect(
      await run(
        'test "$*" = "127.0.0.1:5432 a web \\$(id) {x}"',
        2_000,
        '{address}:{port}',
        '{target}',
        '{pool}',
        '$(id)',
        '{x}',
      ),
    ).toEqual(pass)
    expect(await run('test -z "$HOLDFAST_TOKEN" && test -n "$PATH"')).toEqual(pass)
  })
  test('that ignores SIGTERM is killed in time, with what it started', async () => {
    const began = performance.now()
    const mark = join(dir, 'pids')
    expect(await run(`trap '' TERM; sleep 60 & echo $! $$ > ${mark}; wait`, 300)).toEqual({
      kind: 'fail',
      detail: 'no answer in time: killed after 300 ms',
    })
    expect(performance.now() - began).toBeLessThan(2_000)
    for (const pid of readFileSync(mark, 'utf8').trim().split(' ').map(Number))
      await expect.poll(() => startMarkOf(pid)).toBeUndefined()
  })
  test('that leaves others behind takes them with it', async () => {
    const mark = join(dir, 'left')
    expect(await run(`sleep 60 & echo $! > ${mark}; exit 0`)).toEqual(pass)
    await expect.poll(() => startMarkOf(Number(readFileSync(mark, 'utf8')))).toBeUndefined()
  })
  test('that talks without end is bounded', async () => {
    expect(await run('yes | head -c 3000000; exit 1')).toEqual({ kind: 'fail', detail: 'exit code 1: y' })
    expect(await run('yes', 200)).toMatchObject({ kind: 'fail', detail: 'no answer in time: killed after 200 ms' })
  })
  test('that is not there is no fault of the target', async () => {
    expect(await look({ kind: 'command', run: ['./gone'], port: null })).toEqual({
      kind: 'could-not-look',
      why: './gone cannot be started: ENOENT',
    })
  })
})

test('the canary is this program itself, and what is configured', async () => {
  expect(await checker().canary(500)).toEqual(pass)
  const server = createServer()
  const port = await listening(server)
  const watched = nodeChecker(world, {
    secret: () => ({ kind: 'unreadable', why: '' }),
    dir,
    env: {},
    canaries: [
      { host: here, port },
      { host: here, port: 1 },
    ],
  })
  expect(await watched.canary(500)).toEqual(pass)
  await new Promise((resolve) => server.close(resolve))
  expect(await watched.canary(500)).toEqual({
    kind: 'could-not-look',
    why: `none of the canaries answers: 127.0.0.1 port ${port}, 127.0.0.1 port 1`,
  })
})
