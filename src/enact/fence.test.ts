import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { IpAddress } from '../model/address.ts'
import type { Answer, WeightedAddress } from '../model/answer.ts'
import { answerText } from '../model/answer.ts'
import type { Generation } from '../model/generation.ts'
import { markerFor, markerStrings } from '../model/marker.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Published } from '../providers/provider.ts'
import { answersAs, type Fence, fence, isLive, nothingAt, publishedAs } from './fence.ts'

const name = 'db.example.test.' as Name
const owner = 'us'
const us = { owner, ours: false, adopt: false }

const weighted = fc.record({
  address: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1') as fc.Arbitrary<IpAddress>,
  weight: fc.integer({ min: 1, max: 3 }),
})
const answers: fc.Arbitrary<Answer> = fc.oneof(
  fc.constant<Answer>({ kind: 'retired' }),
  fc.record({
    kind: fc.constant('alias' as const),
    ttl: fc.constantFrom(5, 60),
    target: fc.constantFrom('a.example.test.', 'b.example.test.') as fc.Arbitrary<Name>,
  }),
  fc.record({
    kind: fc.constant('addresses' as const),
    ttl: fc.constantFrom(5, 60),
    addresses: fc
      .uniqueArray(weighted, { minLength: 1, maxLength: 3, selector: ({ address }) => address })
      .map((list) => list as unknown as readonly [WeightedAddress, ...WeightedAddress[]]),
  }),
)
const generations = fc.integer({ min: 1, max: 6 }) as fc.Arbitrary<Generation>
const entries: fc.Arbitrary<PlanEntry> = fc.record({
  name: fc.constant(name),
  since: generations,
  born: fc.constant(1 as Generation),
  answer: answers,
})
const markers = fc.oneof(
  fc
    .record({ answer: answers, generation: generations, by: fc.constantFrom(owner, 'them') })
    .map((it) => [...markerStrings(markerFor(it.answer, it.generation, it.by))]),
  fc.constantFrom(['v=holdfast1'], ['v=holdfast1', 'g=99999999999999999'], ['anything'], ['']),
)
/** Whatever may stand at a name. */
const anything: fc.Arbitrary<Published> = fc.oneof(
  entries.map((entry) => publishedAs(entry, owner)),
  fc.record({ entry: entries, marker: fc.array(markers, { maxLength: 2 }) }).map(({ entry, marker }) => ({
    ...publishedAs(entry, owner),
    marker,
  })),
)
const ownerships = fc.record({ owner: fc.constant(owner), ours: fc.boolean(), adopt: fc.boolean() })

describe('for whatever stands there', () => {
  test('what is written is current afterwards, for the writer and for everybody with the same plan', () => {
    fc.assert(
      fc.property(entries, ownerships, (entry, ownership) => {
        expect(fence(entry, publishedAs(entry, owner), ownership)).toEqual({ kind: 'current' })
      }),
    )
  })

  test('S1: it never says apply where a newer generation of ours stands', () => {
    fc.assert(
      fc.property(entries, entries, ownerships, fc.boolean(), (old, newer, ownership, drifted) => {
        fc.pre(newer.since > old.since)
        const published = publishedAs(newer, owner)
        const found = drifted ? { ...published, addresses: ['192.0.2.9' as IpAddress], alias: null } : published
        expect(fence(old, found, ownership)).toEqual({ kind: 'superseded', by: newer.since })
      }),
    )
  })

  test('of two plans that differ at a name at most one may write over the other', () => {
    fc.assert(
      fc.property(entries, entries, ownerships, (one, other, ownership) => {
        const over = fence(one, publishedAs(other, owner), ownership).kind === 'apply'
        const back = fence(other, publishedAs(one, owner), ownership).kind === 'apply'
        expect(over && back).toBe(false)
      }),
    )
  })

  test('S6: a name with the marker of another owner is never written, and its reason names the owner', () => {
    fc.assert(
      fc.property(entries, entries, ownerships, (mine, theirs, ownership) => {
        const verdict = fence(mine, publishedAs(theirs, 'them'), ownership)
        expect(verdict.kind).toBe('foreign')
        expect((verdict as Fence & { kind: 'foreign' }).reason).toContain('"them"')
      }),
    )
  })

  test('S6: records without a marker are written only if they are ours or may be adopted', () => {
    fc.assert(
      fc.property(entries, entries, ownerships, (entry, other, ownership) => {
        const published = { ...publishedAs(other, owner), marker: [] }
        const verdict = fence(entry, published, ownership)
        if (!isLive(published)) expect(verdict).toEqual({ kind: 'apply', why: 'create' })
        else if (ownership.ours) expect(verdict).toEqual({ kind: 'apply', why: 'unmarked' })
        else if (ownership.adopt) expect(verdict).toEqual({ kind: 'apply', why: 'adopt' })
        else expect(verdict.kind).toBe('foreign')
      }),
    )
  })

  test('L1: what is ours is current, may be written, or is held back by a generation that a planner can go above', () => {
    fc.assert(
      fc.property(entries, anything, (entry, published) => {
        fc.pre(!published.marker.some((strings) => strings.includes('o=them')))
        const verdict = fence(entry, published, { owner, ours: true, adopt: false })
        expect(['current', 'apply', 'superseded', 'ahead']).toContain(verdict.kind)
        if (verdict.kind !== 'superseded' && verdict.kind !== 'ahead') return
        const above = verdict.kind === 'superseded' ? verdict.by : verdict.generation
        const reissued = { ...entry, since: (above + 1) as Generation }
        expect(fence(reissued, published, us)).toEqual({ kind: 'apply', why: 'newer' })
      }),
    )
  })

  test('current means: this very marker, these very records', () => {
    fc.assert(
      fc.property(entries, anything, ownerships, (entry, published, ownership) => {
        if (fence(entry, published, ownership).kind !== 'current') return
        expect(published.marker).toEqual(publishedAs(entry, owner).marker)
        expect(answersAs(entry.answer, published)).toBe(true)
      }),
    )
  })
})

describe('one by one', () => {
  const answer: Answer = { kind: 'addresses', ttl: 5, addresses: [{ address: '192.0.2.1' as IpAddress, weight: 7 }] }
  const entry: PlanEntry = { name, since: 4 as Generation, born: 1 as Generation, answer }
  const here = publishedAs(entry, owner)

  test.each<[string, Partial<Published>]>([
    ['another time to live', { ttl: 6 }],
    ['an address too many', { addresses: ['192.0.2.1', '192.0.2.2'] as IpAddress[] }],
    ['another address', { addresses: ['192.0.2.2'] as IpAddress[] }],
    ['no address', { addresses: [], ttl: null }],
    ['an alias', { addresses: [], alias: 'a.example.test.' as Name }],
    ['a second marker record', { marker: [...here.marker, ['junk']] }],
    ['weights that the digest does not cover', { marker: [here.marker[0]?.map((it) => it.replace('*7', '*8')) ?? []] }],
  ])('%s is drift', (_, change) => {
    expect(fence(entry, { ...here, ...change }, us)).toEqual({ kind: 'apply', why: 'drift' })
  })

  test('the same generation with another answer is ahead: only a newer plan can mend it', () => {
    const other = publishedAs({ ...entry, answer: { ...answer, ttl: 9 } }, owner)
    expect(answerText(answer)).not.toEqual(answerText({ ...answer, ttl: 9 }))
    expect(fence(entry, other, us)).toEqual({ kind: 'ahead', generation: 4 })
  })

  test('an older generation is replaced, a free name is taken', () => {
    expect(fence({ ...entry, since: 5 as Generation }, here, us)).toEqual({ kind: 'apply', why: 'newer' })
    expect(fence(entry, nothingAt(name), us)).toEqual({ kind: 'apply', why: 'create' })
  })
})
