/**
 * A pool that is checked, as a small pure simulation: targets that work or do not, probers that see them
 * (with noise), and one thing at a time that goes wrong. It drives any reducer of the shape of
 * `src/health/step.ts` and writes down what it did; the properties judge that and nothing else.
 */

import type { Drain, Step, StepInput } from '../../src/health/step.ts'
import type { IpAddress } from '../../src/model/address.ts'
import type { Observation, TargetSeen } from '../../src/model/observation.ts'
import type { PoolState, TargetState } from '../../src/model/plan.ts'
import { type Limits, type Pool, type Target, usualDetection, usualLimits } from '../../src/model/policy.ts'
import type { Demand } from '../../src/model/report.ts'
import type { EpochMs } from '../../src/world/world.ts'

export type Reducer = (input: StepInput) => Step

export const faults = [
  /** Each target dies now and then, and comes back. */
  'random',
  /** All checks fail although every target works; in most trials within some seconds of each other. */
  'all',
  /** The same, on and off in quick turn. */
  'pulses',
  /** One site is gone. */
  'site',
  /** One prober sees failures everywhere. */
  'mad',
  /** A fifth of the targets works on and off. */
  'flapping',
  /** Probers stop looking. */
  'blind',
  /** One target after the other dies. */
  'burn',
  /** One target dies, so that nothing of it answers any check, and works again. */
  'one',
] as const
export type Fault = (typeof faults)[number]

export interface Trial {
  readonly fault: Fault
  readonly size: number
  readonly sites: number
  readonly probers: number
  /** Probers say where they stand. */
  readonly placed: boolean
  /** All targets carry the same. */
  readonly equal: boolean
  /** Part of the whole capacity that is needed; null: nobody says. */
  readonly demand: number | null
  /** So many targets are drained from the start. */
  readonly drained: number
  /** Whoever decides starts anew at this second, and so do the probers. */
  readonly restartAt: number | null
  readonly rampMs: number
  readonly seed: number
}

export const intervalMs = usualDetection.intervalMs
export const tickMs = 1_000
const noise = 0.01
/** Until then nothing goes wrong. */
export const calmMs = 20_000
/** How long all checks fail in `all`. */
export const alarmMs = 60_000
export const faultMs = 80_000
const afterMs = 90_000
/** Long enough for the longest holds. */
const flappingMs = 960_000

/** After each tick. */
export interface Moment {
  readonly at: number
  readonly state: PoolState
  /** By target, in the order of the pool. */
  readonly shares: Float64Array
  readonly kinds: readonly TargetState['kind'][]
  readonly vector: number
}

export interface Log {
  readonly trial: Trial
  readonly pool: Pool
  readonly moments: readonly Moment[]
  /** Targets that are drained. */
  readonly drains: ReadonlySet<number>
  readonly demand: number | null
  /** The target that dies in `one`, and those of the site in `site`. */
  readonly victims: ReadonlySet<number>
  /** From when on the fault is there, and when it is over. */
  readonly from: number
  readonly until: number
  /** A step given the same twice, once as it came from a store, said two things. */
  readonly differed: string | null
}

/** Mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function poolOf(trial: Trial, limits: Partial<Limits> = {}): Pool {
  const random = randomOf(trial.seed ^ 0x5eed)
  const targets = Array.from(
    { length: trial.size },
    (_, i): Target => ({
      id: `t${i}`,
      site: `s${i % trial.sites}`,
      addresses: [`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` as IpAddress],
      capacity: trial.equal ? 100 : 50 + Math.floor(random() * 100),
    }),
  )
  return {
    id: 'web',
    targets: targets as unknown as Pool['targets'],
    check: { kind: 'tcp', port: 80 },
    timeoutMs: 500,
    ...usualDetection,
    rampMs: trial.rampMs,
    limits: { ...usualLimits, ...limits },
  }
}

/** `repeats`: whether some moments are reduced twice, to see that the same gives the same. */
export function simulate(trial: Trial, reduce: Reducer, { repeats = true } = {}): Log {
  const pool = poolOf(trial)
  const world = new Targets(trial, pool)
  const random = randomOf(trial.seed)
  const probers = Array.from({ length: trial.probers }, (_, p) => new Prober(trial, pool, p))
  const drains = new Map<string, Drain>()
  for (let i = 0; i < trial.drained; i++)
    drains.set(`t${(i * 7) % trial.size}`, { by: 'ops', reason: 'a test', underFloor: false })
  const whole = pool.targets.reduce((sum, { capacity }) => sum + capacity, 0)
  const demand = trial.demand === null ? null : trial.demand * whole
  const moments: Moment[] = []
  let state: PoolState | undefined
  let since = 0
  let differed: string | null = null
  for (let at = 0; at <= world.endMs; at += tickMs) {
    world.live(at, random)
    const isRestart = trial.restartAt !== null && at === trial.restartAt * 1_000
    if (isRestart) since = at
    for (const prober of probers) {
      if (isRestart) prober.forget()
      prober.look(at, world, random)
    }
    const input: StepInput = {
      pool,
      previous: state,
      observations: probers.flatMap(({ document }) => document ?? []),
      reports: [],
      demands: demand === null ? [] : [demandAt(demand, at)],
      drains,
      evacuations: new Map(),
      since: since as EpochMs,
      now: at as EpochMs,
    }
    const result = reduce(input)
    if (result.kind === 'wait') continue
    if (repeats && differed === null && at % 17_000 === 0) differed = repeated(reduce, input, result)
    state = result.state
    // Counted every few seconds: that is often enough to see one that is shorter in a crisis.
    const vector = at % 7_000 === 0 ? result.weights().size : pool.targets.length
    moments.push(momentOf(pool, at, state, vector))
  }
  return {
    trial,
    pool,
    moments,
    drains: new Set([...drains.keys()].map((id) => Number(id.slice(1)))),
    demand,
    victims: world.victims,
    from: calmMs,
    until: world.overMs,
    differed,
  }
}

const demandAt = (value: number, at: number): Demand => ({
  pool: 'web',
  by: 'test',
  value,
  at: at as EpochMs,
  source: 'a test',
})

function momentOf(pool: Pool, at: number, state: PoolState, vector: number): Moment {
  const shares = new Float64Array(pool.targets.length)
  const kinds: TargetState['kind'][] = []
  for (const [i, { id }] of pool.targets.entries()) {
    const target = state.targets[id]
    kinds.push(target?.kind ?? 'new')
    shares[i] =
      target?.kind === 'serving' || target?.kind === 'held' ? 1 : target?.kind === 'ramping' ? target.percent / 100 : 0
  }
  return { at, state, shares, kinds, vector }
}

/** Null, or how a second run, from documents that went through a store, differs. */
function repeated(reduce: Reducer, input: StepInput, result: Step): string | null {
  const again = reduce({
    ...input,
    previous: input.previous && (JSON.parse(JSON.stringify(input.previous)) as PoolState),
    observations: JSON.parse(JSON.stringify(input.observations)) as Observation[],
  })
  const [first, second] = [result, again].map((one) => JSON.stringify(one.kind === 'state' ? one.state : one))
  return first === second ? null : `at ${input.now}: ${first?.slice(0, 200)} and ${second?.slice(0, 200)}`
}

class Targets {
  readonly #trial: Trial
  readonly victims: ReadonlySet<number>
  readonly overMs: number
  readonly endMs: number
  /** 1: it works. */
  readonly works: Uint8Array
  readonly #changesAt: Float64Array

  constructor(trial: Trial, pool: Pool) {
    this.#trial = trial
    const { size, seed, fault, sites } = trial
    this.works = new Uint8Array(size).fill(1)
    this.#changesAt = new Float64Array(size)
    const all = [...pool.targets.keys()]
    const gone = `s${seed % sites}`
    this.victims = new Set(
      fault === 'site'
        ? all.filter((i) => pool.targets[i]?.site === gone)
        : fault === 'one'
          ? [seed % size]
          : fault === 'flapping'
            ? all.filter((i) => i % 5 === seed % 5)
            : [],
    )
    this.overMs = calmMs + (fault === 'flapping' && size <= 40 ? flappingMs : faultMs)
    this.endMs = this.overMs + (fault === 'flapping' ? 10_000 : afterMs)
  }

  live(at: number, random: () => number): void {
    const { fault, size } = this.#trial
    const isOn = at >= calmMs && at < this.overMs
    if (fault === 'site' || fault === 'one') for (const i of this.victims) this.works[i] = isOn ? 0 : 1
    if (fault === 'flapping')
      for (const i of this.victims) {
        if (at < (this.#changesAt[i] as number) || !isOn) continue
        this.works[i] = this.works[i] === 1 ? 0 : 1
        this.#changesAt[i] = at + 6_000 + Math.floor(random() * 8) * 1_000
      }
    if (fault === 'random' && isOn)
      for (let i = 0; i < size; i++) {
        if (this.works[i] === 1 && random() < 0.002) {
          this.works[i] = 0
          this.#changesAt[i] = at + 5_000 + random() * 60_000
        } else if (this.works[i] === 0 && at >= (this.#changesAt[i] as number)) this.works[i] = 1
      }
    if (fault === 'burn' && isOn) {
      const dead = Math.floor(((at - calmMs) / (this.overMs - calmMs)) * size * 0.6)
      for (let i = 0; i < dead; i++) this.works[(i * 13) % size] = 0
    }
  }

  /** Its check fails, whether it works or not. */
  checksFail(at: number, i: number): boolean {
    const { fault, seed } = this.#trial
    if (at < calmMs || at >= this.overMs) return false
    const delay = seed % 3 === 0 ? 0 : ((i * 37) % 7) * 1_000
    if (fault === 'all') return at >= calmMs + delay && at < calmMs + alarmMs
    return fault === 'pulses' && Math.floor((at - calmMs) / 9_000) % 2 === 0
  }
}

class Prober {
  readonly #trial: Trial
  readonly #pool: Pool
  readonly #number: number
  #histories: string[]
  document: Observation | undefined

  constructor(trial: Trial, pool: Pool, number: number) {
    this.#trial = trial
    this.#pool = pool
    this.#number = number
    this.#histories = pool.targets.map(() => '')
  }

  forget(): void {
    this.#histories = this.#histories.map(() => '')
    this.document = undefined
  }

  look(at: number, world: Targets, random: () => number): void {
    const { fault, placed, sites, seed, size } = this.#trial
    // Each has a second of its own within the interval.
    if ((at + this.#number * tickMs) % intervalMs !== 0) return
    const isOn = at >= calmMs && at < world.overMs
    if (fault === 'blind' && isOn && (seed % 2 === 0 || this.#number > 0)) {
      // In every second trial one prober goes on, and sees a third of the targets only.
      return
    }
    const half = fault === 'blind' && isOn
    const isMad = fault === 'mad' && this.#number === 0 && isOn
    const madness = seed % 2 === 0 ? 1 : 0.5
    const targets: Record<string, TargetSeen> = {}
    for (let i = 0; i < size; i++) {
      const before = this.document?.targets[`t${i}`]
      if (half && i % 3 !== 0 && before !== undefined) {
        targets[`t${i}`] = before
        continue
      }
      const lies = (isMad ? random() < madness : random() < noise) && !(fault === 'one' && world.works[i] === 0)
      const fails = world.checksFail(at, i) || (isMad ? lies || world.works[i] === 0 : (world.works[i] === 0) !== lies)
      const history = ((this.#histories[i] as string) + (fails ? 'f' : 'p')).slice(-32)
      this.#histories[i] = history
      targets[`t${i}`] = { history, at: at as EpochMs, detail: fails ? 'refused' : 'ok', latencyMs: 1 }
    }
    this.document = {
      pool: this.#pool.id,
      prober: `p${this.#number}`,
      site: placed ? `s${this.#number % sites}` : null,
      at: at as EpochMs,
      complete: true,
      targets,
    }
  }
}
