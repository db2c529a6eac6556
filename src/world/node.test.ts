import { createSocket } from 'node:dgram'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { nodeWorld } from './node.ts'
import type { Address, Connection, TraceEvent } from './world.ts'

const events: TraceEvent[] = []
const world = nodeWorld({ id: 'test-1', onTrace: (event) => events.push(event) })
const { net, clock, random } = world

const cleanUps: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function listening(server: Server): Promise<Address> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

const tcp = (onConnection: (socket: Socket) => void) => listening(createServer(onConnection))
const http = (listener: RequestListener) => listening(createHttpServer(listener))

async function udp(onMessage: (bytes: Buffer, reply: (bytes: Uint8Array) => void) => void): Promise<Address> {
  const socket = createSocket('udp4')
  socket.on('message', (bytes, from) => onMessage(bytes, (answer) => socket.send(answer, from.port, from.address)))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  cleanUps.push(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  return { host: '127.0.0.1', port: socket.address().port }
}

async function connected(to: Address): Promise<Connection> {
  const result = await net.connect(to, 2000)
  if (result.kind === 'failure') throw new Error(result.detail)
  cleanUps.push(() => result.connection.close())
  return result.connection
}

const framed = (...messages: Uint8Array[]) =>
  Buffer.concat(messages.flatMap((m) => [Buffer.from([m.length >> 8, m.length & 255]), m]))
const nobody: Address = { host: '127.0.0.1', port: 1 }
const bytes = (text: string) => Uint8Array.from(Buffer.from(text))

describe('clock and randomness', () => {
  test('sleeping takes that long on the clock that never goes back', async () => {
    const before = clock.now()
    await clock.sleep(20)
    expect(clock.now() - before).toBeGreaterThanOrEqual(19)
    expect(Math.abs(clock.wall() - Date.now())).toBeLessThan(1000)
  })

  test('a sleep longer than a timer can be does not end at once', async () => {
    let woke = false
    void clock.sleep(2 ** 31).then(() => {
      woke = true
    })
    await clock.sleep(20)
    expect(woke).toBe(false)
  })

  test('numbers below a bound, octets of a length', () => {
    const seen = new Set(Array.from({ length: 200 }, () => random.below(3)))
    expect([...seen].sort()).toEqual([0, 1, 2])
    expect(random.below(2 ** 32)).toBeLessThan(2 ** 32)
    expect(() => random.below(0)).toThrow('bound')
    expect(random.bytes(16)).toHaveLength(16)
    expect(random.bytes(16)).not.toEqual(random.bytes(16))
  })

  test('events are passed on', () => {
    world.trace({ event: 'x', n: 1 })
    expect(events).toEqual([{ event: 'x', n: 1 }])
    expect(world.id).toBe('test-1')
  })
})

describe('datagrams', () => {
  test('one out, one back', async () => {
    const to = await udp((received, reply) => reply(Buffer.concat([received, Buffer.from('!')])))
    expect(await net.ask(to, bytes('hi'), 2000)).toEqual({ kind: 'message', bytes: bytes('hi!') })
  })

  test('nobody there, no reply, not an address, an impossible port, too long', async () => {
    expect(await net.ask(nobody, bytes('hi'), 2000)).toMatchObject({ kind: 'failure', reason: 'refused' })
    const silent = await udp(() => {})
    expect(await net.ask(silent, bytes('hi'), 30)).toMatchObject({ kind: 'failure', reason: 'timeout' })
    expect(await net.ask({ host: 'localhost', port: 53 }, bytes('hi'), 30)).toMatchObject({
      reason: 'other',
      detail: expect.stringContaining('IP address'),
    })
    expect(await net.ask({ host: '127.0.0.1', port: 70_000 }, bytes('hi'), 30)).toMatchObject({ reason: 'other' })
    expect(await net.ask(silent, new Uint8Array(65_535), 2000)).toMatchObject({ reason: 'too-large' })
  })
})

test('what came in time counts, although this program stood still when its time was up', async () => {
  const echo = new Worker(
    `const { createSocket } = require('node:dgram')
    const socket = createSocket('udp4')
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address))
    socket.bind(0, '127.0.0.1', () => require('node:worker_threads').parentPort.postMessage(socket.address().port))`,
    { eval: true },
  )
  cleanUps.push(async () => {
    await echo.terminate()
  })
  const port = await new Promise<number>((resolve) => echo.once('message', resolve))
  const asked = net.ask({ host: '127.0.0.1', port }, bytes('x'), 100)
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
  expect(await asked).toMatchObject({ kind: 'message', bytes: bytes('x') })
})

describe('connections', () => {
  test('messages both ways, in pieces and several at once', async () => {
    const to = await tcp((socket) => {
      socket.once('data', (received: Buffer) => {
        expect(received).toEqual(framed(bytes('one')))
        const all = framed(bytes('a'), new Uint8Array(0), new Uint8Array(65_535).fill(7), bytes('z'))
        socket.write(all.subarray(0, 1))
        setImmediate(() => {
          socket.write(all.subarray(1, 9))
          setImmediate(() => socket.write(all.subarray(9)))
        })
      })
    })
    const connection = await connected(to)
    expect(await connection.send(bytes('one'))).toEqual({ kind: 'sent' })
    expect(await connection.receive(2000)).toEqual({ kind: 'message', bytes: bytes('a') })
    expect(await connection.receive(2000)).toEqual({ kind: 'message', bytes: new Uint8Array(0) })
    expect(await connection.receive(2000)).toEqual({ kind: 'message', bytes: new Uint8Array(65_535).fill(7) })
    expect(await connection.receive(2000)).toEqual({ kind: 'message', bytes: bytes('z') })
    expect(await connection.receive(10)).toMatchObject({ kind: 'failure', reason: 'timeout' })
  })

  test('ten thousand messages that nobody waits for all arrive, in order', async () => {
    const numbers = Array.from({ length: 10_000 }, (_, n) => Uint8Array.of(n >> 8, n & 255))
    const to = await tcp((socket) => socket.end(framed(...numbers)))
    const connection = await connected(to)
    for (const number of numbers) expect(await connection.receive(2000)).toEqual({ kind: 'message', bytes: number })
    expect(await connection.receive(2000)).toMatchObject({ kind: 'failure', reason: 'closed' })
  })

  test('who does not read is stopped, not stored without end', async () => {
    let drains = 0
    const to = await tcp((socket) => {
      const message = framed(new Uint8Array(60_000))
      const pour = () => {
        while (socket.write(message));
      }
      socket.on('drain', () => {
        drains++
        pour()
      })
      socket.on('error', () => {})
      pour()
    })
    const connection = await connected(to)
    // It pours until 1,024 messages are kept here and the buffers between are full; then no drain comes any more.
    let still = 0
    for (let seen = -1, until = clock.now() + 5000; still < 10 && clock.now() < until; seen = drains) {
      await clock.sleep(20)
      still = drains === seen ? still + 1 : 0
    }
    expect(still).toBe(10)
    for (let n = 0; n < 1200; n++) expect(await connection.receive(2000)).toMatchObject({ kind: 'message' })
  })

  test('closed by the other side: what came before is still received, and sending says that nothing went out', async () => {
    const to = await tcp((socket) => socket.end(framed(bytes('bye'))))
    const connection = await connected(to)
    expect(await connection.receive(2000)).toMatchObject({ kind: 'message' })
    expect(await connection.receive(2000)).toMatchObject({ kind: 'failure', reason: 'closed' })
    expect(await connection.send(bytes('x'))).toMatchObject({ kind: 'failure', reason: 'closed' })
  })

  test('reset by the other side while waiting', async () => {
    const to = await tcp((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const connection = await connected(to)
    await connection.send(bytes('x'))
    expect(await connection.receive(2000)).toMatchObject({ kind: 'failure', reason: 'reset' })
    expect(await connection.send(bytes('x'))).toMatchObject({ kind: 'failure', reason: 'closed' })
  })

  test('closed on this side while waiting', async () => {
    const connection = await connected(await tcp(() => {}))
    const waiting = connection.receive(2000)
    connection.close()
    expect(await waiting).toMatchObject({ kind: 'failure', reason: 'closed' })
    expect(await connection.send(bytes('x'))).toMatchObject({ kind: 'failure', reason: 'closed' })
  })

  test('nobody there, not an address', async () => {
    expect(await net.connect(nobody, 2000)).toMatchObject({ kind: 'failure', reason: 'refused' })
    expect(await net.connect({ host: 'localhost', port: 1 }, 2000)).toMatchObject({ kind: 'failure', reason: 'other' })
  })
})

describe('HTTP', () => {
  const get = (to: Address, path = '/', timeoutMs = 2000) =>
    net.request({ method: 'GET', to, path, headers: {} }, timeoutMs)

  test('method, path, headers and body go out; status and body come back', async () => {
    const to = await http((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        response.statusCode = 201
        response.end(`${request.method} ${request.url} ${request.headers['x-a']} ${request.headers.connection} ${body}`)
      })
    })
    const reply = await net.request(
      { method: 'POST', to, path: '/p?q', headers: { 'x-a': 'b' }, body: bytes('body') },
      2000,
    )
    expect(reply).toEqual({ kind: 'http', status: 201, body: bytes('POST /p?q b close body') })
  })

  test('at most 64 KiB are kept of a body without end', async () => {
    const to = await http((_request, response) => {
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(50_000, 65)));
      }
      response.on('drain', pour)
      pour()
    })
    const reply = await get(to)
    expect(reply).toMatchObject({ kind: 'http', status: 200 })
    expect(reply.kind === 'http' && reply.body.length).toBe(65_536)
  })

  test('silent, slow, cut off, no HTTP, nobody there, an impossible path', async () => {
    expect(await get(await http(() => {}), '/', 30)).toMatchObject({ reason: 'timeout' })
    expect(await get(await http((_request, response) => void response.write('x')), '/', 30)).toMatchObject({
      reason: 'timeout',
    })
    const cut = await http((_request, response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('x', () => response.destroy())
    })
    expect(await get(cut)).toMatchObject({ kind: 'failure', reason: 'reset' })
    expect(await get(await tcp((socket) => socket.end('SSH-2.0\r\n')))).toMatchObject({
      kind: 'failure',
      reason: 'other',
    })
    expect(await get(nobody)).toMatchObject({ kind: 'failure', reason: 'refused' })
    expect(await get(nobody, '/a b')).toMatchObject({ kind: 'failure', reason: 'other' })
  })
})
