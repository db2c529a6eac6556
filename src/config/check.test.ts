import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCheck } from './check.ts'
import type { Path } from './problems.ts'
import { shapeOf } from './shape.ts'

/** The check of a pool, and what is said about it. */
function read(check: unknown) {
  const pools = { web: { check, targets: { a: { site: 's', addresses: '192.0.2.1' } } } }
  const { shape, findings } = shapeOf({ owner: 'test', zones: {}, pools })
  const said = findings.map(
    ({ where, expected, found, todo }) => `${(where as Path).join('.')}: ${expected}; ${found}; ${todo}`,
  )
  const pool = shape?.pools.web
  const value =
    pool === undefined
      ? undefined
      : readCheck(pool.check, ['check'], (where, expected, found, todo) =>
          said.push(`${where.join('.')}: ${expected}; ${found}; ${todo}`),
        )
  return { value, said }
}

describe('a check', () => {
  test.each([
    ['none', { kind: 'none' }],
    [{ tcp: { port: 5432 } }, { kind: 'tcp', port: 5432 }],
    // What is as it comes is left out: a configuration of before has the digest of before.
    [{ http: { port: 80 } }, { kind: 'http', port: 80, path: '/', host: null, status: [200] }],
    [
      {
        http: {
          port: 443,
          path: '/healthz',
          host: 'db.example.test',
          method: 'GET',
          status: [204, 200, 200],
          matches: '^ok',
          headers: { 'X-Probe': 'holdfast', Authorization: { env: 'HOLDFAST_PROBE', prefix: 'Bearer ' } },
          tls: { ca: 'ca.pem', daysLeft: 14 },
        },
      },
      {
        kind: 'http',
        port: 443,
        path: '/healthz',
        host: 'db.example.test',
        status: [200, 204],
        headers: [
          { name: 'authorization', secret: { kind: 'env', env: 'HOLDFAST_PROBE' }, prefix: 'Bearer ' },
          { name: 'x-probe', value: 'holdfast' },
        ],
        body: { kind: 'matches', text: '^ok' },
        tls: { serverName: null, verify: true, ca: 'ca.pem', daysLeft: 14 },
      },
    ],
    [
      { tls: { port: 443, serverName: 'db.example.test', verify: false } },
      { kind: 'tls', port: 443, tls: { serverName: 'db.example.test', verify: false, ca: null, daysLeft: 0 } },
    ],
    [
      { dns: { name: 'DB.example.test', type: 'a', rcode: 'noerror', answer: '192.0.2.1' } },
      {
        kind: 'dns',
        port: 53,
        name: 'db.example.test.',
        type: 'A',
        transport: 'udp',
        rcode: 'NOERROR',
        answer: ['192.0.2.1'],
      },
    ],
    [{ grpc: { port: 50051 } }, { kind: 'grpc', port: 50051, service: '', host: null }],
    [
      { command: { run: ['./check', '-H', '{address}', '-p{port}'], port: 5432 } },
      { kind: 'command', run: ['./check', '-H', '{address}', '-p{port}'], port: 5432 },
    ],
  ])('%j', (check, expected) => {
    expect(read(check)).toEqual({ value: expected, said: [] })
  })

  test.each([
    [{}, 'check: one of http, tcp, tls, dns, grpc, command; none of them; keep one, or write none'],
    [{ htp: { port: 80 } }, 'check.htp: one of http, tcp, tls, dns, grpc, command; "htp"; did you mean "http"?'],
    [{ http: { port: 80, contains: 'a', matches: 'b' } }, 'check.http: one of contains and matches; both; keep one'],
    [
      { http: { port: 80, method: 'HEAD', contains: 'a' } },
      'check.http.method: GET where the body is looked at; HEAD, whose answers have none; write GET',
    ],
    [{ http: { port: 80, matches: '(a' } }, 'check.http.matches: a ) for each (; the end; correct the pattern'],
    [
      { http: { port: 80, matches: '(?=a)' } },
      'check.http.matches: a group ( ) or (?: ); (?=a, which is not understood; correct the pattern',
    ],
    [
      { http: { port: 80, headers: { host: 'a' } } },
      'check.http.headers.host: a header that does not steer the connection; "host"; use host',
    ],
    [
      { http: { port: 80, headers: { 'X-A': 'a', 'x-a': 'b' } } },
      'check.http.headers.x-a: each header once; "x-a" again; keep one of the two',
    ],
    [
      { http: { port: 80, headers: { authorization: { file: 'a', env: 'HOLDFAST_A' } } } },
      'check.http.headers.authorization: one of file and env; both; keep one',
    ],
    [
      { dns: { name: 'a..b' } },
      'check.dns.name: labels of 1 to 63 letters, digits, "-" and "_", not starting or ending with "-"; "a..b"; correct the name',
    ],
    [
      { dns: { name: 'a.test', rcode: 'NXDOMIAN' } },
      'check.dns.rcode: a response code, such as NOERROR or NXDOMAIN; "NXDOMIAN"; did you mean NXDOMAIN?',
    ],
    [
      { dns: { name: 'a.test', type: 'AXFR' } },
      'check.dns.type: a type of record, such as A, AAAA or SOA; "AXFR"; correct it',
    ],
    [
      { dns: { name: 'a.test', answer: ['192.0.2.1', 'x'] } },
      'check.dns.answer.1: data of a record of type A; "x"; correct it',
    ],
    [
      { command: { run: ['./check', '{port}'] } },
      'check.command.run.1: a port for {port}; none; add port to the command',
    ],
    [
      { command: { run: ['./check', '{adress}'] } },
      'check.command.run.1: one of {address}, {port}, {target}, {pool}; "{adress}"; did you mean {address}?',
    ],
  ])('%j is refused', (check, expected) => {
    const { value, said } = read(check)
    expect(said.map((one) => one.replace('pools.web.', ''))).toEqual([expected])
    if (expected.startsWith('check.htp')) return
    expect(value).toBeUndefined()
  })

  test.each([
    [{ http: { port: 80, headers: { Authorization: 'Bearer h4nd-written' } } }],
    [{ http: { port: 80, headers: { 'X-Api-Key': 'h4nd-written' } } }],
    [{ http: { port: 80, headers: { 'X-Anything': 'h4nd-written\n' } } }],
    [{ http: { port: 80, headers: 'h4nd-written' } }],
    [{ http: { port: 80, headers: { 'X-Anything': { file: 'a', prefix: 'h4nd-written\n' } } } }],
  ])('a secret that somebody wrote down is not repeated', (check) => {
    const { said } = read(check)
    expect(said.length).toBeGreaterThan(0)
    expect(said.join()).not.toContain('h4nd')
  })

  test('whatever is written is a check or a finding', () => {
    const words = fc.constantFrom(
      'http',
      'tls',
      'dns',
      'grpc',
      'command',
      'port',
      'name',
      'headers',
      'matches',
      'run',
      'file',
    )
    const anything = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<unknown>(1, 80, '', 'a', '(', 'a.test', null, true, -1, '{port}'),
        fc.dictionary(words, tie('value'), { maxKeys: 3 }),
        fc.array(tie('value'), { maxLength: 3 }),
      ),
    })).value
    fc.assert(
      fc.property(anything, (check) => {
        const { value, said } = read(check)
        expect(value !== undefined || said.length > 0).toBe(true)
      }),
    )
  })
})
