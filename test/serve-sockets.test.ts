/** The built-in server's own manners on real sockets: framing, limits, clocks, ports, one server for one directory. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isProblem, type Problem } from '../src/base/problem.ts'
import { decodeMessage, ednsOf, encodeMessage, isMalformed, type Message, messageOf } from '../src/dns/message.ts'
import { aData, txtData } from '../src/dns/rdata.ts'
import { serverTime, signMessage, type TsigKey } from '../src/dns/tsig.ts'
import { Class, Opcode, Rcode, Type } from '../src/dns/types.ts'
import { addRecord, deleteRrset, updateMessage } from '../src/dns/update.ts'
import type { ServeEvent } from '../src/serve/events.ts'
import { type RunningServer, startServer } from '../src/serve/server.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { wire } from './support/serve.ts'
import { type TestSettings, testKey, testSettings } from './support/serve-settings.ts'

let folder: string
let dir: string
const running: RunningServer[] = []
const sockets: Socket[] = []
let events: ServeEvent[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-serve-'))
  dir = join(folder, 'server')
  events = []
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of running.splice(0)) await server.close()
  await rm(folder, { recursive: true, force: true })
})

const tryStart = async (settings: Omit<TestSettings, 'dir'> = {}): Promise<RunningServer | Problem> => {
  const started = await startServer(testSettings({ dir, ...settings }), (event) => events.push(event))
  if (!isProblem(started)) running.push(started)
  return started
}
async function start(settings: Omit<TestSettings, 'dir'> = {}): Promise<RunningServer> {
  const started = await tryStart(settings)
  if (isProblem(started)) throw new Error(JSON.stringify(started))
  return started
}
const portOf = (server: RunningServer) => server.addresses[0]?.port as number

const question = (name: string, id = 1, type: number = Type.A) =>
  encodeMessage(messageOf({ id, questions: [{ name: wire(name), type, class: Class.IN }] }))
const framed = (message: Uint8Array) =>
  Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message])
const nowSeconds = () => Math.floor(Date.now() / 1000)
const signed = (message: Message, { key = testKey, time = nowSeconds() }: { key?: TsigKey; time?: number } = {}) =>
  signMessage(encodeMessage(message), key, { timeSeconds: time }).bytes
const adding = (host: string, id = 1) =>
  updateMessage(
    id,
    wire('example.test.'),
    [],
    [addRecord(wire(`${host}.example.test.`), Type.A, 60, aData('192.0.2.1'))],
  )

/** A connection, and its messages one after another; `null` when it was closed. */
async function dial(server: RunningServer) {
  const socket = connect({ port: portOf(server), host: '127.0.0.1' })
  sockets.push(socket)
  const messages: Message[] = []
  let kept = Buffer.alloc(0)
  let wake = () => {}
  let closed = false
  socket.on('data', (piece) => {
    kept = Buffer.concat([kept, piece as Buffer])
    while (kept.length >= 2 && kept.length >= 2 + kept.readUInt16BE(0)) {
      const message = decodeMessage(kept.subarray(2, 2 + kept.readUInt16BE(0)))
      if (isMalformed(message)) throw new Error(message.reason)
      messages.push(message)
      kept = kept.subarray(2 + kept.readUInt16BE(0))
    }
    wake()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
    wake()
  })
  await once(socket, 'connect')
  return {
    socket,
    async next(): Promise<Message | null> {
      while (messages.length === 0 && !closed)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      return messages.shift() ?? null
    },
  }
}

describe('TCP', () => {
  test('many questions in one piece, and one in many pieces', async () => {
    const { socket, next } = await dial(await start())
    socket.write(Buffer.concat(Array.from({ length: 50 }, (_, id) => framed(question('ns1.example.test.', id)))))
    const ids = new Set<number>()
    for (let i = 0; i < 50; i++) ids.add((await next())?.id ?? -1)
    expect(ids.size).toBe(50)
    for (const octet of framed(question('ns1.example.test.', 77))) {
      socket.write(Buffer.of(octet))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await next()).toMatchObject({ id: 77, rcode: Rcode.NOERROR, answers: [{}] })
  })

  test('a length under that of a header closes the connection', async () => {
    const { socket, next } = await dial(await start())
    socket.write(Buffer.of(0, 11, 1, 2, 3))
    expect(await next()).toBeNull()
  })

  test('an idle connection is closed', async () => {
    const { next } = await dial(await start({ limits: { tcpIdleMs: 50 } }))
    expect(await next()).toBeNull()
  })

  test('one client has so many connections and no more, all clients together make room for the newest', async () => {
    const server = await start({ limits: { tcpConnectionsPerClient: 2 } })
    await dial(server)
    const second = await dial(server)
    expect(await (await dial(server)).next()).toBeNull()
    second.socket.write(framed(question('ns1.example.test.')))
    expect(await second.next()).toMatchObject({ rcode: Rcode.NOERROR })
    expect(server.stats()).toMatchObject({ tcpConnections: 2, tcpRefused: 1 })
    await server.close()
    running.pop()

    const full = await start({ limits: { tcpConnections: 2 } })
    const [first, other] = [await dial(full), await dial(full)]
    first.socket.write(framed(question('ns1.example.test.')))
    expect(await first.next()).not.toBeNull()
    const newest = await dial(full)
    expect(await other.next()).toBeNull()
    newest.socket.write(framed(question('ns1.example.test.')))
    expect(await newest.next()).not.toBeNull()
  })

  test('a client that sends and never reads does not fill the memory', async () => {
    const server = await start({
      records: Array.from({ length: 200 }, (_, n) => `big 60 IN TXT "${'x'.repeat(200)}${n}"`).join('\n'),
    })
    const { socket } = await dial(server)
    socket.pause()
    // 64 MB of answers are asked for; what the system's buffers take is answered, and no more is read.
    const batch = Buffer.concat(
      Array.from({ length: 1600 }, (_, id) => framed(question('big.example.test.', id, Type.TXT))),
    )
    socket.write(batch)
    const other = await dial(server)
    for (let i = 0; i < 50; i++) {
      other.socket.write(framed(question('ns1.example.test.', i)))
      expect(await other.next()).toMatchObject({ id: i })
    }
    expect(server.stats().queries.tcp).toBeLessThan(1000)
  })
})

describe('signatures', () => {
  test('a clock that is off is told the time, signed', async () => {
    const { socket, next } = await dial(await start())
    socket.write(framed(signed(adding('late'), { time: nowSeconds() - 3600 })))
    const reply = await next()
    expect(reply).toMatchObject({ rcode: Rcode.NOTAUTH, tsig: { error: Rcode.BADTIME } })
    expect(reply?.tsig?.mac.length).toBe(32)
    expect(Math.abs((serverTime(reply?.tsig as NonNullable<Message['tsig']>) ?? 0) - nowSeconds())).toBeLessThan(5)
    socket.write(framed(question('late.example.test.', 2)))
    expect(await next()).toMatchObject({ rcode: Rcode.NXDOMAIN })
  })

  test('updates of one connection are all made, and a NOTIFY is not ours to serve', async () => {
    const server = await start()
    const { socket, next } = await dial(server)
    for (let id = 0; id < 300; id++) socket.write(framed(signed(adding(`h${id}`, id))))
    for (let i = 0; i < 300; i++) expect(await next()).toMatchObject({ rcode: Rcode.NOERROR, opcode: Opcode.UPDATE })
    for (const id of [0, 150, 299]) {
      socket.write(framed(question(`h${id}.example.test.`)))
      expect(await next()).toMatchObject({ answers: [{}] })
    }
    expect(events.filter(({ event }) => event === 'serve.updated')).toHaveLength(300)
    socket.write(
      framed(
        encodeMessage(
          messageOf({
            opcode: Opcode.NOTIFY,
            questions: [{ name: wire('example.test.'), type: Type.SOA, class: Class.IN }],
          }),
        ),
      ),
    )
    expect(await next()).toMatchObject({ rcode: Rcode.NOTAUTH, opcode: Opcode.NOTIFY })
  })
})

test('who asks with EDNS is told why an update was refused', async () => {
  const marker = (generation: number) => txtData(['v=holdfast1', `g=${generation}`, 'd=0123456789abcdef', 'o=t'])
  const name = wire('_holdfast.ns1.example.test.')
  const { socket, next } = await dial(await start())
  const send = async (generation: number) => {
    const updates = [deleteRrset(name, Type.TXT), addRecord(name, Type.TXT, 5, marker(generation))]
    socket.write(framed(signed({ ...updateMessage(1, wire('example.test.'), [], updates), edns: ednsOf() })))
    return (await next()) as Message
  }
  expect(await send(5)).toMatchObject({ rcode: Rcode.NOERROR, edns: { options: [] } })
  const { rcode, edns } = await send(4)
  expect(rcode).toBe(Rcode.REFUSED)
  const [option] = edns?.options ?? []
  expect(option?.code).toBe(15)
  expect(
    Buffer.from(option?.data ?? [])
      .subarray(2)
      .toString(),
  ).toBe('generation-forward: ns1.example.test.: expected generation 5 or later, found generation 4')
})

test('stopping ends what was begun: acknowledged is on disk, and nothing is said twice', async () => {
  const server = await start()
  const { socket, next } = await dial(server)
  for (let id = 0; id < 100; id++) socket.write(framed(signed(adding(`s${id}`, id))))
  const first = await next()
  expect(first).toMatchObject({ rcode: Rcode.NOERROR })
  await server.close()
  running.pop()
  const acknowledged = [first?.id]
  for (let reply = await next(); reply !== null; reply = await next())
    if (reply.rcode === Rcode.NOERROR) acknowledged.push(reply.id)
  const again = await dial(await start())
  for (const id of acknowledged) {
    again.socket.write(framed(question(`s${id}.example.test.`)))
    expect(await again.next()).toMatchObject({ answers: [{}] })
  }
  expect(events.map(({ event }) => event)).not.toContain('serve.failed')
})

describe('starting', () => {
  test('a port in use is a problem that names it', async () => {
    const blocker = createServer()
    blocker.listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    const { port } = blocker.address() as { port: number }
    const found = await tryStart({ port })
    blocker.close()
    expect(found).toMatchObject({ kind: 'problem', found: 'a port in use by another program' })
    expect((found as Problem).at).toContain(`127.0.0.1:${port}`)
    // Nothing is left behind that would stop the next attempt.
    expect(isProblem(await tryStart())).toBe(false)
  })

  test('a second server on one directory is a problem, in this process and in another', async () => {
    await start()
    expect(await tryStart()).toMatchObject({ kind: 'problem', found: 'one that is running' })
    const child = spawn(process.execPath, [
      join(import.meta.dirname, 'support/serve-program.ts'),
      JSON.stringify({ dir }),
    ])
    let said = ''
    child.stdout.on('data', (text: Buffer) => {
      said += text.toString()
    })
    expect((await once(child, 'close'))[0]).toBe(1)
    expect(JSON.parse(said)).toMatchObject({ kind: 'problem', found: 'one that is running' })
  })

  test('a directory taken over by another server takes no more updates here, and is still answered from', async () => {
    const server = await start()
    // What a server that the lock cannot see would do, such as one in another container.
    const store = await openLmdbStore({ path: dir })
    if (isProblem(store)) throw new Error(store.found)
    await store.commit([], [{ kind: 'put', key: 'session', value: Buffer.from('another') }])
    await store.close()
    const { socket, next } = await dial(server)
    socket.write(framed(signed(adding('fenced'))))
    expect(await next()).toMatchObject({ rcode: Rcode.SERVFAIL })
    socket.write(framed(question('fenced.example.test.')))
    expect(await next()).toMatchObject({ rcode: Rcode.NXDOMAIN })
    expect(events.map(({ event }) => event)).toContain('serve.fenced')
  })

  test('what is not a copy of ours, or damaged, or newer, is a problem and never an empty zone', async () => {
    await (await start({ records: 'www 60 IN A 192.0.2.1' })).close()
    running.pop()
    const data = join(dir, 'data.mdb')
    const good = await readFile(data)

    await writeFile(data, 'garbage'.repeat(5000))
    expect(await tryStart()).toMatchObject({ kind: 'problem', found: expect.stringContaining('not') })
    await writeFile(data, good)
    await truncate(data, 8192)
    expect(isProblem(await tryStart())).toBe(true)
    await writeFile(data, good)

    const meddle = async (
      change: (store: Exclude<Awaited<ReturnType<typeof openLmdbStore>>, Problem>) => Promise<unknown>,
    ) => {
      const store = await openLmdbStore({ path: dir })
      if (isProblem(store)) throw new Error(store.found)
      await change(store)
      await store.close()
    }
    const name = 'name/example.test./www.example.test.'
    await meddle((store) => store.commit([], [{ kind: 'delete', key: name }]))
    expect(await tryStart()).toMatchObject({ found: '2 of 3 names, or others' })
    await writeFile(data, good)
    await meddle(async (store) => {
      const value = Uint8Array.from((await store.get(name))?.value ?? [])
      value[value.length - 1] = 99
      await store.commit([], [{ kind: 'put', key: name, value }])
    })
    expect(await tryStart()).toMatchObject({ found: 'a name whose checksum is wrong' })
    await writeFile(data, good)
    await meddle(async (store) => {
      const other = (await store.get('name/example.test./ns1.example.test.'))?.value ?? new Uint8Array()
      await store.commit([], [{ kind: 'put', key: name, value: other }])
    })
    expect(await tryStart()).toMatchObject({ found: '3 of 3 names, or others' })
    await writeFile(data, good)
    await meddle((store) =>
      store.commit(
        [],
        [{ kind: 'put', key: 'format', value: Buffer.from('{"format":"holdfast-server","version":2}') }],
      ),
    )
    expect(await tryStart()).toMatchObject({ todo: 'use the newer Holdfast that wrote it, or another directory' })
    await writeFile(data, good)
    expect(isProblem(await tryStart())).toBe(false)
  })

  test('wrong records are a problem for a new zone, and left out for one that is on disk', async () => {
    expect(await tryStart({ records: 'www 60 IN A 192.0.2.300' })).toMatchObject({
      kind: 'problem',
      at: expect.stringContaining(':2'),
    })
    const server = await start({ records: 'www 60 IN A 192.0.2.1' })
    await server.close()
    running.pop()
    const again = await dial(await start({ records: 'www 60 IN A 192.0.2.300' }))
    again.socket.write(framed(question('www.example.test.')))
    expect(await again.next()).toMatchObject({ answers: [{}] })
    expect(events.map(({ event }) => event)).toContain('serve.settings_refused')
  })

  test('changed records are brought in, guarded names and what others added stay', async () => {
    const marker = '"v=holdfast1" "g=3" "d=0123456789abcdef" "o=t"'
    const records = `old 60 IN A 192.0.2.1\nttl 60 IN A 192.0.2.1\ndb 5 IN A 192.0.2.1\n_holdfast.db 5 IN TXT ${marker}\n`
    const server = await start({ records })
    const dialed = await dial(server)
    dialed.socket.write(framed(signed(adding('dynamic'))))
    await dialed.next()
    await server.close()
    running.pop()
    const { socket, next } = await dial(
      await start({
        records: 'new 60 IN A 192.0.2.2\nttl 30 IN A 192.0.2.1\ndb 5 IN A 192.0.2.99\n',
        ns: ['ns1.example.test.', 'ns2.elsewhere.example.'],
      }),
    )
    const ask = async (name: string, type: number = Type.A) => {
      socket.write(framed(question(`${name}example.test.`, 1, type)))
      return (await next()) as Message
    }
    expect((await ask('new.')).answers).toHaveLength(1)
    expect((await ask('old.')).rcode).toBe(Rcode.NXDOMAIN)
    expect((await ask('ttl.')).answers).toMatchObject([{ ttl: 30 }])
    expect((await ask('dynamic.')).answers).toHaveLength(1)
    expect((await ask('db.')).answers.map(({ data }) => [...data])).toEqual([[192, 0, 2, 1]])
    expect((await ask('', Type.NS)).answers).toHaveLength(2)
    expect(events.find(({ event }) => event === 'serve.settings_applied')).toMatchObject({ skipped: 3 })
  })
})
