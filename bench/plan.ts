/**
 * What planning costs: a whole plan and its difference when a tenth of the endpoints changed, and one
 * dead target behind a million names that share its pool. Prints the lines that `bench/run.ts` reads.
 *
 * Timed is all that a planner does between a new policy in memory and the commit, on one thread: compiling, proving
 * the digests of the shards it reads, deciding, the check, and walking the difference. Each size has
 * programs of its own, so that one's memory is not another's: one makes the plan before and writes it
 * to a file, the next one reads that and is measured.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, digestOf, fromUtf8, utf8 } from '../src/base/bytes.ts'
import type { IpAddress } from '../src/model/address.ts'
import { genesis } from '../src/model/generation.ts'
import type { Name } from '../src/model/name.ts'
import type { Observation } from '../src/model/observation.ts'
import type { PlanHead, PlanText } from '../src/model/plan.ts'
import { type Endpoint, type Policy, type Pool, usualLimits } from '../src/model/policy.ts'
import { affectedShards } from '../src/plan/assess.ts'
import { check } from '../src/plan/check.ts'
import { type Compiled, compile, isCompiled } from '../src/plan/compile.ts'
import { decide } from '../src/plan/decide.ts'
import type { EpochMs } from '../src/world/world.ts'

/**
 * octoDNS with 100,000 records of which a tenth changed, YAML source, measured by this project on a
 * 2-core machine: seconds of its one busy thread and megabytes of peak memory, growing linearly. It is
 * quoted, not run here; what is run here is `measureReference`.
 */
const octodns = { records: 100_000, seconds: 7.7, megabytes: 276 }

type Made = { readonly head: PlanHead; readonly shards: readonly (readonly [Digest, string])[] }
type Mode = 'own' | 'shared'

function main(quick: boolean): void {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  try {
    for (const size of quick ? [10_000] : [10_000, 100_000, 1_000_000]) {
      const path = join(folder, `own-${size}`)
      child('prepare', 'own', size, path)
      const own = best(() => child('measure', 'own', size, path))
      const naive = best(() => child('reference', 'own', size, path))
      const label = `${size.toLocaleString('en')} endpoints, 10 % changed`
      const scale = size / octodns.records
      const against = 'JSON.stringify, compare and SHA-256 of the same records, same run'
      print(`${label}: plan, check and difference`, own('seconds'), 's', against, naive('seconds') / own('seconds'))
      print(
        `${label}: the same, CPU of its thread`,
        own('cpu'),
        's',
        'octoDNS, quoted',
        (octodns.seconds * scale) / own('cpu'),
      )
      print(`${label}: compile`, own('compile'), 's')
      print(`${label}: decide`, own('decide'), 's')
      print(`${label}: check, which walks the difference`, own('check'), 's')
      print(`${label}: difference alone`, own('difference'), 's')
      // Only at the size that was measured: what a runtime needs by itself does not grow.
      const memory = `${label}: peak memory, all of the program`
      if (size !== octodns.records) print(memory, own('megabytes'), 'MB')
      else print(memory, own('megabytes'), 'MB', 'octoDNS, quoted', octodns.megabytes / own('megabytes'))
      print(`${label}: peak memory beyond the policy itself`, own('megabytes') - own('megabytesBefore'), 'MB')
    }
    const size = quick ? 10_000 : 1_000_000
    const path = join(folder, `shared-${size}`)
    child('prepare', 'shared', size, path)
    const shared = child('measure', 'shared', size, path)
    const label = `one target dies behind ${size.toLocaleString('en')} names of one pool`
    print(
      `${label}: plan, check and difference`,
      shared('milliseconds'),
      'ms',
      'building the whole plan, same run',
      shared('full') / shared('milliseconds'),
    )
    print(`${label}: shards read and written`, shared('shards'), 'shards')
    print(`${label}: names changed`, shared('changed'), 'names')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function print(metric: string, value: number, unit: string, against?: string, ratio?: number): void {
  const rounded = (number: number) => Number(number.toPrecision(4))
  const beside = against === undefined || ratio === undefined ? {} : { against, ratio: rounded(ratio) }
  console.log(JSON.stringify({ bench: 'plan', metric, value: rounded(value), unit, ...beside }))
}

/** The fastest of three runs: on a machine that others use as well, the others make the rest slower. */
function best(run: () => (key: string) => number): (key: string) => number {
  const [first] = [run(), run(), run()].sort((a, b) => a('seconds') - b('seconds'))
  return first as (key: string) => number
}

/** What a program of this file measured; asking for what it did not measure throws. */
function child(...args: readonly (string | number)[]): (key: string) => number {
  const { stdout, status } = spawnSync(process.execPath, ['--expose-gc', import.meta.filename, ...args.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 10 * 60_000,
  })
  if (status !== 0) throw new Error(`bench/plan.ts ${args.join(' ')}: expected exit code 0, found ${status}`)
  const found: Readonly<Record<string, number>> = stdout === '' ? {} : JSON.parse(stdout)
  return (key) => {
    const value = found[key]
    if (value === undefined) throw new Error(`expected ${args.join(' ')} to measure ${key}, found ${stdout}`)
    return value
  }
}

const started = 1_000 as EpochMs

function names(size: number): Generator<Name> {
  return (function* () {
    for (let i = 0; i < size; i++) yield `host-${String(i).padStart(7, '0')}.eu.example.test.` as Name
  })()
}

const addressOf = (i: number) => `10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}` as IpAddress

function policyOf(mode: Mode, size: number, changed: (i: number) => boolean, digest: string): Policy {
  const endpoints = new Map<Name, Endpoint>()
  const zone = 'example.test.' as Name
  let i = 0
  for (const name of names(size)) {
    const from: Endpoint['from'] =
      mode === 'own'
        ? { kind: 'addresses', addresses: [{ address: addressOf(changed(i) ? i + size : i), weight: 100 }] }
        : i === 0
          ? { kind: 'pool', pool: 'db' }
          : { kind: 'alias', of: 'host-0000000.eu.example.test.' as Name }
    endpoints.set(name, { name, zone, ttl: 60, from, adopt: false })
    i++
  }
  const pools = new Map<string, Pool>(mode === 'own' ? [] : [[pool.id, pool]])
  const frame = { owner: 'bench', zones: new Map(), keepPlans: 20, coalesceMs: 0 }
  return { ...frame, digest: digest as Digest, pools, endpoints }
}

const pool: Pool = {
  id: 'db',
  targets: [0, 1, 2, 3].map((i) => ({
    id: `t${i}`,
    site: `s${i}`,
    addresses: [addressOf(i)] as const,
    capacity: 100,
  })) as unknown as Pool['targets'],
  check: { kind: 'tcp', port: 80 },
  intervalMs: 1_000,
  timeoutMs: 500,
  fall: 3,
  rise: 2,
  rampMs: 20_000,
  graceMs: 120_000,
  holdMs: 10_000,
  holdMaxMs: 300_000,
  limits: { ...usualLimits, floor: 0.5 },
}

function seen(failing: boolean): Observation {
  const targets = Object.fromEntries(
    pool.targets.map(({ id }) => [
      id,
      { history: failing && id === 't1' ? 'pppfff' : 'pppppp', at: started, detail: '', latencyMs: 1 },
    ]),
  )
  return { pool: 'db', prober: 'p', at: started, complete: true, targets }
}

function compiledOf(policy: Policy): Compiled {
  const compiled = compile(policy)
  if (!isCompiled(compiled)) throw new Error(JSON.stringify(compiled))
  return compiled
}

function situation(compiled: Compiled, previous: PlanText | null, failing = false) {
  return {
    compiled,
    observations: new Map([['db', [seen(failing)]]]),
    reports: new Map(),
    demands: new Map(),
    overrides: [],
    refused: new Map<string, string>(),
    previous,
    above: previous?.head.generation ?? genesis,
    rebase: null,
    rollback: null,
    since: started,
    noticed: 0 as EpochMs,
    now: started,
    author: 'bench',
  }
}

function prepare(mode: Mode, size: number, path: string): void {
  const decided = decide(situation(compiledOf(policyOf(mode, size, () => false, 'before')), null))
  if (decided.kind !== 'plan') throw new Error(JSON.stringify(decided))
  const made: Made = { head: decided.head, shards: [...decided.newShards] }
  writeFileSync(path, JSON.stringify(made))
}

/** A plan as it lies in the store: bytes, proved by their digests when they are read. */
function stored(path: string): { readonly head: PlanHead; read(indexes: Iterable<number>): PlanText } {
  const made = JSON.parse(readFileSync(path, 'utf8')) as Made
  const bytes = new Map(made.shards.map(([digest, text]) => [digest, utf8(text)]))
  return {
    head: made.head,
    read(indexes) {
      const texts = new Map<number, string>()
      for (const index of indexes) {
        const digest = made.head.shards[index] as Digest
        const value = bytes.get(digest) as Uint8Array
        if (digestOf(value) !== digest) throw new Error(`expected shard ${digest} to be whole`)
        texts.set(index, fromUtf8(value))
      }
      return { head: made.head, shard: (index) => texts.get(index) as string }
    },
  }
}

function measureOwn(size: number, path: string): void {
  const before = stored(path)
  const policy = policyOf('own', size, (i) => i % 10 === 3, 'after')
  globalThis.gc?.()
  const megabytesBefore = process.memoryUsage().rss / 1e6
  const usedBefore = process.threadCpuUsage()
  const t0 = performance.now()
  const compiled = compiledOf(policy)
  const t1 = performance.now()
  const open = situation(compiled, { head: before.head, shard: () => '' })
  const input = { ...open, previous: before.read(affectedShards(open)) }
  const decided = decide(input)
  if (decided.kind !== 'plan') throw new Error(JSON.stringify(decided))
  const t2 = performance.now()
  const violations = check({ ...input, next: decided.text, newShards: decided.newShards })
  if (violations.length > 0) throw new Error(JSON.stringify(violations[0]))
  const t3 = performance.now()
  let changed = 0
  for (const _ of decided.changes) changed++
  const t4 = performance.now()
  const used = process.threadCpuUsage(usedBefore)
  if (changed !== size / 10) throw new Error(`expected ${size / 10} changed names, found ${changed}`)
  const seconds = (from: number, to: number) => (to - from) / 1_000
  const result = {
    seconds: seconds(t0, t4),
    compile: seconds(t0, t1),
    decide: seconds(t1, t2),
    check: seconds(t2, t3),
    difference: seconds(t3, t4),
    cpu: (used.user + used.system) / 1e6,
    megabytes: process.resourceUsage().maxRSS / 1e3,
    megabytesBefore,
  }
  console.log(JSON.stringify(result))
}

function measureShared(size: number, path: string): void {
  const compiled = compiledOf(policyOf('shared', size, () => false, 'before'))
  const before = stored(path)
  const t0 = performance.now()
  const whole = decide(situation(compiled, null))
  const full = performance.now() - t0
  if (whole.kind !== 'plan') throw new Error(JSON.stringify(whole))
  const times: number[] = []
  let shards = 0
  let changed = 0
  for (let run = 0; run < 50; run++) {
    const t1 = performance.now()
    const open = situation(compiled, { head: before.head, shard: () => '' }, true)
    const needed = affectedShards(open)
    const input = { ...open, previous: before.read(needed) }
    const decided = decide(input)
    if (decided.kind !== 'plan') throw new Error(JSON.stringify(decided))
    const violations = check({ ...input, next: decided.text, newShards: decided.newShards })
    if (violations.length > 0) throw new Error(JSON.stringify(violations[0]))
    changed = [...decided.changes].length
    times.push(performance.now() - t1)
    shards = Math.max(needed.length, decided.newShards.size)
  }
  const milliseconds = times.sort((a, b) => a - b)[25] as number
  console.log(JSON.stringify({ milliseconds, full, shards, changed }))
}

/** The plainest way that could be called planning: both versions of every record as JSON, compared and hashed. */
function measureReference(size: number): void {
  const records = (changed: (i: number) => boolean) =>
    [...names(size)].map((name, i) => ({
      name,
      ttl: 60,
      addresses: [{ address: addressOf(changed(i) ? i + size : i), weight: 100 }],
    }))
  const before = records(() => false)
  const after = records((i) => i % 10 === 3)
  globalThis.gc?.()
  const t0 = performance.now()
  const old = new Map(before.map((record) => [record.name, JSON.stringify(record)]))
  const hash = createHash('sha256')
  let changed = 0
  for (const record of after) {
    const text = JSON.stringify(record)
    if (old.get(record.name) !== text) changed++
    hash.update(text)
  }
  hash.digest('hex')
  if (changed !== size / 10) throw new Error(`expected ${size / 10} changed names, found ${changed}`)
  console.log(JSON.stringify({ seconds: (performance.now() - t0) / 1_000 }))
}

const [role, modeArg, sizeArg, file] = process.argv.slice(2)
if (role === 'prepare') prepare(modeArg as Mode, Number(sizeArg), file as string)
else if (role === 'measure' && modeArg === 'own') measureOwn(Number(sizeArg), file as string)
else if (role === 'measure') measureShared(Number(sizeArg), file as string)
else if (role === 'reference') measureReference(Number(sizeArg))
else main(process.argv.includes('--quick'))
