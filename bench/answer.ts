/**
 * Answers a second and CPU for each over loopback, beside other servers with the same zone in the same run: one core for
 * the server, the other for dnsperf. And answers a second without sockets, which is what is ours of that.
 *
 * CPU for each query is the figure to compare: where the server is faster than dnsperf, the rate is dnsperf's.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ednsOf, encodeMessage, messageOf } from '../src/dns/message.ts'
import { Class, Type } from '../src/dns/types.ts'
import { answer, lengthOf } from '../src/serve/answer.ts'
import { freePort } from '../test/support/ports.ts'
import { findProgram } from '../test/support/programs.ts'
import { apexRecords, asking, tableOf, wire, zoneFromText } from '../test/support/serve.ts'

const quick = process.argv.includes('--quick')
const seconds = quick ? 1 : 5
const rounds = quick ? 1 : 3
const names = 10_000
const zone = 'example.test'
const hosts = Array.from({ length: names }, (_, index) => `host${index}`)
const address = (index: number) => `192.0.${index >> 8}.${index & 255}`
const records = hosts.map((host, index) => `${host} 300 IN A ${address(index)}`).join('\n')

const print = (metric: string, value: number, unit: string, against?: string, ratio?: number) =>
  console.log(
    JSON.stringify({
      bench: 'answer',
      metric,
      value: rounded(value),
      unit,
      ...(against === undefined ? {} : { against, ratio: rounded(ratio ?? 0) }),
    }),
  )
const rounded = (value: number) => Number(value.toPrecision(4))
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/** What `answer` alone takes. */
function withoutSockets(): void {
  const table = tableOf(
    zoneFromText(
      `${zone}.`,
      `${apexRecords()}${records}\n${hosts.map((host, index) => `alias${index} 300 IN CNAME ${host}`).join('\n')}\n`,
    ),
  )
  const cases: readonly (readonly [metric: string, name: (host: string) => string, edns: boolean])[] = [
    ['in process: an address', (host) => host, false],
    ['in process: an address, EDNS', (host) => host, true],
    ['in process: an alias and its address', (host) => host.replace('host', 'alias'), false],
    ['in process: no such name', (host) => `no-${host}`, false],
  ]
  for (const [metric, name, edns] of cases) {
    const queries = hosts.map((host) =>
      Buffer.from(
        encodeMessage(
          messageOf({
            questions: [{ name: wire(`${name(host)}.${zone}.`), type: Type.A, class: Class.IN }],
            edns: edns ? ednsOf() : null,
          }),
        ),
      ),
    )
    const out = Buffer.alloc(0xffff)
    const options = asking()
    let octets = 0
    const pass = () => {
      for (const query of queries) octets += lengthOf(answer(table, query, query.length, options, out))
    }
    for (let warm = 0; warm < 20; warm++) pass()
    const start = performance.now()
    let passes = 0
    while (performance.now() - start < seconds * 400) {
      pass()
      passes++
    }
    const perSecond = (passes * names * 1000) / (performance.now() - start)
    if (octets === 0) throw new Error('expected replies, found none')
    print(metric, perSecond, 'answers/s')
  }
}

interface Contender {
  readonly name: string
  /** Writes what it needs into the folder and says what to run. */
  prepare(folder: string, port: number): readonly string[]
}

const zoneText = `$ORIGIN ${zone}.\n@ 3600 IN SOA ns1 hostmaster 1 3600 600 604800 30\n@ 3600 IN NS ns1\nns1 3600 IN A 127.0.0.1\n${records}\n`

const contenders: readonly Contender[] = [
  {
    name: 'holdfast',
    prepare(folder, port) {
      writeFileSync(join(folder, 'records'), records)
      const settings = { dir: join(folder, 'server'), port, recordsFile: join(folder, 'records') }
      return [process.execPath, join(import.meta.dirname, '../test/support/serve-program.ts'), JSON.stringify(settings)]
    },
  },
  {
    name: 'knot',
    prepare(folder, port) {
      mkdirSync(join(folder, 'db'))
      writeFileSync(join(folder, 'zone'), zoneText)
      writeFileSync(
        join(folder, 'conf'),
        `server:\n    rundir: "${folder}"\n    listen: 127.0.0.1@${port}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\ndatabase:\n    storage: "${folder}/db"\nlog:\n  - target: stderr\n    any: error\nzone:\n  - domain: ${zone}\n    storage: "${folder}"\n    file: zone\n`,
      )
      return ['knotd', '-c', join(folder, 'conf')]
    },
  },
  {
    name: 'nsd',
    prepare(folder, port) {
      writeFileSync(join(folder, 'zone'), zoneText)
      writeFileSync(
        join(folder, 'conf'),
        `server:\n  ip-address: 127.0.0.1@${port}\n  server-count: 1\n  username: ""\n  chroot: ""\n  zonesdir: "${folder}"\n  pidfile: "${folder}/pid"\n  xfrdfile: "${folder}/xfrd"\n  xfrdir: "${folder}"\n  zonelistfile: "${folder}/list"\n  verbosity: 0\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: ${zone}\n  zonefile: zone\n`,
      )
      return ['nsd', '-d', '-c', join(folder, 'conf')]
    },
  },
  {
    name: 'gdnsd',
    prepare(folder, port) {
      mkdirSync(join(folder, 'zones'))
      for (const part of ['run', 'state']) mkdirSync(join(folder, part))
      writeFileSync(join(folder, 'zones', zone), zoneText.replace(/^\$ORIGIN.*\n/, ''))
      writeFileSync(
        join(folder, 'config'),
        `options => { listen => "127.0.0.1:${port}", udp_threads => 1, tcp_threads => 1, run_dir => "${folder}/run", state_dir => "${folder}/state" }\n`,
      )
      return ['gdnsd', '-c', folder, 'start']
    },
  },
]

interface Measured {
  readonly perSecond: number
  readonly cpuMicroseconds: number
  readonly lost: number
}

async function measure(contender: Contender, queryFile: string): Promise<Measured | undefined> {
  const folder = mkdtempSync(join(tmpdir(), `holdfast-bench-${contender.name}-`))
  const port = await freePort()
  const [program = '', ...args] = contender.prepare(folder, port)
  const path = findProgram(program) ?? program
  const child = spawn('taskset', ['-c', '0', path, ...args], {
    stdio: ['ignore', 'ignore', quick ? 'inherit' : 'ignore'],
  })
  try {
    if (!(await ready(port, child))) return undefined
    dnsperf(port, queryFile, 1)
    const before = cpuTicks(child.pid ?? 0)
    const { completed, perSecond, lost } = dnsperf(port, queryFile, seconds)
    const ticks = cpuTicks(child.pid ?? 0) - before
    return { perSecond, cpuMicroseconds: (ticks * 10_000) / completed, lost }
  } finally {
    for (const pid of [...descendants(child.pid ?? 0)].reverse()) process.kill(pid, 'SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
    rmSync(folder, { recursive: true, force: true })
  }
}

async function ready(port: number, child: ChildProcess): Promise<boolean> {
  for (let tries = 0; tries < 100 && child.exitCode === null; tries++) {
    try {
      const said = execFileSync(
        'dig',
        ['@127.0.0.1', '-p', String(port), '+short', '+time=1', '+tries=1', `host1.${zone}`, 'A'],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      )
      if (said.trim() === address(1)) return true
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return false
}

function dnsperf(port: number, queryFile: string, duration: number) {
  const said = execFileSync(
    'taskset',
    [
      '-c',
      '1',
      'dnsperf',
      '-s',
      '127.0.0.1',
      '-p',
      String(port),
      '-d',
      queryFile,
      '-l',
      String(duration),
      '-c',
      '4',
      '-q',
      '200',
    ],
    { encoding: 'utf8' },
  )
  const number = (label: string) => Number(new RegExp(`${label}:\\s+([0-9.]+)`).exec(said)?.[1] ?? Number.NaN)
  return {
    completed: number('Queries completed'),
    perSecond: number('Queries per second'),
    lost: number('Queries lost'),
  }
}

/** A process and those it started, in the kernel's hundredths of a second. */
function cpuTicks(pid: number): number {
  let ticks = 0
  for (const one of descendants(pid)) {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks
}

function descendants(pid: number): ReadonlySet<number> {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue
    try {
      parents.set(
        Number(entry),
        Number(
          readFileSync(`/proc/${entry}/stat`, 'utf8')
            .replace(/^.*\) /s, '')
            .split(' ')[1],
        ),
      )
    } catch {
      // Ended in between.
    }
  }
  const found = new Set([pid])
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.add(child)
  return found
}

withoutSockets()

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
const queryFile = join(folder, 'queries')
writeFileSync(queryFile, hosts.map((host) => `${host}.${zone} A`).join('\n'))
const measured = new Map<string, Measured[]>()
// In turns, so that a busy moment of the machine does not fall on one of them alone.
for (let round = 0; round < rounds; round++) {
  for (const contender of contenders) {
    const found = await measure(contender, queryFile)
    if (found !== undefined) measured.set(contender.name, [...(measured.get(contender.name) ?? []), found])
  }
}
rmSync(folder, { recursive: true })

const of = (name: string, figure: keyof Measured) => median((measured.get(name) ?? []).map((one) => one[figure]))
print('queries a second', of('holdfast', 'perSecond'), 'queries/s')
print('CPU a query', of('holdfast', 'cpuMicroseconds'), 'µs')
for (const name of measured.keys()) {
  if (name === 'holdfast') continue
  print(
    'queries a second',
    of(name, 'perSecond'),
    'queries/s',
    name,
    of('holdfast', 'perSecond') / of(name, 'perSecond'),
  )
  print(
    'CPU a query',
    of(name, 'cpuMicroseconds'),
    'µs',
    name,
    of(name, 'cpuMicroseconds') / of('holdfast', 'cpuMicroseconds'),
  )
}
