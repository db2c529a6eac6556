import { describe, expect, test } from 'vitest'
import { observation, pool, target } from '../../test/support/planning.ts'
import type { Readiness, Report } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'
import { failingFrom, gather } from './evidence.ts'
import { staleAfterMs } from './freshness.ts'
import { down, unknown, up } from './quorum.ts'
import { reportFreshMs } from './reports.ts'

const web = pool('web', [target(0), target(1), target(2)])
const now = 100_000 as EpochMs
const see = (histories: Record<string, string>, prober = 'p1', at: number = now) =>
  observation('web', histories, at, prober)
const verdicts = (...args: Parameters<typeof gather> extends [unknown, ...infer Rest] ? Rest : never) => [
  ...gather(web, ...args).verdicts,
]

test('what is old, or lies in the future, is no evidence', () => {
  const limit = staleAfterMs(web)
  const all = { t0: 'fff', t1: 'fff', t2: 'fff' }
  expect(verdicts([see(all, 'p1', now - limit)], [], now)).toEqual([down, down, down])
  const late = gather(web, [see(all, 'p1', now - limit - 1)], [], now)
  expect([...late.verdicts]).toEqual([unknown, unknown, unknown])
  expect(late.fresh).toBe(0)
  expect(late.text(0)).toBe('no result for 4 s')
  const early = gather(web, [see(all, 'p1', now + limit + 1)], [], now)
  expect([...early.verdicts]).toEqual([unknown, unknown, unknown])
  expect(early.text(0)).toContain('future')
})

test('a target that nobody sees is unknown, and says so', () => {
  const evidence = gather(web, [see({ t0: 'pp' })], [], now)
  expect([...evidence.verdicts]).toEqual([up, unknown, unknown])
  expect([...evidence.passed]).toEqual([1, 0, 0])
  expect(evidence.text(1)).toBe('no prober has checked it')
})

test('a target may be called like something that every object has', () => {
  const odd = pool('web', [target(0, { id: 'constructor' }), target(1, { id: 'toString' })])
  expect([...gather(odd, [see({})], [], now).verdicts]).toEqual([unknown, unknown])
  expect([...gather(odd, [see({ constructor: 'fff' })], [], now).verdicts]).toEqual([down, unknown])
})

test('a prober that mistrusts itself has no vote', () => {
  const strained = { ...see({ t0: 'fff', t1: 'fff', t2: 'fff' }), strained: true }
  const evidence = gather(web, [strained], [], now)
  expect(evidence.fresh).toBe(0)
  expect(evidence.strained).toEqual(['p1'])
  expect([...evidence.verdicts]).toEqual([unknown, unknown, unknown])
})

test('a mad prober has no vote, and is named', () => {
  const fine = { t0: 'ppp', t1: 'ppp', t2: 'ppp' }
  const mad = { t0: 'fff', t1: 'fff', t2: 'fff' }
  const evidence = gather(web, [see(mad, 'mad'), see(fine, 'p1'), see(fine, 'p2')], [], now)
  expect(evidence.muted).toEqual([{ prober: 'mad', share: 1, median: 0, failing: 3 }])
  expect([...evidence.verdicts]).toEqual([up, up, up])
  // When all see it, nobody is mad.
  expect(gather(web, [see(mad, 'p0'), see(mad, 'p1'), see(mad, 'p2')], [], now).muted).toEqual([])
})

test('a pool without a check is up', () => {
  const evidence = gather({ ...web, check: { kind: 'none' } }, [], [], now)
  expect([...evidence.verdicts]).toEqual([up, up, up])
  expect(evidence.fresh).toBe(3)
})

test('documents are read again for a pool whose targets changed', () => {
  const document = see({ t0: 'fff', t1: 'ppp', t9: 'fff' })
  expect(verdicts([document], [], now)).toEqual([down, up, unknown])
  const other = pool('web', [target(1), target(9)])
  expect([...gather(other, [document], [], now).verdicts]).toEqual([up, down])
})

describe('agents', () => {
  const says = (state: Readiness, at: number = now, agent = 'a1'): Report => ({
    pool: 'web',
    intake: 'i1',
    at: at as EpochMs,
    targets: { t0: { state, load: null, at: at as EpochMs, agent, detail: 'disk is full' } },
  })
  const fine = see({ t0: 'ppp', t1: 'ppp', t2: 'ppp' })
  const bad = see({ t0: 'fff', t1: 'ppp', t2: 'ppp' })

  test('take a target out, and never in', () => {
    expect(verdicts([fine], [says('not-ready')], now)).toEqual([down, up, up])
    expect(verdicts([bad], [says('ready')], now)).toEqual([down, up, up])
    expect(gather(web, [fine], [says('not-ready')], now).text(0)).toBe('a1 says not-ready: disk is full')
  })

  test('that wait keep it from coming in, and do not take it out', () => {
    const waiting = gather(web, [fine], [says('pending')], now)
    expect([...waiting.verdicts]).toEqual([unknown, up, up])
    expect([...waiting.pending]).toEqual([1, 0, 0])
    expect(verdicts([bad], [says('pending')], now)).toEqual([down, up, up])
  })

  test('are believed while they are fresh, the newest of them', () => {
    const limit = reportFreshMs(web)
    expect(verdicts([fine], [says('not-ready', now - limit)], now)[0]).toBe(down)
    expect(verdicts([fine], [says('not-ready', now - limit - 1)], now)[0]).toBe(up)
    expect(verdicts([fine], [says('not-ready', now + limit + 1)], now)[0]).toBe(up)
    expect(
      verdicts([fine], [says('not-ready', now - 2_000), { ...says('ready', now - 1_000), intake: 'i2' }], now)[0],
    ).toBe(up)
  })
})

test('each site of probers says for itself how much fails', () => {
  const from = (site: string | null, prober: string, histories: Record<string, string>) => ({
    ...see(histories, prober),
    site,
  })
  const evidence = gather(
    web,
    [
      from('a', 'p1', { t0: 'fff', t1: 'fff', t2: 'ppp' }),
      from('a', 'p2', { t0: 'fff', t1: 'ffp', t2: 'ppp' }),
      from('b', 'p3', { t0: 'fff', t1: 'fff', t2: 'ppp' }),
      from('c', 'p4', { t0: 'fff' }),
      from(null, 'p5', { t0: 'fff', t1: 'fff', t2: 'ppp' }),
    ],
    [],
    now,
  )
  expect(failingFrom(web, evidence, [0, 1, 2], now)).toEqual(
    new Map([
      ['a', 1 / 3],
      ['b', 2 / 3],
    ]),
  )
})
