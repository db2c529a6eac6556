/**
 * One step of health and balancing: CPU for 100, 1,000 and 10,000 targets that three probers look at, in
 * the calm, in a crisis, and while nothing new was seen. Each step of the first two reads documents that
 * it has not seen before, as after each round of checks. Best of some turns.
 */

import { step } from '../src/health/step.ts'
import type { Observation } from '../src/model/observation.ts'
import type { PoolState } from '../src/model/plan.ts'
import { type Pool, usualDetection, usualLimits } from '../src/model/policy.ts'
import type { EpochMs } from '../src/world/world.ts'

const quick = process.argv.includes('--quick')
const turns = quick ? 3 : 9
const probers = 3

function poolOf(size: number): Pool {
  const targets = Array.from({ length: size }, (_, i) => ({
    id: `t${i}`,
    site: `s${i % 5}`,
    addresses: [`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`],
    capacity: 100,
  }))
  return {
    id: 'web',
    targets: targets as unknown as Pool['targets'],
    check: { kind: 'tcp', port: 80 },
    timeoutMs: 500,
    ...usualDetection,
    limits: usualLimits,
  }
}

function seen(pool: Pool, at: number, fails: (i: number) => boolean): readonly Observation[] {
  return Array.from({ length: probers }, (_, p) => ({
    pool: 'web',
    prober: `p${p}`,
    site: `s${p}`,
    at: at as EpochMs,
    complete: true,
    targets: Object.fromEntries(
      pool.targets.map(({ id }, i) => [
        id,
        { history: fails(i) ? `${'p'.repeat(28)}ffff` : 'p'.repeat(32), at: at as EpochMs, detail: 'ok', latencyMs: 1 },
      ]),
    ),
  }))
}

function stepped(
  pool: Pool,
  previous: PoolState | undefined,
  observations: readonly Observation[],
  now: number,
): PoolState {
  const result = step({
    pool,
    previous,
    observations,
    reports: [],
    demands: [],
    drains: new Map(),
    evacuations: new Map(),
    since: 0 as EpochMs,
    now: now as EpochMs,
  })
  if (result.kind === 'wait') throw new Error('expected a state, found that it waits')
  return result.state
}

/** CPU microseconds of one step, the best of all turns. */
function measure(size: number, fails: (i: number) => boolean, fresh: boolean): number {
  const pool = poolOf(size)
  const all = stepped(
    pool,
    undefined,
    seen(pool, 100_000, () => false),
    100_000,
  )
  const runs = Math.max(3, Math.ceil((quick ? 20_000 : 200_000) / size))
  let best = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < turns; turn++) {
    const documents = Array.from({ length: fresh ? runs : 1 }, () => seen(pool, 102_000, fails))
    if (!fresh) stepped(pool, all, documents[0] ?? [], 102_000)
    globalThis.gc?.()
    const { user, system } = process.cpuUsage()
    for (let run = 0; run < runs; run++) stepped(pool, all, documents[run % documents.length] ?? [], 102_000)
    const used = process.cpuUsage({ user, system })
    best = Math.min(best, (used.user + used.system) / runs)
  }
  return best
}

const states = [
  ['calm', () => false, true],
  ['a third fails', (i: number) => i % 3 === 0, true],
  ['nothing new', () => false, false],
] as const

for (const [name, fails, fresh] of states)
  for (const size of [100, 1_000, 10_000]) {
    const us = measure(size, fails, fresh)
    const say = (metric: string, value: number) =>
      console.log(JSON.stringify({ bench: 'decision', metric, value: Math.round(value * 1_000) / 1_000, unit: 'us' }))
    say(`${size} targets, ${name}`, us)
    say(`${size} targets, ${name}, each`, us / size)
  }
