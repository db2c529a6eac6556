import { expect, test } from 'vitest'
import { Driver, observation, override, policy, pool, pooled, target } from '../../test/support/planning.ts'
import type { PoolState } from '../model/plan.ts'
import { usualLimits } from '../model/policy.ts'
import type { Demand } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { check } from './check.ts'

const web = pool(
  'web',
  Array.from({ length: 9 }, (_, i) => target(i)),
  { limits: usualLimits },
)
const source = policy([web], [pooled('db', 'web')])
const demand = (value: number, at: number): Demand => ({ pool: 'web', by: 'm', value, at: at as EpochMs, source: 'x' })

function seen(now: number, gone: string | null) {
  return ['site0', 'site1', 'site2'].map((site) => ({
    ...observation(
      'web',
      Object.fromEntries(web.targets.map((one) => [one.id, one.site === gone ? 'fff' : 'ppp'])),
      now,
      `p-${site}`,
    ),
    site,
  }))
}

function started(): Driver {
  const driver = new Driver(source)
  driver.step({ now: 1_000, observations: seen(1_000, null), demands: [demand(400, 1_000)] })
  expect(driver.violations).toEqual([])
  return driver
}

/** Decides on what was seen, then checks that plan with something else known. */
function judged(changes: {
  readonly demand?: number
  readonly before?: Partial<PoolState>
  readonly after?: Partial<PoolState>
}) {
  const driver = started()
  // It goes down, and the others do not follow.
  driver.step({ now: 10_000, observations: seen(10_000, 'site0'), demands: [demand(400, 10_000)] })
  driver.step({ now: 11_000, observations: seen(11_000, 'site0'), demands: [demand(400, 11_000)] })
  const step = { now: 20_000, observations: seen(20_000, 'site0'), demands: [demand(400, 20_000)] }
  const input = driver.input(step)
  const before = driver.previous
  const decided = driver.step(step)
  expect(driver.violations).toEqual([])
  expect(driver.answer('db')?.split(' ').slice(2)).toHaveLength(6)
  if (decided.kind !== 'plan' || before === null) throw new Error('expected a plan')
  const withState = (text: typeof before, state: Partial<PoolState> = {}) => ({
    head: { ...text.head, pools: { web: { ...(text.head.pools.web as PoolState), ...state } } },
    shard: (index: number) => text.shard(index),
  })
  const violations = check({
    ...input,
    demands: new Map([['web', [demand(changes.demand ?? 400, 20_000)]]]),
    previous: withState(before, changes.before),
    next: withState(decided.text, changes.after),
    newShards: decided.newShards,
  })
  return violations.map(({ rule, at, expected, found }) => `${rule} ${at}: ${expected}, not ${found}`)
}

test('a site that goes out as a whole passes, if the others carry the demand', () => {
  expect(judged({})).toEqual([])
  expect(judged({ demand: 600 })).toEqual(['S5 web, site site0: at least 660 capacity outside of it, not 600'])
})

test('one site in ten minutes, and it is written down', () => {
  expect(judged({ before: { evacuatedAt: 10_000 as EpochMs } })).toEqual([
    'S5 web, site site0: one site in 600000 ms, not another 10000 ms ago',
  ])
  expect(judged({ after: { evacuatedAt: 10_000 as EpochMs } })).toEqual([
    'S5 web, site site0: its evacuation written down, not 10000',
  ])
})

test('without a word about the site its targets count as removed', () => {
  expect(judged({ after: { sites: {} } }).some((one) => one.includes('in the ledger as removed now'))).toBe(true)
})

test('an operator may evacuate, in all pools or one, and have maintenance windows', () => {
  for (const action of [
    { kind: 'evacuate', site: 'site1', pool: null },
    { kind: 'evacuate', site: 'site1', pool: 'web' },
    { kind: 'maintenance', site: 'site1', from: 15_000 as EpochMs, until: 50_000 as EpochMs },
  ] as const) {
    const driver = started()
    const give = (now: number, value = 400) =>
      driver.step({ now, observations: seen(now, null), demands: [demand(value, now)], overrides: [override(action)] })
    give(20_000, 600)
    expect(driver.violations).toEqual([])
    expect(driver.previous?.head.pools.web?.sites).toBeUndefined()
    give(21_000)
    expect(driver.violations).toEqual([])
    expect(driver.previous?.head.pools.web?.sites).toMatchObject({ site1: { kind: 'evacuated', by: 'ops' } })
    if (action.kind === 'maintenance') for (let now = 22_000; now < 260_000; now += 1_000) give(now)
    expect(driver.violations).toEqual([])
    if (action.kind === 'maintenance') expect(driver.previous?.head.pools.web).toMatchObject({ capacity: 1 })
  }
})

test('a window that has not begun, another pool and a site that is none change nothing', () => {
  for (const action of [
    { kind: 'maintenance', site: 'site1', from: 30_000 as EpochMs, until: 50_000 as EpochMs },
    { kind: 'evacuate', site: 'site1', pool: 'other' },
    { kind: 'evacuate', site: 'nowhere', pool: null },
  ] as const) {
    const driver = started()
    const decided = driver.step({ now: 20_000, observations: seen(20_000, null), overrides: [override(action)] })
    expect(decided.kind).toBe('hold')
    if (action.kind === 'maintenance') expect(decided).toMatchObject({ nextAt: 30_000 })
    else expect(decided.kind === 'hold' && decided.reasons.at(-1)?.text).toContain('has no effect')
  }
})

/** What the check says of a step that was decided with one demand, when another is known. */
function withDemand(known: number, step: Parameters<Driver['step']>[0]) {
  const driver = started()
  const input = driver.input(step)
  const decided = driver.step(step)
  expect(driver.violations).toEqual([])
  if (decided.kind !== 'plan') throw new Error('expected a plan')
  const demands = new Map([['web', [demand(known, step.now)]]])
  return check({ ...input, demands, next: decided.text, newShards: decided.newShards }).map(({ expected }) => expected)
}

test("an operator's evacuation leaves what is needed, too, unless it may break that", () => {
  const step = (breaks: readonly string[]) => ({
    now: 20_000,
    observations: seen(20_000, null),
    demands: [demand(400, 20_000)],
    overrides: [override({ kind: 'evacuate', site: 'site1', pool: null }, { breaks })],
  })
  expect(withDemand(600, step([]))).toEqual(['at least 660 capacity outside of it'])
  expect(withDemand(600, step(['S5']))).toEqual([])
})

test('nobody leaves whom the demand needs', () => {
  const one = Object.fromEntries(web.targets.map(({ id }) => [id, id === 't0' ? 'fff' : 'ppp']))
  const step = { now: 20_000, observations: [observation('web', one, 20_000)], demands: [demand(400, 20_000)] }
  expect(withDemand(640, step)).toEqual([])
  expect(withDemand(700, step)).toEqual(['at least 875 capacity left, for a demand of 700'])
})

test('checks are not doubted and believed again in quick turn', () => {
  const driver = started()
  const all = { t0: 'fff', t1: 'fff', t2: 'fff', t3: 'fff', t4: 'fff', t5: 'fff' }
  const step = { now: 20_000, observations: [observation('web', { ...all, t6: 'ppp', t7: 'ppp', t8: 'ppp' }, 20_000)] }
  const input = driver.input(step)
  const before = driver.previous
  const decided = driver.step(step)
  if (decided.kind !== 'plan' || before === null) throw new Error('expected a plan')
  expect(driver.violations).toEqual([])
  const web = before.head.pools.web as PoolState
  const previous = {
    head: { ...before.head, pools: { web: { ...web, believedSince: 10_000 as EpochMs } } },
    shard: (index: number) => before.shard(index),
  }
  const violations = check({ ...input, previous, next: decided.text, newShards: decided.newShards })
  expect(violations.map(({ expected, found }) => `${expected}, not ${found}`)).toEqual([
    '30000 ms between believing its checks and not, not 10000 ms',
  ])
})
