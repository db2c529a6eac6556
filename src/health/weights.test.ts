import { describe, expect, test } from 'vitest'
import { pool, target } from '../../test/support/planning.ts'
import type { IpAddress } from '../model/address.ts'
import type { PoolState, SiteState, TargetState } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { weightsAt, weightsOf } from './weights.ts'

const at = (ms: number) => ms as EpochMs
const state = (targets: readonly TargetState[], sites?: Record<string, SiteState>): PoolState => ({
  targets: Object.fromEntries(targets.map((one, i) => [`t${i}`, one])),
  failOpenSince: null,
  ledger: [],
  ...(sites === undefined ? {} : { sites }),
  capacity: 1,
})
const serving: TargetState = { kind: 'serving', since: at(0) }
const ramping = (percent: number, since = 0): TargetState => ({ kind: 'ramping', since: at(since), percent })

describe('for DNS', () => {
  test('are whole numbers by capacity, never 0 for one that answers', () => {
    const sizes = pool(
      'web',
      [1_000, 300, 1].map((capacity, i) => target(i, { capacity })),
    )
    expect(weightsOf(sizes, state([serving, serving, serving])).map(({ weight }) => weight)).toEqual([100, 30, 1])
    expect(weightsOf(sizes, state([ramping(25), serving, serving])).map(({ weight }) => weight)).toEqual([25, 30, 1])
  })

  test('give an address that two targets share once', () => {
    const addresses = ['192.0.2.1' as IpAddress] as const
    const shared = pool('web', [target(0, { addresses }), target(1, { addresses, capacity: 50 })])
    expect(weightsOf(shared, state([serving, serving]))).toEqual([{ address: '192.0.2.1', weight: 100 }])
  })
})

describe('for who can follow', () => {
  const web = pool('web', [target(0), target(1), target(2), target(3), target(4)])
  const shares = (targets: readonly TargetState[], now: number, sites?: Record<string, SiteState>) => [
    ...weightsAt(web, state(targets, sites), at(now)).values(),
  ]
  const out: readonly TargetState[] = [
    { kind: 'removed', since: at(0), reason: 'x' },
    { kind: 'drained', since: at(0), by: 'x', reason: 'x' },
    { kind: 'evacuated', since: at(0) },
    { kind: 'new', since: at(0) },
  ]

  test('are there for every target, whoever is out', () => {
    expect(shares([serving, ...out], 9)).toEqual([1, 0, 0, 0, 0])
  })

  test('rise evenly from a tenth, but never past the next step of the plan', () => {
    const at0 = (percent: number, now: number) => shares([ramping(percent), serving, serving, serving, serving], now)[0]
    expect(at0(10, 0)).toBe(0.1)
    expect(at0(10, 4_000)).toBe(0.2)
    expect(at0(10, 5_000)).toBe(0.25)
    // Nobody plans any more: it stays where the plan would have been next.
    expect(at0(10, 19_000)).toBe(0.25)
    expect(at0(50, 12_000)).toBe(0.6)
    expect(at0(75, 1e9)).toBe(1)
    // Its ramp began anew at the weight that it had.
    expect(at0(50, 1_000)).toBe(0.5)
  })

  test('stand still for one that fails again, and with the steps of a site', () => {
    const failing: TargetState = { kind: 'ramping', since: at(0), percent: 25, downs: [at(6_000)] }
    expect(shares([failing, serving, serving, serving, serving], 9_000)[0]).toBe(0.25)
    const sites = { site0: { kind: 'returning', since: at(0), step: 1, evacuated: at(0), by: 'ops' } } as const
    expect(shares([ramping(33), serving, serving, serving, serving], 9_000, sites)[0]).toBe(0.33)
  })
})
