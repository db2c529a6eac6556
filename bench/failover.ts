/**
 * Failover: from the death of a target (kill -9) to the first answer without its address, asked every
 * few milliseconds over UDP. gdnsd watches the same target with the same interval and the same number of
 * failures in the same run. Detection takes up to fall x interval in both; what comes after that is the
 * path through observation, plan, enactment and server, which is measured from the observation that
 * shows the last needed failure.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeMessage, encodeMessage, isMalformed, messageOf } from '../src/dns/message.ts'
import { nameFromText } from '../src/dns/name.ts'
import { ipFromData } from '../src/dns/rdata.ts'
import { Class, Type } from '../src/dns/types.ts'
import { keys } from '../src/model/keys.ts'
import { openLmdbStore } from '../src/store/lmdb.ts'
import { never, type Revision, type Store } from '../src/store/store.ts'
import { nodeWorld } from '../src/world/node.ts'
import { freePort } from '../test/support/ports.ts'
import { findProgram } from '../test/support/programs.ts'

const trials = process.argv.includes('--quick') ? 1 : 5
/** The shortest interval that gdnsd takes is 2 s. */
const intervalMs = 2_000
const fall = 3
const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
const service = join(import.meta.dirname, '..', 'examples', 'quickstart', 'service.mjs')
const sites = ['127.0.0.11', '127.0.0.12', '127.0.0.13'] as const
const [victim] = sites
const world = nodeWorld({ id: 'bench', onTrace: () => {} })
const name = 'www.bench.test'

const print = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(JSON.stringify({ bench: 'failover', metric, value, unit, ...(against && { against, ratio }) }))

const children: ChildProcess[] = []

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, [...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** The addresses that the server at this port answers, or undefined if it does not. */
async function addresses(port: number): Promise<readonly string[] | undefined> {
  const question = nameFromText(name)
  if (question === undefined) throw new Error(`expected a name, found ${name}`)
  const message = messageOf({
    id: world.random.below(65_536),
    questions: [{ name: question, type: Type.A, class: Class.IN }],
  })
  const reply = await world.net.ask({ host: '127.0.0.1', port }, encodeMessage(message), 500)
  if (reply.kind !== 'message') return undefined
  const decoded = decodeMessage(reply.bytes)
  if (isMalformed(decoded)) return undefined
  return decoded.answers.flatMap(({ type, data }) => (type === Type.A ? (ipFromData(data) ?? []) : []))
}

/** When the server's answer first is as wanted. */
async function answered(port: number, wanted: (found: readonly string[]) => boolean): Promise<number> {
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline) {
    const found = await addresses(port)
    if (found !== undefined && wanted(found)) return performance.now()
    await pause(3)
  }
  throw new Error(`expected another answer from port ${port} within 60 s, found none`)
}

/** When the store first held an observation in which the victim failed often enough. */
async function observed(store: Store): Promise<number> {
  for (let seen: Revision = never; ; ) {
    const range = await store.range(keys.observation.prefix)
    for (const { value } of range.entries) {
      const history = keys.observation.decode(value)?.targets[`t-${victim}`]?.history ?? ''
      if (history.endsWith('f'.repeat(fall))) return performance.now()
    }
    seen = (await store.watch(keys.observation.prefix, seen === never ? range.revision : seen, 1_000)).revision
  }
}

function configureHoldfast(folder: string, dns: number, http: number): string {
  const path = join(folder, 'holdfast.yaml')
  writeFileSync(join(folder, 'tsig.key'), `${Buffer.from('only for a benchmark on loopback').toString('base64')}\n`, {
    mode: 0o600,
  })
  writeFileSync(
    path,
    `owner: bench
state: state
keys:
  bench-key: { algorithm: hmac-sha256, secret: { file: tsig.key } }
server: { listen: [127.0.0.1:${dns}], http: null }
zones:
  bench.test: { authority: builtin, key: bench-key, ns: [ns.elsewhere.test] }
pools:
  web:
    check: { http: { port: ${http}, path: /healthz } }
    interval: ${intervalMs}ms
    timeout: 1s
    fall: ${fall}
    rise: 2
    ramp: 0s
    limits: { window: 1s }
    targets:
${sites.map((site) => `      t-${site}: { site: s-${site}, addresses: [${site}], capacity: 100 }`).join('\n')}
endpoints:
  ${name}: { pool: web, ttl: 5 }
`,
  )
  return path
}

function configureGdnsd(folder: string, dns: number, http: number): void {
  mkdirSync(join(folder, 'zones'), { recursive: true })
  writeFileSync(
    join(folder, 'config'),
    `options => { listen => 127.0.0.1:${dns}, run_dir => ${folder}/run, state_dir => ${folder}/state }
service_types => { web => { plugin => http_status, port => ${http}, url_path => /healthz, interval => ${intervalMs / 1000}, timeout => 1, up_thresh => 2, ok_thresh => 2, down_thresh => ${fall} } }
plugins => { multifo => { www => { service_types => web, up_thresh => 0.5, ${sites.map((site, index) => `a${index} => ${site}`).join(', ')} } } }
`,
  )
  writeFileSync(
    join(folder, 'zones', 'bench.test'),
    '@ SOA ns1 hostmaster 1 3600 600 604800 30\n@ NS ns1\nns1 A 127.0.0.1\nwww 5/2 DYNA multifo!www\n',
  )
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
try {
  const [dns, gdnsdDns, http] = [await freePort(), await freePort(), await freePort(victim)]
  const services = new Map(sites.map((site) => [site, start(process.execPath, [service, site, String(http), site])]))
  const config = configureHoldfast(folder, dns, http)
  for (const role of ['server', 'planner', 'prober'])
    start(process.execPath, [main, '--config', config, 'run', role, '--id', `${role}-1`, '--log', 'error'])
  for (const id of ['enactor-1', 'enactor-2', 'enactor-3'])
    start(process.execPath, [main, '--config', config, 'run', 'enactor', '--id', id, '--log', 'error'])
  const gdnsd = findProgram('gdnsd')
  const gdnsdFolder = join(folder, 'gdnsd')
  if (gdnsd !== undefined) {
    configureGdnsd(gdnsdFolder, gdnsdDns, http)
    const child = spawn(gdnsd, ['-c', gdnsdFolder, 'start'], { stdio: 'ignore' })
    children.push(child)
  }
  const store = await openLmdbStore({ path: join(folder, 'state', 'store') })
  if ('kind' in store) throw new Error(store.found)
  const whole = (found: readonly string[]) => sites.every((site) => found.includes(site))
  const without = (found: readonly string[]) => found.length > 0 && !found.includes(victim)
  const ours: number[] = []
  const theirs: number[] = []
  const path: number[] = []
  for (let trial = 0; trial < trials; trial++) {
    await Promise.all([answered(dns, whole), ...(gdnsd === undefined ? [] : [answered(gdnsdDns, whole)])])
    // Somewhere in the middle of both rhythms, another place each time.
    await pause(world.random.below(intervalMs))
    const child = services.get(victim)
    if (child === undefined) throw new Error('expected a service to end, found none')
    const died = performance.now()
    child.kill('SIGKILL')
    const [our, seen, their] = await Promise.all([
      answered(dns, without),
      observed(store),
      gdnsd === undefined ? Number.NaN : answered(gdnsdDns, without),
    ])
    ours.push((our - died) / 1000)
    theirs.push((their - died) / 1000)
    path.push(our - seen)
    services.set(victim, start(process.execPath, [service, victim, String(http), victim]))
  }
  await store.close()
  const against = gdnsd === undefined ? undefined : 'gdnsd'
  print('from death to the changed answer, median', median(ours), 's', against, median(theirs) / median(ours))
  print(
    'from death to the changed answer, worst',
    Math.max(...ours),
    's',
    against,
    Math.max(...theirs) / Math.max(...ours),
  )
  print('beyond fall x interval, worst', Math.max(...ours) - (fall * intervalMs) / 1000, 's')
  print('from the deciding observation to the changed answer, median', median(path), 'ms')
  print('from the deciding observation to the changed answer, worst', Math.max(...path), 'ms')
} finally {
  await Promise.all(children.map(stop))
  rmSync(folder, { recursive: true, force: true })
}
