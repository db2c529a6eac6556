import { beforeEach, describe, expect, test } from 'vitest'
import type { Address, Connection, EpochMs, Failure, Instant } from '../world/world.ts'
import { type Asking, askUdp, type DnsOptions, openDns, type Reply } from './client.ts'
import { decodeMessage, encodeMessage, isMalformed, type Message, messageOf, type Question } from './message.ts'
import { nameFromText, type WireName } from './name.ts'
import { aData } from './rdata.ts'
import { signError, signMessage, TsigKey, verifyMessage } from './tsig.ts'
import { Class, Opcode, Rcode, Type } from './types.ts'
import { addRecord, updateMessage } from './update.ts'

const name = (text: string) => nameFromText(text) as WireName
const to: Address = { host: '192.0.2.53', port: 53 }
const key = new TsigKey({ name: name('k.'), algorithm: 'hmac-sha256', secret: Buffer.from('secret') })
const wrongKey = new TsigKey({ name: name('k.'), algorithm: 'hmac-sha256', secret: Buffer.from('another') })
const wallSeconds = 1_700_000_000
const query = (text: string): Message => messageOf({ questions: [{ name: name(text), type: Type.A, class: Class.IN }] })
const update = updateMessage(0, name('z.'), [], [addRecord(name('a.z.'), Type.A, 60, aData('192.0.2.1'))])

/** A network whose other end is the test: what arrives there, and what it says. Time passes only when the test says so. */
class FakeWorld implements Asking {
  time = 0
  connections: FakeConnection[] = []
  /** What the next connections do instead of being made. */
  refusals: Failure[] = []
  datagrams: Uint8Array[] = []
  answerDatagram: (bytes: Uint8Array) => Failure | { kind: 'message'; bytes: Uint8Array } = () => timeout
  #seed = 1
  readonly clock = {
    now: () => this.time as Instant,
    wall: () => (wallSeconds * 1000) as EpochMs,
    sleep: () => Promise.reject(new Error('nobody sleeps here')),
  }
  readonly random = {
    below: (bound: number) => {
      this.#seed = (this.#seed * 48_271) % 0x7fffffff
      return this.#seed % bound
    },
    bytes: (length: number) => new Uint8Array(length),
  }
  readonly net = {
    ask: async (_to: Address, bytes: Uint8Array) => {
      this.datagrams.push(bytes)
      return this.answerDatagram(bytes)
    },
    connect: async () => {
      const refusal = this.refusals.shift()
      if (refusal !== undefined) return refusal
      const connection = new FakeConnection(this)
      this.connections.push(connection)
      return { kind: 'connected' as const, connection }
    },
    request: () => Promise.reject(new Error('nobody asks over HTTP here')),
  }

  /** Lets everything run that can run without time passing. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve()
  }

  async pass(ms: number): Promise<void> {
    await this.settle()
    this.time += ms
    for (const connection of this.connections) connection.tick()
    await this.settle()
  }
}

const timeout: Failure = { kind: 'failure', reason: 'timeout', detail: 'late' }
const closed: Failure = { kind: 'failure', reason: 'closed', detail: 'gone' }

class FakeConnection implements Connection {
  readonly sent: Uint8Array[] = []
  closedHere = false
  broken: Failure | undefined
  /** What sending waits for. */
  hold: Promise<void> | undefined
  readonly #world: FakeWorld
  #kept: Uint8Array[] = []
  #waiting: { until: number; resolve(result: Failure | { kind: 'message'; bytes: Uint8Array }): void } | undefined

  constructor(world: FakeWorld) {
    this.#world = world
  }

  async send(bytes: Uint8Array): Promise<Failure | { kind: 'sent' }> {
    await this.hold
    if (this.broken !== undefined) return this.broken
    this.sent.push(bytes)
    return { kind: 'sent' }
  }

  receive(timeoutMs: number): Promise<Failure | { kind: 'message'; bytes: Uint8Array }> {
    const kept = this.#kept.shift()
    if (kept !== undefined) return Promise.resolve({ kind: 'message', bytes: kept })
    if (this.broken !== undefined) return Promise.resolve(this.broken)
    return new Promise((resolve) => {
      this.#waiting = { until: this.#world.time + timeoutMs, resolve }
      this.tick()
    })
  }

  close(): void {
    this.closedHere = true
    this.break(closed)
  }

  deliver(bytes: Uint8Array): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting === undefined) this.#kept.push(bytes)
    else waiting.resolve({ kind: 'message', bytes })
  }

  break(reason: Failure): void {
    this.broken = reason
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve(reason)
  }

  tick(): void {
    if (this.#waiting === undefined || this.#world.time < this.#waiting.until) return
    const { resolve } = this.#waiting
    this.#waiting = undefined
    resolve(timeout)
  }
}

function decoded(bytes: Uint8Array | undefined): Message {
  const message = decodeMessage(bytes ?? new Uint8Array())
  if (isMalformed(message)) throw new Error(message.reason)
  return message
}

/** A reply to what was sent, with fields changed; unsigned. */
function replyTo(bytes: Uint8Array | undefined, fields: Partial<Message> = {}): Uint8Array {
  const { id, opcode, questions } = decoded(bytes)
  return encodeMessage(messageOf({ id, opcode, qr: true, questions, ...fields }))
}

let world: FakeWorld
beforeEach(() => {
  world = new FakeWorld()
})
const dns = (options: Partial<DnsOptions> = {}) => openDns(world, to, { timeoutMs: 1000, ...options })
const only = (): FakeConnection => {
  expect(world.connections).toHaveLength(1)
  return world.connections[0] as FakeConnection
}
const rcodeOf = (outcome: Reply | Failure) => (outcome.kind === 'reply' ? outcome.message.rcode : outcome)

describe('over one connection', () => {
  test('many at once, answered in any order', async () => {
    const connection = dns()
    const asked = ['a.', 'b.', 'c.'].map((text) => connection.exchange(query(text)))
    await world.settle()
    const { sent } = only()
    expect(new Set(sent.map((bytes) => decoded(bytes).id)).size).toBe(3)
    for (const [index, rcode] of [
      [2, 3],
      [0, 0],
      [1, 2],
    ] as const)
      only().deliver(replyTo(sent[index], { rcode }))
    expect((await Promise.all(asked)).map(rcodeOf)).toEqual([0, 2, 3])
  })

  test('ids under way are not given twice', async () => {
    world.random.below = () => 7
    const connection = dns()
    void connection.exchange(query('a.'))
    void connection.exchange(query('b.'))
    await world.settle()
    expect(only().sent.map((bytes) => decoded(bytes).id)).toEqual([7, 8])
  })

  test('what answers nothing is passed over', async () => {
    const outcome = dns().exchange(query('a.'))
    await world.settle()
    const [sent] = only().sent
    const other: Question[] = [{ name: name('b.'), type: Type.A, class: Class.IN }]
    const { id } = decoded(sent)
    for (const stray of [
      replyTo(sent, { questions: other }),
      replyTo(sent, { id: id ^ 1 }),
      replyTo(sent, { qr: false }),
      replyTo(sent, { opcode: 4 }),
      replyTo(sent, { questions: [] }),
      new Uint8Array(3),
    ])
      only().deliver(stray)
    only().deliver(replyTo(sent, { questions: [{ name: name('A.'), type: Type.A, class: Class.IN }], rcode: 3 }))
    expect(rcodeOf(await outcome)).toBe(3)
  })

  test('an error and an UPDATE may come without the question', async () => {
    const connection = dns()
    const asked = [connection.exchange(query('a.')), connection.exchange(update)]
    await world.settle()
    only().deliver(replyTo(only().sent[0], { questions: [], rcode: Rcode.REFUSED }))
    only().deliver(replyTo(only().sent[1], { questions: [] }))
    expect((await Promise.all(asked)).map(rcodeOf)).toEqual([Rcode.REFUSED, 0])
  })

  test('a malformed reply is a failure that says what is wrong with it', async () => {
    const outcome = dns().exchange(query('a.'))
    await world.settle()
    only().deliver(replyTo(only().sent[0]).subarray(0, 14))
    expect(await outcome).toMatchObject({
      kind: 'failure',
      reason: 'other',
      detail: expect.stringContaining('malformed'),
    })
  })

  test('too long a message is not sent', async () => {
    const records = Array.from({ length: 3000 }, () => addRecord(name('long-enough.z.'), 65_280, 0, new Uint8Array(20)))
    const outcome = await dns().exchange(updateMessage(0, name('z.'), [], records))
    expect(outcome).toMatchObject({ kind: 'failure', reason: 'too-large' })
    expect(only().sent).toHaveLength(0)
  })
})

describe('time', () => {
  test('no reply in time: the outcome is unknown, and the next message goes over a new connection', async () => {
    const connection = dns()
    const first = connection.exchange(update)
    await world.pass(999)
    await world.pass(1)
    expect(await first).toMatchObject({
      kind: 'failure',
      reason: 'timeout',
      detail: expect.stringContaining('unknown'),
    })
    expect(only().sent).toHaveLength(1)
    expect(only().closedHere).toBe(true)

    const second = connection.exchange(query('a.'))
    await world.settle()
    expect(world.connections).toHaveLength(2)
    world.connections[1]?.deliver(replyTo(world.connections[1].sent[0]))
    expect(rcodeOf(await second)).toBe(0)
  })

  test('one that is late does not take the others with it', async () => {
    const connection = dns()
    const first = connection.exchange(query('a.'))
    await world.pass(600)
    const second = connection.exchange(query('b.'))
    await world.pass(400)
    expect(await first).toMatchObject({ reason: 'timeout' })
    expect(only().closedHere).toBe(false)
    only().deliver(replyTo(only().sent[1], { rcode: 3 }))
    expect(rcodeOf(await second)).toBe(3)
    expect(only().closedHere).toBe(true)
  })
})

describe('connections that close', () => {
  test('while idle: the message goes out once more, on a new one', async () => {
    const connection = dns()
    const first = connection.exchange(query('a.'))
    await world.settle()
    only().deliver(replyTo(only().sent[0]))
    await first
    only().break(closed)

    const second = connection.exchange(update)
    await world.settle()
    expect(world.connections.map(({ sent }) => sent.length)).toEqual([1, 1])
    world.connections[1]?.deliver(replyTo(world.connections[1].sent[0]))
    expect(rcodeOf(await second)).toBe(0)
  })

  test('while idle, and the new one too: given up, not sent', async () => {
    const connection = dns()
    const first = connection.exchange(query('a.'))
    await world.settle()
    only().deliver(replyTo(only().sent[0]))
    await first
    only().break(closed)
    world.refusals.push({ kind: 'failure', reason: 'refused', detail: 'no' })
    expect(await connection.exchange(update)).toMatchObject({ reason: 'refused' })
  })

  test('at once, before anything could be sent: given up', async () => {
    const connection = dns()
    const outcome = connection.exchange(update)
    only().broken = closed
    expect(await outcome).toMatchObject({ reason: 'closed', detail: expect.stringContaining('not sent') })
    expect(world.connections).toHaveLength(1)
  })

  test('while one message is out and another still waits to be sent: the first is lost, the second goes out', async () => {
    const connection = dns()
    const first = connection.exchange(update)
    await world.settle()
    const { promise, resolve } = Promise.withResolvers<void>()
    only().hold = promise
    const second = connection.exchange(query('a.'))
    await world.settle()
    only().break(closed)
    expect(await first).toMatchObject({ reason: 'closed', detail: expect.stringContaining('unknown') })
    resolve()
    await world.settle()
    expect(world.connections.map(({ sent }) => sent.length)).toEqual([1, 1])
    world.connections[1]?.deliver(replyTo(world.connections[1].sent[0]))
    expect(rcodeOf(await second)).toBe(0)
  })

  test('after sending: never sent again, the outcome is unknown', async () => {
    const connection = dns()
    const outcomes = [connection.exchange(update), connection.exchange(update)]
    await world.settle()
    only().break(closed)
    for (const outcome of await Promise.all(outcomes))
      expect(outcome).toMatchObject({ reason: 'closed', detail: expect.stringContaining('unknown') })
    await world.settle()
    expect(only().sent).toHaveLength(2)
  })

  test('broken while sending: never sent again', async () => {
    const connection = dns()
    const first = connection.exchange(query('a.'))
    await world.settle()
    only().deliver(replyTo(only().sent[0]))
    await first
    only().broken = { kind: 'failure', reason: 'reset', detail: 'half' }
    expect(await connection.exchange(update)).toMatchObject({ reason: 'reset' })
    expect(world.connections).toHaveLength(1)
  })

  test('on this side: everything fails, and nothing is sent any more', async () => {
    const connection = dns()
    const first = connection.exchange(update)
    await world.settle()
    connection.close()
    expect(await first).toMatchObject({ reason: 'closed' })
    expect(await connection.exchange(update)).toMatchObject({ reason: 'closed' })
    expect(only().sent).toHaveLength(1)
  })

  test('refused: a failure each time, until it is not', async () => {
    const refused: Failure = { kind: 'failure', reason: 'refused', detail: 'no' }
    world.refusals.push(refused, refused)
    const connection = dns()
    expect(await connection.exchange(update)).toEqual(refused)
    expect(await connection.exchange(update)).toEqual(refused)
    void connection.exchange(update)
    await world.settle()
    expect(only().sent).toHaveLength(1)
  })
})

test('at most so many under way, at most so many waiting, first come first served', async () => {
  const connection = dns({ maxInFlight: 2, maxWaiting: 2 })
  const asked = ['a.', 'b.', 'c.', 'd.'].map((text) => connection.exchange(query(text)))
  expect(await connection.exchange(query('e.'))).toMatchObject({
    reason: 'other',
    detail: expect.stringContaining('not sent'),
  })
  await world.settle()
  const { sent } = only()
  expect(sent).toHaveLength(2)
  for (let n = 0; n < 4; n++) {
    only().deliver(replyTo(sent[n]))
    await world.settle()
    expect(sent).toHaveLength(Math.min(4, 3 + n))
  }
  expect(sent.map((bytes) => decoded(bytes).questions[0]?.name)).toEqual(['a.', 'b.', 'c.', 'd.'].map(name))
  expect((await Promise.all(asked)).map(rcodeOf)).toEqual([0, 0, 0, 0])
})

describe('with a key', () => {
  async function exchanged(answer: (sent: Uint8Array) => Uint8Array) {
    const outcome = dns({ key }).exchange(update)
    await world.settle()
    only().deliver(answer(only().sent[0] as Uint8Array))
    return await outcome
  }
  const verify = (bytes: Uint8Array, nowSeconds = wallSeconds, by = key) =>
    verifyMessage(bytes, () => by, { nowSeconds })

  test('requests are signed, and replies verified', async () => {
    const outcome = await exchanged((sent) => {
      const verdict = verify(sent)
      if (verdict.kind !== 'valid') throw new Error(verdict.kind)
      return signMessage(replyTo(sent, { rcode: Rcode.YXRRSET }), key, {
        timeSeconds: wallSeconds,
        requestMac: verdict.mac,
      }).bytes
    })
    expect(rcodeOf(outcome)).toBe(Rcode.YXRRSET)
  })

  test.each<[string, (sent: Uint8Array) => Uint8Array, RegExp]>([
    ['unsigned', (sent) => replyTo(sent), /signed with key k\., found NOERROR without/],
    [
      'signed, but for no request',
      (sent) => signMessage(replyTo(sent), key, { timeSeconds: wallSeconds }).bytes,
      /does not verify/,
    ],
    [
      'signed by somebody else',
      (sent) =>
        signMessage(replyTo(sent), wrongKey, {
          timeSeconds: wallSeconds,
          requestMac: decoded(sent).tsig?.mac as Uint8Array,
        }).bytes,
      /does not verify/,
    ],
    [
      'signed long ago',
      (sent) =>
        signMessage(replyTo(sent), key, {
          timeSeconds: wallSeconds - 1000,
          requestMac: decoded(sent).tsig?.mac as Uint8Array,
        }).bytes,
      /does not verify: signed at/,
    ],
    [
      'BADKEY',
      (sent) =>
        refusal(
          sent,
          verifyMessage(sent, () => undefined, { nowSeconds: wallSeconds }),
        ),
      /does not know key k\./,
    ],
    ['BADSIG', (sent) => refusal(sent, verify(sent, wallSeconds, wrongKey)), /another secret for key k\./],
    [
      'BADTIME',
      (sent) => refusal(sent, verify(sent, wallSeconds + 5000)),
      /clocks differ too much: the server's says 1700005000/,
    ],
  ])('%s', async (_what, answer, detail) => {
    expect(await exchanged(answer)).toMatchObject({
      kind: 'failure',
      reason: 'other',
      detail: expect.stringMatching(detail),
    })
  })

  function refusal(sent: Uint8Array, verdict: ReturnType<typeof verifyMessage>): Uint8Array {
    if (verdict.kind !== 'invalid') throw new Error(verdict.kind)
    return signError(replyTo(sent, { rcode: Rcode.NOTAUTH }), verdict, wallSeconds + 5000)
  }
})

describe('over UDP', () => {
  const ask = (message: Message) => askUdp(world, to, message, { timeoutMs: 1000 })

  test('one datagram out, one back', async () => {
    world.answerDatagram = (bytes) => ({ kind: 'message', bytes: replyTo(bytes, { rcode: 3 }) })
    expect(rcodeOf(await ask(query('a.')))).toBe(3)
    expect(world.datagrams).toHaveLength(1)
    expect(world.connections).toHaveLength(0)
  })

  test('no reply, and a reply to something else', async () => {
    expect(await ask(query('a.'))).toEqual(timeout)
    world.answerDatagram = (bytes) => ({ kind: 'message', bytes: replyTo(bytes, { id: 0 }) })
    expect(await ask(query('a.'))).toMatchObject({ kind: 'failure', reason: 'other' })
  })

  test('a truncated reply is asked for again over TCP', async () => {
    world.answerDatagram = (bytes) => ({ kind: 'message', bytes: replyTo(bytes, { tc: true }) })
    const outcome = ask(query('a.'))
    await world.settle()
    only().deliver(replyTo(only().sent[0], { rcode: 3 }))
    expect(rcodeOf(await outcome)).toBe(3)
    expect(only().closedHere).toBe(true)
  })

  test('an UPDATE is not sent a second time, truncated reply or not', async () => {
    world.answerDatagram = (bytes) => ({ kind: 'message', bytes: replyTo(bytes, { tc: true }) })
    expect(rcodeOf(await ask({ ...update, opcode: Opcode.UPDATE }))).toBe(0)
    expect(world.connections).toHaveLength(0)
  })
})
