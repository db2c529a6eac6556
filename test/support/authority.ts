/** Foreign authoritative servers for tests: started on a free loopback port in a folder of their own, ended by their own handle. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeMessage, messageOf } from '../../src/dns/message.ts'
import { nameFromText, type WireName } from '../../src/dns/name.ts'
import { TsigKey } from '../../src/dns/tsig.ts'
import { Class, Type } from '../../src/dns/types.ts'
import { nodeWorld } from '../../src/world/node.ts'
import type { Address } from '../../src/world/world.ts'
import { freePort } from './ports.ts'
import { findProgram } from './programs.ts'

export interface AuthorityOptions {
  /** With the final dot; `example.test.` when absent. */
  readonly zone?: string
  /** Records of the zone besides SOA and NS, as zone file lines. */
  readonly records?: string
}

/** A server with one zone that `key` may update, query and transfer. */
export interface Authority {
  readonly address: Address
  readonly key: TsigKey
  /** `hmac-sha256:name:base64`, as the -y option of dig and nsupdate takes it. */
  readonly keyText: string
  log(): string
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
}

export const secret = Buffer.from('a secret that is for tests only').toString('base64')
export const keyName = 'holdfast-test.'

export interface Place {
  readonly folder: string
  readonly port: number
  readonly zone: string
  readonly zoneText: string
}

/** `prepare` writes the server's files and says how it is started. */
export async function startAuthority(
  program: string,
  { zone = 'example.test.', records = '' }: AuthorityOptions,
  prepare: (place: Place) => Promise<readonly string[]>,
): Promise<Authority> {
  // The port that was free may be taken by the time the server gets there.
  for (let tries = 1; ; tries++) {
    try {
      return await start(program, zone, records, prepare)
    } catch (error) {
      if (tries === 3) throw error
    }
  }
}

async function start(
  program: string,
  zone: string,
  records: string,
  prepare: (place: Place) => Promise<readonly string[]>,
): Promise<Authority> {
  const path = findProgram(program)
  if (path === undefined)
    throw new Error(`expected the program ${program}, found none: put the suite into describeWith`)
  const folder = await mkdtemp(join(tmpdir(), `holdfast-${program}-`))
  const address = { host: '127.0.0.1', port: await freePort() }
  const zoneText = `$ORIGIN ${zone}\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n${records}\n`
  const child = spawn(path, await prepare({ folder, port: address.port, zone, zoneText }))
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-20_000)
    })
  const stop = async () => {
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await answers(child, address, nameFromText(zone) as WireName, () => log)
  } catch (error) {
    await stop()
    throw error
  }
  const key = new TsigKey({
    name: nameFromText(keyName) as WireName,
    algorithm: 'hmac-sha256',
    secret: Buffer.from(secret, 'base64'),
  })
  return { address, key, keyText: `hmac-sha256:${keyName}:${secret}`, log: () => log, stop }
}

async function answers(child: ChildProcess, address: Address, zone: WireName, log: () => string): Promise<void> {
  const { net, clock } = nodeWorld({ id: 'test', onTrace: () => {} })
  const query = encodeMessage(messageOf({ id: 1, questions: [{ name: zone, type: Type.SOA, class: Class.IN }] }))
  const until = clock.now() + 15_000
  while (clock.now() < until && child.exitCode === null && child.signalCode === null) {
    const answer = await net.ask(address, query, 500)
    if (answer.kind === 'message' && ((answer.bytes[3] as number) & 15) === 0) return
    await clock.sleep(20)
  }
  throw new Error(`expected ${child.spawnfile} to answer at ${address.host} port ${address.port}, found:\n${log()}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const impatience = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(impatience)
}
