/** A BIND of one's own: one zone that a TSIG key may update and transfer, on a free loopback port, in a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeMessage, messageOf } from '../../src/dns/message.ts'
import { nameFromText, type WireName } from '../../src/dns/name.ts'
import { type TsigAlgorithm, TsigKey } from '../../src/dns/tsig.ts'
import { Class, Type } from '../../src/dns/types.ts'
import { nodeWorld } from '../../src/world/node.ts'
import type { Address } from '../../src/world/world.ts'
import { freePort } from './ports.ts'
import { findProgram } from './programs.ts'

export interface BindOptions {
  /** With the final dot; `example.test.` when absent. */
  readonly zone?: string
  /** Records of the zone besides SOA and NS, as zone file lines. */
  readonly records?: string
  /** `hmac-sha256` when absent. */
  readonly algorithm?: TsigAlgorithm
  /** `127.0.0.1` when absent. */
  readonly host?: string
  /** Statements inside `options { }`, such as `tcp-idle-timeout 10;`. */
  readonly settings?: string
}

export interface Bind {
  readonly address: Address
  readonly zone: WireName
  readonly key: TsigKey
  /** `hmac-sha256:name:base64`, as the -y option of dig, kdig and nsupdate takes it. */
  readonly keyText: string
  /** What the server wrote so far, for the message of a failure. */
  log(): string
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
}

/** Starts named and resolves once it answers. */
export async function startBind(options: BindOptions = {}): Promise<Bind> {
  // The port that was free may be taken by the time named gets there.
  for (let tries = 1; ; tries++) {
    try {
      return await start(options)
    } catch (error) {
      if (tries === 3) throw error
    }
  }
}

async function start(options: BindOptions): Promise<Bind> {
  const { zone = 'example.test.', records = '', algorithm = 'hmac-sha256', host = '127.0.0.1', settings = '' } = options
  const program = findProgram('named')
  if (program === undefined) throw new Error('expected the program named, found none: put the suite into describeWith')
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bind-'))
  const port = await freePort(host)
  const secret = Buffer.from('a secret that is for tests only')
  const keyName = 'holdfast-test.'
  await writeFile(
    join(folder, 'zone.db'),
    `$ORIGIN ${zone}\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n${records}\n`,
  )
  await writeFile(
    join(folder, 'named.conf'),
    `options {
  directory "${folder}"; pid-file none; session-keyfile "${folder}/session.key"; managed-keys-directory "${folder}";
  listen-on port ${port} { ${host}; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no; allow-transfer { key "${keyName}"; };
  ${settings}
};
controls { };
key "${keyName}" { algorithm ${algorithm}; secret "${secret.toString('base64')}"; };
zone "${zone}" { type primary; file "zone.db"; allow-update { key "${keyName}"; }; };
`,
  )
  const child = spawn(program, ['-g', '-n', '1', '-c', join(folder, 'named.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000)
  })
  const stop = async () => {
    await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  const address = { host, port }
  try {
    await answers(child, address, nameFromText(zone) as WireName, () => log)
  } catch (error) {
    await stop()
    throw error
  }
  const key = new TsigKey({ name: nameFromText(keyName) as WireName, algorithm, secret })
  return {
    address,
    zone: nameFromText(zone) as WireName,
    key,
    keyText: `${algorithm}:${keyName}:${secret.toString('base64')}`,
    log: () => log,
    stop,
  }
}

/** Asks for the SOA until the server answers, or has ended, or 15 seconds are over. */
async function answers(child: ChildProcess, address: Address, zone: WireName, log: () => string): Promise<void> {
  const { net, clock } = nodeWorld({ id: 'test', onTrace: () => {} })
  const query = encodeMessage(messageOf({ id: 1, questions: [{ name: zone, type: Type.SOA, class: Class.IN }] }))
  const until = clock.now() + 15_000
  while (clock.now() < until && child.exitCode === null && child.signalCode === null) {
    const answer = await net.ask(address, query, 500)
    if (answer.kind === 'message' && ((answer.bytes[3] as number) & 15) === 0) return
    await clock.sleep(20)
  }
  throw new Error(`expected named to answer at ${address.host} port ${address.port}, found:\n${log()}`)
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const impatience = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(impatience)
}
