import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyRecord } from '../../test/support/dns-arbitraries.ts'
import { describeProblem } from '../base/problem.ts'
import { masterLine, readMaster } from './master.ts'
import type { ResourceRecord } from './message.ts'
import { nameFromText, type WireName } from './name.ts'
import { validateRdata } from './rdata.ts'

const origin = nameFromText('example.test.') as WireName

function lines(text: string): string[] {
  const found = readMaster(text, { origin, file: 'f' })
  return 'kind' in found ? found.problems.map(describeProblem) : found.map(masterLine)
}

test('a zone with everything in it', () => {
  const text = `; comment
$TTL 1h
@   IN SOA ns1 hostmaster (
        2026112100 ; serial
        2h 15m 1w 5m )
    IN NS  ns1
       NS  ns2.elsewhere.test.
ns1    A   192.0.2.1
    60 IN AAAA 2001:db8::1
IN 30 A 192.0.2.9
www IN 1m30s CNAME @
$ORIGIN sub
a   TXT "one; two" three\\ four ( "five" )
*   MX  10 a
big TYPE65280 \\# 2 ABcd
\\097\\.b 5 PTR .
`
  expect(lines(text)).toEqual([
    'example.test. 3600 IN SOA ns1.example.test. hostmaster.example.test. 2026112100 7200 900 604800 300',
    'example.test. 3600 IN NS ns1.example.test.',
    'example.test. 3600 IN NS ns2.elsewhere.test.',
    'ns1.example.test. 3600 IN A 192.0.2.1',
    'ns1.example.test. 60 IN AAAA 2001:db8::1',
    'IN.example.test. 30 IN A 192.0.2.9',
    'www.example.test. 90 IN CNAME example.test.',
    'a.sub.example.test. 3600 IN TXT "one; two" "three four" "five"',
    '*.sub.example.test. 3600 IN MX 10 a.sub.example.test.',
    'big.sub.example.test. 3600 IN TYPE65280 \\# 2 ABCD',
    'a\\.b.sub.example.test. 5 IN PTR .',
  ])
})

test('without $TTL: the TTL before, and for the SOA its own MINIMUM', () => {
  expect(lines('@ SOA . . 1 2 3 4 77\n NS .\n 5 A 192.0.2.1\nb A 192.0.2.1')).toEqual([
    'example.test. 77 IN SOA . . 1 2 3 4 77',
    'example.test. 77 IN NS .',
    'example.test. 5 IN A 192.0.2.1',
    'b.example.test. 5 IN A 192.0.2.1',
  ])
})

test('line ends of other systems, no line end at the end, tabs', () => {
  expect(lines('a\t5\tA\t192.0.2.1\r\nb 5 A 192.0.2.2')).toHaveLength(2)
})

describe('all problems are reported, each with its line', () => {
  test.each([
    ['a 5 A 1.2.3', 'f:1 (A): expected an IPv4 address'],
    ['a A 192.0.2.1', 'f:1: expected a TTL'],
    [' 5 A 192.0.2.1', 'f:1: expected an owner name'],
    ['\n\na..b 5 A 192.0.2.1', 'f:3: expected a domain name as owner, found a..b'],
    ['a 5 CH A 192.0.2.1', 'f:1: expected class IN, found CH'],
    ['a 2147483648 A 192.0.2.1', 'f:1: expected a TTL from 0 to 2147483647'],
    ['a 5x A 192.0.2.1', 'f:1: expected a TTL'],
    ['a 5 BOGUS x', 'f:1: expected a record type'],
    ['a 5', 'f:1: expected a record type such as A or TYPE65280, found nothing'],
    ['$INCLUDE other', 'f:1: expected $ORIGIN or $TTL, found $INCLUDE; write out'],
    ['$GENERATE 1-2 a A 1.2.3.4', 'found $GENERATE; write out'],
    ['$NONE x', 'f:1: expected $ORIGIN or $TTL, found $NONE'],
    ['$TTL', 'f:1: expected one time'],
    ['$TTL -1', 'f:1: expected one time'],
    ['$ORIGIN a b', 'f:1: expected one domain name'],
    ['a 5 TXT "open\nb 5 A 192.0.2.1', 'a quotation mark that is not closed'],
    ['a 5 TXT (open\nb 5 A 192.0.2.1', '"(" without ")"'],
    ['a 5 TXT x)', '")" without "("'],
    ['a 5 TXT x\\', 'a backslash at the end of a line'],
  ])('%j', (text, expected) => {
    const found = lines(text)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(expected)
  })

  test('several at once, with the good lines between them passed over', () => {
    expect(lines('a 5 A x\nb 5 A 192.0.2.1\nc 5 A "open\nd 5 NOPE x').map((line) => line.slice(0, 4))).toEqual([
      'f:1 ',
      'f:3:',
      'f:4:',
    ])
  })

  test('at most a hundred', () => {
    expect(lines('x\n'.repeat(500))).toHaveLength(100)
  })
})

test('what is written is read back', () => {
  const records = fc.array(
    anyRecord
      .map((record): ResourceRecord => ({ ...record, class: 1, ttl: record.ttl & 0x7fff_ffff }))
      .filter(({ type, data }) => validateRdata(type, data)),
    { maxLength: 10 },
  )
  fc.assert(
    fc.property(records, (all) => {
      expect(readMaster(all.map(masterLine).join('\n'), { origin })).toEqual(all)
    }),
  )
})

test('any text is read without an exception', () => {
  const piece = fc.constantFrom(
    'a',
    ' ',
    '\n',
    '(',
    ')',
    '"',
    '\\',
    ';',
    '$TTL ',
    '5 ',
    'A ',
    '192.0.2.1',
    'TXT ',
    '\\#',
    '@',
    '\t',
    '=',
    'é',
    '\u{1f600}',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      readMaster(pieces.join(''), { origin })
    }),
    { numRuns: 2000 },
  )
})
