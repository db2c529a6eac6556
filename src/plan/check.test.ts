/** Whatever is wrong with a plan, the check says so: plans that `decide` made are broken in every way that is listed. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  alias,
  compiled,
  fixed,
  name,
  observation,
  override,
  policy,
  pool,
  pooled,
  target,
} from '../../test/support/planning.ts'
import { type Digest, digestOf } from '../base/bytes.ts'
import type { Generation } from '../model/generation.ts'
import type { Override } from '../model/override.ts'
import { type PlanHead, type PlanText, type PoolState, shardLines, shardOf, shardText } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import { type CheckInput, check } from './check.ts'
import { decide } from './decide.ts'
import { nameOf } from './difference.ts'

const web = pool(
  'web',
  [0, 1, 2, 3, 4].map((i) => target(i)),
)
const before = policy(
  [web],
  [
    pooled('db', 'web'),
    pooled('db6', 'web'),
    alias('www', 'db'),
    fixed('old', '198.51.100.8'),
    ...Array.from({ length: 2_100 }, (_, i) => fixed(`n${i}`, '198.51.100.1')),
  ],
)
const after = policy(
  [web],
  [...before.endpoints.values()]
    .filter((one) => one.name !== name('old'))
    .concat(fixed('new', '198.51.100.9'), fixed('n7', '198.51.100.7')),
)

const up = { t0: 'pp', t1: 'pp', t2: 'pp', t3: 'pp', t4: 'pp' }
const frame = {
  overrides: [] as readonly Override[],
  refused: new Map<string, string>(),
  rebase: null,
  rollback: null,
  since: 0 as EpochMs,
  noticed: 0 as EpochMs,
  author: 'test',
}

function planned(
  source: typeof before,
  previous: PlanText | null,
  histories: Record<string, string>,
  now: number,
  overrides = frame.overrides,
) {
  const input = {
    ...frame,
    overrides,
    compiled: compiled(source),
    observations: new Map([['web', [observation('web', histories, now)]]]),
    reports: new Map(),
    demands: new Map(),
    previous,
    above: (previous?.head.generation ?? 0) as Generation,
    now: now as EpochMs,
  }
  const decided = decide(input)
  if (decided.kind !== 'plan') throw new Error(JSON.stringify(decided.reasons))
  return { ...input, next: decided.text, newShards: decided.newShards }
}

const first = planned(before, null, up, 10_000)
/** One target leaves, one name comes, one changes, one is retired. */
const good: CheckInput = planned(after, first.next, { ...up, t1: 'ppfff' }, 20_000, [
  override({ kind: 'retire', name: name('old') }),
])

type Draft = { head: PlanHead; lines: string[][]; input: CheckInput }

/** The plan, changed, and put together again with digests that fit. */
function broken(change: (draft: Draft) => void): ReturnType<typeof check> {
  const { head } = good.next
  const draft: Draft = {
    head: structuredClone(head),
    lines: head.shards.map((_, index) => shardLines(good.next.shard(index))),
    input: good,
  }
  change(draft)
  const texts = draft.lines.map(shardText)
  const shards = texts.map((text) => digestOf(text))
  const next: PlanText = { head: { ...draft.head, shards }, shard: (index) => texts[index] as string }
  const newShards = new Map<Digest, string>(shards.map((digest, i) => [digest, texts[i] as string]))
  return check({ ...draft.input, next, newShards })
}

function edit({ lines }: Draft, of: string, change: (line: string) => string | null): void {
  const shard = lines[shardOf(name(of), lines.length)] as string[]
  const index = shard.findIndex((line) => line.startsWith(`${name(of)} `))
  const line = change(shard[index] as string)
  shard.splice(index, 1, ...(line === null ? [] : [line]))
}

const state = (draft: Draft, change: (state: { -readonly [K in keyof PoolState]: PoolState[K] }) => void) => {
  const web = structuredClone(draft.head.pools.web as PoolState)
  change(web)
  draft.head = { ...draft.head, pools: { web } }
}

test('what decide makes is accepted', () => {
  expect(check(first)).toEqual([])
  expect(check(good)).toEqual([])
  expect(broken(() => {})).toEqual([])
  expect(good.next.head.blast).toMatchObject({ namesChanged: 3, namesAdded: 1, namesRetired: 1 })
  expect(good.next.head.shards.length).toBeGreaterThan(1)
})

describe('a plan is refused that', () => {
  const cases: readonly (readonly [what: string, rule: string, change: (draft: Draft) => void])[] = [
    [
      'does not go forward',
      'S1',
      (d) => (d.head = { ...d.head, generation: 1 as Generation, parent: 1 as Generation }),
    ],
    ['is not above a marker', 'S1', (d) => (d.input = { ...d.input, above: 2 as Generation })],
    ['names another parent', 'S4', (d) => (d.head = { ...d.head, parent: 0 as Generation })],
    [
      'is made while frozen',
      'override',
      (d) => (d.input = { ...d.input, overrides: [...d.input.overrides, override({ kind: 'freeze' })] }),
    ],
    ['loses a name', 'S2', (d) => edit(d, 'n5', () => null)],
    ['loses the tombstone that it makes', 'S2', (d) => edit(d, 'old', () => null)],
    ['retires a name that nobody gave up', 'S2', (d) => edit(d, 'n5', () => 'n5.example.test. 2 1 0 retired')],
    ['retires without the instruction', 'S2', (d) => (d.input = { ...d.input, overrides: [] })],
    ['has an entry without an answer', 'S2', (d) => edit(d, 'n5', () => 'n5.example.test. 2 1 5 addresses')],
    [
      'points an alias at nothing',
      'S2',
      (d) => edit(d, 'www', () => 'www.example.test. 2 1 5 alias none.example.test.'),
    ],
    [
      'points an alias at a retired name',
      'S2',
      (d) => edit(d, 'www', () => 'www.example.test. 2 1 5 alias old.example.test.'),
    ],
    ['points an alias at itself', 'S2', (d) => edit(d, 'www', () => 'www.example.test. 2 1 5 alias www.example.test.')],
    ['changes an answer under an old since', 'S1', (d) => edit(d, 'n7', (line) => line.replace(' 2 1 ', ' 1 1 '))],
    ['moves since without a change', 'S1', (d) => edit(d, 'n5', (line) => line.replace(' 1 1 ', ' 2 1 '))],
    ['moves since back', 'S1', (d) => edit(d, 'n5', (line) => line.replace(' 1 1 ', ' 0 1 '))],
    ['changes when a name was born', 'S1', (d) => edit(d, 'n7', (line) => line.replace(' 2 1 ', ' 2 2 '))],
    ['has a new name born before', 'S1', (d) => edit(d, 'new', (line) => line.replace(' 2 2 ', ' 2 1 '))],
    [
      'changes a name that the policy leaves as it is',
      'policy',
      (d) => edit(d, 'n5', () => 'n5.example.test. 2 1 5 addresses 203.0.113.1*100'),
    ],
    [
      'adds a name that nobody asked for',
      'policy',
      (d) => add(d, 'extra.example.test. 2 2 5 addresses 203.0.113.1*100'),
    ],
    ['holds a name in the wrong shard', 'S3', (d) => misplace(d)],
    ['holds names out of order', 'S3', (d) => (d.lines[0] as string[]).reverse()],
    ['holds a name twice', 'S3', (d) => (d.lines[0] as string[]).splice(0, 0, d.lines[0]?.[0] as string)],
    ['does not take its pool along everywhere', 'S3', (d) => edit(d, 'db6', () => lineBefore('db6'))],
    [
      'takes out another target than its state says',
      'policy',
      (d) => edit(d, 'db', (line) => line.replace('192.0.2.1*', '192.0.2.2*')),
    ],
    [
      'weighs a target otherwise than its state says',
      'policy',
      (d) => edit(d, 'db', (line) => line.replace('.1*100', '.1*50')),
    ],
    ['does not write down what leaves', 'S5', (d) => state(d, (s) => (s.ledger = []))],
    [
      'writes down less than leaves',
      'S5',
      (d) => state(d, (s) => (s.ledger = s.ledger.map((one) => ({ ...one, capacity: 50 })))),
    ],
    ['takes a second target out', 'S5', (d) => remove(d, 't2')],
    [
      'calls a target new to take it out',
      'S5',
      (d) => state(d, (s) => (s.targets = { ...s.targets, t2: { kind: 'new', since: 0 as EpochMs } })),
    ],
    [
      'drains a target that nobody drained',
      'S5',
      (d) =>
        state(
          d,
          (s) => (s.targets = { ...s.targets, t2: { kind: 'drained', since: 0 as EpochMs, by: 'x', reason: 'x' } }),
        ),
    ],
    [
      'empties a pool',
      'S2',
      (d) =>
        state(
          d,
          (s) =>
            (s.targets = Object.fromEntries(
              Object.keys(s.targets).map((id) => [id, { kind: 'removed', since: 0 as EpochMs, reason: 'x' }]),
            )),
        ),
    ],
    ['forgets a pool', 'S5', (d) => (d.head = { ...d.head, pools: {} })],
    [
      'counts its changes wrongly',
      'blast',
      (d) => (d.head = { ...d.head, blast: { ...d.head.blast, namesChanged: 2 } }),
    ],
    [
      'changes a pinned name',
      'override',
      (d) => (d.input = { ...d.input, overrides: [...d.input.overrides, override({ kind: 'pin', name: name('n7') })] }),
    ],
    [
      'claims a rollback that nobody ordered',
      'override',
      (d) => (d.head = { ...d.head, rolledBackTo: 1 as Generation }),
    ],
    ['issues only a part anew', 'S1', (d) => (d.input = { ...d.input, rebase: 'history was lost' })],
  ]
  test.each(cases)('%s', (_, rule, change) => {
    const found = broken((draft) => void change(draft))
    expect(found.map((one) => one.rule)).toContain(rule)
    for (const { at, expected, found: what, todo } of found)
      expect([at, expected, what, todo].every((text) => text !== '')).toBe(true)
  })

  test('has a shard that is missing, or other than its digest', () => {
    const digest = [...good.newShards.keys()][0] as Digest
    const without = new Map([...good.newShards].filter(([one]) => one !== digest))
    expect(check({ ...good, newShards: without }).map(({ rule }) => rule)).toEqual(['S3'])
    const torn = new Map(
      [...good.newShards].map(([one, text]) => [one, one === digest ? `${text.slice(0, -2)}\n` : text]),
    )
    expect(check({ ...good, newShards: torn }).map(({ rule }) => rule)).toEqual(['S3'])
  })

  test('differs in any single character of a line that it changes', () => {
    const changed = ['db', 'db6', 'n7', 'new', 'old']
    fc.assert(
      fc.property(
        fc.constantFrom(...changed),
        fc.nat(),
        fc.constantFrom('0', '1', '9', 'a', ' ', '*', '.'),
        (of, at, character) => {
          let same = false
          const found = broken((draft) =>
            edit(draft, of, (line) => {
              const place = at % line.length
              const next = line.slice(0, place) + character + line.slice(place + 1)
              same = next === line
              return next
            }),
          )
          expect(found.length > 0).toBe(!same)
        },
      ),
      { numRuns: 150 },
    )
  })
})

function add({ lines }: Draft, line: string): void {
  const shard = lines[shardOf(nameOf(line), lines.length)] as string[]
  shard.push(line)
  shard.sort()
}

function misplace({ lines }: Draft): void {
  const line = (lines[0] as string[]).pop() as string
  ;(lines[1] as string[]).push(line)
  ;(lines[1] as string[]).sort()
}

const lineBefore = (of: string): string => {
  const { head } = first.next
  const lines = shardLines(first.next.shard(shardOf(name(of), head.shards.length)))
  return lines.find((line) => line.startsWith(`${name(of)} `)) as string
}

/** Consistently: state, ledger and weights, only against the budget. */
function remove(draft: Draft, id: string): void {
  const leaving = web.targets.find((one) => one.id === id) ?? web.targets[0]
  state(draft, (s) => {
    s.targets = { ...s.targets, [id]: { kind: 'removed', since: 20_000 as EpochMs, reason: 'x' } }
    s.ledger = [...s.ledger, { at: 20_000 as EpochMs, target: id, site: leaving.site, capacity: leaving.capacity }]
  })
  for (const of of ['db', 'db6']) edit(draft, of, (line) => line.replace(` ${leaving.addresses[0]}*100`, ''))
}
