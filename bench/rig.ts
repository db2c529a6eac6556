/**
 * What the balancing benchmarks stand on: backends that can be told how to misbehave, a constant load, and
 * two HAProxies in front of the same backends, one with weights from Holdfast, one that checks by itself
 * with the same interval and thresholds; gdnsd beside the built-in DNS server where it is asked for.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { decodeMessage, encodeMessage, isMalformed, messageOf } from '../src/dns/message.ts'
import { nameFromText } from '../src/dns/name.ts'
import { ipFromData } from '../src/dns/rdata.ts'
import { Class, Type } from '../src/dns/types.ts'
import { nodeWorld } from '../src/world/node.ts'
import { freePort } from '../test/support/ports.ts'
import { findProgram } from '../test/support/programs.ts'

export const intervalMs = 2_000
export const fall = 3
export const rise = 2
/** gdnsd holds at most 64 addresses of a kind in one resource. */
const gdnsdMost = 60
const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
const world = nodeWorld({ id: 'bench', onTrace: () => {} })
const name = 'web.bench.test'

/** How a backend behaves, to its checks at `/healthz` and to clients at `/`. */
export type Behaviour =
  | 'well'
  /** Answers 503 to its checks alone. */
  | 'false alarm'
  /** Takes three seconds for anything. */
  | 'slow'
  /** For three rounds of checks it answers 503 to everybody, for two it is well, and so on. */
  | 'flapping'
  /** Accepts, and never answers. */
  | 'hanging'
  /** Resets every connection that asks for something. */
  | 'resetting'
  /** Passes its checks, and fails its clients. */
  | 'lying'

export class Backends {
  readonly addresses: readonly string[]
  readonly #servers = new Map<string, Server>()
  readonly #behaviours = new Map<string, { readonly kind: Behaviour; readonly since: number }>()
  #port = 0

  constructor(count: number) {
    this.addresses = Array.from({ length: count }, (_, index) => `127.0.5.${index + 1}`)
  }

  async listen(port: number): Promise<void> {
    this.#port = port
    for (const address of this.addresses) await this.revive(address)
  }

  async revive(address: string): Promise<void> {
    const server = createServer({ keepAliveTimeout: 30_000 }, (asked, reply) => this.#answer(address, asked, reply))
    server.listen(this.#port, address)
    await once(server, 'listening')
    this.#servers.set(address, server)
  }

  /** As when its machine is gone: connections break, and nobody listens. */
  kill(address: string): void {
    const server = this.#servers.get(address)
    server?.close()
    server?.closeAllConnections()
  }

  become(kind: Behaviour, ...addresses: readonly string[]): void {
    for (const address of addresses) this.#behaviours.set(address, { kind, since: performance.now() })
  }

  close(): void {
    for (const address of this.#servers.keys()) this.kill(address)
  }

  #answer(address: string, { url, socket }: IncomingMessage, reply: ServerResponse): void {
    const { kind, since } = this.#behaviours.get(address) ?? { kind: 'well', since: 0 }
    const isCheck = url === '/healthz'
    const answer = (status: number) => {
      reply.statusCode = status
      reply.end('.')
    }
    switch (kind) {
      case 'well':
        answer(200)
        return
      case 'false alarm':
        answer(isCheck ? 503 : 200)
        return
      case 'slow':
        setTimeout(answer, 3_000, 200)
        return
      case 'flapping':
        answer((performance.now() - since) % (5 * intervalMs) < 3 * intervalMs ? 503 : 200)
        return
      case 'hanging':
        return
      case 'resetting':
        socket.resetAndDestroy()
        return
      case 'lying':
        answer(isCheck ? 200 : 503)
    }
  }
}

/** So many requests a second, evenly, whatever becomes of them. */
export class Load {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 })
  readonly #port: number
  readonly #timer: NodeJS.Timeout
  sent = 0
  errors = 0
  /** Answered well, but later than after a second. */
  late = 0

  constructor(port: number, perSecond: number) {
    this.#port = port
    this.#timer = setInterval(() => this.#send(), 1000 / perSecond)
  }

  #send(): void {
    this.sent += 1
    const began = performance.now()
    const asked = request({ port: this.#port, host: '127.0.0.1', agent: this.#agent, timeout: 5_000 }, (response) => {
      if (response.statusCode !== 200) this.errors += 1
      else if (performance.now() - began > 1_000) this.late += 1
      response.resume()
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in 5 s')))
    asked.on('error', () => {
      this.errors += 1
    })
    asked.end()
  }

  counts(): Counts {
    const { sent, errors, late } = this
    return { sent, errors, late }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#agent.destroy()
  }
}

export interface Counts {
  readonly sent: number
  readonly errors: number
  readonly late: number
}

export const since = (before: Counts, after: Counts): Counts => ({
  sent: after.sent - before.sent,
  errors: after.errors - before.errors,
  late: after.late - before.late,
})

export interface Sample {
  readonly at: number
  /** Share of its full weight of every backend, by address. */
  readonly ours: ReadonlyMap<string, number>
  readonly own: ReadonlyMap<string, number>
  /** What DNS answers; all there is where gdnsd does not run. */
  readonly ourDns: readonly string[]
  readonly gdnsd: readonly string[]
}

export const sum = (shares: ReadonlyMap<string, number>): number =>
  [...shares.values()].reduce((total, one) => total + one, 0)

export interface RigOptions {
  readonly backends: number
  /** Further lines of the pool. */
  readonly pool?: string
  readonly withGdnsd: boolean
}

export class Rig {
  readonly backends: Backends
  readonly samples: Sample[] = []
  readonly #options: RigOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  readonly #children: ChildProcess[] = []
  #ports = { http: 0, dns: 0, gdnsd: 0, front: 0, ownFront: 0 }
  #gdnsd = false
  /** Through the HAProxy with weights from Holdfast, and through the one that checks by itself. */
  loads: readonly [ours: Load, own: Load] | undefined

  constructor(options: RigOptions) {
    this.#options = options
    this.backends = new Backends(options.backends)
  }

  /** How many addresses gdnsd was given. */
  get ofGdnsd(): number {
    return Math.min(this.#options.backends, gdnsdMost)
  }

  /** Starts everything, and resolves when every backend is in everywhere. */
  async start(requestsPerSecond: number): Promise<void> {
    const haproxy = findProgram('haproxy')
    if (haproxy === undefined) throw new Error('expected haproxy to be installed: apt install haproxy')
    const [first] = this.backends.addresses
    const http = await freePort(first as string)
    const [dns, gdnsd, front, ownFront] = [await freePort(), await freePort(), await freePort(), await freePort()]
    this.#ports = { http, dns, gdnsd, front, ownFront }
    await this.backends.listen(http)
    const config = this.#configureHoldfast()
    this.#configureOwnChecks()
    mkdirSync(join(this.#folder, 'state'))
    const written = spawnSync(process.execPath, [main, '--config', config, 'haproxy', 'config'], { encoding: 'utf8' })
    if (written.status !== 0) throw new Error(written.stderr)
    // One more socket, so that looking does not disturb the balancer on its own.
    const watched = `global\n    stats socket unix@${this.#folder}/ours.sock mode 600 level operator\n`
    writeFileSync(join(this.#folder, 'ours.cfg'), watched + written.stdout)
    this.#spawn(haproxy, '-db', '-f', join(this.#folder, 'ours.cfg'))
    this.#spawn(haproxy, '-db', '-f', join(this.#folder, 'own-checks.cfg'))
    for (const role of ['server', 'planner', 'prober', 'balancer', 'enactor'])
      this.#spawn(process.execPath, main, '--config', config, 'run', role, '--id', `${role}-1`, '--log', 'error')
    const program = findProgram('gdnsd')
    if (this.#options.withGdnsd && program !== undefined) {
      this.#configureGdnsd()
      this.#gdnsd = true
      this.#spawn(program, '-c', join(this.#folder, 'gdnsd'), 'start')
    }
    await this.until('every backend to be in', this.isWhole, 120_000)
    this.loads = [new Load(front, requestsPerSecond), new Load(ownFront, requestsPerSecond)]
    await pause(3_000)
  }

  readonly isWhole = ({ ours, own, ourDns, gdnsd }: Sample): boolean =>
    [sum(ours), sum(own), ourDns.length].every((carried) => carried === this.#options.backends) &&
    gdnsd.length === this.ofGdnsd

  async look(): Promise<Sample> {
    const nobody = new Map<string, number>()
    const sample: Sample = {
      at: performance.now(),
      ours: await this.#inHaproxy('ours.sock').catch(() => nobody),
      own: await this.#inHaproxy('own.sock').catch(() => nobody),
      ourDns: await inDns(this.#ports.dns),
      gdnsd: this.#gdnsd ? await inDns(this.#ports.gdnsd) : this.backends.addresses.slice(0, this.ofGdnsd),
    }
    this.samples.push(sample)
    return sample
  }

  /** Looks ten times a second. Resolves to when it first was so. */
  async until(what: string, is: (sample: Sample) => boolean, atMostMs: number): Promise<number> {
    const deadline = performance.now() + atMostMs
    for (;;) {
      const sample = await this.look()
      if (is(sample)) return sample.at
      const { ours, own, ourDns, gdnsd } = sample
      if (performance.now() > deadline)
        throw new Error(
          `expected ${what} within ${atMostMs} ms, found ${sum(ours)} in HAProxy, ${sum(own)} by its own checks, ${ourDns.length} and ${gdnsd.length} in DNS`,
        )
      await pause(100)
    }
  }

  /** Goes on looking for so long. */
  async watch(ms: number): Promise<void> {
    const began = performance.now()
    await this.until('time to pass', ({ at }) => at - began >= ms, ms + 30_000)
  }

  counts(): readonly [ours: Counts, own: Counts] {
    if (this.loads === undefined) throw new Error('expected a load to have begun, found none')
    return [this.loads[0].counts(), this.loads[1].counts()]
  }

  async stop(): Promise<void> {
    for (const load of this.loads ?? []) load.stop()
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }),
    )
    this.backends.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #spawn(program: string, ...args: readonly string[]): void {
    const errors = program === process.execPath ? 'inherit' : 'ignore'
    this.#children.push(spawn(program, [...args], { stdio: ['ignore', 'ignore', errors] }))
  }

  /** Of the backend `web`, asked over a runtime socket. */
  async #inHaproxy(socketName: string): Promise<ReadonlyMap<string, number>> {
    const socket = connect(join(this.#folder, socketName))
    socket.end('show stat\n')
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    const [head = '', ...rows] = Buffer.concat(chunks).toString().split('\n')
    const columns = head.replace(/^# /, '').split(',')
    const column = (row: readonly string[], key: string) => row[columns.indexOf(key)] ?? ''
    const weights = new Map<string, number>()
    for (const row of rows.map((line) => line.split(','))) {
      const address = column(row, 'addr').split(':')[0] as string
      if (column(row, 'pxname') !== 'web' || !this.backends.addresses.includes(address)) continue
      const isUp = /^(UP|no check|OPEN)/.test(column(row, 'status'))
      weights.set(address, isUp ? Number(column(row, 'weight')) : 0)
    }
    // Of Holdfast 256 is all; a server of a configuration without weights has 1.
    const full = socketName === 'ours.sock' ? 256 : 1
    return new Map([...weights].map(([address, weight]) => [address, Math.min(1, weight / full)]))
  }

  #configureHoldfast(): string {
    const { dns, http, front } = this.#ports
    const path = join(this.#folder, 'holdfast.yaml')
    const key = `${Buffer.from('only for a benchmark on loopback').toString('base64')}\n`
    writeFileSync(join(this.#folder, 'tsig.key'), key, { mode: 0o600 })
    const targets = this.backends.addresses.map(
      (address, index) => `      t${index}: { site: s${index % 4}, addresses: [${address}] }`,
    )
    writeFileSync(
      path,
      `owner: bench
state: state
keys:
  bench-key: { secret: { file: tsig.key } }
server: { listen: [127.0.0.1:${dns}], http: null }
zones:
  bench.test: { authority: builtin, key: bench-key, ns: [ns.elsewhere.test] }
pools:
  web:
    check: { http: { port: ${http}, path: /healthz } }
    interval: ${intervalMs}ms
    timeout: 1s
    fall: ${fall}
    rise: ${rise}
${this.#options.pool ?? ''}
    targets:
${targets.join('\n')}
endpoints:
  ${name}: { pool: web, ttl: 5 }
haproxy:
  socket: state/haproxy.sock
  stateFile: state/haproxy.state
  pools:
    web: { mode: http, bind: 127.0.0.1:${front} }
`,
    )
    return path
  }

  #configureOwnChecks(): void {
    const servers = this.backends.addresses.map(
      (address, index) => `    server t${index} ${address}:${this.#ports.http}`,
    )
    writeFileSync(
      join(this.#folder, 'own-checks.cfg'),
      `global
    stats socket unix@${this.#folder}/own.sock mode 600 level admin
defaults
    mode http
    timeout connect 1s
    timeout client 1m
    timeout server 1m
    retries 3
    option redispatch 1
frontend web
    bind 127.0.0.1:${this.#ports.ownFront}
    default_backend web
backend web
    balance roundrobin
    retry-on conn-failure empty-response
    http-request disable-l7-retry unless { method GET HEAD OPTIONS }
    option httpchk GET /healthz
    timeout check 1s
    default-server inter ${intervalMs} fall ${fall} rise ${rise} slowstart 30s check
${servers.join('\n')}
`,
    )
  }

  #configureGdnsd(): void {
    const folder = join(this.#folder, 'gdnsd')
    mkdirSync(join(folder, 'zones'), { recursive: true })
    const all = this.backends.addresses.slice(0, this.ofGdnsd).map((address, index) => `a${index} => ${address}`)
    writeFileSync(
      join(folder, 'config'),
      `options => { listen => 127.0.0.1:${this.#ports.gdnsd}, run_dir => ${folder}/run, state_dir => ${folder}/state }
service_types => { web => { plugin => http_status, port => ${this.#ports.http}, url_path => /healthz, interval => ${intervalMs / 1000}, timeout => 1, up_thresh => ${rise}, ok_thresh => 10, down_thresh => ${fall} } }
plugins => { multifo => { web => { service_types => web, up_thresh => 0.5, ${all.join(', ')} } } }
`,
    )
    writeFileSync(
      join(folder, 'zones', 'bench.test'),
      '@ SOA ns1 hostmaster 1 3600 600 604800 30\n@ NS ns1\nns1 A 127.0.0.1\nweb 5/2 DYNA multifo!web\n',
    )
  }
}

/** The addresses that a DNS server answers, asked over TCP: a hundred do not fit into a datagram. */
async function inDns(port: number): Promise<readonly string[]> {
  const question = nameFromText(name)
  if (question === undefined) throw new Error(`expected a name, found ${name}`)
  const found = await world.net.connect({ host: '127.0.0.1', port }, 1_000)
  if (found.kind !== 'connected') return []
  const questions = [{ name: question, type: Type.A, class: Class.IN }]
  await found.connection.send(encodeMessage(messageOf({ id: world.random.below(65_536), questions })))
  const reply = await found.connection.receive(1_000)
  found.connection.close()
  if (reply.kind !== 'message') return []
  const decoded = decodeMessage(reply.bytes)
  if (isMalformed(decoded)) return []
  return decoded.answers.flatMap(({ type, data }) => (type === Type.A ? (ipFromData(data) ?? []) : []))
}
