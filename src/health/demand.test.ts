import { expect, test } from 'vitest'
import { pool, target } from '../../test/support/planning.ts'
import type { Demand } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { demandFreshMs, leastFor, neededOf } from './demand.ts'

const now = 1_700_000_000_000 as EpochMs
const whole = 200
const web = pool('web', [target(0), target(1)])
const said = (value: number, ms = 0): Demand => ({
  pool: 'web',
  by: 'intake-1',
  value,
  at: (now + ms) as EpochMs,
  source: 'prometheus 192.0.2.9:9090',
})

test('is the greatest that is fresh and can be true', () => {
  const demands = [said(1), said(100), said(whole + 1), said(-1), said(Number.NaN), said(whole, -demandFreshMs - 1)]
  const { demand, ignored } = neededOf(web, demands, now)
  expect(demand).toBe(100)
  expect(ignored).toHaveLength(4)
  expect(neededOf(web, [], now)).toEqual({ demand: null, ignored: [] })
  expect(neededOf(web, [said(1, 61_000)], now).ignored[0]).toMatch(/lies in the future$/)
})

test('may stand in the configuration', () => {
  const stated = (value: number) => ({ ...web, demand: { kind: 'fixed', value } as const })
  expect(neededOf(stated(50), [], now).demand).toBe(50)
  expect(neededOf(stated(50), [said(100)], now).demand).toBe(100)
  expect(neededOf(stated(400), [], now)).toEqual({
    demand: null,
    ignored: ['the demand of 400 by configuration (demand) is above the whole capacity of 200'],
  })
  expect([leastFor(null, 0.8), leastFor(80, 0.8)]).toEqual([0, 100])
})
