import { describe, expect, test } from 'vitest'
import { isProblem } from '../base/problem.ts'
import { cannotWork, ceiling, lowerBounds, type Recovery } from './bounds.ts'

const usual: Recovery = {
  hosts: 100_000,
  unitsPerLease: 1,
  capacity: () => 2517,
  renewals: { everySeconds: 40, units: 0.25 },
  messagesPerHost: 1,
  frontDoorPerSecond: 30_000,
  noticedAfterSeconds: 1,
}

describe('lower bounds', () => {
  test('are those of the published table', () => {
    const { drain, withRenewals, frontDoor, noticing, bound } = lowerBounds(usual)
    expect(drain).toBeCloseTo(100_000 / 2517, 1)
    expect(withRenewals).toBeCloseTo(drain, 1)
    expect(frontDoor).toBeCloseTo(3.33, 2)
    expect(noticing).toBe(1)
    expect(bound).toBe(Math.max(drain, withRenewals))
    const of = (share: (t: number) => number) => lowerBounds({ ...usual, capacity: (t) => 2517 * share(t) }).bound
    expect(of((t) => Math.min(1, 0.1 + (0.9 * t) / 60))).toBeCloseTo(69, 0)
    expect(of((t) => (t >= 20 && t < 50 ? 0.3 : 1))).toBeCloseTo(66, 0)
    expect(of(() => 0.5)).toBeCloseTo(97, 0)
  })

  test('with renewals without pause follow the closed form', () => {
    // T = -(w tau / h) ln(1 - N h / (C tau)), for many short intervals.
    const tau = 10
    const renewals = { everySeconds: tau, units: 0.02 }
    const closed = -((tau / 0.02) * Math.log(1 - (100_000 * 0.02) / (2517 * tau)))
    expect(lowerBounds({ ...usual, renewals }).withRenewals / closed).toBeCloseTo(1, 1)
  })

  test('are infinite above the ceiling', () => {
    const renewals = { everySeconds: 40, units: 0.25 }
    expect(ceiling(2517, renewals)).toBeCloseTo(402_720)
    expect(lowerBounds({ ...usual, hosts: 380_000, renewals }).bound).toBeLessThan(2000)
    expect(lowerBounds({ ...usual, hosts: 410_000, renewals }).bound).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a configuration that cannot work', () => {
  const plan = { hosts: 1_000_000, ttlSeconds: 120, capacity: 2517, renewalUnits: 0.25, frontDoorPerSecond: 30_000 }

  test('is told why, by the formula', () => {
    const why = cannotWork(plan)
    expect(isProblem(why) && `${why.expected} | ${why.found} | ${why.todo}`).toBe(
      'fewer than 402,720 hosts: capacity x interval / work of a renewal = 2517/s x 40 s / 0.25 | 1,000,000 hosts | ' +
        'raise the time to live above 298 s, or keep renewals in memory',
    )
    const door = cannotWork({ ...plan, ttlSeconds: 60, renewalUnits: 0 })
    expect(isProblem(door) && door.todo).toContain('100 s or more')
  })

  test('and one that can is not', () => {
    expect(cannotWork({ ...plan, ttlSeconds: 299 })).toBeUndefined()
    expect(cannotWork({ ...plan, renewalUnits: 0 })).toBeUndefined()
  })
})
