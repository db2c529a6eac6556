import { describe, expect, test } from 'vitest'
import {
  alias,
  Driver,
  fixed,
  name,
  observation,
  override,
  policy,
  pool,
  pooled,
  target,
} from '../../test/support/planning.ts'
import type { Generation } from '../model/generation.ts'

const web = pool('web', [target(0), target(1), target(2)], { holdMs: 3_000 })
const source = policy([web], [pooled('db', 'web'), alias('www', 'db'), fixed('static', '198.51.100.1')])
const up = { t0: 'pp', t1: 'pp', t2: 'pp' }
const all = '5 addresses 192.0.2.1*100 192.0.2.2*100 192.0.2.3*100'

function started(): Driver {
  const driver = new Driver(source)
  driver.step({ now: 1_000, observations: [observation('web', up, 1_000)] })
  expect(driver.violations).toEqual([])
  return driver
}

describe('the first plan', () => {
  test('answers every name once all targets have been judged', () => {
    const driver = started()
    expect(driver.line('db')).toBe(`db.example.test. 1 1 ${all}`)
    expect(driver.line('www')).toBe('www.example.test. 1 1 5 alias db.example.test.')
    expect(driver.line('static')).toBe('static.example.test. 1 1 5 addresses 198.51.100.1*100')
  })

  test('waits for pools that nobody has seen, but not for long', () => {
    const driver = new Driver(source)
    expect(driver.step({ now: 1_000 })).toMatchObject({ kind: 'hold', nextAt: 5_000 })
    expect(driver.step({ now: 5_000 }).kind).toBe('plan')
    expect(driver.violations).toEqual([])
    expect(driver.line('db')).toBeUndefined()
    expect(driver.line('www')).toBeUndefined()
    expect(driver.line('static')).toBeDefined()
    expect(driver.step({ now: 5_500 })).toMatchObject({ kind: 'hold', nextAt: 6_000 })
  })

  test('fails open when the grace is over', () => {
    const driver = new Driver(source)
    driver.step({ now: 5_000 })
    const open = driver.step({ now: 6_000 })
    expect(driver.violations).toEqual([])
    expect(open.kind).toBe('plan')
    expect(driver.answer('db')).toBe(all)
    expect(driver.answer('www')).toBe('5 alias db.example.test.')
    expect(driver.previous?.head.pools.web?.failOpenSince).toBe(6_000)
  })
})

describe('a target', () => {
  test('that fails leaves at once, and only its pool is written', () => {
    const driver = started()
    const decided = driver.step({ now: 5_000, observations: [observation('web', { ...up, t1: 'ppfff' }, 5_000)] })
    expect(driver.violations).toEqual([])
    expect(decided.kind).toBe('plan')
    expect(driver.line('db')).toBe('db.example.test. 2 1 5 addresses 192.0.2.1*100 192.0.2.3*100')
    expect(driver.line('www')).toBe('www.example.test. 1 1 5 alias db.example.test.')
    expect(driver.previous?.head.reasons).toContainEqual(expect.objectContaining({ subject: 'web/t1' }))
  })

  test('that returns grows in steps', () => {
    const driver = started()
    driver.step({ now: 5_000, observations: [observation('web', { ...up, t1: 'ppfff' }, 5_000)] })
    const back = (now: number) => ({ now, observations: [observation('web', { ...up, t1: 'ppfffpp' }, now)] })
    expect(driver.step(back(10_000))).toMatchObject({ kind: 'hold', nextAt: 11_000, noticed: 10_000 })
    driver.step(back(11_000))
    expect(driver.answer('db')).toContain('192.0.2.2*10 ')
    const hold = driver.step(back(11_500))
    expect(hold).toMatchObject({ kind: 'hold', nextAt: 16_000 })
    const weights: string[] = []
    for (let now = 12_000; now <= 40_000; now += 500) {
      if (driver.step(back(now)).kind === 'plan')
        weights.push(/192\.0\.2\.2\*(\d+)/.exec(driver.answer('db') ?? '')?.[1] ?? '')
      expect(driver.violations).toEqual([])
    }
    expect(weights).toEqual(['25', '50', '75', '100'])
  })

  test('that nobody sees any more stays where it is', () => {
    const driver = started()
    expect(driver.step({ now: 60_000 })).toMatchObject({ kind: 'hold', nextAt: null })
    driver.step({ now: 61_000, observations: [observation('web', { ...up, t1: 'fff' }, 61_000)] })
    expect(driver.answer('db')).not.toContain('192.0.2.2')
    expect(driver.step({ now: 120_000 })).toMatchObject({ kind: 'hold' })
  })

  test('stays when all fail together', () => {
    const driver = started()
    driver.step({ now: 5_000, observations: [observation('web', { t0: 'pfff', t1: 'pfff', t2: 'pfff' }, 5_000)] })
    expect(driver.violations).toEqual([])
    expect(driver.answer('db')).toBe(all)
    expect(driver.previous?.head.pools.web?.failOpenSince).toBe(5_000)
  })

  test('is drained by an operator, comes back, and is never drained to nothing', () => {
    const driver = started()
    const seen = (now: number) => ({ now, observations: [observation('web', up, now)] })
    const drain = (id: string) => override({ kind: 'drain', pool: 'web', target: id })
    driver.step({ ...seen(2_000), overrides: [drain('t0')] })
    expect(driver.answer('db')).toBe('5 addresses 192.0.2.2*100 192.0.2.3*100')
    driver.step({ ...seen(3_000), overrides: [drain('t0'), drain('t1')] })
    driver.step({ ...seen(5_000), overrides: [drain('t0'), drain('t1')] })
    expect(driver.violations).toEqual([])
    expect(driver.answer('db')).toBe('5 addresses 192.0.2.2*100 192.0.2.3*100')
    expect(driver.previous?.head.pools.web?.targets.t1).toMatchObject({ kind: 'held', by: 'drain' })
    driver.step(seen(6_000))
    expect(driver.answer('db')).toBe(all.replace('1*100', '1*10'))
  })
})

describe('names', () => {
  test('that vanish from the policy stay until they are retired by name', () => {
    const driver = started()
    const smaller = policy([web], [pooled('db', 'web'), fixed('static', '198.51.100.1')])
    const seen = (now: number) => ({ now, policy: smaller, observations: [observation('web', up, now)] })
    driver.step(seen(2_000))
    driver.step(seen(3_000))
    expect(driver.violations).toEqual([])
    expect(driver.line('www')).toBe('www.example.test. 1 1 5 alias db.example.test.')
    expect(driver.previous?.head.reasons).toContainEqual(expect.objectContaining({ subject: name('www') }))
    const retire = override({ kind: 'retire', name: name('www') })
    driver.step({ ...seen(4_000), overrides: [retire] })
    expect(driver.violations).toEqual([])
    expect(driver.line('www')).toBe('www.example.test. 3 1 0 retired')
    expect(driver.used).toEqual([name('www')])
    expect(driver.step({ ...seen(5_000), overrides: [retire] })).toMatchObject({ kind: 'hold', usedUp: [name('www')] })
    driver.step({ now: 6_000, policy: source, observations: [observation('web', up, 6_000)] })
    driver.step({ now: 7_000, policy: source, observations: [observation('web', up, 7_000)] })
    expect(driver.violations).toEqual([])
    expect(driver.line('www')).toBe('www.example.test. 4 4 5 alias db.example.test.')
  })

  test('are not retired while the policy has them, or an alias points at them', () => {
    const driver = started()
    const retire = override({ kind: 'retire', name: name('db') })
    const refused = driver.step({ now: 2_000, observations: [observation('web', up, 2_000)], overrides: [retire] })
    expect(refused.refused.get('retire/db.example.test.')).toMatch(/policy still has it/)
    const nothing = policy([], [fixed('static', '198.51.100.1')])
    driver.step({ now: 3_000, policy: nothing })
    const pointed = driver.step({ now: 4_000, policy: nothing, overrides: [retire] })
    expect(pointed.refused.get('retire/db.example.test.')).toMatch(/www.example.test. is an alias of it/)
    expect(driver.answer('db')).toBe(all)
    const both = driver.step({
      now: 6_000,
      policy: nothing,
      overrides: [retire, override({ kind: 'retire', name: name('www') })],
    })
    expect(both.kind).toBe('plan')
    expect(driver.violations).toEqual([])
    expect([driver.answer('db'), driver.answer('www')]).toEqual(['0 retired', '0 retired'])
  })
})

describe('instructions', () => {
  const failing = (now: number) => ({ now, observations: [observation('web', { ...up, t1: 'ppfff' }, now)] })

  test('freeze holds everything', () => {
    const driver = started()
    const freeze = override({ kind: 'freeze' }, { expires: 9_000 as never })
    expect(driver.step({ ...failing(5_000), overrides: [freeze] })).toMatchObject({ kind: 'hold', nextAt: 9_000 })
    expect(driver.step({ ...failing(9_000), overrides: [freeze] }).kind).toBe('plan')
  })

  test('pin keeps what a name answers, until it is unpinned', () => {
    const driver = started()
    const pin = override({ kind: 'pin', name: name('db') })
    driver.step({ ...failing(5_000), overrides: [pin] })
    expect(driver.violations).toEqual([])
    expect(driver.answer('db')).toBe(all)
    expect(driver.previous?.head.pools.web?.targets.t1).toMatchObject({ kind: 'removed' })
    driver.step(failing(6_000))
    expect(driver.violations).toEqual([])
    expect(driver.answer('db')).toBe('5 addresses 192.0.2.1*100 192.0.2.3*100')
  })

  test('rollback repeats an old plan under a new generation and stays there', () => {
    const driver = started()
    const first = driver.previous
    const other = policy(
      [web],
      [pooled('db', 'web'), alias('www', 'db'), fixed('static', '198.51.100.2'), fixed('new', '198.51.100.9')],
    )
    const seen = (now: number) => ({ now, policy: other, observations: [observation('web', up, now)] })
    driver.step(seen(2_000))
    driver.step(seen(3_000))
    expect(driver.answer('static')).toBe('5 addresses 198.51.100.2*100')
    const back = {
      overrides: [override({ kind: 'rollback', to: 1 as Generation })],
      rollback: first ?? (undefined as never),
    }
    driver.step({ ...seen(4_000), ...back })
    expect(driver.violations).toEqual([])
    expect(driver.line('static')).toBe('static.example.test. 3 1 5 addresses 198.51.100.1*100')
    expect(driver.answer('new')).toBe('5 addresses 198.51.100.9*100')
    expect(driver.previous?.head).toMatchObject({ generation: 3, parent: 2, rolledBackTo: 1 })
    expect(driver.step({ ...failing(5_000), policy: other, ...back })).toMatchObject({ kind: 'hold' })
    driver.step(seen(6_000))
    expect(driver.violations).toEqual([])
    expect(driver.line('static')).toBe('static.example.test. 4 1 5 addresses 198.51.100.2*100')
  })

  test('rollback reads what a pool answered from a name that was not pinned then', () => {
    const driver = new Driver(policy([web], [pooled('db', 'web'), pooled('free', 'web')]))
    driver.step({ now: 1_000, observations: [observation('web', up, 1_000)] })
    const pinned = { overrides: [override({ kind: 'pin', name: name('db') })] }
    driver.step({ ...failing(5_000), ...pinned })
    const old = driver.previous ?? (undefined as never)
    expect([driver.answer('db'), driver.answer('free')]).toEqual([all, '5 addresses 192.0.2.1*100 192.0.2.3*100'])
    const seen = (now: number) => ({
      now,
      observations: [observation('web', { ...up, t1: 'ppfffpp' }, now)],
      ...pinned,
    })
    for (let now = 100_000; now < 130_000; now += 1_000) driver.step(seen(now))
    expect(driver.answer('free')).toBe(all)
    const back = override({ kind: 'rollback', to: old.head.generation })
    driver.step({ ...seen(140_000), overrides: [...pinned.overrides, back], rollback: old })
    expect(driver.violations).toEqual([])
    expect(driver.answer('free')).toBe('5 addresses 192.0.2.1*100 192.0.2.3*100')
    expect(driver.previous?.head.pools.web?.targets.t1).toMatchObject({ kind: 'removed' })
  })

  test('rollback leaves retirements for later, and keeps an alias whose old end has been retired', () => {
    const driver = started()
    const first = driver.previous ?? (undefined as never)
    const other = policy([web], [pooled('db', 'web'), alias('www', 'db')])
    const seen = (now: number) => ({ now, policy: other, observations: [observation('web', up, now)] })
    const rollback = override({ kind: 'rollback', to: 1 as Generation })
    const retire = override({ kind: 'retire', name: name('static') })
    driver.step(seen(2_000))
    driver.step(seen(3_000))
    driver.step({ ...seen(4_000), overrides: [rollback, retire], rollback: first })
    expect(driver.violations).toEqual([])
    expect([driver.answer('static'), driver.used]).toEqual(['5 addresses 198.51.100.1*100', []])
    const moved = policy([web], [fixed('www', '198.51.100.7'), fixed('static', '198.51.100.1')])
    const later = (now: number) => ({ now, policy: moved, observations: [observation('web', up, now)] })
    driver.step(later(5_000))
    driver.step(later(6_000))
    driver.step({ ...later(7_000), overrides: [override({ kind: 'retire', name: name('db') })] })
    expect(driver.answer('db')).toBe('0 retired')
    driver.step({ ...later(8_000), overrides: [rollback], rollback: first })
    expect(driver.violations).toEqual([])
    expect(driver.previous?.head.rolledBackTo).toBe(1)
    expect([driver.answer('db'), driver.answer('www')]).toEqual(['0 retired', '5 addresses 198.51.100.7*100'])
  })

  test('pin does not keep a name retired that the policy has again', () => {
    const driver = started()
    const without = policy([web], [pooled('db', 'web'), alias('www', 'db')])
    const seen = (now: number, source = without) => ({
      now,
      policy: source,
      observations: [observation('web', up, now)],
    })
    driver.step(seen(2_000))
    driver.step({ ...seen(3_000), overrides: [override({ kind: 'retire', name: name('static') })] })
    expect(driver.answer('static')).toBe('0 retired')
    const pinned = { overrides: [override({ kind: 'pin', name: name('static') })] }
    driver.step({ ...seen(4_000), ...pinned })
    driver.step({ ...seen(5_000, source), ...pinned })
    driver.step({ ...seen(6_000, source), ...pinned })
    expect(driver.violations).toEqual([])
    expect(driver.answer('static')).toBe('5 addresses 198.51.100.1*100')
  })

  test('rollback passes the capacity check, unless it may break S5', () => {
    const driver = started()
    const seen = (now: number) => ({ now, observations: [observation('web', up, now)] })
    driver.step({ ...seen(2_000), overrides: [override({ kind: 'drain', pool: 'web', target: 't0' })] })
    const drained = driver.previous
    driver.step(seen(30_000))
    driver.step(seen(200_000))
    driver.step({ now: 210_000, observations: [observation('web', { ...up, t1: 'ppfff' }, 210_000)] })
    expect(driver.answer('db')).not.toContain('192.0.2.2*')
    const rollback = override({ kind: 'rollback', to: 2 as Generation })
    const back = { ...seen(211_000), rollback: drained ?? (undefined as never) }
    driver.step({ ...back, overrides: [rollback] })
    expect(driver.violations.map(({ rule }) => rule)).toEqual(['S5'])
    driver.step({ ...back, overrides: [{ ...rollback, breaks: ['S5'] }] })
    expect(driver.violations).toEqual([])
    expect(driver.answer('db')).toBe('5 addresses 192.0.2.2*100 192.0.2.3*100')
  })
})

describe('lost history', () => {
  test('a marker ahead of the plan makes every entry anew, above it', () => {
    const driver = started()
    driver.step({ now: 2_000, observations: [observation('web', up, 2_000)], ahead: 41 })
    expect(driver.violations).toEqual([])
    expect(driver.line('db')).toBe(`db.example.test. 42 1 ${all}`)
    expect(driver.line('static')).toBe('static.example.test. 42 1 5 addresses 198.51.100.1*100')
  })

  test('a damaged plan is replaced above it, from the newest whole one', () => {
    const driver = started()
    driver.step({ now: 2_000, observations: [observation('web', up, 2_000)], damage: 'shard lost', ahead: 7 })
    expect(driver.violations).toEqual([])
    expect(driver.previous?.head).toMatchObject({ generation: 8, parent: 1 })
  })
})

test('nothing changes without a cause', () => {
  const driver = started()
  for (let now = 2_000; now < 10_000; now += 1_000)
    expect(driver.step({ now, observations: [observation('web', up, now)] })).toMatchObject({
      kind: 'hold',
      nextAt: null,
    })
})
