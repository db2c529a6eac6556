/**
 * What differs between two plans, at the cost of what differs: shards of equal digest are skipped, the
 * others are two sorted lists of lines.
 */
import type { Name } from '../model/name.ts'
import { type PlanText, shardLines, shardOf } from '../model/plan.ts'

/** Lines as they stand in the shards (`parseEntryLine` reads them); null where the plan has no such name. */
export interface Difference {
  readonly name: Name
  readonly before: string | null
  readonly after: string | null
}

/** Shard by shard, by name within each. Null for `before`: everything is new. */
export function* differencesOf(before: PlanText | null, after: PlanText): Generator<Difference> {
  const { shards } = after.head
  const sameCount = before?.head.shards.length === shards.length
  const linesBefore = before === null ? () => [] : linesByShard(before, shards.length)
  for (const [index, digest] of shards.entries()) {
    if (sameCount && before?.head.shards[index] === digest) continue
    yield* mergeLines(linesBefore(index), shardLines(after.shard(index)))
  }
}

/** The lines of a plan as they lie in so many shards, whether or not it has that many. */
export function linesByShard(plan: PlanText, count: number): (index: number) => string[] {
  if (plan.head.shards.length === count) return (index) => shardLines(plan.shard(index))
  const lists: string[][] = Array.from({ length: count }, () => [])
  for (const index of plan.head.shards.keys())
    for (const line of shardLines(plan.shard(index))) (lists[shardOf(nameOf(line), count)] as string[]).push(line)
  return (index) => (lists[index] ?? []).sort()
}

/** No character of a name sorts before the space that ends it, so the order of lines is the order of names. */
function* mergeLines(before: readonly string[], after: readonly string[]): Generator<Difference> {
  let i = 0
  let j = 0
  for (;;) {
    const a = before[i]
    const b = after[j]
    if (a === undefined && b === undefined) return
    if (a === b) {
      i++
      j++
      continue
    }
    const nameA = a === undefined ? undefined : nameOf(a)
    const nameB = b === undefined ? undefined : nameOf(b)
    if (nameA === nameB) {
      yield { name: nameA as Name, before: a as string, after: b as string }
      i++
      j++
    } else if (nameB === undefined || (nameA !== undefined && nameA < nameB)) {
      yield { name: nameA as Name, before: a as string, after: null }
      i++
    } else {
      yield { name: nameB, before: null, after: b as string }
      j++
    }
  }
}

export const nameOf = (line: string): Name => line.slice(0, line.indexOf(' ')) as Name

/** The answer in a line: all after the name, `since` and `born`. */
export function answerOf(line: string): string {
  const second = line.indexOf(' ', line.indexOf(' ') + 1)
  return line.slice(line.indexOf(' ', second + 1) + 1)
}

export const isRetiredLine = (line: string): boolean => line.endsWith(' 0 retired')
