import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NonEmpty } from '../base/nonempty.ts'
import type { IpAddress } from '../model/address.ts'
import { keys } from '../model/keys.ts'
import type { Observation } from '../model/observation.ts'
import { type Pool, type Target, usualLimits } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { type Checked, carriedOver, historyAtMost, nextObservation, resumedFrom, worstOf } from './probe.ts'

const target = (id: string, address = '192.0.2.1'): Target => ({
  id,
  site: 's',
  addresses: [address as IpAddress],
  capacity: 1,
})
const poolOf = (...targets: Target[]): Pool => ({
  id: 'web',
  targets: targets as unknown as NonEmpty<Target>,
  check: { kind: 'tcp', port: 80 },
  intervalMs: 1_000,
  timeoutMs: 500,
  fall: 3,
  rise: 2,
  rampMs: 0,
  graceMs: 0,
  holdMs: 0,
  holdMaxMs: 0,
  limits: usualLimits,
})
const at = (ms: number) => ms as EpochMs
const self = (id = 'p', site: string | null = null, strained = false) => ({ id, site, strained })
const checked = (result: 'pass' | 'fail', ms: number, detail = 'ok'): Checked => ({
  result,
  detail,
  latencyMs: 1,
  at: at(ms),
})

// Names of the prototype's methods are target names as good as any.
const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'toString', 'constructor', 'hasOwnProperty'), {
  minLength: 1,
})

describe('the next observation', () => {
  const round = fc.record({
    targets: ids,
    results: fc.dictionary(
      fc.constantFrom('a', 'b', 'c', 'toString', 'x'),
      fc.constantFrom<'pass' | 'fail'>('pass', 'fail'),
    ),
  })

  test('holds the latest results of exactly the targets of the pool, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(round, { minLength: 1, maxLength: 80 }), (rounds) => {
        let observation: Observation | undefined
        const said = new Map<string, string>()
        for (const [n, { targets, results }] of rounds.entries()) {
          const judged = new Map(
            Object.entries(results).map(([id, result]) => [id, checked(result, n, 'x'.repeat(n * 10))]),
          )
          observation = nextObservation(
            poolOf(...targets.map((id) => target(id))),
            self('prober-1'),
            observation,
            judged,
            at(n),
          )
          // The model: a letter for each result of a target that stays in the pool.
          for (const id of [...said.keys()]) if (!(targets as string[]).includes(id)) said.delete(id)
          for (const id of targets) {
            const result = judged.get(id)?.result
            if (result !== undefined) said.set(id, (said.get(id) ?? '') + result[0])
          }
          expect(new Map(Object.entries(observation.targets).map(([id, seen]) => [id, seen.history]))).toEqual(
            new Map([...said].map(([id, history]) => [id, history.slice(-historyAtMost)])),
          )
          expect(observation.complete).toBe(targets.every((id) => said.has(id)))
          expect([observation.pool, observation.prober, observation.at]).toEqual(['web', 'prober-1', n])
          for (const seen of Object.values(observation.targets)) expect(seen.detail.length).toBeLessThanOrEqual(200)
          expect(keys.observation.decode(keys.observation.encode(observation))).toEqual(observation)
        }
      }),
    )
  })

  test('keeps the time of what was not judged', () => {
    const pool = poolOf(target('a'), target('b'))
    const first = nextObservation(
      pool,
      self(),
      undefined,
      new Map([
        ['a', checked('pass', 1)],
        ['b', checked('pass', 1)],
      ]),
      at(1),
    )
    const second = nextObservation(pool, self(), first, new Map([['a', checked('fail', 2)]]), at(2))
    expect(second).toMatchObject({
      at: 2,
      complete: true,
      targets: { a: { history: 'pf', at: 2 }, b: { history: 'p', at: 1 } },
    })
  })
})

describe('an observation', () => {
  const pool = poolOf(...Array.from({ length: 10_000 }, (_, index) => target(`t${index}`)))
  const written = (result: 'pass' | 'fail', detail: string) => {
    let document: Observation | undefined
    for (let round = 1; round <= 33; round++) {
      const results = new Map(pool.targets.map(({ id }) => [id, checked(result, 1_700_000_000_000 + round, detail)]))
      document = nextObservation(pool, self(), document, results, at(round))
    }
    return keys.observation.encode(document as Observation).length
  }
  test('of 10,000 targets is bounded, and not much larger in a crisis', () => {
    const calm = written('pass', 'ok')
    expect(calm).toBeLessThan(1.3e6)
    expect(written('fail', 'x'.repeat(200))).toBeLessThan(calm + 256 * 1024)
  })
  test('says where its prober stands, and that it mistrusts itself', () => {
    const document = nextObservation(poolOf(target('a')), self('p', 'south', true), undefined, new Map(), at(1))
    expect(document).toMatchObject({ site: 'south', strained: true, complete: false })
    expect(nextObservation(poolOf(target('a')), self(), document, new Map(), at(2))).not.toHaveProperty('strained')
  })
})

describe('after a restart', () => {
  const pool = poolOf(target('a'), target('b'))
  const seen = (ms: number) => ({ history: 'ppf', at: at(ms), detail: 'x', latencyMs: 3 })
  const document = (changes: object = {}) =>
    ({
      pool: 'web',
      prober: 'p',
      at: at(10_000),
      complete: true,
      targets: { a: seen(10_000), b: seen(5_000) },
      ...changes,
    }) as Observation

  test('goes on from what is fresh', () => {
    expect(Object.keys(resumedFrom(document(), pool, 'p', at(11_000))?.targets ?? {})).toEqual(['a'])
    expect(Object.keys(resumedFrom(document(), pool, 'p', at(9_000))?.targets ?? {})).toEqual(['a', 'b'])
  })
  test.each([
    ['nothing', undefined, 10_000],
    ['old', document(), 14_001],
    ['from the future', document(), 500],
    ['of another prober', document({ prober: 'q' }), 10_000],
    ['of another pool', document({ pool: 'x' }), 10_000],
    ['damaged', document({ targets: null }), 10_000],
    ['damaged within', document({ targets: { a: { ...seen(10_000), history: 'pxp' } } }), 10_000],
    ['without a history', document({ targets: { a: { at: 10_000 } } }), 10_000],
    ['of targets that left', document({ targets: { z: seen(10_000) } }), 10_000],
  ])('starts anew from what is %s', (_what, previous, now) => {
    expect(resumedFrom(previous, pool, 'p', at(now))).toBeUndefined()
  })
})

describe('a changed pool', () => {
  const before = poolOf(target('a'), target('b', '192.0.2.2'))
  const seen = nextObservation(
    before,
    self(),
    undefined,
    new Map([
      ['a', checked('pass', 1)],
      ['b', checked('fail', 1)],
    ]),
    at(1),
  )
  test('keeps what was seen of targets that stay what they were', () => {
    const now = { ...poolOf(target('a'), target('b', '192.0.2.3'), target('c')), fall: 5 }
    expect(carriedOver(seen, before, now)?.targets).toEqual({ a: seen.targets.a })
  })
  test('keeps nothing when the check is another one', () => {
    expect(carriedOver(seen, before, { ...before, check: { kind: 'tcp', port: 81 } })).toBeUndefined()
  })
})

describe('a target with several addresses', () => {
  test('is judged by the worst of them', () => {
    const both = { ...target('a'), addresses: ['192.0.2.1', '2001:db8::1'] as unknown as NonEmpty<IpAddress> }
    const good = { address: '192.0.2.1', ...checked('pass', 5) }
    const bad = { address: '2001:db8::1', ...checked('fail', 4, 'connection refused'), latencyMs: 9 }
    expect(worstOf(both, [good, bad])).toEqual({
      result: 'fail',
      detail: '2001:db8::1: connection refused',
      latencyMs: 9,
      at: 5,
    })
    expect(worstOf(both, [good, good])).toEqual({ result: 'pass', detail: 'ok', latencyMs: 1, at: 5 })
  })
})
