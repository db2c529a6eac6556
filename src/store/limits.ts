/** What may be asked of a store, the same for every implementation. Breaking a limit is a bug in the caller. */
import { assert } from '../base/assert.ts'
import type { Compare, Write } from './store.ts'

/** Bytes of a key as UTF-8. */
export const maxKeyBytes = 500
export const maxValueBytes = 64 * 1024 * 1024
/** Compares, and writes, of one commit. */
export const maxCommitSize = 10_000
export const maxRange = 10_000
/** The longest that one `watch` may wait: what a Node timer can count. */
export const maxWatchMs = 2 ** 31 - 1

export function assertKey(key: string): void {
  assert(key.length > 0, 'expected a key, found an empty string')
  assert(key.isWellFormed(), `expected a key of well-formed Unicode, found ${JSON.stringify(key)}`)
  const bytes = Buffer.byteLength(key)
  assert(bytes <= maxKeyBytes, `expected a key of at most ${maxKeyBytes} bytes, found ${bytes}: ${key.slice(0, 80)}...`)
}

export function assertCommit(compares: readonly Compare[], writes: readonly Write[]): void {
  assert(compares.length <= maxCommitSize, `expected at most ${maxCommitSize} compares, found ${compares.length}`)
  assert(writes.length <= maxCommitSize, `expected at most ${maxCommitSize} writes, found ${writes.length}`)
  for (const compare of compares) assertKey(compare.key)
  const seen = new Set<string>()
  for (const write of writes) {
    assertKey(write.key)
    assert(!seen.has(write.key), `expected each key once in a commit, found ${write.key} twice`)
    seen.add(write.key)
    if (write.kind === 'put') {
      const size = write.value.byteLength
      assert(
        size <= maxValueBytes,
        `expected a value of at most ${maxValueBytes} bytes, found ${size} for ${write.key}`,
      )
    }
  }
}

/** A prefix may be empty: then it stands for all keys. */
export function assertPrefix(prefix: string): void {
  if (prefix !== '') assertKey(prefix)
}

/** The number of entries a range may return. */
export function rangeLimit(limit: number | undefined): number {
  if (limit === undefined) return maxRange
  assert(Number.isInteger(limit) && limit >= 1, `expected a limit of at least 1, found ${limit}`)
  return Math.min(limit, maxRange)
}

export function assertWatch(after: number, timeoutMs: number): void {
  assert(Number.isSafeInteger(after) && after >= 0, `expected a revision, found ${after}`)
  assert(timeoutMs >= 0 && timeoutMs <= maxWatchMs, `expected 0 to ${maxWatchMs} ms, found ${timeoutMs}`)
}
