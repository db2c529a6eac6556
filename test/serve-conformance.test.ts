/** The pure `answer` against what real servers answer: cases of Ferret, RFC 4592 and the CoreDNS file plugin. */
import { expect, test } from 'vitest'
import { decodeMessage, ednsOf, encodeMessage, isMalformed, type Message, messageOf } from '../src/dns/message.ts'
import { rcodeText, typeFromText } from '../src/dns/types.ts'
import { zoneOf } from '../src/serve/load.ts'
import { Table } from '../src/serve/table.ts'
import {
  describeConformance,
  document,
  nameWithSuffix,
  recordsFrom,
  recordText,
  rows,
  setText,
} from './support/conformance.ts'
import { replyTo } from './support/serve.ts'

interface Accepted {
  readonly rcode: string
  readonly aa: boolean
  readonly tc: boolean
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  readonly additional: readonly string[]
}
interface Case {
  readonly id: number | string
  readonly set?: string
  readonly class: string
  readonly model_case: string
  readonly origin?: string
  readonly zone?: string
  readonly qname: string
  readonly qtype: string
  readonly tcp?: boolean
  readonly do?: boolean
  readonly bufsize?: number
  readonly partial?: boolean
  readonly accept: readonly Accepted[]
}

function load(table: Table, origin: string, lines: readonly string[], suffix: string): void {
  const zone = zoneOf(nameWithSuffix(origin, suffix), recordsFrom(lines, suffix), `zone ${origin}${suffix}`)
  if (!('nodes' in zone)) throw new Error(JSON.stringify(zone, null, 1))
  table.add(zone)
}

function ask(table: Table, row: Case, suffix: string): Message {
  const query = messageOf({
    id: 0x1234,
    questions: [{ name: nameWithSuffix(row.qname, suffix), type: typeFromText(row.qtype) as number, class: 1 }],
    edns: row.do || row.bufsize ? ednsOf({ udpSize: row.bufsize ?? 1232, do: row.do ?? false }) : null,
  })
  const bytes = encodeMessage(query)
  const reply = decodeMessage(replyTo(table, bytes, { tcp: row.tcp ?? false }) ?? new Uint8Array())
  if (isMalformed(reply)) throw new Error(`${row.id}: ${reply.reason}`)
  expect({
    id: reply.id,
    qr: reply.qr,
    opcode: reply.opcode,
    ra: reply.ra,
    z: reply.z,
    ad: reply.ad,
    questions: reply.questions,
  }).toEqual({
    id: 0x1234,
    qr: true,
    opcode: 0,
    ra: false,
    z: false,
    ad: false,
    questions: query.questions,
  })
  expect(reply.edns === null).toBe(query.edns === null)
  return reply
}

function mismatch(reply: Message, row: Case, suffix: string, level: 'core' | 'full'): string | undefined {
  const mistakes: string[] = []
  for (const accepted of row.accept) {
    const mistake = differs(reply, accepted, row, suffix, level)
    if (mistake === undefined) return undefined
    mistakes.push(mistake)
  }
  return mistakes.join('\n or ')
}

function differs(
  reply: Message,
  accepted: Accepted,
  row: Case,
  suffix: string,
  level: 'core' | 'full',
): string | undefined {
  if (rcodeText(reply.rcode) !== accepted.rcode) return `rcode ${rcodeText(reply.rcode)}, not ${accepted.rcode}`
  if (reply.aa !== accepted.aa) return `aa ${reply.aa}`
  if (reply.tc && !row.tcp && (row.bufsize ?? 0) > 1232) return undefined
  if (reply.tc !== (row.tcp ? false : accepted.tc)) return `tc ${reply.tc}`
  if (reply.tc) return undefined
  const wanted = (lines: readonly string[]) => setText(recordsFrom(lines, suffix))
  const answers = setText(reply.answers)
  if (answers !== wanted(accepted.answer)) return `answer\n${answers}\nnot\n${wanted(accepted.answer)}`
  if (level === 'core') return undefined
  if (accepted.answer.length === 0 && setText(reply.authorities) !== wanted(accepted.authority))
    return `authority\n${setText(reply.authorities)}\nnot\n${wanted(accepted.authority)}`
  const additional = setText(reply.additionals)
  if (row.partial) {
    const union = new Set(row.accept.flatMap((one) => recordsFrom(one.additional, suffix).map(recordText)))
    return reply.additionals.every((record) => union.has(recordText(record))) ? undefined : `additional\n${additional}`
  }
  const wantedAdditional = wanted(accepted.additional)
  const enough = row.tcp
    ? wantedAdditional.split('\n').every((line) => additional.includes(line))
    : additional === wantedAdditional
  return enough ? undefined : `additional\n${additional}\nnot\n${wantedAdditional}`
}

function run(table: Table, cases: readonly Case[], suffixOf: (row: Case) => string): void {
  const counts = new Map<string, { core: number; full: number; of: number }>()
  const failures: string[] = []
  for (const row of cases) {
    const suffix = suffixOf(row)
    const reply = ask(table, row, suffix)
    if (row.class === 'loop' || row.class === 'split') continue
    const count = counts.get(row.model_case) ?? { core: 0, full: 0, of: 0 }
    counts.set(row.model_case, count)
    count.of++
    const [core, full] = [mismatch(reply, row, suffix, 'core'), mismatch(reply, row, suffix, 'full')]
    if (core === undefined) count.core++
    if (full === undefined) count.full++
    const worst = core ?? full
    if (worst !== undefined) failures.push(`${row.id} ${row.qname} ${row.qtype} (${core ? 'core' : 'full'}): ${worst}`)
  }
  console.log(JSON.stringify(Object.fromEntries(counts)))
  expect(failures.slice(0, 20).join('\n\n')).toBe('')
}

describeConformance('conformance of answers', () => {
  test('Ferret', () => {
    const cases = rows<Case>('ferret.jsonl.gz')
    const table = new Table()
    for (const row of cases)
      load(table, row.origin ?? '', (row.zone ?? '').split('\n').filter(Boolean), `t${row.id}.zz.`)
    run(table, cases, (row) => `t${row.id}.zz.`)
  })

  const manifest = () => document<{ suites: { name: string; suffixes?: Record<string, string> }[] }>('manifest.json')
  for (const suite of ['rfc4592', 'coredns']) {
    test(suite, () => {
      const suffixes = manifest().suites.find(({ name }) => name === suite)?.suffixes ?? {}
      const table = new Table()
      for (const { set, origin, text } of rows<{ set: string; origin: string; text: string }>(`${suite}-zones.jsonl`))
        load(table, origin, text.split('\n').filter(Boolean), suffixes[set] ?? '')
      run(table, rows<Case>(`${suite}.jsonl`), ({ set }) => suffixes[set ?? ''] ?? '')
    })
  }
})
