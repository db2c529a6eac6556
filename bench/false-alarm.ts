/**
 * A false alarm: every check of 100 healthy targets fails for a minute, while all of them serve. Beside
 * Holdfast (its weights in HAProxy, and its answers in DNS) stand HAProxy's own checks and gdnsd, on the
 * same targets, with the same interval and thresholds, in the same run. Clients send a constant load
 * through both HAProxies. Before that one target really dies: after an alarm removals stand still for a
 * while, by design.
 *
 *     node bench/false-alarm.ts --svg docs/false-alarm.svg     draws the capacity over time, too
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request, type Server } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { drawChart } from '../lab/chart.ts'
import { decodeMessage, encodeMessage, isMalformed, messageOf } from '../src/dns/message.ts'
import { nameFromText } from '../src/dns/name.ts'
import { ipFromData } from '../src/dns/rdata.ts'
import { Class, Type } from '../src/dns/types.ts'
import { nodeWorld } from '../src/world/node.ts'
import { freePort } from '../test/support/ports.ts'
import { findProgram } from '../test/support/programs.ts'

const quick = process.argv.includes('--quick')
const svg = process.argv.indexOf('--svg')
const alarmMs = quick ? 15_000 : 60_000
const targets = quick ? 20 : 100
/** gdnsd holds at most 64 addresses of a kind in one resource. */
const ofGdnsd = Math.min(targets, 60)
const intervalMs = 2_000
const fall = 3
const rise = 2
const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
const world = nodeWorld({ id: 'bench', onTrace: () => {} })
const name = 'web.bench.test'
const addresses = Array.from({ length: targets }, (_, index) => `127.0.5.${index + 1}`)
const victim = addresses[7] as string

const print = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(JSON.stringify({ bench: 'false-alarm', metric, value, unit, ...(against && { against, ratio }) }))

const children: ChildProcess[] = []
function start(program: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(program, [...args], {
    stdio: ['ignore', 'ignore', program === process.execPath ? 'inherit' : 'ignore'],
  })
  children.push(child)
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** The targets: each serves at `/`, and says at `/healthz` what it is told to say. */
class Targets {
  readonly #servers = new Map<string, Server>()
  healthy = true

  async listen(address: string, port: number): Promise<void> {
    const server = createServer({ keepAliveTimeout: 30_000 }, ({ url }, response) => {
      response.statusCode = url === '/healthz' && !this.healthy ? 503 : 200
      response.end('ok')
    })
    server.listen(port, address)
    await once(server, 'listening')
    this.#servers.set(address, server)
  }

  /** As when its machine is gone: connections break, and nobody listens. */
  kill(address: string): void {
    const server = this.#servers.get(address)
    server?.close()
    server?.closeAllConnections()
  }

  close(): void {
    for (const address of this.#servers.keys()) this.kill(address)
  }
}

/** So many requests a second, evenly. */
class Load {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #port: number
  readonly #timer: NodeJS.Timeout
  sent = 0
  errors = 0

  constructor(port: number, perSecond: number) {
    this.#port = port
    this.#timer = setInterval(() => this.#send(), 1000 / perSecond)
  }

  #send(): void {
    this.sent += 1
    const asked = request({ port: this.#port, host: '127.0.0.1', agent: this.#agent, timeout: 3_000 }, (response) => {
      if (response.statusCode !== 200) this.errors += 1
      response.resume()
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in 3 s')))
    asked.on('error', () => {
      this.errors += 1
    })
    asked.end()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#agent.destroy()
  }
}

/** Share of its full weight of every server of the backend `web`, by address; asked over a runtime socket. */
async function inHaproxy(path: string): Promise<ReadonlyMap<string, number>> {
  const socket = connect(path)
  socket.end('show stat\n')
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  const [head = '', ...rows] = Buffer.concat(chunks).toString().split('\n')
  const columns = head.replace(/^# /, '').split(',')
  const column = (row: readonly string[], key: string) => row[columns.indexOf(key)] ?? ''
  const shares = new Map<string, number>()
  let greatest = 1
  for (const row of rows.map((line) => line.split(','))) {
    if (column(row, 'pxname') !== 'web' || !/^\d/.test(column(row, 'addr'))) continue
    const address = column(row, 'addr').split(':')[0] as string
    const isUp = /^(UP|no check|OPEN)/.test(column(row, 'status'))
    const weight = isUp ? Number(column(row, 'weight')) : 0
    if (addresses.includes(address)) shares.set(address, weight)
    greatest = Math.max(greatest, weight)
  }
  return new Map([...shares].map(([address, weight]) => [address, weight / greatest]))
}

/** The addresses that a DNS server answers, asked over TCP: a hundred do not fit into a datagram. */
async function inDns(port: number): Promise<readonly string[]> {
  const question = nameFromText(name)
  if (question === undefined) throw new Error(`expected a name, found ${name}`)
  const found = await world.net.connect({ host: '127.0.0.1', port }, 1_000)
  if (found.kind !== 'connected') return []
  const id = world.random.below(65_536)
  await found.connection.send(
    encodeMessage(messageOf({ id, questions: [{ name: question, type: Type.A, class: Class.IN }] })),
  )
  const reply = await found.connection.receive(1_000)
  found.connection.close()
  if (reply.kind !== 'message') return []
  const decoded = decodeMessage(reply.bytes)
  return isMalformed(decoded)
    ? []
    : decoded.answers.flatMap(({ type, data }) => (type === Type.A ? (ipFromData(data) ?? []) : []))
}

function configureHoldfast(folder: string, ports: { dns: number; http: number; front: number }): string {
  const path = join(folder, 'holdfast.yaml')
  writeFileSync(join(folder, 'tsig.key'), `${Buffer.from('only for a benchmark on loopback').toString('base64')}\n`, {
    mode: 0o600,
  })
  writeFileSync(
    path,
    `owner: bench
state: state
keys:
  bench-key: { secret: { file: tsig.key } }
server: { listen: [127.0.0.1:${ports.dns}], http: null }
zones:
  bench.test: { authority: builtin, key: bench-key, ns: [ns.elsewhere.test] }
pools:
  web:
    check: { http: { port: ${ports.http}, path: /healthz } }
    interval: ${intervalMs}ms
    timeout: 1s
    fall: ${fall}
    rise: ${rise}
    targets:
${addresses.map((address, index) => `      t${index}: { site: s${index % 4}, addresses: [${address}] }`).join('\n')}
endpoints:
  ${name}: { pool: web, ttl: 5 }
haproxy:
  socket: state/haproxy.sock
  stateFile: state/haproxy.state
  pools:
    web: { mode: http, bind: 127.0.0.1:${ports.front} }
`,
  )
  return path
}

function configureHaproxy(folder: string, ports: { http: number; front: number }): void {
  writeFileSync(
    join(folder, 'own-checks.cfg'),
    `global
    stats socket unix@${folder}/own.sock mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 1m
    timeout server 1m
    retries 3
    option redispatch 1
frontend web
    bind 127.0.0.1:${ports.front}
    default_backend web
backend web
    balance roundrobin
    option httpchk GET /healthz
    default-server inter ${intervalMs} fall ${fall} rise ${rise} slowstart 30s check
${addresses.map((address, index) => `    server t${index} ${address}:${ports.http}`).join('\n')}
`,
  )
}

function configureGdnsd(folder: string, ports: { dns: number; http: number }): void {
  mkdirSync(join(folder, 'zones'), { recursive: true })
  const all = addresses.slice(0, ofGdnsd).map((address, index) => `a${index} => ${address}`)
  writeFileSync(
    join(folder, 'config'),
    `options => { listen => 127.0.0.1:${ports.dns}, run_dir => ${folder}/run, state_dir => ${folder}/state }
service_types => { web => { plugin => http_status, port => ${ports.http}, url_path => /healthz, interval => ${intervalMs / 1000}, timeout => 1, up_thresh => ${rise}, ok_thresh => 10, down_thresh => ${fall} } }
plugins => { multifo => { web => { service_types => web, up_thresh => 0.5, ${all.join(', ')} } } }
`,
  )
  writeFileSync(
    join(folder, 'zones', 'bench.test'),
    '@ SOA ns1 hostmaster 1 3600 600 604800 30\n@ NS ns1\nns1 A 127.0.0.1\nweb 5/2 DYNA multifo!web\n',
  )
}

interface Sample {
  readonly at: number
  readonly ours: ReadonlyMap<string, number>
  readonly own: ReadonlyMap<string, number>
  readonly ourDns: readonly string[]
  readonly gdnsd: readonly string[]
}

const sum = (shares: ReadonlyMap<string, number>): number => [...shares.values()].reduce((total, one) => total + one, 0)

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
const machines = new Targets()
const loads: Load[] = []
try {
  const http = await freePort(addresses[0] as string)
  const [dns, gdnsdDns, front, ownFront] = [await freePort(), await freePort(), await freePort(), await freePort()]
  for (const address of addresses) await machines.listen(address, http)
  const config = configureHoldfast(folder, { dns, http, front })
  configureHaproxy(folder, { http, front: ownFront })
  const haproxy = findProgram('haproxy')
  if (haproxy === undefined) throw new Error('expected haproxy to be installed: apt install haproxy')
  mkdirSync(join(folder, 'state'))
  const written = spawnSync(process.execPath, [main, '--config', config, 'haproxy', 'config'], { encoding: 'utf8' })
  if (written.status !== 0) throw new Error(written.stderr)
  // One more socket, so that looking does not disturb the balancer on its own.
  const watched = `global\n    stats socket unix@${folder}/ours.sock mode 600 level operator\n`
  writeFileSync(join(folder, 'ours.cfg'), watched + written.stdout)
  start(haproxy, '-db', '-f', join(folder, 'ours.cfg'))
  start(haproxy, '-db', '-f', join(folder, 'own-checks.cfg'))
  for (const role of ['server', 'planner', 'prober', 'balancer', 'enactor'])
    start(process.execPath, main, '--config', config, 'run', role, '--id', `${role}-1`, '--log', 'error')
  const gdnsd = findProgram('gdnsd')
  if (gdnsd !== undefined) {
    configureGdnsd(join(folder, 'gdnsd'), { dns: gdnsdDns, http })
    start(gdnsd, '-c', join(folder, 'gdnsd'), 'start')
  }

  const samples: Sample[] = []
  const look = async (): Promise<Sample> => {
    const nobody = new Map<string, number>()
    const sample: Sample = {
      at: performance.now(),
      ours: await inHaproxy(join(folder, 'ours.sock')).catch(() => nobody),
      own: await inHaproxy(join(folder, 'own.sock')).catch(() => nobody),
      ourDns: await inDns(dns),
      gdnsd: gdnsd === undefined ? addresses.slice(0, ofGdnsd) : await inDns(gdnsdDns),
    }
    samples.push(sample)
    return sample
  }
  const until = async (what: string, is: (sample: Sample) => boolean, atMostMs: number): Promise<number> => {
    const deadline = performance.now() + atMostMs
    for (;;) {
      const sample = await look()
      if (is(sample)) return sample.at
      if (performance.now() > deadline)
        throw new Error(
          `expected ${what} within ${atMostMs} ms, found ${[sum(sample.ours), sum(sample.own), sample.ourDns.length, sample.gdnsd.length]}`,
        )
      await pause(100)
    }
  }
  const whole = ({ ours, own, ourDns, gdnsd: theirs }: Sample) =>
    [sum(ours), sum(own), ourDns.length].every((carried) => carried === targets) && theirs.length === ofGdnsd
  await until('every target in', whole, 90_000)
  loads.push(new Load(front, 100), new Load(ownFront, 100))
  await pause(3_000)

  const diedAt = performance.now()
  machines.kill(victim)
  const out = { ours: Number.NaN, own: Number.NaN, ourDns: Number.NaN, gdnsd: Number.NaN }
  const errorsBefore = loads.map(({ errors }) => errors)
  await until(
    'the dead one out',
    ({ at, ours, own, ourDns, gdnsd: theirs }) => {
      const since = (at - diedAt) / 1000
      if (Number.isNaN(out.ours) && ours.get(victim) === 0) out.ours = since
      if (Number.isNaN(out.own) && own.get(victim) === 0) out.own = since
      if (Number.isNaN(out.ourDns) && !ourDns.includes(victim)) out.ourDns = since
      if (Number.isNaN(out.gdnsd) && (gdnsd === undefined || !theirs.includes(victim))) out.gdnsd = since
      return Object.values(out).every((seconds) => !Number.isNaN(seconds))
    },
    60_000,
  )
  print(`one of ${targets} dies: out of HAProxy after`, out.ours, 's', 'haproxy', out.own / out.ours)
  print(`one of ${targets} dies: out of DNS after`, out.ourDns, 's', 'gdnsd', out.gdnsd / out.ourDns)
  print('beyond fall x interval', out.ours - (fall * intervalMs) / 1000, 's')
  print('requests that failed until then', (loads[0]?.errors ?? 0) - (errorsBefore[0] ?? 0), 'requests')
  print('the same, HAProxy checking by itself', (loads[1]?.errors ?? 0) - (errorsBefore[1] ?? 0), 'requests')
  await machines.listen(victim, http)
  await until('the dead one back', whole, 180_000)

  samples.length = 0
  const beganAt = (await look()).at
  const before = loads.map(({ sent, errors }) => ({ sent, errors }))
  await until('', ({ at }) => at - beganAt > 5_000, 10_000)
  machines.healthy = false
  const falseAt = performance.now()
  await until('', ({ at }) => at - falseAt > alarmMs, alarmMs + 10_000)
  machines.healthy = true
  const mendedAt = performance.now()
  const restored = { ours: Number.NaN, own: Number.NaN, ourDns: Number.NaN, gdnsd: Number.NaN }
  await until(
    'everything back',
    (sample) => {
      const since = (sample.at - mendedAt) / 1000
      if (Number.isNaN(restored.ours) && sum(sample.ours) === targets) restored.ours = since
      if (Number.isNaN(restored.own) && sum(sample.own) === targets) restored.own = since
      if (Number.isNaN(restored.ourDns) && sample.ourDns.length === targets) restored.ourDns = since
      if (Number.isNaN(restored.gdnsd) && sample.gdnsd.length === ofGdnsd) restored.gdnsd = since
      return whole(sample) && since > 20
    },
    180_000,
  )
  const after = loads.map(({ sent, errors }, index) => ({
    sent: sent - (before[index]?.sent ?? 0),
    errors: errors - (before[index]?.errors ?? 0),
  }))
  const least = {
    ours: Math.min(...samples.map(({ ours }) => sum(ours))) / targets,
    own: Math.min(...samples.map(({ own }) => sum(own))) / targets,
    ourDns: Math.min(...samples.map(({ ourDns }) => ourDns.length)) / targets,
    gdnsd: Math.min(...samples.map(({ gdnsd: theirs }) => theirs.length)) / ofGdnsd,
  }
  const share = (value: number) => Math.round(value * 1000) / 10
  print('all checks fail, all targets serve: capacity taken out of HAProxy', share(1 - least.ours), '%')
  print('the same, HAProxy checking by itself', share(1 - least.own), '%')
  print('capacity taken out of DNS', share(1 - least.ourDns), '%')
  print('the same, gdnsd', share(1 - least.gdnsd), '%')
  const failed = (index: number) => share((after[index]?.errors ?? 0) / Math.max(1, after[index]?.sent ?? 0))
  print('requests that failed', after[0]?.errors ?? Number.NaN, 'requests')
  print('requests that failed, HAProxy checking by itself', after[1]?.errors ?? Number.NaN, 'requests')
  print('share of requests that failed, HAProxy checking by itself', failed(1), '%')
  print('requests sent through each', after[0]?.sent ?? Number.NaN, 'requests')
  // What never left is back at once.
  const back = (what: string, seconds: number) =>
    print(`from the end of the alarm to ${what}`, Math.round(seconds * 10) / 10, 's')
  back('the weights of before', restored.ours)
  back('the weights of before, HAProxy checking by itself', restored.own)
  back('the answer of before', restored.ourDns)
  back('the answer of before, gdnsd', restored.gdnsd)
  if (svg > 0)
    writeFileSync(
      process.argv[svg + 1] as string,
      chart(samples, falseAt, mendedAt, after[0]?.errors ?? 0, after[1]?.errors ?? 0),
    )
} finally {
  for (const load of loads) load.stop()
  await Promise.all(children.map(stop))
  machines.close()
  rmSync(folder, { recursive: true, force: true })
}

function chart(samples: readonly Sample[], falseAt: number, mendedAt: number, ours: number, theirs: number): string {
  const from = samples[0]?.at ?? 0
  const seconds = (at: number) => (at - from) / 1000
  const line = (value: (sample: Sample) => number) =>
    samples.map((sample) => [seconds(sample.at), 100 * value(sample)] as const)
  return drawChart({
    title: `All checks of ${targets} healthy targets fail for ${alarmMs / 1000} s: what goes on carrying traffic`,
    description: `Capacity over time. With Holdfast it stays whole in HAProxy and in DNS. HAProxy checking by itself takes everything out within seconds, and it comes back slowly afterwards.`,
    unit: '% of the capacity',
    seconds: Math.ceil(seconds(samples.at(-1)?.at ?? from)),
    greatest: 110,
    series: [
      {
        label: 'HAProxy with weights from Holdfast',
        look: 'strong',
        tone: 'good',
        points: line((sample) => sum(sample.ours) / targets),
      },
      {
        label: 'HAProxy, its own checks',
        look: 'strong',
        tone: 'bad',
        points: line(({ own }) => sum(own) / targets),
        filled: true,
      },
      { label: 'DNS, Holdfast', look: 'dashed', tone: 'hero', points: line(({ ourDns }) => ourDns.length / targets) },
      { label: 'DNS, gdnsd', look: 'dashed', tone: 'soft', points: line(({ gdnsd }) => gdnsd.length / ofGdnsd) },
    ],
    moments: [
      { at: seconds(falseAt), text: 'every check fails from now on; every target serves as before' },
      {
        at: seconds(mendedAt),
        text: `checks pass again; of the requests of all this time HAProxy by itself failed ${theirs.toLocaleString('en')}, with weights from Holdfast ${ours.toLocaleString('en')}`,
      },
    ],
  })
}
