/** Header and EDNS bits (RFC 8906), malformed input, and rdata of every type, against the server without its sockets. */
import { expect, test } from 'vitest'
import { readMaster } from '../src/dns/master.ts'
import { decodeMessage, encodeMessage, isMalformed, messageOf } from '../src/dns/message.ts'
import { nameFromText, root } from '../src/dns/name.ts'
import { Class, rcodeText, Type, typeFromText } from '../src/dns/types.ts'
import { handleRequest, type Requester } from '../src/serve/request.ts'
import { defaultLimits } from '../src/serve/settings.ts'
import { Stats } from '../src/serve/stats.ts'
import { describeConformance, document, rows } from './support/conformance.ts'
import { apexRecords, ask, replyTo, tableOf, wire, zoneFromRecords, zoneFromText } from './support/serve.ts'

interface Bits {
  readonly id: string
  readonly query: Readonly<Record<'opcode' | 'rd' | 'ad' | 'cd' | 'aa' | 'ra' | 'tc' | 'z', number>> & {
    readonly tcp: boolean
    readonly header_only?: boolean
    readonly qtype?: string | null
    readonly edns: {
      version: number
      size: number
      do: number
      flags: number
      options: readonly [number, string][]
    } | null
  }
  readonly expect: {
    readonly rcode: string
    readonly aa?: number
    readonly opt: boolean
    readonly opt_version?: number
    readonly opt_z?: number
    readonly soa_in_answer?: boolean
    readonly answer_empty?: boolean
    readonly empty_sections?: boolean
    readonly must_clear?: readonly Flag[]
    readonly must_set?: readonly Flag[]
    readonly max_size?: number
    readonly opcode_echoed?: number
    readonly option_not_echoed?: number
  }
}
type Flag = 'aa' | 'rd' | 'ra' | 'ad' | 'cd' | 'z'

const zone = zoneFromText('example.', apexRecords())

function bytesOf({ query }: Bits): Uint8Array {
  const flag = (name: keyof typeof query) => query[name] === 1
  const type = query.qtype == null ? undefined : (typeFromText(query.qtype) ?? unknownTypes[query.qtype])
  if (!query.header_only && type === undefined) throw new Error(`no type ${query.qtype}`)
  return encodeMessage(
    messageOf({
      id: 99,
      opcode: query.opcode,
      aa: flag('aa'),
      tc: flag('tc'),
      rd: flag('rd'),
      ra: flag('ra'),
      z: flag('z'),
      ad: flag('ad'),
      cd: flag('cd'),
      questions: query.header_only ? [] : [{ name: wire('example.'), type: type as number, class: Class.IN }],
      edns: query.edns && {
        udpSize: query.edns.size,
        version: query.edns.version,
        extendedRcode: 0,
        do: query.edns.do === 1,
        flags: query.edns.flags,
        options: query.edns.options.map(([code, hex]) => ({ code, data: Buffer.from(hex, 'hex') })),
      },
    }),
  )
}

/** Types of the list that Holdfast has no mnemonic for. */
const unknownTypes: Readonly<Record<string, number>> = {
  X25: 19,
  ISDN: 20,
  NSAP: 22,
  'NSAP-PTR': 23,
  GPOS: 27,
  A6: 38,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
  AVC: 258,
  DOA: 259,
  DLV: 32_769,
}

describeConformance('conformance of input', () => {
  test.each(document<{ cases: Bits[] }>('rfc8906.json').cases.map((row) => [row.id, row] as const))(
    'RFC 8906: %s',
    (_, row) => {
      const bytes = replyTo(tableOf(zone), bytesOf(row), { tcp: row.query.tcp })
      if (bytes === undefined) throw new Error('no reply')
      const reply = decodeMessage(bytes)
      if (isMalformed(reply)) throw new Error(reply.reason)
      const wanted = row.expect
      expect(wanted.rcode.split('|')).toContain(rcodeText(reply.rcode))
      expect(reply.id).toBe(99)
      if (wanted.aa !== undefined) expect(reply.aa).toBe(wanted.aa === 1)
      expect(reply.edns !== null).toBe(wanted.opt)
      if (wanted.opt_version !== undefined) expect(reply.edns?.version).toBe(wanted.opt_version)
      if (wanted.opt_z !== undefined) expect(reply.edns?.flags).toBe(wanted.opt_z)
      if (wanted.soa_in_answer !== undefined)
        expect(reply.answers.some(({ type }) => type === Type.SOA)).toBe(wanted.soa_in_answer)
      if (wanted.answer_empty) expect(reply.answers).toEqual([])
      if (wanted.empty_sections)
        expect([reply.questions, reply.answers, reply.authorities, reply.additionals].flat()).toEqual([])
      for (const flag of wanted.must_clear ?? []) expect(reply[flag], flag).toBe(false)
      for (const flag of wanted.must_set ?? []) expect(reply[flag], flag).toBe(true)
      if (wanted.max_size !== undefined) expect(bytes.length).toBeLessThanOrEqual(wanted.max_size)
      if (wanted.opcode_echoed !== undefined) expect(reply.opcode).toBe(wanted.opcode_echoed)
      if (wanted.option_not_echoed !== undefined)
        expect(reply.edns?.options.map(({ code }) => code)).not.toContain(wanted.option_not_echoed)
    },
  )

  test('malformed messages and names are answered or dropped', async () => {
    const table = tableOf(zone)
    const stats = new Stats(() => 0)
    const context = {
      table,
      updater: { submit: () => Promise.reject(new Error('an unsigned update got through')), drain: async () => {} },
      keys: new Map(),
      allowed: new Map(),
      limits: defaultLimits,
      stats,
      trace: () => {},
      random: () => 1,
      nowSeconds: () => 1_800_000_000,
      nowMs: () => 0,
    }
    let [messages, replies, refused, accepted] = [0, 0, 0, 0]
    for (const row of rows<{ kind: string; hex?: string; text?: string }>('fuzz.jsonl.gz')) {
      if (row.kind === 'zone-text') {
        const read = readMaster(row.text ?? Buffer.from(row.hex ?? '', 'hex').toString('latin1'), {
          origin: wire('example.'),
        })
        if ('kind' in read) refused++
        else accepted++
      }
      if (row.kind !== 'message' && row.kind !== 'name') continue
      const hex = Buffer.from(row.hex ?? '', 'hex')
      const bytes = row.kind === 'message' ? hex : Buffer.concat([Buffer.from('000100000001000000000000', 'hex'), hex])
      for (const tcp of [false, true]) {
        messages++
        const sent: Uint8Array[] = []
        const direct = replyTo(table, bytes, { tcp })
        if (direct !== undefined) sent.push(direct)
        const requester: Requester = { tcp, client: '', send: (reply) => sent.push(reply) > 0 || true }
        await handleRequest(context, bytes, requester)
        if (bytes.length > 2 && (bytes[2] as number) >= 0x80) expect(sent).toEqual([])
        for (const reply of sent) {
          replies++
          expect(isMalformed(decodeMessage(reply)), Buffer.from(reply).toString('hex')).toBe(false)
        }
      }
    }
    console.log(JSON.stringify({ messages, replies, zoneTexts: { refused, accepted } }))
    expect(messages).toBeGreaterThan(100)
    expect(replies).toBeGreaterThan(50)
  })

  test('rdata of every type is served unchanged, and what is invalid is refused', () => {
    interface Rdata {
      readonly id: number
      readonly type: string
      readonly typenum: number | null
      readonly kind: 'text' | 'wire'
      readonly valid: boolean
      readonly text?: string
      readonly hex: string | null
      readonly serve: boolean
      readonly score: boolean
    }
    const counts = { served: 0, refused: 0, unscored: 0 }
    const failures: string[] = []
    for (const row of rows<Rdata>('rdata.jsonl')) {
      if (!row.score || row.typenum === null) {
        counts.unscored++
        continue
      }
      const generic = `\\# ${(row.hex ?? '').length / 2} ${row.hex ?? ''}`
      const line = `name.example. 60 IN TYPE${row.typenum} ${row.kind === 'wire' ? generic : row.text}`
      const read = readMaster(row.kind === 'wire' ? line : line.replace(`TYPE${row.typenum}`, row.type), {
        origin: root,
      })
      if (!row.valid) {
        if ('kind' in read) counts.refused++
        else failures.push(`${row.id}: invalid ${row.kind} was taken: ${line}`)
        continue
      }
      if (!row.serve) continue
      if ('kind' in read) {
        failures.push(`${row.id}: valid ${row.kind} was refused: ${line}: ${read.problems[0].expected}`)
        continue
      }
      const apex = readMaster(apexRecords(), { origin: nameFromText('example.') ?? root })
      if ('kind' in apex) throw new Error('apex')
      const reply = ask(tableOf(zoneFromRecords('example.', [...apex, ...read])), 'name.example.', row.typenum, {
        tcp: true,
      })
      const hex = Buffer.from(reply.answers[0]?.data ?? []).toString('hex')
      if (row.hex !== null && hex !== row.hex.toLowerCase()) failures.push(`${row.id}: served ${hex}, not ${row.hex}`)
      else counts.served++
    }
    console.log(JSON.stringify(counts))
    expect(failures.join('\n')).toBe('')
  })
})
