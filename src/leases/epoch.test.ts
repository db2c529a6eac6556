import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EpochMs } from '../world/world.ts'
import { bootOf, epochOf, firstShardEpoch, operationsAtMost, shardOf } from './epoch.ts'

describe('an epoch', () => {
  test('of a newer owner is above all of an older one, and of one owner the later operation is above', () => {
    const shard = fc.integer({ min: 1, max: 2 ** 33 - 2 })
    const operation = fc.integer({ min: 0, max: operationsAtMost })
    fc.assert(
      fc.property(shard, operation, operation, (epoch, one, other) => {
        expect(epochOf(epoch + 1, one)).toBeGreaterThan(epochOf(epoch, other))
        if (one < other) expect(epochOf(epoch, one)).toBeLessThan(epochOf(epoch, other))
        expect(Number.isSafeInteger(epochOf(epoch, one))).toBe(true)
      }),
    )
  })

  test('of a store that was lost begins above what the one before it gave, and there is room for centuries', () => {
    const before = firstShardEpoch(1_700_000_000_000 as EpochMs)
    expect(firstShardEpoch(1_700_000_060_000 as EpochMs)).toBe(before + 60)
    expect(() => epochOf(firstShardEpoch(8_640_000_000_000_000 as EpochMs), operationsAtMost)).not.toThrow()
    expect(firstShardEpoch(-5 as EpochMs)).toBe(1)
  })
})

test('shards of hosts with like names are about the same size', () => {
  const counts = new Array(64).fill(0)
  for (let host = 0; host < 64_000; host++) counts[shardOf(`rack-${host % 500}-host-${host}`, 64)]++
  expect(Math.min(...counts)).toBeGreaterThan(800)
  expect(Math.max(...counts)).toBeLessThan(1_200)
})

test('boots are told apart', () => {
  const seen = new Set(Array.from({ length: 100_000 }, (_, n) => bootOf(`boot-${n}`)))
  expect(seen.size).toBe(100_000)
  expect([...seen].every((one) => Number.isSafeInteger(one) && one > 0)).toBe(true)
})
