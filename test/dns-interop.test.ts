/** The wire format, TSIG and the client against programs that others wrote: BIND, dig, kdig, nsupdate. */
import { execFile } from 'node:child_process'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { isProblem } from '../src/base/problem.ts'
import { askUdp, type DnsConnection, openDns, type Reply } from '../src/dns/client.ts'
import { decodeMessage, ednsOf, encodeMessage, isMalformed, type Message, messageOf } from '../src/dns/message.ts'
import { nameFromText, type WireName } from '../src/dns/name.ts'
import { aData, rdataFromText, rdataToText, txtData } from '../src/dns/rdata.ts'
import { signError, signMessage, type TsigAlgorithm, TsigKey, type Verdict, verifyMessage } from '../src/dns/tsig.ts'
import { Class, Opcode, Rcode, Type, typeFromText } from '../src/dns/types.ts'
import {
  addRecord,
  deleteName,
  deleteRecord,
  deleteRrset,
  nameInUse,
  nameNotInUse,
  rrsetAbsent,
  rrsetExactly,
  rrsetExists,
  updateMessage,
} from '../src/dns/update.ts'
import { nodeWorld } from '../src/world/node.ts'
import type { Address, EpochMs, Failure } from '../src/world/world.ts'
import { type Bind, startBind } from './support/bind.ts'
import { freePort } from './support/ports.ts'
import { describeWith, findProgram } from './support/programs.ts'

const world = nodeWorld({ id: 'interop', onTrace: () => {} })
const name = (text: string) => nameFromText(text) as WireName
const zone = name('example.test.')
const one = aData('192.0.2.1')
const two = aData('192.0.2.2')

function messageIn(outcome: Reply | Failure): Message {
  if (outcome.kind === 'failure') throw new Error(`${outcome.reason}: ${outcome.detail}`)
  return outcome.message
}

const query = (owner: string, type: number) => messageOf({ questions: [{ name: name(owner), type, class: Class.IN }] })

/** What the server answers, as text in order. */
async function answers(connection: DnsConnection, owner: string, type: number): Promise<string[]> {
  const { answers: records } = messageIn(await connection.exchange(query(owner, type)))
  return records.map((record) => rdataToText(record.type, record.data)).sort()
}

describe.each<TsigAlgorithm>(['hmac-sha256', 'hmac-sha512'])('%s', (algorithm) => {
  describeWith(['named'], 'updates at BIND', () => {
    let bind: Bind
    let connection: DnsConnection
    beforeAll(async () => {
      bind = await startBind({
        algorithm,
        records: `old A 192.0.2.9\n${Array.from({ length: 60 }, (_, n) => `big TXT "${'x'.repeat(40)}${n}"`).join('\n')}`,
      })
      connection = openDns(world, bind.address, { key: bind.key, timeoutMs: 5000 })
    })
    afterAll(async () => {
      connection.close()
      await bind.stop()
    })
    const send = async (
      ...parts: Parameters<typeof updateMessage> extends [number, WireName, ...infer Rest] ? Rest : never
    ) => messageIn(await connection.exchange(updateMessage(0, zone, ...parts))).rcode

    test('a signed query gets a signed answer', async () => {
      expect(await answers(connection, 'old.example.test.', Type.A)).toEqual(['192.0.2.9'])
    })

    test('address and marker change together, if they are what was read', async () => {
      const host = name('a.example.test.')
      const marker = name('_holdfast.a.example.test.')
      const first = txtData(['v=holdfast1', 'g=1'])
      const second = txtData(['v=holdfast1', 'g=2'])
      const absent = [rrsetAbsent(marker, Type.TXT), nameNotInUse(host)]
      const create = [
        addRecord(host, Type.A, 60, one),
        addRecord(host, Type.A, 60, two),
        addRecord(marker, Type.TXT, 0, first),
      ]
      expect(await send(absent, create)).toBe(Rcode.NOERROR)
      expect(await send(absent, create)).toBe(Rcode.YXRRSET)
      const read = [rrsetExactly(marker, Type.TXT, [first]), rrsetExactly(host, Type.A, [two, one])]
      const change = [
        deleteRrset(host, Type.A),
        addRecord(host, Type.A, 60, two),
        deleteRrset(marker, Type.TXT),
        addRecord(marker, Type.TXT, 0, second),
      ]
      expect(await send(read, change)).toBe(Rcode.NOERROR)
      expect(await send(read, change)).toBe(Rcode.NXRRSET)
      expect(await answers(connection, 'a.example.test.', Type.A)).toEqual(['192.0.2.2'])
      expect(await answers(connection, '_holdfast.a.example.test.', Type.TXT)).toEqual(['"v=holdfast1" "g=2"'])
    })

    test('every kind of prerequisite and update', async () => {
      const host = name('kinds.example.test.')
      expect(await send([nameInUse(host)], [])).toBe(Rcode.NXDOMAIN)
      expect(await send([rrsetExists(host, Type.A)], [])).toBe(Rcode.NXRRSET)
      expect(await send([nameNotInUse(host)], [addRecord(host, Type.A, 1, one), addRecord(host, Type.A, 1, two)])).toBe(
        0,
      )
      expect(await send([nameNotInUse(host)], [])).toBe(Rcode.YXDOMAIN)
      expect(await send([nameInUse(host), rrsetExists(host, Type.A)], [deleteRecord(host, Type.A, one)])).toBe(0)
      expect(await answers(connection, 'kinds.example.test.', Type.A)).toEqual(['192.0.2.2'])
      expect(await send([], [deleteName(host)])).toBe(0)
      expect(messageIn(await connection.exchange(query('kinds.example.test.', Type.A))).rcode).toBe(Rcode.NXDOMAIN)
      expect(await send([], [addRecord(name('elsewhere.'), Type.A, 1, one)])).toBe(Rcode.NOTZONE)
    })

    test.each([
      ['AAAA', '2001:db8::53'],
      ['CNAME', 'target.example.test.'],
      ['DNAME', 'target.example.net.'],
      ['PTR', 'a\\.b.example.test.'],
      ['MX', '10 ns.example.test.'],
      ['TXT', '"one" "two \\"\\\\\\255"'],
      ['SRV', '1 2 443 srv.example.test.'],
      ['CAA', '0 issue "ca.example; policy=x"'],
      ['SVCB', '1 svc.example.test. alpn="h2,h3" port=8443 ipv4hint=192.0.2.1'],
      ['HTTPS', '0 alias.example.test.'],
      ['NAPTR', '100 10 "u" "sip+E2U" "!^.*$!sip:x@example.test!" .'],
      ['TLSA', '3 1 1 0011223344556677889900112233445566778899001122334455667788990011'],
      ['SSHFP', '4 2 0011223344556677889900112233445566778899001122334455667788990011'],
      ['DS', '60485 8 2 0011223344556677889900112233445566778899001122334455667788990011'],
      ['HINFO', '"RFC8482" ""'],
      ['LOC', '52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m'],
      ['URI', '10 1 "https://example.test/"'],
      ['TYPE65280', '\\# 3 ABCDEF'],
    ])('%s: taken as we write it, given back as it was', async (type, text) => {
      const number = typeFromText(type) as number
      const data = rdataFromText(number, text)
      if (isProblem(data)) throw new Error(data.expected)
      const host = name(`${type}.types.example.test.`)
      expect(
        await send(
          [],
          [
            ...(number === Type.DS
              ? [addRecord(host, Type.NS, 9, rdataFromText(Type.NS, 'ns.example.test.') as Uint8Array)]
              : []),
            addRecord(host, number, 9, data),
          ],
        ),
      ).toBe(0)
      const { answers: records } = messageIn(
        await connection.exchange(
          messageOf({ ...query('', number), questions: [{ name: host, type: number, class: Class.IN }] }),
        ),
      )
      expect(records.map((record) => record.data)).toEqual([data])
      expect(rdataToText(number, records[0]?.data ?? new Uint8Array())).toBe(text)
    })

    test('over UDP; what does not fit is asked for over TCP', async () => {
      const host = name('udp.example.test.')
      const options = { key: bind.key, timeoutMs: 5000 }
      expect(
        messageIn(
          await askUdp(world, bind.address, updateMessage(0, zone, [], [addRecord(host, Type.A, 1, one)]), options),
        ).rcode,
      ).toBe(0)
      expect(
        messageIn(await askUdp(world, bind.address, query('udp.example.test.', Type.A), options)).answers,
      ).toHaveLength(1)
      const big = messageIn(await askUdp(world, bind.address, query('big.example.test.', Type.TXT), options))
      expect(big).toMatchObject({ tc: false, edns: null })
      expect(big.answers).toHaveLength(60)
      const edns = { ...query('old.example.test.', Type.A), edns: ednsOf() }
      expect(messageIn(await askUdp(world, bind.address, edns, { timeoutMs: 5000 })).edns?.version).toBe(0)
    })

    test('a thousand updates at once over one connection', async () => {
      const hosts = Array.from({ length: 1000 }, (_, n) => name(`n${n}.many.example.test.`))
      const sent = hosts.map((host) =>
        connection.exchange(updateMessage(0, zone, [nameNotInUse(host)], [addRecord(host, Type.A, 60, one)])),
      )
      const rcodes = (await Promise.all(sent)).map((outcome) => messageIn(outcome).rcode)
      expect(new Set(rcodes)).toEqual(new Set([Rcode.NOERROR]))
      expect(await answers(connection, 'n999.many.example.test.', Type.A)).toEqual(['192.0.2.1'])
    })

    test('a key that the server does not know, another secret, a clock that is wrong', async () => {
      const update = updateMessage(0, zone, [], [addRecord(name('never.example.test.'), Type.A, 60, one)])
      const refusal = async (key: TsigKey, minutesLate = 0) => {
        const clock = { ...world.clock, wall: () => (Date.now() + minutesLate * 60_000) as EpochMs }
        const own = openDns({ ...world, clock }, bind.address, { key, timeoutMs: 5000 })
        const outcome = await own.exchange(update)
        own.close()
        return outcome
      }
      const other = (fields: object) =>
        new TsigKey({ name: bind.key.name, algorithm, secret: Buffer.from('not the secret'), ...fields })
      expect(await refusal(other({ name: name('nobody.') }))).toMatchObject({
        kind: 'failure',
        detail: expect.stringContaining('BADKEY'),
      })
      expect(await refusal(other({}))).toMatchObject({ kind: 'failure', detail: expect.stringContaining('BADSIG') })
      expect(await refusal(bind.key, 60)).toMatchObject({ kind: 'failure', detail: expect.stringContaining('BADTIME') })
      expect(messageIn(await connection.exchange(query('never.example.test.', Type.A))).rcode).toBe(Rcode.NXDOMAIN)
    })
  })
})

/** A server that does nothing but verify what comes, answer NOERROR signed, and remember the verdicts. */
class Witness {
  readonly verdicts: Verdict[] = []
  readonly messages: Message[] = []
  readonly address: Address
  readonly #key: TsigKey
  readonly #lateSeconds: number
  #udp: UdpSocket | undefined
  #tcp: Server | undefined

  constructor(address: Address, key: TsigKey, lateSeconds = 0) {
    this.address = address
    this.#key = key
    this.#lateSeconds = lateSeconds
  }

  async start(): Promise<void> {
    const { host, port } = this.address
    const udp = createSocket('udp4')
    udp.on('message', (bytes, from) => udp.send(this.answer(bytes), from.port, from.address))
    await new Promise<void>((resolve) => udp.bind(port, host, resolve))
    const tcp = createServer((socket) => {
      let received = Buffer.alloc(0)
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        if (received.length < 2 || received.length < 2 + received.readUInt16BE()) return
        const answer = this.answer(received.subarray(2, 2 + received.readUInt16BE()))
        socket.end(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]))
      })
    })
    await new Promise<void>((resolve) => tcp.listen(port, host, resolve))
    this.#udp = udp
    this.#tcp = tcp
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#udp?.close(() => resolve()))
    await new Promise((resolve) => this.#tcp?.close(resolve))
  }

  answer(bytes: Uint8Array): Uint8Array {
    const message = decodeMessage(bytes)
    if (isMalformed(message)) throw new Error(message.reason)
    const nowSeconds = Math.floor(Date.now() / 1000) + this.#lateSeconds
    const verdict = verifyMessage(bytes, (wanted) => (wanted === this.#key.name ? this.#key : undefined), {
      nowSeconds,
    })
    this.verdicts.push(verdict)
    this.messages.push(message)
    const { id, opcode, rd, questions } = message
    const answer =
      message.opcode === Opcode.QUERY
        ? { answers: [{ name: questions[0]?.name ?? zone, type: Type.A, class: Class.IN, ttl: 9, data: one }] }
        : {}
    const reply = messageOf({ id, opcode, rd, qr: true, aa: true, questions, ...answer })
    if (verdict.kind === 'valid')
      return signMessage(encodeMessage(reply), this.#key, { timeSeconds: nowSeconds, requestMac: verdict.mac }).bytes
    if (verdict.kind === 'unsigned') return encodeMessage(reply)
    return signError(encodeMessage({ ...reply, answers: [], rcode: Rcode.NOTAUTH }), verdict, nowSeconds)
  }
}

function run(program: string, args: readonly string[], input = ''): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(findProgram(program) ?? program, args, { timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, output: stdout + stderr })
    })
    child.stdin?.end(input)
  })
}

describe.each<TsigAlgorithm>(['hmac-sha256', 'hmac-sha512'])('%s', (algorithm) => {
  describeWith(['dig', 'kdig', 'nsupdate'], 'clients of others', () => {
    const secret = Buffer.from('another secret for tests')
    const key = new TsigKey({ name: name('Tool.Key.'), algorithm, secret })
    const keyText = (text = secret) => `${algorithm}:tool.key.:${text.toString('base64')}`
    let witness: Witness
    let late: Witness
    beforeEach(() => {
      for (const { verdicts, messages } of [witness, late]) {
        verdicts.length = 0
        messages.length = 0
      }
    })
    beforeAll(async () => {
      witness = new Witness({ host: '127.0.0.1', port: await freePort() }, key)
      await witness.start()
      late = new Witness({ host: '127.0.0.1', port: await freePort() }, key, 3600)
      await late.start()
    })
    afterAll(async () => {
      await witness.stop()
      await late.stop()
    })
    const last = <T>(list: readonly T[]): T | undefined => list.at(-1)
    const ask = (program: 'dig' | 'kdig', to: Witness, secretText = keyText(), ...more: string[]) =>
      run(program, [
        `@${to.address.host}`,
        '-p',
        String(to.address.port),
        '-y',
        secretText,
        'www.example.test',
        'A',
        ...(program === 'dig' ? ['+nocookie', '+tries=1'] : ['+retry=0']),
        ...more,
      ])

    test.each(['dig', 'kdig'] as const)('%s: its signature verifies, and it believes ours', async (program) => {
      for (const transport of ['+notcp', '+tcp']) {
        const { code, output } = await ask(program, witness, keyText(), transport)
        expect(last(witness.verdicts)?.kind).toBe('valid')
        expect(code, output).toBe(0)
        expect(output).toContain('192.0.2.1')
        expect(output).not.toMatch(/verify|BADSIG|failed|error:|expected a TSIG/i)
      }
    })

    test.each(['dig', 'kdig'] as const)('%s: another secret is BADSIG', async (program) => {
      const { output } = await ask(program, witness, keyText(Buffer.from('wrong')))
      expect(last(witness.verdicts)).toMatchObject({ kind: 'invalid', error: Rcode.BADSIG })
      expect(output).toMatch(/BADSIG/i)
    })

    test('dig: our BADTIME names the server time and is believed', async () => {
      const { output } = await ask('dig', late)
      expect(last(late.verdicts)).toMatchObject({ kind: 'invalid', error: Rcode.BADTIME })
      expect(output).toMatch(/BADTIME/)
      expect(output).not.toMatch(/BADSIG|tsig verify failure \(BADSIG\)/)
    })

    test('nsupdate: its message is understood, and it believes our reply', async () => {
      const script = `server ${witness.address.host} ${witness.address.port}
zone example.test.
prereq nxdomain new.example.test.
prereq yxrrset old.example.test. A 192.0.2.9
update delete old.example.test. A
update add new.example.test. 60 A 192.0.2.1
send
`
      for (const flags of [[], ['-v']]) {
        const { code, output } = await run('nsupdate', [...flags, '-y', keyText()], script)
        expect(code, output).toBe(0)
        expect(output).toBe('')
        expect(last(witness.verdicts)?.kind).toBe('valid')
        const expected = updateMessage(
          0,
          zone,
          [
            nameNotInUse(name('new.example.test.')),
            rrsetExactly(name('old.example.test.'), Type.A, [aData('192.0.2.9')]),
          ],
          [deleteRrset(name('old.example.test.'), Type.A), addRecord(name('new.example.test.'), Type.A, 60, one)],
        )
        const { questions, answers: prerequisites, authorities } = last(witness.messages) as Message
        expect({ questions, prerequisites, authorities }).toEqual({
          questions: expected.questions,
          prerequisites: expected.answers,
          authorities: expected.authorities,
        })
      }
    })
  })
})

test('a connection that the server closed while idle is opened again, and the UPDATE sent once', async () => {
  const received: Message[] = []
  let connections = 0
  let whenClosed: Promise<void> = Promise.resolve()
  // Answers one message per connection and hangs up.
  const server = createServer((socket) => {
    connections++
    whenClosed = new Promise((resolve) => socket.on('close', () => resolve()))
    socket.on('data', (chunk: Buffer) => {
      const message = decodeMessage(chunk.subarray(2))
      if (isMalformed(message)) throw new Error(message.reason)
      received.push(message)
      const reply = encodeMessage(
        messageOf({ id: message.id, opcode: message.opcode, qr: true, questions: message.questions }),
      )
      socket.end(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]))
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const connection = openDns(world, { host: '127.0.0.1', port }, { timeoutMs: 5000 })
  try {
    for (let n = 1; n <= 3; n++) {
      const update = updateMessage(0, zone, [], [addRecord(name(`h${n}.example.test.`), Type.A, 60, one)])
      expect(messageIn(await connection.exchange(update)).rcode).toBe(0)
      // Both ends have seen the end of the connection now.
      await whenClosed
    }
  } finally {
    connection.close()
    server.close()
  }
  expect(connections).toBe(3)
  expect(received.map((message) => message.authorities[0]?.name)).toEqual(
    ['h1', 'h2', 'h3'].map((host) => name(`${host}.example.test.`)),
  )
})
