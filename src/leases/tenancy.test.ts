import { describe, expect, test } from 'vitest'
import type { LeaseManager, ShardLease } from '../model/lease.ts'
import type { Revision } from '../store/store.ts'
import type { EpochMs, Instant } from '../world/world.ts'
import { grantsUntil, moves, type Seen, type View, type Watched, watched } from './tenancy.ts'

const at = 0 as EpochMs
const leaseMs = 10_000
const shard = (owner: string, life = 'a'): Seen<ShardLease> => ({
  document: { owner, life, epoch: 1, at },
  revision: 1 as Revision,
})
const manager = (revision: number, life = 'a'): Seen<LeaseManager> => ({
  document: { life, url: 'http://127.0.0.1:1', beat: 1, at },
  revision: revision as Revision,
})
const other = (unchangedSince: number, life = 'a'): Watched => ({
  ...manager(1, life),
  unchangedSince: unchangedSince as Instant,
})
const view = (changes: Partial<View>): View => ({
  self: 'me',
  life: 'a',
  now: 100_000 as Instant,
  leaseMs,
  shards: [],
  others: new Map(),
  ...changes,
})

describe('a manager', () => {
  test('alone takes everything', () => {
    const { take, release } = moves(view({ shards: [undefined, undefined, shard('')] }))
    expect(take.toSorted()).toEqual([0, 1, 2])
    expect(release).toEqual([])
  })

  test('leaves the shards of who is alive, and gives up what is above its share', () => {
    const others = new Map([['you', other(99_000)]])
    const mine = [shard('me'), shard('me'), shard('me'), shard('you')]
    expect(moves(view({ shards: mine, others }))).toEqual({ take: [], release: [2], dead: [] })
  })

  test('takes what a silent one had, and only if it stays silent', () => {
    const shards = [shard('me'), shard('you'), shard('you')]
    expect(moves(view({ shards, others: new Map([['you', other(90_001)]]) })).take).toEqual([])
    const { take, dead } = moves(view({ shards, others: new Map([['you', other(90_000)]]) }))
    expect(take.toSorted()).toEqual([1, 2])
    expect(dead).toEqual(['you'])
  })

  test('takes what it had in its life before, and what another one had in its', () => {
    const others = new Map([['you', other(99_999, 'b')]])
    const shards = [shard('me', 'old'), shard('you', 'old'), undefined, undefined]
    expect(moves(view({ shards, others })).take.length).toBe(2)
    expect(moves(view({ shards: [shard('me', 'old')] })).take).toEqual([0])
  })

  test('stops before anybody else may begin, though both clocks begin at the same instant', () => {
    const asked = 1_000 as Instant
    expect(grantsUntil(asked, leaseMs)).toBeLessThan(asked + leaseMs * 0.98 * 0.98)
  })
})

describe('how long another one is silent', () => {
  test('counts from its last change, by the own clock', () => {
    const first = watched(new Map(), new Map([['you', manager(5)]]), undefined, 1_000 as Instant, leaseMs)
    expect(first.get('you')?.unchangedSince).toBe(1_000)
    const second = watched(first, new Map([['you', manager(5)]]), 1_000 as Instant, 3_000 as Instant, leaseMs)
    expect(second.get('you')?.unchangedSince).toBe(1_000)
    const third = watched(second, new Map([['you', manager(6)]]), 3_000 as Instant, 5_000 as Instant, leaseMs)
    expect(third.get('you')?.unchangedSince).toBe(5_000)
  })

  test('counts anew after the store could not be read: it could not have been heard', () => {
    const first = watched(new Map(), new Map([['you', manager(5)]]), undefined, 1_000 as Instant, leaseMs)
    const after = watched(first, new Map([['you', manager(5)]]), 1_000 as Instant, 9_000 as Instant, leaseMs)
    expect(after.get('you')?.unchangedSince).toBe(9_000)
  })
})
