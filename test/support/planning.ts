/** Policies, observations and a driver that plans again and again, feeding each plan back as the previous one. */
import { digestOf } from '../../src/base/bytes.ts'
import type { IpAddress } from '../../src/model/address.ts'
import { type Generation, genesis } from '../../src/model/generation.ts'
import type { Name } from '../../src/model/name.ts'
import type { Observation } from '../../src/model/observation.ts'
import type { Override, OverrideAction } from '../../src/model/override.ts'
import { lineOf, type PlanText, shardOf } from '../../src/model/plan.ts'
import { type Endpoint, type Limits, type Policy, type Pool, type Target, usualLimits } from '../../src/model/policy.ts'
import type { Demand, Report } from '../../src/model/report.ts'
import { affectedShards } from '../../src/plan/assess.ts'
import { check, type Violation } from '../../src/plan/check.ts'
import { type Compiled, compile, isCompiled } from '../../src/plan/compile.ts'
import { type Decided, decide } from '../../src/plan/decide.ts'
import { answerOf } from '../../src/plan/difference.ts'
import type { EpochMs } from '../../src/world/world.ts'

export const limits: Limits = { ...usualLimits, floor: 0.5 }

export const name = (text: string) => `${text}.example.test.` as Name

export function target(index: number, changes: Partial<Target> = {}): Target {
  const address = `192.0.2.${index + 1}` as IpAddress
  return { id: `t${index}`, site: `site${index % 3}`, addresses: [address], capacity: 100, ...changes }
}

export function pool(id: string, targets: readonly Target[], changes: Partial<Pool> = {}): Pool {
  return {
    id,
    targets: targets as unknown as Pool['targets'],
    check: { kind: 'tcp', port: 80 },
    intervalMs: 1_000,
    timeoutMs: 500,
    fall: 3,
    rise: 2,
    rampMs: 20_000,
    graceMs: 120_000,
    holdMs: 10_000,
    holdMaxMs: 300_000,
    limits,
    ...changes,
  }
}

export const pooled = (text: string, of: string): Endpoint => endpoint(text, { kind: 'pool', pool: of })
export const alias = (text: string, of: string): Endpoint => endpoint(text, { kind: 'alias', of: name(of) })
export const fixed = (text: string, ...addresses: string[]): Endpoint =>
  endpoint(text, {
    kind: 'addresses',
    addresses: addresses.map((address) => ({ address, weight: 100 })) as unknown as Extract<
      Endpoint['from'],
      { kind: 'addresses' }
    >['addresses'],
  })

const endpoint = (text: string, from: Endpoint['from']): Endpoint => ({
  name: name(text),
  zone: 'example.test.' as Name,
  ttl: 5,
  from,
  adopt: false,
})

export function policy(pools: readonly Pool[], endpoints: readonly Endpoint[], changes: Partial<Policy> = {}): Policy {
  return {
    digest: digestOf(JSON.stringify([pools, endpoints])),
    owner: 'test',
    zones: new Map(),
    pools: new Map(pools.map((one) => [one.id, one])),
    endpoints: new Map(endpoints.map((one) => [one.name, one])),
    keepPlans: 20,
    coalesceMs: 1_000,
    ...changes,
  }
}

export function compiled(source: Policy): Compiled {
  const result = compile(source)
  if (!isCompiled(result)) throw new Error(JSON.stringify(result))
  return result
}

/** Histories by target, as one prober wrote them down just now. */
export function observation(
  of: string,
  histories: Readonly<Record<string, string>>,
  at: number,
  prober = 'prober-1',
): Observation {
  const targets = Object.fromEntries(
    Object.entries(histories).map(([id, history]) => [
      id,
      { history, at: at as EpochMs, detail: history.endsWith('f') ? 'refused' : 'ok', latencyMs: 1 },
    ]),
  )
  return { pool: of, prober, at: at as EpochMs, complete: true, targets }
}

export function override(action: OverrideAction, changes: Partial<Override> = {}): Override {
  return { action, author: 'ops', reason: 'a test', at: 0 as EpochMs, expires: null, breaks: [], ...changes }
}

export interface Step {
  readonly now: number
  readonly observations?: readonly Observation[]
  readonly reports?: readonly Report[]
  readonly demands?: readonly Demand[]
  readonly overrides?: readonly Override[]
  readonly policy?: Policy
  readonly ahead?: number
  readonly damage?: string
  readonly rollback?: PlanText
}

/** Plans like the planner does, with everything in memory, and checks each plan before it goes on from it. */
export class Driver {
  previous: PlanText | null = null
  readonly history: PlanText[] = []
  violations: readonly Violation[] = []
  noticed: EpochMs | null = null
  used: readonly Name[] = []
  #compiled: Compiled
  #since: number
  #refused: ReadonlyMap<string, string> = new Map()

  constructor(source: Policy, now = 0) {
    this.#compiled = compiled(source)
    this.#since = now
  }

  input(step: Step) {
    if (step.policy !== undefined && step.policy !== this.#compiled.policy) {
      this.#compiled = compiled(step.policy)
      this.#since = step.now
    }
    const above = Math.max(this.previous?.head.generation ?? genesis, step.ahead ?? 0) as Generation
    return {
      compiled: this.#compiled,
      observations: Map.groupBy(step.observations ?? [], (one) => one.pool),
      reports: Map.groupBy(step.reports ?? [], (one) => one.pool),
      demands: Map.groupBy(step.demands ?? [], (one) => one.pool),
      overrides: step.overrides ?? [],
      refused: this.#refused,
      previous: this.previous,
      above,
      rebase: step.damage ?? (step.ahead === undefined ? null : 'a marker is ahead'),
      rollback: step.rollback ?? null,
      since: this.#since as EpochMs,
      noticed: this.noticed,
      now: step.now as EpochMs,
      author: 'planner-1',
    }
  }

  /** Only the shards that `affectedShards` names are there to be read. */
  step(step: Step): Decided {
    const input = this.input(step)
    const needed = new Set(affectedShards(input))
    const before = input.previous
    const previous: PlanText | null = before && {
      head: before.head,
      shard(index) {
        if (!needed.has(index)) throw new Error(`shard ${index} was not asked for`)
        return before.shard(index)
      },
    }
    const decided = decide({ ...input, previous })
    this.noticed = decided.kind === 'hold' ? decided.noticed : null
    this.used = decided.usedUp
    if (decided.kind === 'hold') return decided
    this.violations = check({ ...input, previous, next: decided.text, newShards: decided.newShards })
    if (this.violations.length > 0) return decided
    this.previous = detached(decided.text, decided.newShards, before)
    this.history.push(this.previous)
    return decided
  }

  answer(of: string): string | undefined {
    const line = this.previous && this.line(of)
    return line ? answerOf(line) : undefined
  }

  line(of: string): string | undefined {
    const plan = this.previous
    return plan === null ? undefined : lineOf(plan.shard(shardOf(name(of), plan.head.shards.length)), name(of))
  }
}

/** A plan with all its shards, as it would come back from the store. */
function detached(text: PlanText, made: ReadonlyMap<string, string>, before: PlanText | null): PlanText {
  const shards = text.head.shards.map((digest, index) => made.get(digest) ?? before?.shard(index) ?? '')
  return { head: text.head, shard: (index) => shards[index] as string }
}
