import { expect, test } from 'vitest'
import { ask, tableOf, update, wire, zoneFromRecords } from '../../test/support/serve.ts'
import { soaFields } from '../dns/rdata.ts'
import { Rcode, Type } from '../dns/types.ts'
import type { Name } from '../model/name.ts'
import type { Copy, ZoneChange } from './copy.ts'
import type { ServeEvent } from './events.ts'
import type { ServedZone } from './settings.ts'
import { settingsLines, settingsRecords, withSerial } from './settle.ts'
import type { Table } from './table.ts'
import type { Zone } from './zone.ts'
import { fillTable } from './zones.ts'

const settings = (records: string, ns = ['ns.elsewhere.example.'], minimum = 30): ServedZone => ({
  name: 'example.test.' as Name,
  keys: [],
  soa: {
    mname: 'ns.elsewhere.example.' as Name,
    rname: 'h.elsewhere.example.' as Name,
    refresh: 1,
    retry: 2,
    expire: 3,
    minimum,
    ttl: 60,
  },
  ns: ns as [Name, ...Name[]],
  records,
})

/** A zone made from `before`, changed by updates, and then started again with `after`. */
async function restarted(before: ServedZone, after: ServedZone, ...updates: string[]) {
  const records = settingsRecords(before)
  if ('todo' in (records[0] ?? {})) throw new Error('settings')
  const made = records as Parameters<typeof settingsLines>[0]
  const zone = zoneFromRecords('example.test.', withSerial(made, 100))
  if (updates.length > 0) expect(update(tableOf(zone), ['zone example.test.', ...updates]).kind).toBe('accepted')
  const events: ServeEvent[] = []
  const written: ZoneChange[] = []
  const copy: Copy = {
    stored: new Map([[zone.apex, { zone, settings: settingsLines(made) }]]),
    make: () => Promise.reject(new Error('not expected')),
    read: () => Promise.reject(new Error('not expected')),
    write: (changes) => {
      written.push(...changes)
      return Promise.resolve({ kind: 'written' })
    },
    close: () => Promise.resolve(),
  }
  const table = (await fillTable([after], copy, 1, (event) => events.push(event))) as Table
  const shown = (name: string, type: string) => ask(table, `${name}example.test.`, type, { whole: true }).answers.length
  return { table, events, written, shown }
}

const serialOf = (table: Table) =>
  soaFields((table.zones.get(wire('example.test.')) as Zone).soa.datas[0] as Uint8Array)?.serial

test('settings that did not change write nothing', async () => {
  const { written, table } = await restarted(
    settings('a 60 IN A 192.0.2.1'),
    settings('a 60 IN A 192.0.2.1'),
    'update delete a.example.test.',
  )
  expect(written).toEqual([])
  // What others changed stays changed.
  expect(ask(table, 'a.example.test.', 'A').rcode).toBe(Rcode.NXDOMAIN)
})

test('an address becomes an alias, an alias an address', async () => {
  const { shown, table, events } = await restarted(
    settings('a 60 IN A 192.0.2.1\nb 60 IN CNAME a'),
    settings('a 60 IN CNAME b\nb 60 IN A 192.0.2.2'),
  )
  expect([shown('a.', 'CNAME'), shown('b.', 'A')]).toEqual([1, 1])
  expect(serialOf(table)).toBe(101)
  expect(events.map(({ event }) => event)).toEqual(['serve.settings_applied'])
})

test('all name servers are replaced, and the SOA keeps its serial going', async () => {
  const { table, shown } = await restarted(settings(''), settings('', ['ns1.new.example.', 'ns2.new.example.'], 10))
  expect(shown('', 'NS')).toBe(2)
  expect(serialOf(table)).toBe(101)
  expect(ask(table, 'nothing.example.test.', 'A').authorities).toMatchObject([{ type: Type.SOA, ttl: 10 }])
})

test('a record that cannot stand beside what others put there is reported, and everything stays', async () => {
  const after = settings('a 60 IN CNAME elsewhere.example.\nnew 60 IN A 192.0.2.1')
  const { shown, written, events } = await restarted(settings(''), after, 'update add a.example.test. 60 A 192.0.2.1')
  expect([shown('a.', 'A'), shown('new.', 'A'), written.length]).toEqual([1, 0, 0])
  expect(events).toMatchObject([
    { event: 'serve.settings_refused', reason: expect.stringContaining('a.example.test.') },
  ])
})
