/** The built-in server's core without sockets: tables from zone text, questions as text, updates as nsupdate writes them. */

import { readMaster } from '../../src/dns/master.ts'
import {
  decodeMessage,
  type Edns,
  encodeMessage,
  isMalformed,
  type Message,
  messageOf,
  type ResourceRecord,
} from '../../src/dns/message.ts'
import { nameFromText, root, type WireName } from '../../src/dns/name.ts'
import { rdataFromText } from '../../src/dns/rdata.ts'
import { Class, Opcode, Type, typeFromText } from '../../src/dns/types.ts'
import { type Asking, answer, lengthOf } from '../../src/serve/answer.ts'
import { zoneOf } from '../../src/serve/load.ts'
import { Table } from '../../src/serve/table.ts'
import { applyUpdate, type UpdateResult } from '../../src/serve/update.ts'
import type { Zone } from '../../src/serve/zone.ts'

export const wire = (text: string): WireName => {
  const name = nameFromText(text)
  if (name === undefined) throw new Error(`not a name: ${text}`)
  return name
}

export function zoneFromText(origin: string, text: string): Zone {
  const records = readMaster(text, { origin: wire(origin) })
  if ('kind' in records) throw new Error(JSON.stringify(records.problems))
  return zoneFromRecords(origin, records)
}

export function zoneFromRecords(origin: string, records: readonly ResourceRecord[]): Zone {
  const zone = zoneOf(wire(origin), records, origin)
  if (!('nodes' in zone)) throw new Error(JSON.stringify(zone))
  return zone
}

export function tableOf(...zones: readonly Zone[]): Table {
  const table = new Table()
  for (const zone of zones) table.add(zone)
  return table
}

/** SOA and NS for a zone whose other records matter. */
export const apexRecords = (serial = 1): string =>
  `@ 3600 IN SOA ns.elsewhere.example. hostmaster.elsewhere.example. ${serial} 3600 600 604800 30\n@ 3600 IN NS ns.elsewhere.example.\n`

export function seeded(seed = 1): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state
  }
}

export const asking = (options: Partial<Asking> = {}): Asking => ({
  tcp: false,
  udpSize: 1232,
  reserve: 0,
  whole: false,
  random: seeded(),
  ...options,
})

const out = new Uint8Array(0xffff)

/** The reply's octets; undefined if there is none. */
export function replyTo(table: Table, query: Uint8Array, options: Partial<Asking> = {}): Uint8Array | undefined {
  const result = answer(table, query, query.length, asking(options), out)
  return result > 0 ? out.slice(0, lengthOf(result)) : undefined
}

export function ask(
  table: Table,
  name: string | WireName,
  type: string | number,
  options: Partial<Asking> & { edns?: Edns | null; id?: number } = {},
): Message {
  const query = messageOf({
    id: options.id ?? 4711,
    questions: [
      {
        name: typeof name === 'string' && !name.includes('\0') ? wire(name) : (name as WireName),
        type: typeof type === 'string' ? (typeFromText(type) as number) : type,
        class: Class.IN,
      },
    ],
    edns: options.edns ?? null,
  })
  const reply = replyTo(table, encodeMessage(query), options)
  if (reply === undefined) throw new Error('expected a reply, found none')
  const message = decodeMessage(reply)
  if (isMalformed(message)) throw new Error(message.reason)
  return message
}

/** One message from lines as nsupdate takes them: `zone`, `prereq`, `update`. Names are absolute. */
export function updateFrom(lines: readonly string[]): Message {
  let zone = root
  const answers: ResourceRecord[] = []
  const authorities: ResourceRecord[] = []
  for (const line of lines) {
    const [command, ...words] = line.trim().split(/\s+/)
    if (command === 'zone') zone = wire(words[0] as string)
    else if (command === 'prereq') answers.push(prerequisite(words))
    else if (command === 'update') authorities.push(change(words))
    else throw new Error(`not understood: ${line}`)
  }
  return messageOf({
    opcode: Opcode.UPDATE,
    questions: [{ name: zone, type: Type.SOA, class: Class.IN }],
    answers,
    authorities,
  })
}

const noData = new Uint8Array()

function prerequisite([kind, owner = '', ...rest]: readonly string[]): ResourceRecord {
  const name = wire(owner)
  const klass = kind === 'yxdomain' || kind === 'yxrrset' ? Class.ANY : Class.NONE
  if (kind === 'yxdomain' || kind === 'nxdomain') return { name, type: Type.ANY, class: klass, ttl: 0, data: noData }
  const [type, ...rdata] = rest.filter((word) => word !== 'IN')
  const number = typeFromText(type as string) as number
  if (rdata.length === 0) return { name, type: number, class: klass, ttl: 0, data: noData }
  return { name, type: number, class: Class.IN, ttl: 0, data: dataOf(number, rdata) }
}

function change([kind, owner = '', ...rest]: readonly string[]): ResourceRecord {
  const name = wire(owner)
  const words = rest.filter((word, index) => word !== 'IN' || index > 1)
  const ttl = /^[0-9]+$/.test(words[0] ?? '') ? Number(words.shift()) : 0
  const [type = 'ANY', ...rdata] = words
  const number = typeFromText(type) as number
  if (kind === 'add') return { name, type: number, class: Class.IN, ttl, data: dataOf(number, rdata) }
  const none = rdata.length === 0
  return {
    name,
    type: number,
    class: none ? Class.ANY : Class.NONE,
    ttl: 0,
    data: none ? noData : dataOf(number, rdata),
  }
}

function dataOf(type: number, words: readonly string[]): Uint8Array {
  // Octets that are not ASCII are escaped, as nsupdate does.
  const text = words
    .join(' ')
    .replace(/[^ -~]/g, (character) =>
      [...Buffer.from(character)].map((octet) => `\\${String(octet).padStart(3, '0')}`).join(''),
    )
  const data = rdataFromText(type, text, root)
  if (!(data instanceof Uint8Array)) throw new Error(`${words.join(' ')}: expected ${data.expected}`)
  return data
}

/** Judges an update and, if it is accepted, makes it visible. */
export function update(table: Table, lines: readonly string[] | Message): UpdateResult {
  const result = applyUpdate(table, 'id' in lines ? lines : updateFrom(lines))
  if (result.kind === 'accepted') table.apply(result.draft)
  return result
}
