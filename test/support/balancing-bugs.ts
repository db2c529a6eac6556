/**
 * The reducer of health and balancing with one mechanism taken away, from outside: each of P1 to P16 must
 * be broken by one of these, or it proves nothing.
 */
import type { StepInput } from '../../src/health/step.ts'
import type { Observation } from '../../src/model/observation.ts'
import type { PoolState, TargetState } from '../../src/model/plan.ts'
import type { Limits, Pool } from '../../src/model/policy.ts'
import type { EpochMs } from '../../src/world/world.ts'
import type { Reducer, Trial } from './balancing.ts'

export interface PlantedBug {
  /** Of the property that it breaks. */
  readonly breaks: string
  readonly what: string
  /** Circumstances in which it has a chance. */
  readonly tempt: Partial<Trial>
  plant(reduce: Reducer): Reducer
}

const given =
  (change: (input: StepInput) => Partial<StepInput>) =>
  (reduce: Reducer): Reducer =>
  (input) =>
    reduce({ ...input, ...change(input) })

const withPool = (changes: Partial<Pool>, limits: Partial<Limits> = {}) =>
  given(({ pool }) => ({ pool: { ...pool, ...changes, limits: { ...pool.limits, ...limits } } }))

/** A state in which some targets answer otherwise. */
const changed =
  (change: (input: StepInput, state: PoolState) => Readonly<Record<string, TargetState>>) =>
  (reduce: Reducer): Reducer =>
  (input) => {
    const result = reduce(input)
    if (result.kind === 'wait') return result
    return { ...result, state: { ...result.state, targets: change(input, result.state) } }
  }

const removed = (now: EpochMs): TargetState => ({ kind: 'removed', since: now, reason: 'a bug' })

/** Each target gets what was seen of its neighbour. */
function shifted(observation: Observation, { targets }: Pool): Observation {
  const seen = targets.map(
    ({ id }, i) => [id, observation.targets[targets[(i + 1) % targets.length]?.id ?? '']] as const,
  )
  return { ...observation, targets: Object.fromEntries(seen) as Observation['targets'] }
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    breaks: 'P1',
    what: 'the ledger is forgotten between steps',
    tempt: { fault: 'burn', size: 60 },
    plant: given(({ previous }) => (previous === undefined ? {} : { previous: { ...previous, ledger: [] } })),
  },
  {
    breaks: 'P2',
    what: 'capacity may fall under the floor',
    tempt: { fault: 'burn', size: 20, demand: null },
    plant: withPool({}, { floor: 0, poolBudget: 1, siteBudget: 1, failOpenUnder: 0.2, failOpenUntil: 0.3 }),
  },
  {
    breaks: 'P2',
    what: 'demand is not heard',
    tempt: { fault: 'burn', size: 10, demand: 0.75, equal: true },
    plant: given(() => ({ demands: [] })),
  },
  {
    breaks: 'P3',
    what: 'who fails is out, whoever is left',
    tempt: { fault: 'all', drained: 0 },
    plant: changed(({ now }, { targets }) =>
      Object.fromEntries(
        Object.entries(targets).map(([id, state]) => [id, state.kind === 'held' ? removed(now) : state]),
      ),
    ),
  },
  {
    breaks: 'P4',
    what: 'what goes down together is believed',
    tempt: { fault: 'all', size: 100 },
    plant: withPool({}, { correlation: 2, failOpenUnder: 0, failOpenUntil: 0, poolBudget: 1, siteBudget: 1 }),
  },
  {
    breaks: 'P5',
    what: 'the word of the first prober is enough',
    tempt: { fault: 'mad', probers: 3, size: 30 },
    plant: given(({ observations }) => ({ observations: observations.slice(0, 1) })),
  },
  {
    breaks: 'P5b',
    what: 'what is not seen any more counts as down',
    tempt: { fault: 'blind', size: 30, seed: 3 },
    plant: (reduce) => (input) => {
      const { pool, now } = input
      const targets = pool.targets.map(({ id }) => {
        const seen = input.observations[0]?.targets[id]
        const isOld = seen === undefined || now - seen.at > 8_000
        return [id, { history: isOld ? 'ffff' : seen.history, at: now, detail: 'silent', latencyMs: 0 }] as const
      })
      const document: Observation = {
        pool: pool.id,
        prober: 'p',
        at: now,
        complete: true,
        targets: Object.fromEntries(targets),
      }
      const limits = { ...pool.limits, failOpenUnder: 0, failOpenUntil: 0, correlation: 2 }
      return reduce({ ...input, pool: { ...pool, limits }, observations: [document] })
    },
  },
  {
    breaks: 'P6',
    what: 'a target that flaps stays down no longer each time',
    tempt: { fault: 'flapping', size: 6, drained: 0, demand: null, rampMs: 0 },
    plant: withPool({ holdMs: 0, holdMaxMs: 0 }, { windowMs: 1_000 }),
  },
  {
    breaks: 'P7',
    what: 'more rounds have to fail than the pool says',
    tempt: { fault: 'one', drained: 0, demand: null, restartAt: null },
    plant: withPool({ fall: 9 }),
  },
  {
    breaks: 'P8',
    what: 'the ramp is longer than the pool says',
    tempt: { fault: 'one', drained: 0, demand: null, restartAt: null, rampMs: 10_000, size: 20 },
    plant: withPool({ rampMs: 60_000 }),
  },
  {
    breaks: 'P10',
    what: 'only what answers is pushed',
    tempt: { fault: 'one', drained: 0, demand: null },
    plant: (reduce) => (input) => {
      const result = reduce(input)
      if (result.kind === 'wait') return result
      return { ...result, weights: () => new Map([...result.weights()].filter(([, share]) => share > 0)) }
    },
  },
  {
    breaks: 'P11',
    what: 'results are filed under the neighbour, which stands in another site',
    tempt: { fault: 'site', sites: 3, size: 30, probers: 3, placed: true, demand: 0.5, restartAt: null },
    plant: given(({ observations, pool }) => ({ observations: observations.map((one) => shifted(one, pool)) })),
  },
  {
    breaks: 'P12',
    what: 'something is remembered beside the state',
    tempt: { fault: 'random' },
    plant: (reduce) => {
      let calls = 0
      return (input) => reduce({ ...input, now: (input.now + (calls++ % 2)) as EpochMs })
    },
  },
  {
    breaks: 'P13',
    what: 'whether checks are believed changes with every round',
    tempt: { fault: 'pulses', size: 20, restartAt: null },
    plant: withPool({}, { failOpenDwellMs: 0 }),
  },
  {
    breaks: 'P14',
    what: 'what left before the gates closed stays out',
    tempt: { fault: 'all', size: 100, drained: 0, demand: null, equal: true, restartAt: null },
    plant: given(({ previous, pool }) => ({
      pool: { ...pool, limits: { ...pool.limits, failOpenUnder: 0, failOpenUntil: 0 } },
      ...(previous === undefined ? {} : { previous: { ...previous, ledger: [] } }),
    })),
  },
  {
    breaks: 'P15',
    what: 'drains are not heard while the checks are not believed',
    tempt: { fault: 'all', drained: 2, size: 30 },
    plant: given(({ previous }) => (previous?.failOpenSince == null ? {} : { drains: new Map() })),
  },
  {
    breaks: 'P16',
    what: 'who has just started knows it all',
    tempt: { fault: 'one', restartAt: 24, drained: 0, demand: null },
    plant: (reduce) => {
      const kept = new Map<string, string>()
      const lengthened = (one: Observation): Observation => {
        const targets = Object.entries(one.targets).map(([id, seen]) => {
          const key = `${one.prober} ${id}`
          const before = kept.get(key) ?? ''
          const history =
            seen.history.length >= before.length ? seen.history : (before + seen.history.slice(-1)).slice(-32)
          if (seen.history.length >= before.length) kept.set(key, history)
          return [id, { ...seen, history }] as const
        })
        return { ...one, targets: Object.fromEntries(targets) }
      }
      return (input) => reduce({ ...input, since: 0 as EpochMs, observations: input.observations.map(lengthened) })
    },
  },
]
