/**
 * Random worlds: targets die, flap, lie silent; operators speak; policies change; history is lost. The
 * driver feeds each plan back as the previous one, and what must always hold is worked out here from
 * the published answers alone.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  alias,
  Driver,
  fixed,
  limits,
  name,
  observation,
  override,
  policy,
  pool,
  pooled,
  target,
} from '../../test/support/planning.ts'
import type { Generation } from '../model/generation.ts'
import type { Override } from '../model/override.ts'
import { type PlanText, type PoolState, parseEntryLine, shardLines } from '../model/plan.ts'
import type { Endpoint, Pool } from '../model/policy.ts'
import { answerOf, differencesOf, nameOf } from './difference.ts'

type Health = 'up' | 'down' | 'flapping' | 'silent'

const runs = { numRuns: 150 }

interface Moment {
  /** For a run of targets, from a start and a stride, so that sites and all of them can fail at once. */
  readonly first: number
  readonly stride: number
  readonly count: number
  readonly health: Health
  readonly seconds: number
}

const moment: fc.Arbitrary<Moment> = fc.record({
  first: fc.nat(29),
  stride: fc.constantFrom(1, 2, 3),
  count: fc.constantFrom(1, 1, 2, 5, 30),
  health: fc.constantFrom<Health>('up', 'up', 'down', 'down', 'flapping', 'silent'),
  seconds: fc.integer({ min: 1, max: 25 }),
})

const anyPool = fc
  .record({
    capacities: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 30 }),
    sites: fc.integer({ min: 1, max: 4 }),
    poolBudget: fc.double({ min: 0, max: 0.5, noNaN: true }),
    floor: fc.constantFrom(0.3, 0.5, 0.7, 0.9),
    failOpenUnder: fc.constantFrom(0, 0.3, 0.5),
    rampMs: fc.constantFrom(0, 4_000, 20_000),
  })
  .map(({ capacities, sites, poolBudget, floor, failOpenUnder, rampMs }) =>
    pool(
      'web',
      capacities.map((capacity, i) => target(i, { capacity, site: `site${i % sites}` })),
      {
        rampMs,
        limits: {
          ...limits,
          poolBudget,
          siteBudget: poolBudget,
          floor,
          failOpenUnder,
          failOpenUntil: failOpenUnder + 0.1,
          windowMs: 30_000,
        },
      },
    ),
  )

/** Rounds of one prober over a pool, once a second. */
class Probing {
  readonly histories: Record<string, string> = {}
  readonly health = new Map<string, Health>()
  #round = 0
  #at = new Map<string, number>()

  round(of: Pool, now: number) {
    this.#round++
    for (const { id } of of.targets) {
      const health = this.health.get(id) ?? 'up'
      if (health === 'silent') continue
      const passes = health === 'up' || (health === 'flapping' && Math.floor(this.#round / 4) % 2 === 0)
      this.histories[id] = `${this.histories[id] ?? ''}${passes ? 'p' : 'f'}`.slice(-32)
      this.#at.set(id, now)
    }
    const seen = observation(of.id, this.histories, now)
    const targets = Object.entries(seen.targets).map(([id, one]) => [id, { ...one, at: this.#at.get(id) }])
    return { ...seen, targets: Object.fromEntries(targets) } as typeof seen
  }

  apply({ first, stride, count, health }: Moment, of: Pool): void {
    for (let i = 0; i < count; i++) this.health.set(`t${(first + i * stride) % of.targets.length}`, health)
  }
}

/** Share of its full weight with which each target answers, by the published weights. */
function shares(of: Pool, plan: PlanText): Map<string, number> {
  const entry = shardLines(plan.shard(0))
    .map(parseEntryLine)
    .find((one) => one?.name === name('db'))
  if (entry?.answer.kind !== 'addresses')
    throw new Error(`expected db to answer addresses, found ${entry?.answer.kind}`)
  const weights = new Map<string, number>(entry.answer.addresses.map(({ address, weight }) => [address, weight]))
  const greatest = Math.max(...of.targets.map(({ capacity }) => capacity))
  return new Map(
    of.targets.map(({ id, capacity, addresses }) => {
      const full = Math.max(1, Math.round((100 * capacity) / greatest))
      return [id, (weights.get(addresses[0]) ?? 0) / full]
    }),
  )
}

describe('health', () => {
  test('never empties a pool, never takes more than the budget in any window, never goes under the floor', () => {
    let removals = 0
    fc.assert(
      fc.property(anyPool, fc.array(moment, { maxLength: 12 }), (web, moments) => {
        const driver = new Driver(policy([web], [pooled('db', 'web')]))
        const probing = new Probing()
        const losses: { at: number; capacity: number }[] = []
        let before: Map<string, number> | undefined
        let now = 0
        for (const next of moments) {
          probing.apply(next, web)
          for (let second = 0; second < next.seconds; second++) {
            now += 1_000
            const decided = driver.step({ now, observations: [probing.round(web, now)] })
            expect(driver.violations).toEqual([])
            if (decided.kind === 'hold' || driver.previous === null) continue
            const after = shares(web, driver.previous)
            // One that never passed is no part of any share.
            const states = driver.previous.head.pools.web?.targets
            const members = web.targets.filter(({ id }) => states?.[id]?.kind !== 'new')
            const total = members.reduce((sum, { capacity }) => sum + capacity, 0)
            const lost = web.targets.flatMap(({ id, capacity }) => {
              const part = (before?.get(id) ?? 0) - (after.get(id) ?? 0)
              return part > 0 ? [part * capacity] : []
            })
            for (const capacity of lost) losses.push({ at: now, capacity })
            removals += lost.length
            const inWindow = losses.filter(({ at }) => now - at < web.limits.windowMs)
            const sum = inWindow.reduce((a, { capacity }) => a + capacity, 0)
            if (inWindow.length > 1) expect(sum).toBeLessThanOrEqual(web.limits.poolBudget * total + 1e-6)
            if (lost.length > 0) {
              const left = members.reduce((a, { id, capacity }) => a + capacity * (after.get(id) ?? 0), 0)
              const out = members.filter(({ id }) => (after.get(id) ?? 0) === 0).length
              // A weight is a whole number, so a ramping target's share is known to half a percent of the greatest.
              const slack = 0.005 * Math.max(...web.targets.map(({ capacity }) => capacity)) * web.targets.length
              const floor = out === 1 && lost.length === 1 ? Math.min(0.5, web.limits.floor) : web.limits.floor
              expect(left).toBeGreaterThanOrEqual(floor * total - slack)
            }
            before = after
          }
        }
      }),
      runs,
    )
    expect(removals).toBeGreaterThan(50)
  })

  test('that nobody sees changes nothing', () => {
    fc.assert(
      fc.property(anyPool, fc.array(moment, { maxLength: 5 }), (web, moments) => {
        const driver = new Driver(policy([web], [pooled('db', 'web')]))
        const probing = new Probing()
        let now = 0
        for (const next of moments) {
          probing.apply(next, web)
          for (let second = 0; second < next.seconds; second++) {
            now += 1_000
            driver.step({ now, observations: [probing.round(web, now)] })
          }
        }
        for (const { id } of web.targets) probing.health.set(id, 'silent')
        for (let second = 0; second < 10; second++) driver.step({ now: ++now, observations: [probing.round(web, now)] })
        now += 120_000
        driver.step({ now, observations: [probing.round(web, now)] })
        driver.step({ now: now + 2_000, observations: [probing.round(web, now)] })
        const known = driver.previous?.head.pools.web as PoolState
        for (let second = 3; second < 30; second++)
          expect(driver.step({ now: now + second * 1_000, observations: [probing.round(web, now)] }).kind).toBe('hold')
        expect(driver.previous?.head.pools.web).toBe(known)
      }),
      { numRuns: 50 },
    )
  })

  test('takes one dead target of a healthy pool out with the third failure, and brings it back whole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 30 }), fc.nat(), (size, which) => {
        const web = pool(
          'web',
          Array.from({ length: size }, (_, i) => target(i)),
        )
        const driver = new Driver(policy([web], [pooled('db', 'web')]))
        const probing = new Probing()
        let now = 0
        const seconds = (count: number) => {
          for (let i = 0; i < count; i++) {
            now += 1_000
            driver.step({ now, observations: [probing.round(web, now)] })
          }
        }
        const id = `t${which % size}`
        seconds(5)
        probing.health.set(id, 'down')
        seconds(3)
        expect(driver.previous?.head.pools.web?.targets[id]?.kind).toBe('removed')
        probing.health.set(id, 'up')
        seconds(40)
        expect(driver.previous?.head.pools.web).toMatchObject({ capacity: 1, targets: { [id]: { kind: 'serving' } } })
      }),
      { numRuns: 40 },
    )
  })

  test('that fails everywhere at once costs nothing, after at most one budget', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.array(fc.nat(2), { maxLength: 30 }), (size, delays) => {
        const web = pool(
          'web',
          Array.from({ length: size }, (_, i) => target(i)),
        )
        const driver = new Driver(policy([web], [pooled('db', 'web')]))
        const probing = new Probing()
        for (let round = 1; round < 12; round++) {
          const now = round * 1_000
          for (const { id } of web.targets)
            if (round > 4 + (delays[Number(id.slice(1))] ?? 0)) probing.health.set(id, 'down')
          driver.step({ now, observations: [probing.round(web, now)] })
          const left = driver.previous?.head.pools.web?.capacity ?? 1
          expect(left).toBeGreaterThanOrEqual(1 - Math.max(0.05, 1 / size) - 1e-9)
        }
        expect(driver.previous?.head.pools.web?.capacity).toBe(1)
      }),
      { numRuns: 40 },
    )
  })
})

type Command =
  | { readonly kind: 'health'; readonly moment: Moment }
  | { readonly kind: 'endpoints'; readonly chosen: readonly number[] }
  | { readonly kind: 'targets'; readonly count: number }
  | { readonly kind: 'give'; readonly which: number; readonly target: number; readonly breaks: boolean }
  | { readonly kind: 'take'; readonly which: number }
  | { readonly kind: 'lose'; readonly ahead: number }

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ kind: fc.constant('health' as const), moment }),
  fc.record({ kind: fc.constant('endpoints' as const), chosen: fc.array(fc.nat(8), { minLength: 1, maxLength: 9 }) }),
  fc.record({ kind: fc.constant('targets' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant('give' as const), which: fc.nat(8), target: fc.nat(8), breaks: fc.boolean() }),
  fc.record({ kind: fc.constant('take' as const), which: fc.nat(8) }),
  fc.record({ kind: fc.constant('lose' as const), ahead: fc.nat(3) }),
)

const candidates: readonly Endpoint[] = [
  pooled('db', 'web'),
  pooled('db6', 'web'),
  alias('www', 'db'),
  alias('api', 'www'),
  alias('cdn', 'static'),
  fixed('static', '198.51.100.1'),
  fixed('static', '198.51.100.2', '198.51.100.3'),
  fixed('www', '198.51.100.4'),
  alias('db', 'static'),
]

/** The chosen endpoints, without those that another of the same name precedes or whose alias has no end. */
function endpointsOf(chosen: readonly number[]): readonly Endpoint[] {
  const byName = new Map(chosen.map((i) => candidates[i] as Endpoint).map((one) => [one.name, one]))
  for (let size = -1; size !== byName.size; ) {
    size = byName.size
    for (const [key, { from }] of byName) if (from.kind === 'alias' && !byName.has(from.of)) byName.delete(key)
  }
  return byName.size > 0 ? [...byName.values()] : [fixed('static', '198.51.100.1')]
}

function instructionOf(which: number, to: number, breaks: boolean, history: readonly PlanText[]): Override {
  const extra = { breaks: breaks ? ['S5'] : [] }
  const subject = (candidates[to] as Endpoint).name
  if (which <= 2) return override({ kind: 'drain', pool: 'web', target: `t${to}` }, extra)
  if (which <= 4) return override({ kind: 'retire', name: subject }, extra)
  if (which <= 6) return override({ kind: 'pin', name: subject }, extra)
  if (which === 7) return override({ kind: 'freeze' }, extra)
  const old = history[to % Math.max(1, history.length)]
  return override({ kind: 'rollback', to: old?.head.generation ?? (1 as Generation) }, extra)
}

describe('plans', () => {
  test('follow one another by the rules, whatever happens, and the check agrees', () => {
    const seen = { plans: 0, retired: 0, rolledBack: 0, refused: 0 }
    fc.assert(
      fc.property(fc.array(command, { maxLength: 25 }), (commands) => {
        let web = pool('web', [target(0), target(1), target(2)])
        let source = policy([web], endpointsOf([0, 2, 5]))
        const driver = new Driver(source)
        const probing = new Probing()
        const given = new Map<number, Override>()
        let now = 0
        const retireRefused = new Set<string>()
        for (const one of commands) {
          let ahead: number | undefined
          let seconds = 2
          if (one.kind === 'health') {
            probing.apply(one.moment, web)
            seconds = one.moment.seconds
          } else if (one.kind === 'endpoints') source = policy([web], endpointsOf(one.chosen))
          else if (one.kind === 'targets') {
            web = pool(
              'web',
              Array.from({ length: one.count }, (_, i) => target(i)),
            )
            source = policy([web], [...source.endpoints.values()])
          } else if (one.kind === 'give')
            given.set(one.which, instructionOf(one.which, one.target, one.breaks, driver.history))
          else if (one.kind === 'take') given.delete(one.which)
          else ahead = (driver.previous?.head.generation ?? 0) + one.ahead
          for (let second = 0; second < seconds; second++) {
            now += 1_000
            const overrides = [...given.values()].filter(({ action }) => !retireRefused.has(JSON.stringify(action)))
            const to = overrides.flatMap(({ action }) => (action.kind === 'rollback' ? [action.to] : []))[0]
            const rollback = driver.history.find(({ head }) => head.generation === to)
            const before = driver.previous
            const decided = driver.step({
              now,
              policy: source,
              observations: [probing.round(web, now)],
              overrides,
              ...(rollback === undefined ? {} : { rollback }),
              ...(ahead === undefined || second > 0 ? {} : { ahead }),
            })
            for (const used of decided.usedUp)
              for (const [key, { action }] of given)
                if (action.kind === 'retire' && action.name === used) given.delete(key)
            if (driver.violations.length > 0) {
              // Only an operator's rollback may ask for what the rules forbid; then the planner does without it.
              expect(to).toBeDefined()
              expect(new Set(driver.violations.map(({ rule }) => rule))).toEqual(new Set(['S5']))
              seen.refused++
              driver.violations = []
              for (const [key, { action }] of given) if (action.kind === 'rollback') given.delete(key)
              continue
            }
            if (decided.kind === 'hold' || driver.previous === null) continue
            seen.plans++
            seen.retired += driver.previous.head.blast.namesRetired
            if (driver.previous.head.rolledBackTo !== undefined) seen.rolledBack++
            follows(before, driver.previous)
          }
        }
      }),
      { numRuns: 1_000 },
    )
    expect(seen.plans).toBeGreaterThan(2_000)
    expect(seen.retired).toBeGreaterThan(3)
    expect(seen.rolledBack).toBeGreaterThan(20)
  })
})

const linesOf = (plan: PlanText | null): readonly string[] =>
  plan === null ? [] : plan.head.shards.flatMap((_, index) => shardLines(plan.shard(index)))

/** What holds of every two plans in a row, from their lines alone. */
function follows(before: PlanText | null, after: PlanText): void {
  const old = new Map(linesOf(before).map((line) => [nameOf(line), parseEntryLine(line)]))
  const now = new Map(linesOf(after).map((line) => [nameOf(line), parseEntryLine(line)]))
  expect(after.head.generation).toBeGreaterThan(before?.head.generation ?? 0)
  for (const [key, entry] of old) {
    const next = now.get(key)
    if (entry === undefined || next === undefined) throw new Error(`expected ${key} to stay, found it vanished`)
    expect(next.since).toBeGreaterThanOrEqual(entry.since)
    if (next.since === entry.since) expect(next).toEqual(entry)
  }
  for (const [key, entry] of now) {
    let end = entry
    for (let steps = 0; end?.answer.kind === 'alias' && steps < 50; steps++) end = now.get(end.answer.target)
    if (entry?.answer.kind === 'alias') expect([key, end?.answer.kind]).toEqual([key, 'addresses'])
  }
  const applied = new Map(linesOf(before).map((line) => [nameOf(line), line]))
  for (const { name: changed, before: was, after: is } of differencesOf(before, after)) {
    expect(applied.get(changed) ?? null).toBe(was)
    if (is !== null) applied.set(changed, is)
  }
  expect([...applied.values()].sort()).toEqual([...linesOf(after)].sort())
  expect(linesOf(after).every((line) => answerOf(line) !== '')).toBe(true)
}
