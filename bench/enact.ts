/**
 * Enactment: the time from a published plan in which every name changed until an enactor has seen every
 * name answer it, each write conditional on what stood there and read back; beside it `nsupdate` making
 * the same changes of records and markers unconditionally and unread, on the same server, in the same run.
 *
 * `nsupdate` is measured twice: one message for each name (then a name is a transaction, as Holdfast
 * promises), and 32 names to a message (as Holdfast's enactor groups them).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keys } from '../src/model/keys.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { never, type Revision, type Store } from '../src/store/store.ts'
import { startBind } from '../test/support/bind.ts'
import { ran } from '../test/support/holdfast.ts'
import { freePort } from '../test/support/ports.ts'

const names = process.argv.includes('--quick') ? 1_000 : 10_000
const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
const zone = 'bench.test'
const rounds = process.argv.includes('--quick') ? 1 : 3

interface Server {
  readonly kind: 'builtin' | 'bind'
  readonly port: number
  readonly keyName: string
  readonly secret: string
  stop(): Promise<void>
}

const print = (
  metric: string,
  value: number,
  unit: string,
  against?: { readonly name: string; readonly ratio: number },
) =>
  console.log(
    JSON.stringify({
      bench: 'enact',
      metric,
      value,
      unit,
      ...(against === undefined ? {} : { against: against.name, ratio: against.ratio }),
    }),
  )

const label = (index: number) => `n${index}.${zone}`
const addressIn = (round: number, index: number) => `10.${round}.${index >> 8}.${index & 255}`

function writeEndpoints(folder: string, round: number): void {
  const lines = Array.from({ length: names }, (_, index) => `${label(index)} 60 addresses ${addressIn(round, index)}`)
  writeFileSync(join(folder, 'endpoints.txt'), `${lines.join('\n')}\n`)
}

/** The configuration of one enactor against that server. */
function configure(folder: string, server: Server): string {
  const path = join(folder, 'holdfast.yaml')
  writeFileSync(join(folder, 'tsig.key'), `${server.secret}\n`, { mode: 0o600 })
  const builtin = server.kind === 'builtin'
  writeFileSync(
    path,
    `owner: bench
state: state
keys:
  ${server.keyName}: { algorithm: hmac-sha256, secret: { file: tsig.key } }
${builtin ? `server: { listen: [127.0.0.1:${server.port}] }\n` : ''}zones:
  ${zone}:
    authority: ${builtin ? 'builtin' : `{ rfc2136: 127.0.0.1:${server.port} }`}
    key: ${server.keyName}
${builtin ? '    ns: [ns.elsewhere.test]\n' : ''}endpoints: {}
endpointsFrom: endpoints.txt
plan: { coalesce: 0s }
`,
  )
  return path
}

function start(config: string, role: string): ChildProcess {
  const child = spawn(
    process.execPath,
    [main, '--config', config, 'run', role, '--id', `${role}-1`, '--log', 'error'],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** Resolves with the time when `found` first holds, looking whenever something under the prefix changes. */
async function when(store: Store, prefix: string, found: () => Promise<boolean>): Promise<number> {
  const deadline = performance.now() + 300_000
  for (let seen: Revision = never; performance.now() < deadline; ) {
    if (await found()) return performance.now()
    seen = (await store.watch(prefix, seen, 500)).revision
  }
  throw new Error(`expected ${prefix} to change within 300 s, found it did not`)
}

async function holdfastRounds(folder: string, config: string): Promise<readonly number[]> {
  const store = await openLmdbStore({ path: join(folder, 'state', 'store') })
  if ('kind' in store) throw new Error(store.found)
  const headOf = async () => {
    const entry = await store.get(keys.head.key())
    return entry === undefined ? 0 : (keys.head.decode(entry.value)?.generation ?? 0)
  }
  const enactedOf = async () => {
    const entry = await store.get(keys.progress.key('enactor-1'))
    return entry === undefined ? 0 : (keys.progress.decode(entry.value)?.enacted ?? 0)
  }
  writeEndpoints(folder, 0)
  const planner = start(config, 'planner')
  const enactor = start(config, 'enactor')
  const times: number[] = []
  try {
    await when(store, '', async () => (await headOf()) >= 1 && (await enactedOf()) >= (await headOf()))
    for (let round = 1; round <= rounds; round++) {
      const before = await headOf()
      writeEndpoints(folder, round)
      const published = await when(store, keys.head.prefix, async () => (await headOf()) > before)
      const enacted = await when(store, keys.progress.prefix, async () => (await enactedOf()) > before)
      times.push((enacted - published) / 1000)
    }
  } finally {
    await stop(planner)
    await stop(enactor)
    await store.close()
  }
  return times
}

/** The same records and markers, replaced without any condition and never read back. */
function script(port: number, round: number, perMessage: number): string {
  const lines = [`server 127.0.0.1 ${port}`, `zone ${zone}`]
  for (let index = 0; index < names; index++) {
    const name = label(index)
    const address = addressIn(round, index)
    lines.push(
      `update delete ${name} A`,
      `update add ${name} 60 A ${address}`,
      `update delete _holdfast.${name} TXT`,
      `update add _holdfast.${name} 0 TXT "v=holdfast1" "g=${1000 + round}" "d=0123456789abcdef" "o=bench" "w=${address}*100"`,
    )
    if (index % perMessage === perMessage - 1) lines.push('send')
  }
  return `${lines.join('\n')}\nsend\n`
}

async function nsupdateRound(server: Server, round: number, perMessage: number): Promise<number> {
  const started = performance.now()
  const { code, stderr } = await ran('nsupdate', ['-v', '-y', `hmac-sha256:${server.keyName}:${server.secret}`], {
    input: script(server.port, round, perMessage),
  })
  if (code !== 0) throw new Error(`expected nsupdate to succeed, found ${stderr.slice(0, 500)}`)
  return (performance.now() - started) / 1000
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

async function measure(folder: string, server: Server): Promise<void> {
  const config = configure(folder, server)
  const child = server.kind === 'builtin' ? start(config, 'server') : undefined
  if (child !== undefined) await answering(server.port)
  try {
    const ours = median(await holdfastRounds(folder, config))
    // Once: each message is a connection, and three times 10,000 would leave the machine without ports for a minute.
    const single = await nsupdateRound(server, 100, 1)
    const grouped: number[] = []
    for (let round = 1; round <= rounds; round++) grouped.push(await nsupdateRound(server, 100 + round, 32))
    const on = server.kind === 'builtin' ? 'the built-in server' : 'BIND'
    print(`${names} names enacted on ${on}`, ours, 's', {
      name: 'nsupdate, a message for each name',
      ratio: single / ours,
    })
    print(`${names} names enacted on ${on}`, ours, 's', {
      name: 'nsupdate, 32 names to a message',
      ratio: median(grouped) / ours,
    })
    print(`nsupdate on ${on}, a message for each name`, single, 's')
    print(`nsupdate on ${on}, 32 names to a message`, median(grouped), 's')
  } finally {
    if (child !== undefined) await stop(child)
    await server.stop()
  }
}

async function answering(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { code } = await ran('dig', [`@127.0.0.1`, '-p', String(port), '+tries=1', '+time=1', zone, 'SOA'])
    if (code === 0) return
  }
  throw new Error(`expected a DNS server at 127.0.0.1:${port}, found none`)
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
try {
  const secret = Buffer.from('only for a benchmark on loopback').toString('base64')
  const port = await freePort()
  writeEndpoints(folder, 0)
  await measure(folder, { kind: 'builtin', port, keyName: 'bench-key', secret, stop: async () => {} })
  rmSync(join(folder, 'state'), { recursive: true, force: true })
  const bind = await startBind({ zone: `${zone}.` })
  const [, keyName = '', bindSecret = ''] = bind.keyText.split(':')
  await measure(folder, {
    kind: 'bind',
    port: bind.address.port,
    keyName: keyName.replace(/\.$/, ''),
    secret: bindSecret,
    stop: () => bind.stop(),
  })
} finally {
  rmSync(folder, { recursive: true, force: true })
}
