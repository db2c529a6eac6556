import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { apexRecords, ask, tableOf, update, updateFrom, wire, zoneFromText } from '../../test/support/serve.ts'
import { encodeMessage } from '../dns/message.ts'
import { rdataToText } from '../dns/rdata.ts'
import { Rcode, Type } from '../dns/types.ts'
import { type Marker, markerStrings } from '../model/marker.ts'
import { markerOf } from './guarded.ts'
import type { Table } from './table.ts'
import { applyUpdate } from './update.ts'
import { sameRecords, type Zone, zoneFromNames } from './zone.ts'

const marker = (generation: number, { digest = '0123456789abcdef', retired = false } = {}): string =>
  ['v=holdfast1', `g=${generation}`, `d=${digest}`, 'o=test', ...(retired ? ['k=retired'] : [])]
    .map((part) => `"${part}"`)
    .join(' ')

/** `db` and `v6` with addresses, `www` an alias of `db`, `old` retired; all guarded, generation 5. */
const guardedZone = () =>
  tableOf(
    zoneFromText(
      'example.test.',
      `${apexRecords()}
db 5 IN A 192.0.2.1
db 5 IN A 192.0.2.2
_holdfast.db 5 IN TXT ${marker(5)}
v6 5 IN AAAA 2001:db8::1
_holdfast.v6 5 IN TXT ${marker(5)}
www 5 IN CNAME db
_holdfast.www 5 IN TXT ${marker(5)}
_holdfast.old 5 IN TXT ${marker(5, { retired: true })}
free 5 IN A 192.0.2.9
chain 5 IN CNAME free
*.wild 5 IN A 192.0.2.7
`,
    ),
  )

const zoneLine = 'zone example.test.'

/** NOERROR, or the guard that refused, or the RCODE. */
function outcome(table: Table, ...lines: string[]): string | number {
  const result = update(table, [zoneLine, ...lines])
  return result.kind === 'accepted' ? 'NOERROR' : (result.guard ?? result.rcode)
}

const setMarker = (name: string, ...args: Parameters<typeof marker>) => [
  `update delete _holdfast.${name}.example.test. TXT`,
  `update add _holdfast.${name}.example.test. 5 TXT ${marker(...args)}`,
]

describe('the marker', () => {
  test.each([
    ['deleted', ['update delete _holdfast.db.example.test. TXT'], 'marker-kept'],
    ['deleted with its name', ['update delete _holdfast.db.example.test.'], 'marker-kept'],
    [
      'replaced by other text',
      ['update delete _holdfast.db.example.test. TXT', 'update add _holdfast.db.example.test. 5 TXT "hello"'],
      'marker-kept',
    ],
    ['doubled', [`update add _holdfast.db.example.test. 5 TXT ${marker(9)}`], 'marker-kept'],
    ['older', setMarker('db', 4), 'generation-forward'],
    [
      'of the same generation with another digest',
      setMarker('db', 5, { digest: 'ffffffffffffffff' }),
      'generation-says-all',
    ],
    [
      'of the same generation, retired',
      [...setMarker('db', 5, { retired: true }), 'update delete db.example.test. A'],
      'generation-says-all',
    ],
    ['newer', setMarker('db', 6), 'NOERROR'],
    ['the same again', setMarker('db', 5), 'NOERROR'],
    ['of a retired name, older', setMarker('old', 4, { retired: true }), 'generation-forward'],
    ['of a retired name, deleted', ['update delete _holdfast.old.example.test.'], 'marker-kept'],
  ])('%s', (_, lines, expected) => {
    expect(outcome(guardedZone(), ...lines)).toBe(expected)
  })
})

describe('a guarded name', () => {
  test.each([
    ['loses one of its addresses', ['update delete db.example.test. A 192.0.2.1'], 'NOERROR'],
    ['gains an address', ['update add db.example.test. 5 A 192.0.2.3'], 'NOERROR'],
    ['loses all addresses', ['update delete db.example.test. A'], 'never-empty'],
    [
      'loses its addresses one by one',
      ['update delete db.example.test. A 192.0.2.1', 'update delete db.example.test. A 192.0.2.2'],
      'never-empty',
    ],
    ['is deleted', ['update delete v6.example.test.'], 'never-empty'],
    ['loses all with a newer marker', [...setMarker('v6', 6), 'update delete v6.example.test. AAAA'], 'never-empty'],
    [
      'has its addresses replaced',
      ['update delete v6.example.test. AAAA', 'update add v6.example.test. 5 AAAA 2001:db8::2'],
      'NOERROR',
    ],
    ['changes family', ['update delete v6.example.test. AAAA', 'update add v6.example.test. 5 A 192.0.2.8'], 'NOERROR'],
    [
      'becomes an alias',
      ['update delete v6.example.test. AAAA', 'update add v6.example.test. 5 CNAME db.example.test.'],
      'NOERROR',
    ],
    ['is retired', [...setMarker('v6', 6, { retired: true }), 'update delete v6.example.test. AAAA'], 'NOERROR'],
    ['is delegated', ['update add v6.example.test. 5 NS ns.elsewhere.example.'], 'never-hidden'],
    [
      'is hidden by a delegation above',
      [
        `update add sub.hidden.example.test. 5 A 192.0.2.1`,
        `update add _holdfast.sub.hidden.example.test. 5 TXT ${marker(5)}`,
        'update add hidden.example.test. 5 NS ns.elsewhere.example.',
      ],
      'never-hidden',
    ],
    ['is revived', [...setMarker('old', 6), 'update add old.example.test. 5 A 192.0.2.1'], 'NOERROR'],
    ['is revived without an address', setMarker('old', 6), 'never-empty'],
    ['is made without an address', [`update add _holdfast.new.example.test. 5 TXT ${marker(1)}`], 'never-empty'],
  ])('%s', (_, lines, expected) => {
    expect(outcome(guardedZone(), ...lines)).toBe(expected)
  })

  test('is hidden by a later delegation above', () => {
    const table = guardedZone()
    expect(
      outcome(
        table,
        'update add e.sub.example.test. 5 A 192.0.2.1',
        `update add _holdfast.e.sub.example.test. 5 TXT ${marker(1)}`,
      ),
    ).toBe('NOERROR')
    expect(outcome(table, 'update add sub.example.test. 5 NS ns.elsewhere.example.')).toBe('never-hidden')
    expect(outcome(table, 'update add other.example.test. 5 NS ns.elsewhere.example.')).toBe('NOERROR')
  })

  test('that is empty already may be changed and repaired', () => {
    const table = tableOf(
      zoneFromText('example.test.', `${apexRecords()}_holdfast.db 5 IN TXT ${marker(5)}\ndb 5 IN TXT "x"\n`),
    )
    expect(outcome(table, 'update delete db.example.test. TXT')).toBe('NOERROR')
    expect(outcome(table, 'update add db.example.test. 5 A 192.0.2.1')).toBe('NOERROR')
    expect(outcome(table, 'update delete db.example.test. A')).toBe('never-empty')
  })

  test('with damage for a marker is repaired', () => {
    const table = tableOf(zoneFromText('example.test.', `${apexRecords()}_holdfast.db 5 IN TXT "v=holdfast1" "g=x"\n`))
    expect(outcome(table, ...setMarker('db', 2), 'update add db.example.test. 5 A 192.0.2.1')).toBe('NOERROR')
  })
})

describe('a guarded alias', () => {
  const retire = (name: string, type: string) => [
    ...setMarker(name, 6, { retired: true }),
    `update delete ${name}.example.test. ${type}`,
  ]
  test.each([
    ['whose target is retired', retire('db', 'A'), 'target-kept'],
    ['that is retired with its target', [...retire('www', 'CNAME'), ...retire('db', 'A')], 'NOERROR'],
    ['that is led to nothing', ['update add www.example.test. 5 CNAME nothing.example.test.'], 'target-answers'],
    ['that is led to a retired name', ['update add www.example.test. 5 CNAME old.example.test.'], 'target-answers'],
    ['that is led to itself', ['update add www.example.test. 5 CNAME www.example.test.'], 'target-answers'],
    ['that is led to another name', ['update add www.example.test. 5 CNAME v6.example.test.'], 'NOERROR'],
    ['that is led to a name of a wildcard', ['update add www.example.test. 5 CNAME x.wild.example.test.'], 'NOERROR'],
    ['that is led to a name elsewhere', ['update add www.example.test. 5 CNAME www.elsewhere.example.'], 'NOERROR'],
  ])('%s', (_, lines, expected) => {
    expect(outcome(guardedZone(), ...lines)).toBe(expected)
  })

  test('keeps what it leads to, through others and through wildcards', () => {
    const table = guardedZone()
    expect(outcome(table, 'update add www.example.test. 5 CNAME chain.example.test.')).toBe('NOERROR')
    expect(outcome(table, 'update delete free.example.test.')).toBe('target-kept')
    expect(outcome(table, 'update add chain.example.test. 5 CNAME x.wild.example.test.')).toBe('NOERROR')
    expect(outcome(table, 'update delete free.example.test.')).toBe('NOERROR')
    expect(outcome(table, 'update delete *.wild.example.test. A')).toBe('target-kept')
    // A name of its own, or one below, would end what the wildcard gives.
    expect(outcome(table, 'update add x.wild.example.test. 5 TXT "here"')).toBe('target-kept')
    expect(outcome(table, 'update add y.x.wild.example.test. 5 A 192.0.2.1')).toBe('target-kept')
    expect(outcome(table, 'update add wild.example.test. 5 NS ns.elsewhere.example.')).toBe('NOERROR')
  })

  test('in another zone of the server counts', () => {
    const table = guardedZone()
    table.add(
      zoneFromText(
        'other.test.',
        `${apexRecords()}to 5 IN CNAME v6.example.test.\n_holdfast.to 5 IN TXT ${marker(1)}\n`,
      ),
    )
    expect(outcome(table, ...retire('v6', 'AAAA'))).toBe('target-kept')
  })
})

test('a refusal says name, expected and found', () => {
  const result = applyUpdate(guardedZone(), updateFrom([zoneLine, ...setMarker('db', 4)]))
  expect(result).toMatchObject({
    kind: 'refused',
    rcode: Rcode.REFUSED,
    reason: 'db.example.test.: expected generation 5 or later, found generation 4',
  })
})

// Random sequences over few names, so that they meet.

const hosts = ['db', 'v6', 'www', 'old', 'free', 'chain', 'x.wild', '*.wild', 'e.sub', 'sub', 'x.db', 'wild']
const host = fc.constantFrom(...hosts).map((name) => `${name}.example.test.`)
const anyMarker = fc
  .record({
    generation: fc.integer({ min: 3, max: 8 }),
    retired: fc.boolean(),
    digest: fc.constantFrom('0123456789abcdef', 'fedcba9876543210'),
  })
  .map(({ generation, ...rest }) => marker(generation, rest))
const change = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(host, fc.integer({ min: 1, max: 3 }))
      .map(([name, last]) => [`update add ${name} 5 A 192.0.2.${last}`]),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(host, fc.integer({ min: 1, max: 3 }))
      .map(([name, last]) => [`update delete ${name} A 192.0.2.${last}`]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(host, fc.constantFrom('A', 'AAAA', 'CNAME', 'TXT', 'NS', 'DNAME'))
      .map(([name, type]) => [`update delete ${name} ${type}`]),
  },
  { weight: 1, arbitrary: host.map((name) => [`update delete ${name}`]) },
  { weight: 2, arbitrary: fc.tuple(host, host).map(([name, target]) => [`update add ${name} 5 CNAME ${target}`]) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(host, fc.constantFrom('NS', 'DNAME'), host)
      .map(([name, type, target]) => [`update add ${name} 5 ${type} ${target}`]),
  },
  { weight: 1, arbitrary: host.map((name) => [`update add ${name} 5 TXT "text"`]) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(host, anyMarker)
      .map(([name, text]) => [`update delete _holdfast.${name} TXT`, `update add _holdfast.${name} 5 TXT ${text}`]),
  },
  { weight: 1, arbitrary: host.map((name) => [`update delete _holdfast.${name} TXT`]) },
)
const anyUpdate = fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => [zoneLine, ...changes.flat()])

const markers = (table: Table): Map<string, Marker> => {
  const found = new Map<string, Marker>()
  const zone = table.zones.get(wire('example.test.')) as Zone
  for (const name of hosts) {
    const one = markerOf(zone, wire(`${name}.example.test.`))
    if (one !== undefined) found.set(name, one)
  }
  return found
}

/** Asked as a client asks, so that this judgement shares nothing with the guards. */
function isAnswered(table: Table, name: string): boolean {
  const replies = [Type.A, Type.AAAA].map((type) => ask(table, name, type, { whole: true }))
  return replies.some(
    ({ answers, authorities, rcode, aa }) =>
      answers.some(({ type }) => type === Type.A || type === Type.AAAA) ||
      // The chain leaves this zone: a target elsewhere, or below a delegation.
      (rcode === Rcode.NOERROR &&
        answers.some(({ type }) => type === Type.CNAME) &&
        authorities.every(({ type }) => type !== Type.SOA) &&
        (authorities.length > 0 || !loops(answers))) ||
      (!aa && false),
  )
}

/** A circle of aliases comes back to a name it had. */
function loops(answers: ReturnType<typeof ask>['answers']): boolean {
  const last = answers.at(-1)
  return (
    last !== undefined &&
    answers.some(
      ({ name, type }) => type === Type.CNAME && rdataToText(Type.CNAME, last.data).toLowerCase() === text(name),
    )
  )
}
const text = (name: string) => rdataToText(Type.CNAME, Buffer.from(name, 'latin1')).toLowerCase()

function serial(table: Table): string {
  return rdataToText(Type.SOA, ask(table, 'example.test.', 'SOA').answers[0]?.data as Uint8Array)
}

function expectSame(zone: Zone, other: Zone): void {
  expect([...zone.nodes.keys()].sort()).toEqual([...other.nodes.keys()].sort())
  expect([zone.cuts, zone.records]).toEqual([other.cuts, other.records])
  for (const [key, node] of zone.nodes) {
    expect(node.children).toBe(other.nodes.get(key)?.children)
    expect(sameRecords(node, other.nodes.get(key))).toBe(true)
  }
}

test('whatever the updates, no guarded name goes back or empty; the serial rises with each change; the table is as if loaded anew', () => {
  const seen = { accepted: 0, guarded: 0, other: 0 }
  fc.assert(
    fc.property(fc.array(anyUpdate, { minLength: 1, maxLength: 25 }), (updates) => {
      const table = guardedZone()
      const zone = table.zones.get(wire('example.test.')) as Zone
      for (const lines of updates) {
        const before = markers(table)
        const oldSerial = serial(table)
        const nodes = new Map(zone.nodes)
        const message = updateFrom(lines)
        // Fits into what a client can send.
        expect(encodeMessage(message).length).toBeLessThan(65_536)
        const result = update(table, message)
        if (result.kind === 'refused') {
          if (result.guard !== null) seen.guarded++
          else seen.other++
          expect(zone.nodes).toEqual(nodes)
          continue
        }
        seen.accepted++
        expect(serial(table) !== oldSerial).toBe(result.changed)
        for (const [name, old] of before) {
          const now = markers(table).get(name)
          expect(now?.generation, name).toBeGreaterThanOrEqual(old.generation)
          if (now?.generation === old.generation) expect(markerStrings(now)).toEqual(markerStrings(old))
        }
        for (const [name, { retired }] of markers(table))
          if (!retired) expect(isAnswered(table, `${name}.example.test.`), name).toBe(true)
      }
      const anew = zoneFromNames(
        zone.apex,
        [...zone.nodes.values()]
          .filter(({ rrsets }) => rrsets.length > 0)
          .map(({ name, rrsets }) => [name, rrsets] as const),
      )
      expectSame(zone, anew)
      const index = tableOf(anew)
      const links = (one: Table) =>
        [...one.targets()].sort().map((target) => [target, [...one.aliasesOf(target)].sort()])
      expect(links(table)).toEqual(links(index))
    }),
    { numRuns: 300 },
  )
  // Nothing was shown if one of these never happened.
  expect(Math.min(seen.accepted, seen.guarded, seen.other)).toBeGreaterThan(20)
})
