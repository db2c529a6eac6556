import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf } from '../base/bytes.ts'
import type { Name } from '../model/name.ts'
import { type PlanHead, type PlanText, shardOf, shardText } from '../model/plan.ts'
import { answerOf, differencesOf, nameOf } from './difference.ts'

/** A plan of these lines, in so many shards. */
function plan(lines: readonly string[], count: number): PlanText {
  const texts = Array.from({ length: count }, (_, index) =>
    shardText(lines.filter((line) => shardOf(nameOf(line), count) === index).sort()),
  )
  const head = { shards: texts.map((text) => digestOf(text)) } as unknown as PlanHead
  return { head, shard: (index) => texts[index] as string }
}

const anyLines = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^[a-c*_-]{1,3}(\.[a-c]{1,2})?\.$/), fc.integer({ min: 1, max: 3 })), {
    selector: ([name]) => name,
    maxLength: 60,
  })
  .map((entries) => entries.map(([name, since]) => `${name} ${since} 1 5 addresses 192.0.2.${since}*100`))
const anyCount = fc.constantFrom(1, 2, 4, 8)

test('applied to the first plan it gives the second, and it says nothing of what is equal', () => {
  fc.assert(
    fc.property(anyLines, anyLines, anyCount, anyCount, (a, b, countA, countB) => {
      const applied = new Map(a.map((line) => [nameOf(line), line]))
      const told = new Set<Name>()
      for (const { name, before, after } of differencesOf(plan(a, countA), plan(b, countB))) {
        expect(told.has(name)).toBe(false)
        told.add(name)
        expect(before).not.toBe(after)
        expect(applied.get(name) ?? null).toBe(before)
        if (after === null) applied.delete(name)
        else applied.set(name, after)
      }
      expect([...applied.values()].sort()).toEqual([...b].sort())
    }),
  )
})

test('shards of equal digest are not read', () => {
  const lines = ['a. 1 1 5 addresses 192.0.2.1*100', 'b. 1 1 5 addresses 192.0.2.1*100']
  const { head } = plan(lines, 2)
  const unread: PlanText = {
    head,
    shard: () => {
      throw new Error('expected no shard to be read')
    },
  }
  expect([...differencesOf(unread, unread)]).toEqual([])
})

test('against nothing everything is new', () => {
  const line = 'a. 1 1 5 addresses 192.0.2.1*100'
  expect([...differencesOf(null, plan([line], 4))]).toEqual([{ name: 'a.', before: null, after: line }])
  expect(answerOf(line)).toBe('5 addresses 192.0.2.1*100')
})
