import { describe, expect, test } from 'vitest'
import { ExpiryAllowance, spreadMs } from './expiry.ts'
import { readHint } from './hint.ts'
import { ReportWatch } from './report-watch.ts'

describe('the speed limit of expiry', () => {
  const takes = (allowance: ExpiryAllowance, hosts: number, now: number) => {
    let taken = 0
    while (allowance.take(0, hosts, now)) taken++
    return taken
  }

  test('is 2 % of a site in a minute, and at least one', () => {
    const allowance = new ExpiryAllowance(2, 0)
    expect(takes(allowance, 1000, 0)).toBe(20)
    expect(takes(allowance, 1000, 30_000)).toBe(10)
    expect(takes(allowance, 1000, 3_600_000)).toBe(20)
    const small = new ExpiryAllowance(1, 0)
    expect(takes(small, 3, 0)).toBe(1)
    expect(takes(small, 3, 59_000)).toBe(0)
    expect(takes(small, 3, 60_000)).toBe(1)
  })

  test('is not fooled by a clock that goes back', () => {
    const allowance = new ExpiryAllowance(1, 1_000_000)
    expect(takes(allowance, 1000, 1_000_000)).toBe(20)
    expect(takes(allowance, 1000, 0)).toBe(0)
  })

  test('leases kept alive end slower than they can be granted', () => {
    expect(spreadMs(100_000, 60_000, 1000)).toBeCloseTo(133_333, 0)
    expect(spreadMs(10, 60_000, 1000)).toBe(60_000)
    expect(spreadMs(10, 60_000, 0)).toBe(60_000)
  })
})

describe('reports that do not come', () => {
  /** Hosts report every 10 s; from `silentAt` on only so many of them. */
  const watched = (hosts: number, left: number, silentAt: number, until: number) => {
    const watch = new ReportWatch(0)
    const blind: number[] = []
    for (let second = 0; second < until; second++) {
      watch.tick(second * 1000)
      if (watch.isBlind) blind.push(second)
      const reporting = second < silentAt ? hosts : left
      for (let host = 0; host < reporting; host++) if (host % 10 === second % 10) watch.reported(second * 1000, 10_000)
    }
    return blind
  }

  test('are noticed when fewer than half come', () => {
    const blind = watched(1000, 300, 40, 100)
    expect(blind[0]).toBeGreaterThan(40)
    expect(blind[0]).toBeLessThan(52)
    expect(watched(1000, 700, 40, 100)).toEqual([])
  })

  test('are no longer expected of those who are gone', () => {
    expect(watched(1000, 300, 40, 100).at(-1)).toBeLessThan(62)
  })

  test('mean nothing when few are expected', () => {
    expect(watched(10, 0, 40, 60)).toEqual([])
  })
})

test('a hint is two positive numbers, or nothing, or a problem', () => {
  expect(readHint(undefined)).toBeUndefined()
  expect(readHint(JSON.parse('{"throughput":2500,"limit":64}'))).toEqual({ throughput: 2500, limit: 64 })
  for (const bad of [
    {},
    'x',
    { throughput: 0, limit: 5 },
    { throughput: 5, limit: Number.NaN },
    { throughput: 5, limit: 0.5 },
  ])
    expect(readHint(bad)).toMatchObject({ kind: 'problem' })
})
