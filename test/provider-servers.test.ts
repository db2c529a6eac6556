/** The laws of a provider, the same for every server that takes dynamic updates, against the real ones. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeProblem, isProblem } from '../src/base/problem.ts'
import { nameFromText, type WireName } from '../src/dns/name.ts'
import { TsigKey } from '../src/dns/tsig.ts'
import type { IpAddress } from '../src/model/address.ts'
import type { Answer } from '../src/model/answer.ts'
import type { Generation } from '../src/model/generation.ts'
import { markerFor, markerStrings } from '../src/model/marker.ts'
import { markerNameOf, type Name } from '../src/model/name.ts'
import type { Change, Provider, Published, WriteOutcome } from '../src/providers/provider.ts'
import { rfc2136Provider } from '../src/providers/rfc2136/rfc2136.ts'
import { startServer } from '../src/serve/server.ts'
import { nodeWorld } from '../src/world/node.ts'
import type { Address } from '../src/world/world.ts'
import { startBind } from './support/bind.ts'
import { startKnot } from './support/knot.ts'
import { startPdns } from './support/pdns.ts'
import { describeWith } from './support/programs.ts'
import { testKey as builtinKey, keyText, testSettings } from './support/serve-settings.ts'

const run = promisify(execFile)
const world = nodeWorld({ id: 'test', onTrace: () => {} })
const zone = 'example.test.' as Name
const owner = 'laws'
const name = (label: string) => `${label}.${zone}` as Name
const records = `foreign 60 IN A 192.0.2.50
mixed 60 IN MX 10 foreign
*.wild 60 IN A 192.0.2.99
*.wild 60 IN TXT "anything"
*.wildalias 60 IN CNAME foreign
child 60 IN NS ns.child
ns.child 60 IN A 127.0.0.1
`

function testKey(): TsigKey {
  return new TsigKey({
    name: nameFromText('unknown.') as WireName,
    algorithm: 'hmac-sha256',
    secret: Buffer.from('wrong'),
  })
}

interface Server {
  readonly address: Address
  readonly key: TsigKey
  readonly keyText: string
  stop(): Promise<void>
}

const addresses = (ttl: number, ...list: readonly string[]): Answer => {
  const [first, ...rest] = list.map((address) => ({ address: address as IpAddress, weight: 10 }))
  return { kind: 'addresses', ttl, addresses: [first as { address: IpAddress; weight: number }, ...rest] }
}
const alias = (ttl: number, target: string): Answer => ({ kind: 'alias', ttl, target: name(target) })
const retired: Answer = { kind: 'retired' }
const nothing = (at: Name): Published => ({ name: at, marker: [], addresses: [], alias: null, ttl: null })

function as(at: Name, answer: Answer, generation: number): Published {
  return {
    name: at,
    marker: [markerStrings(markerFor(answer, generation as Generation, owner))],
    addresses: answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address).sort() : [],
    alias: answer.kind === 'alias' ? answer.target : null,
    ttl: answer.kind === 'retired' ? null : answer.ttl,
  }
}

function to(expected: Published, answer: Answer, generation: number): Change {
  return { name: expected.name, expected, answer, marker: markerFor(answer, generation as Generation, owner) }
}

/** `guarded`: the server itself keeps anybody from taking a marker away. */
function laws(start: () => Promise<Server>, guarded = false) {
  let server: Server
  let provider: Provider
  const read = async (at: Name): Promise<Published> => {
    const [reading] = await provider.read(zone, [at])
    if (reading?.kind !== 'published') throw new Error(`expected ${at} to be read, found ${JSON.stringify(reading)}`)
    return { ...reading.published, addresses: [...reading.published.addresses].sort() }
  }
  const write = async (change: Change): Promise<WriteOutcome> =>
    (await provider.write(zone, [change]))[0] as WriteOutcome
  const put = async (at: Name, answer: Answer, generation: number): Promise<Published> => {
    expect(await write(to(await read(at), answer, generation))).toEqual({ kind: 'accepted' })
    const now = await read(at)
    expect(now).toEqual(as(at, answer, generation))
    return now
  }
  const nsupdate = async (...lines: readonly string[]) => {
    const script = [`server ${server.address.host} ${server.address.port}`, `zone ${zone}`, ...lines, 'send', ''].join(
      '\n',
    )
    const child = run('nsupdate', ['-v', '-y', server.keyText])
    child.child.stdin?.end(script)
    await child
  }

  beforeAll(async () => {
    server = await start()
    provider = rfc2136Provider(world, { address: server.address, key: server.key })
  }, 60_000)
  afterAll(async () => {
    await server?.stop()
  })

  test('creates, and reads back what was written', async () => {
    expect(await read(name('create'))).toEqual(nothing(name('create')))
    await put(name('create'), addresses(5, '192.0.2.1', '192.0.2.2', '2001:db8::1'), 1)
  })

  test('replaces addresses, time to live and marker together', async () => {
    await put(name('replace'), addresses(5, '192.0.2.1', '192.0.2.2'), 1)
    await put(name('replace'), addresses(9, '192.0.2.2', '2001:db8::2'), 2)
    await put(name('replace'), addresses(9, '2001:db8::3'), 3)
  })

  test('changes the type to alias, moves the alias, and changes it back', async () => {
    await put(name('target'), addresses(5, '192.0.2.1'), 1)
    await put(name('target2'), addresses(5, '192.0.2.2'), 1)
    await put(name('type'), addresses(5, '192.0.2.7', '2001:db8::7'), 1)
    await put(name('type'), alias(7, 'target'), 2)
    await put(name('type'), alias(7, 'target2'), 3)
    await put(name('type'), addresses(5, '192.0.2.8'), 4)
    await put(name('newalias'), alias(7, 'target'), 4)
  })

  test('R8: while the type changes to and fro, no query goes without an answer', { timeout: 30_000 }, async () => {
    await put(name('r8target'), addresses(5, '192.0.2.1'), 1)
    let state = await put(name('r8'), addresses(5, '192.0.2.7'), 1)
    let over = false
    let asked = 0
    const empty: string[] = []
    const asking = (async () => {
      while (!over) {
        const { address } = server
        const { stdout } = await run('dig', [
          '+short',
          '+norec',
          `@${address.host}`,
          '-p',
          String(address.port),
          name('r8'),
          'A',
        ])
        asked++
        if (!/192\.0\.2\.[17]/.test(stdout)) empty.push(stdout)
      }
    })()
    for (let generation = 2; generation < 22; generation++)
      state = await put(name('r8'), generation % 2 === 0 ? alias(5, 'r8target') : addresses(5, '192.0.2.7'), generation)
    over = true
    await asking
    expect(state.addresses).toEqual(['192.0.2.7'])
    expect(asked).toBeGreaterThan(2)
    expect(empty).toEqual([])
  })

  test('a stale expectation is a conflict that leaves everything as it is', async () => {
    const old = await put(name('stale'), addresses(5, '192.0.2.1', '192.0.2.2'), 1)
    const now = await put(name('stale'), addresses(5, '192.0.2.3'), 2)
    expect(await write(to(old, addresses(5, '192.0.2.4'), 3))).toMatchObject({ kind: 'conflict' })
    expect(await write(to(nothing(name('stale')), alias(5, 'target'), 3))).toMatchObject({ kind: 'conflict' })
    // The marker as it is, the records not: one of two, one too many, another type.
    for (const found of [['192.0.2.9'], ['192.0.2.3', '192.0.2.9'], ['192.0.2.3', '2001:db8::9'], []])
      expect(await write(to({ ...now, addresses: found as IpAddress[] }, addresses(5, '192.0.2.4'), 3))).toMatchObject({
        kind: 'conflict',
      })
    expect(
      await write(to({ ...now, addresses: [], alias: name('target') }, addresses(5, '192.0.2.4'), 3)),
    ).toMatchObject({
      kind: 'conflict',
    })
    expect(await read(name('stale'))).toEqual(now)
  })

  test('R11: a change that is sent again is a conflict, and the marker shows whose it was', async () => {
    const change = to(await read(name('again')), addresses(5, '192.0.2.1'), 4)
    expect(await write(change)).toEqual({ kind: 'accepted' })
    expect(await write(change)).toMatchObject({ kind: 'conflict' })
    expect(await read(name('again'))).toEqual(as(name('again'), change.answer, 4))
  })

  test('R12: records that come back do not let an old writer in: the generation tells them apart', async () => {
    const first = await put(name('aba'), addresses(5, '192.0.2.1'), 1)
    await put(name('aba'), addresses(5, '192.0.2.2'), 2)
    const third = await put(name('aba'), addresses(5, '192.0.2.1'), 3)
    expect(await write(to(first, addresses(5, '192.0.2.9'), 2))).toMatchObject({ kind: 'conflict' })
    expect(await read(name('aba'))).toEqual(third)
  })

  test('of 20 writers at once exactly one wins', async () => {
    for (let round = 1; round <= 5; round++) {
      const before = await read(name('crowd'))
      const writers = Array.from({ length: 20 }, (_, index) => addresses(5, `192.0.2.${100 + index}`))
      const outcomes = await Promise.all(writers.map((answer) => write(to(before, answer, round))))
      const winners = writers.filter((_, index) => outcomes[index]?.kind === 'accepted')
      expect(outcomes.filter(({ kind }) => kind !== 'accepted' && kind !== 'conflict')).toEqual([])
      expect(winners).toHaveLength(1)
      expect(await read(name('crowd'))).toEqual(as(name('crowd'), winners[0] as Answer, round))
    }
  })

  test('retires: the records go, a tombstone stays, and the name can come back', async () => {
    await put(name('gone'), addresses(5, '192.0.2.1', '2001:db8::1'), 1)
    await put(name('gone'), retired, 2)
    await put(name('gone'), alias(5, 'target'), 3)
    await put(name('gone'), retired, 4)
    await put(name('gone'), addresses(5, '192.0.2.1'), 5)
  })

  test('a foreign record is read as it is, and is no free name', async () => {
    const foreign = { ...nothing(name('foreign')), addresses: ['192.0.2.50'], ttl: 60 }
    expect(await read(name('foreign'))).toEqual(foreign)
    for (const answer of [addresses(5, '192.0.2.1'), alias(5, 'target'), retired])
      expect(await write(to(nothing(name('foreign')), answer, 1))).toMatchObject({ kind: 'conflict' })
    expect(await read(name('foreign'))).toEqual(foreign)
  })

  test('R10: a new alias does not empty a name that holds other types', async () => {
    expect(await write(to(nothing(name('mixed')), alias(5, 'target'), 1))).toMatchObject({ kind: 'conflict' })
    await nsupdate(`add ${name('both')} 60 MX 10 ${name('foreign')}`)
    const both = await put(name('both'), addresses(5, '192.0.2.1'), 1)
    expect(await write(to(both, alias(5, 'target'), 2))).toMatchObject({ kind: 'conflict' })
    expect(await read(name('both'))).toEqual(both)
    await put(name('both'), addresses(5, '192.0.2.2'), 2)
  })

  test('a marker that was deleted or damaged by hand is repaired, whatever stands there', async () => {
    const answer = addresses(5, '192.0.2.1')
    const marker = markerNameOf(name('mended'))
    await put(name('mended'), answer, 1)
    if (guarded) {
      const refused = nsupdate(`delete ${marker} TXT`)
      await expect(refused).rejects.toThrow('REFUSED')
      expect(await read(name('mended'))).toEqual(as(name('mended'), answer, 1))
      return
    }
    await nsupdate(`delete ${marker} TXT`)
    expect((await read(name('mended'))).marker).toEqual([])
    await put(name('mended'), answer, 1)
    await nsupdate(
      `delete ${marker} TXT`,
      `add ${marker} 60 TXT "v=holdfast1" "g=x"`,
      `add ${marker} 60 TXT "\\"q\\" \\200"`,
    )
    expect((await read(name('mended'))).marker).toHaveLength(2)
    await put(name('mended'), answer, 1)
    await nsupdate(`delete ${name('mended')} A`, `add ${name('mended')} 77 AAAA 2001:db8::99`)
    expect(await read(name('mended'))).toMatchObject({ addresses: ['2001:db8::99'], ttl: 77 })
    await put(name('mended'), answer, 1)
  })

  test('a wildcard is not a record of the name that it answers for', async () => {
    for (const at of [name('x.wild'), name('x.wildalias')]) {
      expect(await read(at)).toEqual(nothing(at))
      await put(at, addresses(5, '192.0.2.1'), 1)
    }
  })

  test('a name that is delegated away cannot be read, others can', async () => {
    const [away, here] = await provider.read(zone, [name('x.child'), name('foreign')])
    expect(away?.kind).toBe('unreadable')
    expect(here?.kind).toBe('published')
  })

  test('many at once: a conflict of one does not keep the others from happening', async () => {
    const names = Array.from({ length: 100 }, (_, index) => name(`many${index}`))
    await put(name('many7'), addresses(5, '192.0.2.77'), 9)
    const outcomes = await provider.write(
      zone,
      names.map((at) => to(nothing(at), addresses(5, '192.0.2.1'), 1)),
    )
    expect(outcomes.map(({ kind }) => kind)).toEqual(
      names.map((at) => (at === name('many7') ? 'conflict' : 'accepted')),
    )
    const readings = await provider.read(zone, names)
    expect(readings.map((reading) => (reading.kind === 'published' ? reading.published.addresses : []))).toEqual(
      names.map((at) => [at === name('many7') ? '192.0.2.77' : '192.0.2.1']),
    )
  })

  test('confirms what stands there, and nothing else', async () => {
    const here = await put(name('confirm'), addresses(5, '192.0.2.1', '2001:db8::1'), 3)
    const there = await put(name('confirm2'), alias(5, 'target'), 3)
    const confirm = async (...list: readonly Published[]) => (await provider.confirm?.(zone, list)) ?? []
    expect(await confirm(here, there, nothing(name('nowhere')))).toEqual([true, true, true])
    expect(await confirm(as(name('confirm'), addresses(5, '192.0.2.1', '2001:db8::1'), 4))).toEqual([false])
    expect(await confirm({ ...here, addresses: ['192.0.2.1' as IpAddress] })).toEqual([false])
    expect(await confirm({ ...there, alias: name('target2') })).toEqual([false])
    expect(await confirm(nothing(name('confirm')))).toEqual([false])
    expect(await read(name('confirm'))).toEqual(here)
  })
}

describeWith(['named', 'nsupdate', 'dig'], 'BIND', () => laws(() => startBind({ records })))
describeWith(['knotd', 'nsupdate', 'dig'], 'Knot DNS', () => laws(() => startKnot({ records })))
describeWith(['pdns_server', 'pdnsutil', 'nsupdate', 'dig'], 'PowerDNS', () => laws(() => startPdns({ records })))

async function startBuiltin(): Promise<Server> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-builtin-'))
  const server = await startServer(testSettings({ dir, records }), () => {})
  if (isProblem(server)) throw new Error(describeProblem(server))
  return {
    address: server.addresses[0] as Address,
    key: builtinKey,
    keyText,
    stop: async () => {
      await server.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

describeWith(['nsupdate', 'dig'], 'the built-in server', () => laws(startBuiltin, true))

describe('an authority that is not there', () => {
  test('is an outage to readers, and leaves a write unknown', async () => {
    const address = { host: '127.0.0.1', port: 1 }
    const server = rfc2136Provider(world, { address, key: testKey(), timeoutMs: 500 })
    const [reading] = await server.read(zone, [name('any')])
    expect(reading?.kind).toBe('outage')
    const [outcome] = await server.write(zone, [to(nothing(name('any')), addresses(5, '192.0.2.1'), 1)])
    expect(outcome?.kind).toBe('unknown')
  })
})

describeWith(['named'], 'a wrong key', () => {
  test('is told apart from silence, without the secret', async () => {
    const server = await startBind({ records })
    try {
      const provider = rfc2136Provider(world, { address: server.address, key: testKey() })
      const [reading] = await provider.read(zone, [name('any')])
      expect(reading).toMatchObject({ kind: 'outage', reason: expect.stringContaining('BADKEY') })
      expect(JSON.stringify(reading)).not.toContain(Buffer.from('wrong').toString('base64'))
    } finally {
      await server.stop()
    }
  }, 30_000)
})
