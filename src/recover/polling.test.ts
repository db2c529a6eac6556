import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leasedPollMs, reportBudget, ttlMs, waitingPollMs } from './polling.ts'

const bearing = { frontDoorPerSecond: 30_000, throughput: 2517 }

test('waiting hosts report at one rate, however many they are', () => {
  for (const waiting of [50_000, 200_000, 1_000_000])
    expect(waiting / (waitingPollMs(waiting, bearing, 0.5) / 1000)).toBeCloseTo(reportBudget(bearing), 0)
  expect(reportBudget({ ...bearing, throughput: 0 })).toBe(9000)
  expect(reportBudget({ ...bearing, throughput: 1e6 })).toBe(9000)
})

test('the next report of a waiting host falls before the drain ends, unless that is near', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 20_000, max: 700_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (waiting, chance) => {
        expect(waitingPollMs(waiting, bearing, chance)).toBeLessThanOrEqual((waiting / 2517) * 1000)
      },
    ),
  )
  expect(waitingPollMs(1, bearing, 0.5)).toBe(1700)
  expect(waitingPollMs(1e9, bearing, 0.5)).toBe(300_000)
})

test('near the end of a drain a host comes back when it is over, if there is one', () => {
  const draining = { ...bearing, isDraining: true }
  for (const waiting of [1_100, 3_000, 5_000])
    for (const chance of [0, 0.5, 0.999]) {
      const late = waitingPollMs(waiting, draining, chance) - (waiting / 2517) * 1000
      expect(late).toBeGreaterThanOrEqual(0)
      expect(late).toBeLessThan(300)
    }
  expect(waitingPollMs(1, draining, 0)).toBe(400)
  // What has to come back all the same keeps to the budget of reports.
  expect(waitingPollMs(5_000, { ...draining, frontDoorPerSecond: 5_000 }, 0)).toBeCloseTo(5_000 / 1.5, 0)
  expect(waitingPollMs(5_000, bearing, 0.5)).toBe(1_700)
})

test('a lease is renewed before half of it is over, and never at once', () => {
  expect(leasedPollMs(120_000, 0, 0)).toBe(30_000)
  expect(leasedPollMs(120_000, 0, 1)).toBe(50_000)
  expect(leasedPollMs(120_000, 25_000, 0)).toBe(5_000)
  expect(leasedPollMs(120_000, 90_000, 0)).toBe(1_700)
})

test('the time to live keeps renewals to a tenth of the dependency and to the front door', () => {
  expect(ttlMs(100, 0.25, bearing)).toBe(60_000)
  const ttl = ttlMs(1_000_000, 0.25, bearing)
  expect((1_000_000 / (ttl / 3000)) * 0.25).toBeCloseTo(0.1 * 2517, 3)
  expect(1_000_000 / (ttlMs(1_000_000, 0, bearing) / 3000)).toBeCloseTo(9000, 3)
})
