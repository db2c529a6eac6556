/**
 * Recoveries with real processes: PostgreSQL on one core, the manager with a policy and the hosts on the
 * other, trouble as it comes. The same hosts and limiters as in `bench/recover.ts`, on the real clock.
 *
 *     node bench/recover-real.ts                          the governor in every trouble, others where they differ most
 *     node bench/recover-real.ts --full                   every policy in every trouble: most of an hour
 *     node bench/recover-real.ts --troubles hang,lock --policies "governor,naive FIFO" --hosts 10000
 *
 * First X(n) is measured, operations a second with n at once; then, before each run, its best again: the
 * bound of that run follows from the greater of the two, since the machine may have other work. A figure of 0 stands for "never":
 * not within `--times` (2) times the bound. Whole runs, with goodput by second, are kept in
 * `bench/results/DATE-MACHINE-recover-real.json` (another number of hosts: `-HOSTS` more), from which `--draw` makes the pictures of docs/.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, hostname, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Hint } from '../src/recover/hint.ts'
import type { Point } from './recover-real/curve.ts'
import { fill, pin, startDatabase, urlOf } from './recover-real/database.ts'
import { drawRuns } from './recover-real/draw.ts'
import { policies, type RealPolicy } from './recover-real/policies.ts'
import {
  best,
  capacityAgain,
  curveOf,
  freePort,
  type RealRun,
  run,
  type Stage,
  type Trouble,
  troubles,
} from './recover-real/run.ts'

const usualHosts = 20_000

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: String(usualHosts) },
    times: { type: 'string', default: '2' },
    troubles: { type: 'string' },
    policies: { type: 'string' },
    full: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    draw: { type: 'string' },
  },
})

interface Kept {
  readonly date: string
  readonly machine: string
  readonly cpu: string
  readonly hosts: number
  readonly patienceSeconds: number
  readonly curve: readonly Point[]
  readonly runs: readonly (RealRun & { readonly load: number })[]
}

const hosts = values.quick ? 5_000 : Number(values.hosts)
/** A quarter of the time that the whole fleet takes at 1,000 a second: far below what a fleet needs that all ask at once. */
const patienceSeconds = hosts / 4_000

function say(metric: string, value: number, unit: string): void {
  const rounded = Number.isFinite(value) ? Number(value.toPrecision(4)) : 0
  console.log(JSON.stringify({ bench: 'recover-real', metric, value: rounded, unit }))
}

type Pair = readonly [Trouble, RealPolicy]

function chosen(): readonly Pair[] {
  const allTroubles = Object.keys(troubles) as Trouble[]
  const ofNames = <T>(text: string | undefined, all: readonly T[], name: (one: T) => string): readonly T[] =>
    text === undefined ? all : all.filter((one) => text.split(',').includes(name(one)))
  const some = ofNames(values.troubles, allTroubles, (one) => one)
  const who = ofNames(values.policies, policies, (one) => one.name)
  const isAsked = values.troubles !== undefined || values.policies !== undefined || values.full
  if (isAsked) {
    // The governor first: whoever stops early has seen it in every trouble.
    const pairs = some.flatMap((trouble) => who.map((policy): Pair => [trouble, policy]))
    const isGovernor = ([, { rules }]: Pair) => rules === undefined
    return [...pairs.filter(isGovernor), ...pairs.filter((pair) => !isGovernor(pair))]
  }
  const short = values.quick ? (['none', 'hang'] as const) : allTroubles
  const named = (name: string) => policies.filter((one) => one.name === name)
  return [
    ...short.flatMap((trouble) => named('governor').map((policy): Pair => [trouble, policy])),
    ...[...named('naive FIFO'), ...(values.quick ? [] : [...named('AIMD'), ...named('Vegas')])].map(
      (policy): Pair => ['hang', policy],
    ),
  ]
}

function tell(one: RealRun, load: number): void {
  const name = `${one.trouble}: ${one.policy}`
  say(`${name}: capacity`, one.perSecond, 'operations/s')
  say(`${name}: bound`, one.bound, 's')
  say(`${name}: t50`, one.t50 / one.bound, 'x bound')
  say(`${name}: t99`, one.t99 / one.bound, 'x bound')
  say(`${name}: t100`, one.t100 / one.bound, 'x bound')
  say(`${name}: t99 in the database`, one.granted99 / one.bound, 'x bound')
  say(`${name}: most hosts`, 100 * one.leasedShare, '% leased')
  say(`${name}: time-outs`, 100 * one.timeoutShare, '% of operations')
  say(`${name}: wasted`, (100 * one.wasted) / Math.max(1, one.operations), '% of operations')
  say(`${name}: messages`, one.messagesPerHost, 'a host')
  if (Number.isFinite(one.worstWindow)) say(`${name}: worst 5 s`, 100 * one.worstWindow, '% of capacity')
  say(`${name}: load average`, load, 'processes')
}

/** As a governor has it after a recovery in better times, whose climb began at a quarter of the knee. */
function hintOf(curve: readonly Point[], { inFlight, perSecond }: Point): Hint {
  const foot = curve.findLast((point) => point.inFlight <= inFlight / 4)
  const hint = { throughput: perSecond, limit: inFlight }
  return foot === undefined ? hint : { ...hint, aloneMs: (1000 * foot.inFlight) / foot.perSecond }
}

const folder = join(import.meta.dirname, 'results')

/** Runs of the same day with as many hosts: those that are not run again stay. */
function earlier(path: string): Kept['runs'] {
  if (!existsSync(path)) return []
  const kept = JSON.parse(readFileSync(path, 'utf8')) as Kept
  return kept.hosts === hosts ? kept.runs : []
}

async function main(): Promise<void> {
  const postgres = await startDatabase('127.0.0.1', await freePort())
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void postgres.stop().finally(() => process.exit(1)))
  try {
    pin(postgres.pid, 0)
    const shape = { hosts, shards: 32, holdMs: 20, rows: 3_000 }
    const stage: Stage = { postgres, shape, patienceSeconds, clients: 'uniform', cores: { database: 0, others: 1 } }
    await fill(urlOf(postgres.address, postgres.port), shape)
    const curve = await curveOf(stage, [1, 4, 16, 32, 48, 64, 80, 96, 128, 256, 512], values.quick ? 1 : 3)
    for (const { inFlight, perSecond } of curve) say(`X(${inFlight})`, perSecond, 'operations/s')
    const most = best(curve)
    const { inFlight } = most
    say('knee', inFlight, 'operations at once')
    const date = new Date().toISOString()
    const size = hosts === usualHosts ? '' : `-${hosts}`
    const path = join(folder, `${date.slice(0, 10)}-${hostname().replace(/[^\w.-]/g, '_')}-recover-real${size}.json`)
    mkdirSync(folder, { recursive: true })
    let runs = earlier(path)
    for (const [trouble, policy] of chosen()) {
      // A moment in which the machine was busy elsewhere must not make a bound that is easy to keep.
      const knee = await capacityAgain(stage, most)
      const seconds = Number(values.times) * (hosts / knee.perSecond + (trouble === 'none' ? 0 : 5))
      const one = await run(stage, policy, trouble, knee, seconds, hintOf(curve, most))
      const load = loadavg()[0] ?? 0
      tell(one, load)
      const isAnother = (kept: RealRun) => kept.trouble !== trouble || kept.policy !== policy.name
      runs = [...runs.filter(isAnother), { ...one, load }]
      const kept: Kept = { date, machine: hostname(), cpu: cpus()[0]?.model ?? '', hosts, patienceSeconds, curve, runs }
      writeFileSync(path, `${JSON.stringify(kept)}\n`)
    }
  } finally {
    await postgres.stop()
  }
}

if (values.draw === undefined) await main()
else drawRuns(JSON.parse(readFileSync(values.draw, 'utf8')) as Kept, join(import.meta.dirname, '..', 'docs'))
