import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { observation, pool, target } from '../../test/support/planning.ts'
import type { EpochMs } from '../world/world.ts'
import { judge, staleAfterMs } from './detector.ts'

const web = pool('web', [target(0)], { fall: 3, rise: 2 })
const now = 100_000 as EpochMs
const verdict = (histories: readonly string[], at: number = now) =>
  judge(
    web,
    't0',
    histories.map((history, i) => observation('web', { t0: history }, at, `p${i}`)),
    now,
  )

describe('one prober', () => {
  test.each([
    ['pp', 'up'],
    ['p', 'unknown'],
    ['', 'unknown'],
    ['ppf', 'up'],
    ['ppff', 'up'],
    ['ppfff', 'down'],
    ['fff', 'down'],
    ['fffp', 'down'],
    ['fffpf', 'down'],
    ['fffpp', 'up'],
    ['pfpfpf', 'unknown'],
  ])('that saw %j makes the target %s', (history, kind) => {
    expect(verdict([history]).kind).toBe(kind)
  })

  test('that stopped looking says nothing', () => {
    const limit = staleAfterMs(web)
    expect(verdict(['fff'], now - limit).kind).toBe('down')
    expect(verdict(['fff'], now - limit - 1)).toEqual({ kind: 'unknown', text: 'no result for 4 s' })
    expect(verdict(['fff'], now + limit + 1).kind).toBe('unknown')
  })

  test('counts failures for the order of removals', () => {
    expect(verdict(['pffff'])).toMatchObject({ kind: 'down', failures: 4 })
  })
})

describe('several probers', () => {
  test.each([
    [['fff', 'pp', 'pp'], 'up'],
    [['fff', 'fff', 'pp'], 'down'],
    [['fff', 'pp'], 'unknown'],
    [['fff', 'p', 'p'], 'unknown'],
  ])('%j together make it %s', (histories, kind) => {
    expect(verdict(histories).kind).toBe(kind)
  })

  test('those that stopped looking have no vote', () => {
    const old = ['fff', 'fff'].map((history, i) => observation('web', { t0: history }, now - 60_000, `old${i}`))
    expect(judge(web, 't0', [...old, observation('web', { t0: 'pp' }, now)], now).kind).toBe('up')
  })
})

test('a target without a check is up', () => {
  expect(judge({ ...web, check: { kind: 'none' } }, 't0', [], now).kind).toBe('up')
})

test("down needs fall failures in a row in somebody's history, up needs rise passes", () => {
  const history = fc.string({ unit: fc.constantFrom('p', 'f'), maxLength: 32 })
  fc.assert(
    fc.property(fc.array(history, { maxLength: 5 }), (histories) => {
      const { kind } = verdict(histories)
      const voters = (run: string) => histories.filter((one) => one.includes(run)).length * 2 > histories.length
      if (kind === 'down') expect(voters('fff')).toBe(true)
      if (kind === 'up') expect(voters('pp')).toBe(true)
    }),
  )
})
