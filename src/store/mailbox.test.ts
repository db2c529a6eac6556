import { expect, test } from 'vitest'
import { memoryStore } from '../../test/support/memory-store.ts'
import { fromUtf8, utf8 } from '../base/bytes.ts'
import type { World } from '../world/world.ts'
import { Mailbox } from './mailbox.ts'
import type { Commit } from './store.ts'

const world = {
  random: { below: () => 0 },
  clock: { sleep: () => Promise.resolve() },
} as unknown as World
const events = { lost: () => {}, found: () => {} }

/** A store whose commits end when and as the test says. */
function heldStore() {
  const held: { readonly keys: readonly string[]; readonly end: (outcome?: Commit) => void }[] = []
  let wake = () => {}
  const store = memoryStore({
    onCommit: (_compares, writes, apply) =>
      new Promise((resolve) => {
        held.push({ keys: writes.map(({ key }) => key), end: (outcome) => resolve(outcome ?? apply()) })
        wake()
      }),
  })
  const next = async () => {
    while (held.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    return held.shift() as (typeof held)[number]
  }
  const value = async (key: string) => {
    const entry = await store.get(key)
    return entry === undefined ? undefined : fromUtf8(entry.value)
  }
  return { store, next, value, waiting: held }
}

const lost: Commit = { kind: 'unknown', reason: 'no answer' }

test('one commit at a time, with the newest of each key', async () => {
  const { store, next, value, waiting } = heldStore()
  const mailbox = new Mailbox(world, store, events)
  mailbox.put('a', utf8('1'))
  const first = await next()
  expect(first.keys).toEqual(['a'])
  for (const text of ['2', '3']) {
    mailbox.put('a', utf8(text))
    mailbox.put('b', utf8(text))
  }
  expect(waiting).toEqual([])
  first.end()
  const second = await next()
  expect(second.keys).toEqual(['a', 'b'])
  second.end()
  mailbox.delete('a')
  const third = await next()
  third.end()
  mailbox.put('c', utf8('4'))
  ;(await next()).end()
  expect([await value('a'), await value('b')]).toEqual([undefined, '3'])
})

test('what failed is tried again, but never over something newer', async () => {
  const { store, next, value } = heldStore()
  const mailbox = new Mailbox(world, store, events)
  mailbox.put('a', utf8('old'))
  mailbox.put('b', utf8('only'))
  ;(await next()).end(lost)
  const both = await next()
  expect(both.keys).toEqual(['b', 'a'])
  mailbox.put('a', utf8('new'))
  both.end(lost)
  const again = await next()
  expect([...again.keys].sort()).toEqual(['a', 'b'])
  again.end()
  mailbox.put('c', utf8('-'))
  ;(await next()).end()
  expect([await value('a'), await value('b')]).toEqual(['new', 'only'])
})

test('a large backlog goes in several commits', async () => {
  const { store, next } = heldStore()
  const mailbox = new Mailbox(world, store, events)
  mailbox.put('first', utf8(''))
  const first = await next()
  for (let n = 0; n < 1_200; n++) mailbox.put(`k${n}`, utf8(''))
  first.end()
  const sizes: number[] = []
  for (let n = 0; n < 3; n++) {
    const commit = await next()
    sizes.push(commit.keys.length)
    commit.end()
  }
  expect(sizes).toEqual([500, 500, 200])
})
