import { describe, expect, test } from 'vitest'
import { observation, pool, target } from '../../test/support/planning.ts'
import type { PoolState, TargetState } from '../model/plan.ts'
import { type Limits, usualLimits } from '../model/policy.ts'
import type { Demand } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { eventText } from './reasons.ts'
import type { SiteOrder } from './sites.ts'
import { type Step, step } from './step.ts'

/** Three sites of three targets, and a prober in each. */
const webWith = (limits: Partial<Limits> = {}) =>
  pool(
    'web',
    Array.from({ length: 9 }, (_, i) => target(i)),
    { rampMs: 12_000, limits: { ...usualLimits, ...limits } },
  )
const web = webWith()
const probers = ['site0', 'site1', 'site2']

interface Given {
  /** By prober: the sites that it sees fail. */
  readonly failing?: readonly (readonly string[])[]
  readonly demand?: number | null
  readonly orders?: Readonly<Record<string, SiteOrder>>
  readonly sites?: readonly (string | null)[]
  readonly since?: number
  readonly of?: typeof web
}

function go(previous: PoolState | undefined, now: number, given: Given = {}): Step {
  const { failing = [], demand = 400, orders = {}, sites = probers, since = 0, of = web } = given
  const demands: Demand[] =
    demand === null ? [] : [{ pool: 'web', by: 'm', value: demand, at: now as EpochMs, source: 'a test' }]
  return step({
    pool: of,
    previous,
    observations: sites.map((site, p) => {
      const seen = of.targets.map((one) => [one.id, failing[p]?.includes(one.site) ? 'fff' : 'ppp'] as const)
      return { ...observation('web', Object.fromEntries(seen), now, `p${p}`), site }
    }),
    reports: [],
    demands,
    drains: new Map(),
    evacuations: new Map(Object.entries(orders)),
    since: since as EpochMs,
    now: now as EpochMs,
  })
}

function state(result: Step): PoolState {
  if (result.kind !== 'state') throw new Error(`expected a state, found ${JSON.stringify(result)}`)
  return result.state
}
/** By site, of its first target. */
const bySite = (from: PoolState) =>
  [0, 1, 2]
    .map((i) => from.targets[`t${i}`] as TargetState)
    .map((one) => (one.kind === 'ramping' ? `${one.percent}` : one.kind === 'held' ? one.by : one.kind))
    .join(' ')
const told = (result: Step) => (result.kind === 'state' ? result.events.map(eventText) : [])
const everybody = (...gone: string[]) => probers.map(() => gone)

const all = state(go(undefined, 10_000))
/** It goes down at 20 s, and ten seconds later nobody has followed. */
const fails = (given: Given, previous = all) => go(state(go(previous, 20_000, given)), 30_000, given)
const order: SiteOrder = { by: 'ops', reason: 'power', underFloor: false }

describe('a site that fails', () => {
  test('is taken out as one action, past the floor, if the others can carry the demand', () => {
    const given = { failing: everybody('site0') }
    const down = go(all, 20_000, given)
    expect(bySite(state(down))).toMatch(/^correlation/)
    expect(down).toMatchObject({ nextAt: 30_000 })
    expect(down.reasons).toContainEqual({
      subject: 'web/site site0',
      text: 'is not taken out: it went down a moment ago, and the others may follow',
    })
    expect(bySite(state(go(state(down), 29_999, given)))).toMatch(/^correlation/)
    const result = fails(given)
    expect(bySite(state(result))).toBe('evacuated serving serving')
    expect(state(result)).toMatchObject({
      evacuatedAt: 30_000,
      sites: { site0: { kind: 'evacuated', by: 'health', since: 30_000 } },
      capacity: 6 / 9,
      failOpenSince: null,
    })
    expect(result).toMatchObject({ urgent: true })
    expect(told(result)).toContain('site site0 is evacuated by health: 100 % of it fails')
  })

  test('stays if they cannot, and then answers although it fails', () => {
    const result = go(all, 20_000, { failing: everybody('site0'), demand: 546 })
    expect(bySite(state(result))).toBe('site-open serving serving')
    expect(told(result).at(-1)).toBe(
      'site site0 fails, but stays: the other sites carry 600, and 600.6 is needed (1.1 x the demand of 546)',
    )
    expect(bySite(state(fails({ failing: everybody('site0'), demand: 545 })))).toMatch(/^evacuated/)
  })

  test('is not taken past the floor where nobody knows the demand', () => {
    expect(bySite(state(go(all, 20_000, { failing: everybody('site0'), demand: null })))).toMatch(/^site-open/)
    const low = webWith({ floor: 0.6 })
    expect(
      bySite(
        state(fails({ failing: everybody('site0'), demand: null, of: low }, state(go(undefined, 10_000, { of: low })))),
      ),
    ).toMatch(/^evacuated/)
  })

  test('stays unless two other sites see it fail', () => {
    const one = go(all, 20_000, { failing: [['site0'], ['site0'], []] })
    expect(bySite(state(one))).toMatch(/^site-open/)
    expect(told(one).at(-1)).toContain('only 1 of 2 other sites see it fail')
  })

  test('stays while another fails, too', () => {
    const both = go(all, 20_000, { failing: everybody('site0', 'site1'), demand: 100 })
    expect(bySite(state(both))).not.toContain('evacuated')
    expect(state(both).capacity).toBe(1)
  })

  test('stays while whoever looks has just begun', () => {
    const result = go(all, 20_000, { failing: everybody('site0'), since: 18_000 })
    expect(bySite(state(result))).not.toContain('evacuated')
    expect(state(result).sites).toMatchObject({ site0: { kind: 'open' } })
    expect(bySite(state(go(state(result), 30_000, { failing: everybody('site0'), since: 28_000 })))).toMatch(
      /^evidence/,
    )
    expect(bySite(state(go(state(result), 31_000, { failing: everybody('site0'), since: 28_000 })))).toMatch(
      /^evacuated/,
    )
  })

  test('is judged target by target where probers do not say where they stand, and where it is small', () => {
    const nowhere = go(all, 20_000, { failing: everybody('site0'), sites: [null, null, null] })
    expect(bySite(state(nowhere))).toMatch(/^correlation/)
    expect(state(nowhere).sites).toBeUndefined()
    const small = pool(
      'web',
      [0, 1, 2, 4, 5, 7, 8].map((i) => target(i)),
      { limits: usualLimits },
    )
    const result = go(state(go(undefined, 10_000, { of: small })), 20_000, { failing: everybody('site0'), of: small })
    expect(bySite(state(result))).toBe('removed serving serving')
  })

  test('does not follow another within ten minutes', () => {
    const before: PoolState = { ...all, evacuatedAt: 10_000 as EpochMs }
    const given = { failing: everybody('site0') }
    const result = go(before, 599_000, given)
    expect(bySite(state(result))).toMatch(/^site-open/)
    expect(bySite(state(go(state(result), 609_999, given)))).toMatch(/^site-open/)
    expect(bySite(state(go(state(result), 610_000, given)))).toMatch(/^evacuated/)
  })

  test('that is open is judged again when enough of it passes, but not at once', () => {
    const open = state(go(all, 20_000, { failing: everybody('site0'), demand: 600 }))
    expect(state(go(open, 49_999, { demand: 600 })).sites).toMatchObject({ site0: { kind: 'open' } })
    const over = go(open, 50_000, { demand: 600 })
    expect(state(over).sites).toBeUndefined()
    expect(told(over)).toEqual(['the checks of site site0 are believed again'])
    expect(state(over).capacity).toBe(1)
  })
})

describe('a site that is out', () => {
  const out = state(fails({ failing: everybody('site0') }))

  test('returns in three steps, two minutes after it passes', () => {
    let last = out
    const seen: string[] = []
    for (let now = 40_000; now <= 210_000; now += 1_000) {
      const next = state(go(last, now))
      if (bySite(next) !== bySite(last)) seen.push(`${now / 1_000} ${bySite(next)}`)
      last = next
    }
    expect(seen).toEqual(['160 33 serving serving', '172 67 serving serving', '184 serving serving serving'])
    expect(last.sites).toBeUndefined()
  })

  test('does not return while some of it fails', () => {
    let last = out
    const some = { failing: [['site0'], [], []] }
    for (let now = 30_000; now <= 300_000; now += 1_000)
      last = state(go(last, now, now % 60_000 < 9_000 ? { failing: everybody('site0') } : {}))
    expect(bySite(last)).toBe('evacuated serving serving')
    expect(bySite(state(go(last, 301_000, some)))).toBe('evacuated serving serving')
  })

  test('goes out again if it fails on its way back', () => {
    let last = out
    for (let now = 40_000; now <= 160_000; now += 1_000) last = state(go(last, now))
    expect(bySite(last)).toBe('33 serving serving')
    last = state(go(last, 161_000, { failing: everybody('site0') }))
    expect(bySite(last)).toBe('33 serving serving')
    expect(bySite(state(go(last, 171_000, { failing: everybody('site0') })))).toBe('evacuated serving serving')
  })

  test('answers again at once when the checks are not believed', () => {
    const result = go(out, 60_000, { failing: everybody('site0', 'site1', 'site2') })
    expect(bySite(state(result))).toBe('fail-open fail-open fail-open')
    expect(state(result)).toMatchObject({ capacity: 1, failOpenSince: 60_000 })
    expect(state(result).sites).toBeUndefined()
  })
})

describe('an operator', () => {
  test('takes a site out whatever its health, if the others can carry the demand', () => {
    const result = go(all, 20_000, { orders: { site1: order } })
    expect(bySite(state(result))).toBe('serving evacuated serving')
    expect(told(result)).toEqual(['site site1 is evacuated by ops: power'])
    expect(state(result).evacuatedAt).toBeUndefined()
    expect(result.reasons).toContainEqual({ subject: 'web/site site1', text: 'evacuated by ops: power' })
  })

  test('waits while they cannot, unless the instruction may break that', () => {
    const waiting = go(all, 20_000, { orders: { site1: order }, demand: 600 })
    expect(bySite(state(waiting))).toBe('serving serving serving')
    expect(waiting.reasons[0]?.text).toBe(
      'is not taken out: the other sites carry 600, and 660 is needed (1.1 x the demand of 600)',
    )
    const deep = { ...order, underFloor: true }
    expect(bySite(state(go(all, 20_000, { orders: { site1: deep }, demand: 600 })))).toBe('serving evacuated serving')
  })

  test('never takes the last one', () => {
    const deep = { ...order, underFloor: true }
    const result = go(all, 20_000, { orders: { site0: deep, site1: deep, site2: deep } })
    expect(bySite(state(result))).toBe('evacuated evacuated serving')
  })

  test('keeps it out, also while the checks are not believed, and lets it come back in steps', () => {
    let last = state(go(all, 20_000, { orders: { site1: order } }))
    last = state(go(last, 60_000, { orders: { site1: order }, failing: everybody('site0', 'site1', 'site2') }))
    expect(bySite(last)).toBe('fail-open evacuated fail-open')
    for (let now = 100_000; now <= 300_000; now += 1_000) last = state(go(last, now, { orders: { site1: order } }))
    expect(bySite(last)).toBe('serving evacuated serving')
    // It has passed for long: the first step is at once.
    expect(bySite(state(go(last, 301_000)))).toBe('serving 33 serving')
  })
})
