import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NonEmpty } from '../base/nonempty.ts'
import type { IpAddress } from '../model/address.ts'
import type { Policy, Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import { Desk } from './desk.ts'
import { type Asked, judge, type PostedObservation, saidBy } from './observation.ts'

const now = Date.UTC(2025, 9, 20, 6, 48) as EpochMs
const iso = (ms: number) => new Date(now + ms).toISOString()
const posted = (changes: Partial<PostedObservation> = {}): PostedObservation => ({
  pool: 'web',
  target: 'a',
  state: 'ready',
  sentAt: iso(-100),
  sequence: 5,
  ...changes,
})
const asked = (changes: Partial<Asked> = {}): Asked => ({
  posted: posted(),
  owner: 'fleet',
  allowed: null,
  targets: new Set(['a', 'b']),
  last: undefined,
  now,
  freshnessMs: 30_000,
  ...changes,
})

describe('an observation', () => {
  test('is taken, in the words of the report', () => {
    const said = posted({ agent: 'i-1', load: 0.5, detail: 'busy\u001b[31m' })
    expect(judge(asked({ posted: said }))).toEqual({
      kind: 'taken',
      repeated: false,
      agent: 'fleet/i-1',
      report: { state: 'ready', load: 0.5, at: now, agent: 'fleet/i-1', detail: 'busy?[31m' },
    })
  })

  test.each<[string, Partial<Asked>, object]>([
    ['that is old', { posted: posted({ sentAt: iso(-30_001) }) }, { status: 422, why: 'stale' }],
    ['from the future', { posted: posted({ sentAt: iso(30_001) }) }, { status: 422, why: 'future' }],
    ['of a time that there is not', { posted: posted({ sentAt: '2025-13-45T99:99:99Z' }) }, { status: 422 }],
    ['of no pool', { targets: undefined }, { status: 404, expected: 'a pool of the configuration', found: 'web' }],
    ['of no target', { posted: posted({ target: 'z' }) }, { status: 404, found: 'z' }],
    ['that its agent may not make', { allowed: new Set(['web/b', 'db']) }, { status: 403, found: 'web/a' }],
    ['that its agent may not make, of no pool', { allowed: new Set(['db']), targets: undefined }, { status: 403 }],
    [
      'with an old sequence',
      { last: { sequence: 9, said: '' } },
      { status: 409, why: 'sequence', expected: 'a sequence above 9', found: '5' },
    ],
    [
      'with the sequence of another',
      { last: { sequence: 5, said: saidBy(posted({ state: 'pending' })) } },
      { status: 409, found: 'another observation under 5' },
    ],
  ])('%s is refused', (_what, changes, refusal) => {
    expect(judge(asked(changes))).toMatchObject({ kind: 'refused', ...refusal })
  })

  test('that is refused for its time says both', () => {
    expect(judge(asked({ posted: posted({ sentAt: iso(-60_000) }) }))).toMatchObject({
      expected: 'sentAt within 30 s of 2025-10-20T06:48:00.000Z',
      found: '2025-10-20T06:47:00.000Z',
    })
  })

  test('may be repeated, and is then the same', () => {
    expect(judge(asked({ last: { sequence: 5, said: saidBy(posted()) } }))).toMatchObject({
      kind: 'taken',
      repeated: true,
    })
    expect(judge(asked({ allowed: new Set(['web']) })).kind).toBe('taken')
    expect(judge(asked({ allowed: new Set(['web/a']) })).kind).toBe('taken')
  })
})

function policyOf(pools: Readonly<Record<string, readonly string[]>>): Policy {
  const made = Object.entries(pools).map(([id, targets]) => {
    const all = targets.map((target) => ({ id: target, site: 's', addresses: ['192.0.2.1' as IpAddress], capacity: 1 }))
    return [id, { id, targets: all as unknown as NonEmpty<(typeof all)[number]> } as unknown as Pool] as const
  })
  return { pools: new Map(made) } as unknown as Policy
}
const fleet = { name: 'fleet', targets: null }
const at = (ms: number) => (now + ms) as EpochMs

describe('the desk', () => {
  test('hands out what changed, whole, once', () => {
    const desk = new Desk()
    desk.follow(policyOf({ web: ['a', 'b'], db: ['x'] }))
    expect(desk.changed('intake-1', now)).toEqual([])
    desk.post(posted(), fleet, now, 30_000)
    expect(desk.changed('intake-1', now)).toEqual([
      {
        pool: 'web',
        intake: 'intake-1',
        at: now,
        targets: { a: { state: 'ready', load: null, at: now, agent: 'fleet', detail: '' } },
      },
    ])
    expect(desk.changed('intake-1', at(1))).toEqual([])
    desk.post(posted(), fleet, at(2), 30_000)
    expect(desk.changed('intake-1', at(2))).toEqual([])
    desk.post(posted({ target: 'b', state: 'not-ready' }), fleet, at(3), 30_000)
    expect(Object.keys(desk.changed('intake-1', at(3))[0]?.targets ?? {})).toEqual(['a', 'b'])
  })

  test('forgets what is old, and targets that left', () => {
    const desk = new Desk()
    desk.follow(policyOf({ web: ['a', 'b'] }))
    desk.post(posted(), fleet, now, 30_000)
    desk.post(posted({ target: 'b' }), fleet, now, 30_000)
    desk.changed('i', now)
    desk.follow(policyOf({ web: ['b'], db: ['x'] }))
    expect(Object.keys(desk.changed('i', at(1))[0]?.targets ?? {})).toEqual(['b'])
    expect(desk.changed('i', at(300_001))).toMatchObject([{ targets: {} }])
    expect(desk.changed('i', at(300_002))).toEqual([])
  })

  test('goes on from what it wrote, without damage', () => {
    const desk = new Desk()
    desk.follow(policyOf({ web: ['a', 'b'] }))
    const good = { state: 'pending', load: null, at: at(-1_000), agent: 'fleet', detail: '' } as const
    const targets = { a: good, b: { ...good, at: at(-400_000) }, c: good }
    desk.resume({ pool: 'web', intake: 'i', at: now, targets }, now)
    desk.resume({ pool: 'web', intake: 'i', at: now, targets: { b: { state: 'odd' } } as never }, now)
    desk.post(posted({ target: 'b' }), fleet, now, 30_000)
    expect(Object.keys(desk.changed('i', now)[0]?.targets ?? {})).toEqual(['a', 'b'])
  })

  test('takes every observation once, whatever order and however often it comes', () => {
    const one = fc.record({
      target: fc.constantFrom('a', 'b', 'c'),
      sequence: fc.integer({ min: 1, max: 6 }),
      state: fc.constantFrom('ready' as const, 'not-ready' as const, 'pending' as const),
      agent: fc.constantFrom('x', 'y'),
      ms: fc.integer({ min: -40_000, max: 40_000 }),
    })
    fc.assert(
      fc.property(fc.array(one, { maxLength: 40 }), (all) => {
        const desk = new Desk()
        desk.follow(policyOf({ web: ['a', 'b'] }))
        // The model: the greatest sequence taken, by agent and target.
        const last = new Map<string, number>()
        for (const { ms, ...said } of all) {
          const { outcome } = desk.post(posted({ ...said, sentAt: iso(ms) }), fleet, now, 30_000)
          const who = `${said.agent} ${said.target}`
          const isNew = said.sequence > (last.get(who) ?? 0)
          const mayBe = said.target !== 'c' && Math.abs(ms) <= 30_000
          if (!mayBe) expect(outcome.kind).toBe('refused')
          else if (isNew) expect(outcome).toMatchObject({ kind: 'taken', repeated: false })
          else if (outcome.kind === 'taken') expect(outcome.repeated).toBe(true)
          if (mayBe && isNew) last.set(who, said.sequence)
        }
      }),
    )
  })

  test('an agent that lost count may begin again when nothing of it can be repeated any more', () => {
    const desk = new Desk()
    desk.follow(policyOf({ web: ['a'] }))
    const post = (ms: number, sequence: number) =>
      desk.post(posted({ sequence, sentAt: iso(ms) }), fleet, at(ms), 30_000).outcome.kind
    expect([post(0, 900), post(1_000, 1), post(60_000, 2), post(60_001, 3)]).toEqual([
      'taken',
      'refused',
      'refused',
      'taken',
    ])
  })

  test('one token that calls itself many things does not fill the memory', () => {
    const desk = new Desk()
    desk.follow(policyOf({ web: ['a'] }))
    for (let n = 0; n < 1_000; n++) desk.post(posted({ agent: `i-${n}` }), fleet, now, 30_000)
    // The latest sixteen are remembered.
    const repeated = (n: number) => {
      const { outcome } = desk.post(posted({ agent: `i-${n}` }), fleet, now, 30_000)
      return outcome.kind === 'taken' && outcome.repeated
    }
    expect([repeated(999), repeated(984), repeated(0)]).toEqual([true, true, false])
  })
})
