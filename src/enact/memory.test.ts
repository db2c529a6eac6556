import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Digest } from '../base/bytes.ts'
import { type Generation, genesis } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry, PlanHead } from '../model/plan.ts'
import type { EpochMs } from '../world/world.ts'
import type { Settled } from './batch.ts'
import {
  completed,
  forgetOwnership,
  forgetSeen,
  isOtherHistory,
  isOursBy,
  isSeen,
  isSeenShard,
  note,
  progressOf,
  type ZoneMemory,
  zoneMemory,
} from './memory.ts'

const g = (value: number) => value as Generation
const n = (value: string | number) => `${value}.` as Name
const counts = { applied: 0, repaired: 0, conflicts: 0, fenced: 0 }
const at = 0 as EpochMs

function plan(generation: number, ...shards: readonly string[]): PlanHead {
  return {
    generation: g(generation),
    parent: genesis,
    at,
    author: 'test',
    policy: '' as Digest,
    shards: shards as readonly Digest[],
    pools: {},
    blast: { namesChanged: 0, namesAdded: 0, namesRetired: 0, namesTotal: 0, capacityRemoved: 0, ttlMax: 0 },
    reasons: [],
  }
}
function entry(name: string | number, since: number, born = 1): PlanEntry {
  return { name: n(name), since: g(since), born: g(born), answer: { kind: 'retired' } }
}
const seen = (it: PlanEntry): Settled => ({ kind: 'seen', entry: it, how: 'found' })
const blocked = (it: PlanEntry, why = 'in the way'): Settled => ({
  kind: 'blocked',
  entry: it,
  foreign: true,
  ours: false,
  why,
})
const waiting = (it: PlanEntry): Settled => ({ kind: 'waiting', entry: it, outage: false, why: 'busy' })

describe('what needs a look', () => {
  test('a changed endpoint does until it was seen, an unchanged one does not', () => {
    const memory = zoneMemory()
    expect(isSeen(memory, entry('a', 1))).toBe(false)
    note(memory, [seen(entry('a', 1))])
    expect(isSeen(memory, entry('a', 1))).toBe(true)
    expect(isSeen(memory, entry('a', 2))).toBe(false)
    completed(memory, plan(3, 's1', 's2'))
    expect(isSeen(memory, entry('b', 3))).toBe(true)
    expect(isSeen(memory, entry('b', 4))).toBe(false)
    expect(memory.seen.size).toBe(0)
  })

  test('a shard with the digest that was seen need not be read; after a change in their number each has to be', () => {
    const memory = zoneMemory()
    completed(memory, plan(3, 's1', 's2'))
    expect([0, 1].map((index) => isSeenShard(memory, plan(4, 's1', 's3'), index))).toEqual([true, false])
    expect([0, 1, 2, 3].some((index) => isSeenShard(memory, plan(4, 's1', 's2', 's3', 's4'), index))).toBe(false)
    forgetSeen(memory)
    expect(isSeenShard(memory, plan(3, 's1', 's2'), 0)).toBe(false)
  })

  test('an unchanged endpoint that was found different is looked at again until it is mended', () => {
    const memory = zoneMemory()
    completed(memory, plan(3, 's'))
    note(memory, [waiting(entry('a', 2)), waiting(entry('b', 4))])
    expect([...memory.recheck]).toEqual([n('a')])
    note(memory, [seen(entry('a', 2))])
    expect(memory.recheck.size).toBe(0)
  })

  test('numbers that go back, or stand for two plans, are another history', () => {
    expect(isOtherHistory(plan(3, 's'), plan(2, 's'))).toBe(true)
    expect(isOtherHistory(plan(3, 's'), plan(3, 't'))).toBe(true)
    expect(isOtherHistory(plan(3, 's'), plan(3, 's'))).toBe(false)
    expect(isOtherHistory(plan(3, 's'), plan(4, 't'))).toBe(false)
  })
})

describe('whose a name is', () => {
  test('ours as before while an authority refuses it, in this life and in the next, until the store loses its history', () => {
    const memory = zoneMemory()
    note(memory, [
      seen(entry('a', 1)),
      { kind: 'blocked', entry: entry('b', 1), foreign: false, ours: true, why: 'REFUSED' },
    ])
    completed(memory, plan(1, 's1'))
    expect(isOursBy(memory, entry('b', 1))).toBe(true)
    const { blocked: said } = progressOf([memory], [], g(1), { enacted: genesis, blocked: [] }, counts, at)
    expect(said).toEqual([{ name: n('b'), why: 'REFUSED', ours: true }])
    forgetOwnership(memory)
    expect(isOursBy(memory, entry('b', 1))).toBe(false)
  })

  test('ours once it was seen, and not while it is blocked', () => {
    const memory = zoneMemory()
    expect(isOursBy(memory, entry('a', 1))).toBe(false)
    note(memory, [seen(entry('a', 1)), blocked(entry('b', 1))])
    completed(memory, plan(1, 's'))
    expect([entry('a', 1), entry('b', 1), entry('c', 2, 2)].map((it) => isOursBy(memory, it))).toEqual([
      true,
      false,
      false,
    ])
    expect(note(memory, [seen(entry('b', 1))]).unblocked).toEqual([n('b')])
    expect(isOursBy(memory, entry('b', 1))).toBe(true)
  })

  test('a block is told once, and again when its reason changes', () => {
    const memory = zoneMemory()
    expect(note(memory, [blocked(entry('a', 1))]).blocked).toEqual([{ name: n('a'), why: 'in the way' }])
    expect(note(memory, [blocked(entry('a', 1))]).blocked).toEqual([])
    expect(note(memory, [blocked(entry('a', 1), 'more')]).blocked).toEqual([{ name: n('a'), why: 'more' }])
  })
})

describe('progress', () => {
  const before = { enacted: g(2), blocked: [] }
  const floor = (generation: number): ZoneMemory => {
    const memory = zoneMemory()
    completed(memory, plan(generation, 's'))
    return memory
  }

  test('enacted is the lowest floor, and never goes back', () => {
    expect(progressOf([floor(5), floor(4)], [], g(5), before, counts, at).enacted).toBe(4)
    expect(progressOf([floor(5), zoneMemory()], [], g(5), before, counts, at).enacted).toBe(2)
    expect(progressOf([], [], g(5), before, counts, at).enacted).toBe(5)
  })

  test('ahead is told only of the plan that is worked from', () => {
    const memory = floor(5)
    memory.outrun = { by: g(9), plan: g(5) }
    expect(progressOf([memory], [], g(5), before, counts, at).ahead).toBe(9)
    expect(progressOf([memory], [], g(6), before, counts, at).ahead).toBeNull()
  })

  test('S6: whatever is blocked in whatever order, a name that was never published never counts as ours', () => {
    // Names 0..1499 are born in plan 1, 2, 3 (500 each); in each plan some of them are blocked.
    const born = (name: number) => 1 + Math.floor(name / 500)
    fc.assert(
      fc.property(fc.array(fc.nat(1500), { maxLength: 6 }), fc.boolean(), (bounds, restarted) => {
        let memory = zoneMemory()
        let progress = { enacted: genesis, blocked: [] as readonly { name: Name; why: string }[] }
        const everFree = new Set<Name>()
        for (const [index, bound] of [1500, ...bounds].entries()) {
          const generation = Math.min(3, index + 1)
          const settled = Array.from({ length: generation * 500 }, (_, name) => {
            const it = entry(name, born(name), born(name))
            if (name >= bound) everFree.add(it.name)
            return name < bound ? blocked(it) : seen(it)
          })
          note(memory, settled)
          completed(memory, plan(index + 1, 's'))
          progress = progressOf([memory], [], g(index + 1), progress, counts, at)
          for (let name = 0; name < generation * 500; name++) {
            if (everFree.has(n(name))) continue
            const counted = progress.enacted >= born(name) && !progress.blocked.some((item) => item.name === n(name))
            expect(counted).toBe(false)
          }
          if (restarted) {
            memory = zoneMemory()
            for (const { name, why } of progress.blocked) memory.blocked.set(name, { why, foreign: true, ours: false })
            progress = progressOf([memory], [], g(index + 1), progress, counts, at)
          }
        }
      }),
      { numRuns: 20 },
    )
  })
})
