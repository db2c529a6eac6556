/**
 * Epochs: the number that the dependency compares. It is the epoch of the shard, and behind it a count of the
 * operations that its owner started for the host, so whatever a newer owner writes is above anything that an
 * older one still has on its way, and of one owner the later operation is above the earlier.
 */
import { assert } from '../base/assert.ts'
import type { EpochMs } from '../world/world.ts'

const operations = 2 ** 20
/** So that both together are a whole number that JSON keeps. */
const shardEpochMax = 2 ** 33 - 1

/** Above it the owner gives its shard up, and takes it again with a higher epoch. */
export const operationsAtMost = operations - 1

export function epochOf(shardEpoch: number, operation: number): number {
  assert(
    shardEpoch > 0 && shardEpoch <= shardEpochMax && operation >= 0 && operation <= operationsAtMost,
    `expected a shard's epoch up to ${shardEpochMax} and an operation up to ${operationsAtMost}, found ${shardEpoch} and ${operation}`,
  )
  return shardEpoch * operations + operation
}

/**
 * Of a shard that nobody has had yet, as far as this store knows. Its time in seconds, and not 1: a store that
 * was lost and made anew would be behind what the dependency has seen. If the clock is behind, hosts are
 * refused and it is told; nothing is overwritten.
 */
export const firstShardEpoch = (wall: EpochMs): number =>
  Math.min(shardEpochMax / 2, Math.max(1, Math.floor(wall / 1000)))

const fnvPrime = 0x01000193

/** FNV-1a, 32 bits: which shard a host is in, the same in every manager and every version. */
export function shardOf(id: string, shards: number): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), fnvPrime)
  // The low bits of FNV alone are poor where only the last character differs.
  hash ^= hash >>> 15
  return (Math.imul(hash, 0x2c1b3c6d) >>> 0) % shards
}

/** 53 bits of a boot id: enough to tell two of one host apart, and small to keep. Never 0. */
export function bootOf(bootId: string): number {
  let low = 0xdeadbeef
  let high = 0x41c6ce57
  for (let index = 0; index < bootId.length; index++) {
    const code = bootId.charCodeAt(index)
    low = Math.imul(low ^ code, 2654435761)
    high = Math.imul(high ^ code, 1597334677)
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  return 2 ** 32 * (high & 0x1fffff) + (low >>> 0) || 1
}
