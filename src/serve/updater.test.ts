import { expect, test } from 'vitest'
import { apexRecords, ask, tableOf, updateFrom, wire, zoneFromText } from '../../test/support/serve.ts'
import { Rcode } from '../dns/types.ts'
import type { Copy, Written, ZoneChange } from './copy.ts'
import type { ServeEvent } from './events.ts'
import { updater } from './updater.ts'

/** A copy whose transactions end when and how the test says. */
function heldCopy() {
  const waiting: { readonly changes: readonly ZoneChange[]; readonly end: (written: Written) => void }[] = []
  let arrived = () => {}
  const copy: Copy = {
    stored: new Map(),
    make: () => Promise.reject(new Error('not expected')),
    read: () => Promise.resolve(zoneFromText('example.test.', `${apexRecords(50)}late 60 IN A 192.0.2.1\n`)),
    write: (changes) =>
      new Promise((end) => {
        waiting.push({ changes, end })
        arrived()
      }),
    close: () => Promise.resolve(),
  }
  return {
    copy,
    async next() {
      while (waiting.length === 0)
        await new Promise<void>((resolve) => {
          arrived = resolve
        })
      return waiting.shift() as (typeof waiting)[0]
    },
  }
}

function made() {
  const table = tableOf(zoneFromText('example.test.', apexRecords(7)))
  const events: ServeEvent[] = []
  const held = heldCopy()
  const updates = updater(table, held.copy, 300, (event) => events.push(event))
  const add = (host: string, ...before: string[]) =>
    updates.submit(
      updateFrom(['zone example.test.', ...before, `update add ${host}.example.test. 60 A 192.0.2.1`]),
      'key.',
    )
  const exists = (host: string) => ask(table, `${host}.example.test.`, 'A').answers.length > 0
  return { table, events, held, updates, add, exists }
}

test('nothing is answered or acknowledged before the disk has it; what gathers meanwhile goes together, in order', async () => {
  const { held, add, exists, updates } = made()
  let acknowledged = 0
  const first = add('first').finally(() => acknowledged++)
  const one = await held.next()
  // The second rests on the third being absent, the last on the second being there.
  const others = [
    add('second', 'prereq nxdomain third.example.test.'),
    add('third'),
    add('fourth', 'prereq yxdomain second.example.test.'),
  ]
  await Promise.resolve()
  expect([acknowledged, exists('first')]).toEqual([0, false])
  one.end({ kind: 'written' })
  expect(await first).toMatchObject({ rcode: Rcode.NOERROR })
  expect(exists('first')).toBe(true)
  const two = await held.next()
  expect(two.changes).toHaveLength(1)
  expect(exists('second')).toBe(false)
  two.end({ kind: 'written' })
  expect((await Promise.all(others)).map(({ rcode }) => rcode)).toEqual([0, 0, 0])
  expect(['second', 'third', 'fourth'].every(exists)).toBe(true)
  await updates.drain()
})

test('what the disk refuses is shown to nobody, not even by a refusal that rests on it', async () => {
  const { held, add, exists, events } = made()
  const first = add('first')
  const one = await held.next()
  const second = add('second')
  const rests = add('third', 'prereq nxdomain second.example.test.')
  one.end({ kind: 'failed', reason: 'no space left on the disk' })
  expect(await first).toMatchObject({ rcode: Rcode.SERVFAIL, reason: 'no space left on the disk' })
  ;(await held.next()).end({ kind: 'failed', reason: 'no space left on the disk' })
  expect((await Promise.all([second, rests])).map(({ rcode }) => rcode)).toEqual([Rcode.SERVFAIL, Rcode.SERVFAIL])
  expect(['first', 'second', 'third'].some(exists)).toBe(false)
  expect(events.map(({ event }) => event)).toEqual(['serve.disk_failed', 'serve.disk_failed'])
  // And it goes on when the disk does.
  const later = add('later')
  ;(await held.next()).end({ kind: 'written' })
  expect(await later).toMatchObject({ rcode: Rcode.NOERROR })
})

test('when nobody can say what is on disk, it is read again', async () => {
  const { held, add, exists, table } = made()
  const first = add('first')
  ;(await held.next()).end({ kind: 'stale', reason: 'not confirmed' })
  expect(await first).toMatchObject({ rcode: Rcode.SERVFAIL })
  expect(exists('late')).toBe(true)
  expect(table.zones.get(wire('example.test.'))?.nodes.size).toBe(2)
})

test('the queue is bounded', async () => {
  const { held, add } = made()
  const sent = Array.from({ length: 302 }, (_, index) => add(`h${index}`))
  expect(await sent[301]).toMatchObject({ rcode: Rcode.SERVFAIL, reason: expect.stringContaining('at most 300') })
  const ended = Promise.all(sent.slice(0, 301))
  for (const size of [1, 256, 44]) {
    const { changes, end } = await held.next()
    // The names, and the apex with its SOA.
    expect(changes[0]?.draft?.changes.size).toBe(size + 1)
    end({ kind: 'written' })
  }
  expect((await ended).every(({ rcode }) => rcode === Rcode.NOERROR)).toBe(true)
})
