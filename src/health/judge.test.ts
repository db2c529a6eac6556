import { describe, expect, test } from 'vitest'
import { utf8 } from '../base/bytes.ts'
import { messageOf } from '../dns/message.ts'
import type { WireName } from '../dns/name.ts'
import { aData } from '../dns/rdata.ts'
import type { DnsCheck, HttpCheck } from '../model/check.ts'
import type { Name } from '../model/name.ts'
import type { Failure } from '../world/world.ts'
import { judgeDns, judgeFailure, judgeHttp } from './judge.ts'

const pass = { kind: 'pass' }
const fail = (detail: string) => ({ kind: 'fail', detail })

describe('HTTP', () => {
  const check: HttpCheck = { kind: 'http', port: 80, path: '/', host: null, status: [200, 204] }
  const reply = (status: number, body = '') => ({ status, body: utf8(body) })
  test.each([
    [check, reply(204), pass],
    [check, reply(503), fail('expected status 200 or 204, found 503')],
    [{ ...check, body: { kind: 'contains', text: 'ok' } } as const, reply(200, 'all ok'), pass],
    [
      { ...check, body: { kind: 'contains', text: '"ok"' } } as const,
      reply(200, 'under maintenance'),
      fail('expected a body that contains "\\"ok\\"", found "under maintenance"'),
    ],
    [{ ...check, body: { kind: 'matches', text: '^(?:up|ok)$' } } as const, reply(200, 'ok'), pass],
    [
      { ...check, body: { kind: 'matches', text: '^ok$' } } as const,
      reply(200),
      fail('expected a body that matches "^ok$", found nothing'),
    ],
  ])('%j %j', (asked, found, look) => {
    expect(judgeHttp(asked, found)).toEqual(look)
  })
  test('what cannot be read is not thrown', () => {
    const asked = { ...check, body: { kind: 'contains', text: 'ok' } } as const
    expect(judgeHttp(asked, { status: 200, body: Uint8Array.of(0xff, 0xfe, 0) }).kind).toBe('fail')
  })
})

test.each<[Failure['reason'], string, object]>([
  ['timeout', '', fail('no answer in time')],
  ['refused', 'connect ECONNREFUSED', fail('connection refused: connect ECONNREFUSED')],
  ['unreachable', '', fail('unreachable')],
  ['exhausted', 'EMFILE', { kind: 'could-not-look', why: 'no socket or port is left here: EMFILE' }],
])('%s %j', (reason, detail, look) => {
  expect(judgeFailure({ kind: 'failure', reason, detail })).toEqual(look)
})

describe('DNS', () => {
  const check: DnsCheck = {
    kind: 'dns',
    port: 53,
    name: 'db.example.test.' as Name,
    type: 'A',
    transport: 'udp',
    rcode: 'NOERROR',
    answer: ['192.0.2.1'],
  }
  const record = (address: string) => ({
    name: 'db.example.test.' as unknown as WireName,
    type: 1,
    class: 1,
    ttl: 60,
    data: aData(address),
  })
  const reply = (rcode: number, ...addresses: string[]) =>
    messageOf({ qr: true, rcode, answers: addresses.map(record) })
  test.each([
    [check, reply(0, '192.0.2.2', '192.0.2.1'), pass],
    [check, reply(0, '192.0.2.2'), fail('expected A 192.0.2.1, found 192.0.2.2')],
    [check, reply(0), fail('expected A 192.0.2.1, found no A record')],
    [check, reply(3), fail('expected NOERROR, found NXDOMAIN')],
    [{ ...check, answer: [] }, reply(0), pass],
    [{ ...check, answer: [], rcode: 'NXDOMAIN' }, reply(3), pass],
  ])('%j', (asked, found, look) => {
    expect(judgeDns(asked, found)).toEqual(look)
  })
})
