/**
 * Runs the benchmarks and keeps what they measured, with the machine that it was measured on.
 *
 *     npm run bench                    all of them
 *     npm run bench -- plan answer     these
 *     npm run bench -- --quick         smaller sizes, to see that they work
 *     npm run bench -- recover-real    one that takes too long to be run with the others
 *
 * Each benchmark is a program of its own (`bench/NAME.ts`) that prints one JSON object a line:
 * `{ bench, metric, value, unit, against?, ratio? }`; `against` names what was measured beside it in
 * the same run, `ratio` is how many times better Holdfast was (below 1: worse). Absolute numbers of
 * different machines do not compare; ratios of one run do.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, hostname, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const root = join(import.meta.dirname, '..')
const benches = [
  'plan',
  'decision',
  'enact',
  'answer',
  'failover',
  'false-alarm',
  'prober',
  'haproxy',
  'lab',
  'explore',
  'recover',
  'recover-library',
  'leases',
] as const
/** Only by name. */
const long = ['backends', 'recover-real'] as const
const minutesMax = { usual: 20, long: 120 }

export interface Measurement {
  readonly bench: string
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly against?: string
  readonly ratio?: number
}

/** Undefined for a line that is not a measurement, such as something a library printed. */
export function parseMeasurement(line: string): Measurement | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const value = JSON.parse(line) as Partial<Measurement>
    const isWhole =
      typeof value.bench === 'string' &&
      typeof value.metric === 'string' &&
      typeof value.value === 'number' &&
      typeof value.unit === 'string'
    return isWhole ? (value as Measurement) : undefined
  } catch {
    return undefined
  }
}

interface Machine {
  readonly date: string
  readonly machine: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly versions: Readonly<Record<string, string>>
}

function thisMachine(): Machine {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  return {
    date: new Date().toISOString(),
    machine: hostname(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()}`,
    versions: {
      holdfast: version,
      commit: firstLine('git', ['-C', root, 'rev-parse', '--short', 'HEAD']),
      node: process.version,
      bind: firstLine('named', ['-v']),
      knot: firstLine('knotd', ['--version']),
      nsd: firstLine('nsd', ['-v']),
      gdnsd: firstLine('gdnsd', ['version']),
      dnsperf: firstLine('dnsperf', ['-h']),
      haproxy: firstLine('haproxy', ['-v']),
    },
  }
}

/** What a program says of itself on its first line, or `absent`. */
function firstLine(program: string, args: readonly string[]): string {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin` }
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env, timeout: 5000 })
  if (error !== undefined) return 'absent'
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? ''
}

async function runBench(name: string, extra: readonly string[]): Promise<readonly Measurement[] | undefined> {
  const child = spawn(process.execPath, ['--expose-gc', join(root, 'bench', `${name}.ts`), ...extra], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: ((long as readonly string[]).includes(name) ? minutesMax.long : minutesMax.usual) * 60_000,
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const measured: Measurement[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const measurement = parseMeasurement(line)
    if (measurement === undefined) console.error(line)
    else measured.push(measurement)
  }
  const exitCode = await ended
  if (exitCode === 0) return measured
  console.error(`bench/${name}.ts: expected it to end with exit code 0, found ${exitCode ?? 'a signal'}`)
  return undefined
}

/** Right-aligned numbers under a heading for each benchmark. */
export function table(measured: readonly Measurement[]): string {
  const rows = measured.map(({ bench, metric, value, unit, against, ratio }) => ({
    bench,
    cells: [metric, amount(value), unit, ratio === undefined ? '' : `${amount(ratio)} x`, against ?? ''],
  }))
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(0, ...rows.map(({ cells }) => cells[column]?.length ?? 0)))
  const lines: string[] = []
  let heading = ''
  for (const { bench, cells } of rows) {
    if (bench !== heading) lines.push('', bench)
    heading = bench
    const aligned = cells.map((cell, column) =>
      column === 1 || column === 3 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
    )
    lines.push(`  ${aligned.join('  ')}`.trimEnd())
  }
  return lines.join('\n').trimStart()
}

function amount(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}

/** When each benchmark ran, and at which commit: those of a day are kept in one file. */
type Runs = Readonly<Record<string, { readonly date: string; readonly commit: string }>>

interface Kept {
  readonly runs?: Runs
  readonly measured: readonly Measurement[]
}

/** What was measured now, and what other benchmarks measured before on the same machine and day. */
function withOthers(path: string, measured: readonly Measurement[], { date, versions }: Machine): Required<Kept> {
  const earlier = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Kept) : { measured: [] }
  const again = new Set(measured.map(({ bench }) => bench))
  const now = Object.fromEntries([...again].map((bench) => [bench, { date, commit: versions.commit ?? '' }]))
  return {
    runs: { ...earlier.runs, ...now },
    measured: [...earlier.measured.filter(({ bench }) => !again.has(bench)), ...measured],
  }
}

async function main(): Promise<void> {
  const asked = process.argv.slice(2)
  const names = asked.filter((argument) => !argument.startsWith('-'))
  const all: readonly string[] = [...benches, ...long]
  const unknown = names.find((name) => !all.includes(name))
  if (unknown !== undefined) {
    console.error(`expected one of ${all.join(', ')}, found ${unknown}`)
    process.exitCode = 2
    return
  }
  const machine = thisMachine()
  console.error(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, node ${process.version}`,
  )
  const measured: Measurement[] = []
  for (const name of names.length === 0 ? benches : names) {
    console.error(`\nbench/${name}.ts ...`)
    const found = await runBench(
      name,
      asked.filter((argument) => argument.startsWith('-')),
    )
    if (found === undefined) process.exitCode = 1
    else measured.push(...found)
  }
  console.log(`\n${table(measured)}`)
  const folder = join(root, 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${machine.date.slice(0, 10)}-${machine.machine.replace(/[^\w.-]/g, '_')}.json`)
  writeFileSync(path, `${JSON.stringify({ ...machine, ...withOthers(path, measured, machine) }, null, 2)}\n`)
  console.log(`\nkept in ${path}`)
}

if (import.meta.main) await main()
