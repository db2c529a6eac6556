import { rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { base, changed, env, home, right, said, withEndpoints } from '../../test/support/config.ts'
import { describeProblem } from '../base/problem.ts'
import type { Name } from '../model/name.ts'
import { usualDetection, usualLimits } from '../model/policy.ts'
import { configBytesAtMost, loadConfig } from './config.ts'

describe('a right configuration', () => {
  test('is the policy in the words of the model', () => {
    const { policy, server, keys, store, serverHttp, http, programs } = right(
      withEndpoints(
        'WWW.example.test.: { alias: db.example.test }\nfix.example.test: { addresses: [192.0.2.1*3, 2001:DB8::1], adopt: true }',
      ),
    )
    expect(policy.owner).toBe('quickstart')
    expect([...policy.zones.values()]).toEqual([
      {
        name: 'example.test.',
        authority: { kind: 'builtin', address: { host: '127.0.0.1', port: 5300 } },
        key: 'holdfast.',
      },
    ])
    expect([...policy.endpoints.values()]).toEqual([
      { name: 'db.example.test.', zone: 'example.test.', ttl: 5, from: { kind: 'pool', pool: 'web' }, adopt: false },
      {
        name: 'www.example.test.',
        zone: 'example.test.',
        ttl: 60,
        from: { kind: 'alias', of: 'db.example.test.' },
        adopt: false,
      },
      {
        name: 'fix.example.test.',
        zone: 'example.test.',
        ttl: 60,
        from: {
          kind: 'addresses',
          addresses: [
            { address: '192.0.2.1', weight: 3 },
            { address: '2001:db8::1', weight: 100 },
          ],
        },
        adopt: true,
      },
    ])
    expect(policy.pools.get('web')).toMatchObject({
      timeoutMs: 1000,
      check: { kind: 'http', port: 8080, path: '/', host: null, status: [200] },
      ...usualDetection,
      limits: usualLimits,
      targets: [
        { id: 'east', site: 'east', addresses: ['127.0.0.11'], capacity: 100 },
        { id: 'west', site: 'west', addresses: ['127.0.0.12', '::1'], capacity: 50 },
        { id: 'north', site: 'north', addresses: ['127.0.0.13'], capacity: 100 },
      ],
    })
    expect(keys.get('holdfast.' as Name)?.algorithm).toBe('hmac-sha256')
    expect(server).toMatchObject({ listen: [{ host: '127.0.0.1', port: 5300 }], dir: join(home, 'state/server') })
    expect(server?.zones).toMatchObject([
      {
        name: 'example.test.',
        ns: ['ns1.example.test.'],
        records: 'ns1.example.test. 3600 IN A 127.0.0.1\n',
        keys: ['\bholdfast\0'],
      },
    ])
    expect(server?.zones[0]?.soa).toEqual({
      mname: 'ns1.example.test.',
      rname: 'hostmaster.example.test.',
      refresh: 3600,
      retry: 600,
      expire: 604_800,
      minimum: 30,
      ttl: 3600,
    })
    expect(store.path).toBe(join(home, 'state/store'))
    expect([serverHttp, http, programs]).toEqual([null, null, { planners: 1, enactors: 3, probers: 1, balancers: 1 }])
  })

  test('may live without a server of its own, in several zones, the longest of which counts', () => {
    const { policy, server } = right(`owner: a
keys: { k: { secret: { env: HOLDFAST_KEY } }, l: { secret: { env: HOLDFAST_KEY } } }
zones:
  example.test: { authority: { rfc2136: 192.0.2.53 }, key: k }
  sub.example.test: { authority: { rfc2136: "[2001:db8::53]:5353" }, key: l }
endpoints:
  a.sub.example.test: { addresses: 192.0.2.1 }
`)
    expect(server).toBeNull()
    expect(policy.endpoints.get('a.sub.example.test.' as Name)?.zone).toBe('sub.example.test.')
    expect(policy.zones.get('example.test.' as Name)?.authority).toEqual({
      kind: 'rfc2136',
      address: { host: '192.0.2.53', port: 53 },
    })
    expect(policy.zones.get('sub.example.test.' as Name)?.authority).toEqual({
      kind: 'rfc2136',
      address: { host: '2001:db8::53', port: 5353 },
    })
  })

  test('has a digest of its meaning, not of its text', () => {
    const digest = (text: string) => right(text).policy.digest
    const twice = withEndpoints('www.example.test: { alias: db.example.test }')
    const moved = base.replace(
      '  db.example.test:',
      '  www.example.test: { alias: DB.example.test. }\n  db.example.test:',
    )
    expect(digest(`# a comment\n${twice}`)).toBe(digest(moved))
    for (const [from, to] of [
      ['ttl: 5', 'ttl: 6'],
      ['capacity: 50', 'capacity: 51'],
      ['site: north', 'site: south'],
      ['owner: quickstart', 'owner: other'],
      ['port: 8080', 'port: 8081'],
      ['5300', '5301'],
    ] as const)
      expect(digest(twice.replace(from, to)), to).not.toBe(digest(twice))
  })

  test('merges with << and reuses anchors, with places where things are written', () => {
    const text = base.replace(
      '      north: { site: north, addresses: 127.0.0.13 }',
      '      north: &north { site: north, addresses: 127.0.0.13 }\n      south: { <<: *north, addresses: 127.0.0.14 }',
    )
    expect(right(text).policy.pools.get('web')?.targets[3]).toEqual({
      id: 'south',
      site: 'north',
      addresses: ['127.0.0.14'],
      capacity: 100,
    })
    expect(said(text.replace('site: north, ', 'site: "", '))).toEqual([
      expect.stringContaining('holdfast.yaml:12:29: pools.web.targets.north.site: expected a site'),
      expect.stringContaining('holdfast.yaml:12:29: pools.web.targets.south.site: expected a site'),
    ])
  })

  test('takes endpoints in bulk from a file', () => {
    const { policy, modified } = right(`${base}endpointsFrom: [more.txt]\n`, {
      'more.txt':
        '# more\n\na.example.test 60 pool web\nb.example.test\t30 alias a.example.test\r\nc.example.test 9 addresses 192.0.2.1 192.0.2.2*7 adopt',
    })
    expect([...policy.endpoints.values()].slice(1)).toEqual([
      { name: 'a.example.test.', zone: 'example.test.', ttl: 60, from: { kind: 'pool', pool: 'web' }, adopt: false },
      {
        name: 'b.example.test.',
        zone: 'example.test.',
        ttl: 30,
        from: { kind: 'alias', of: 'a.example.test.' },
        adopt: false,
      },
      {
        name: 'c.example.test.',
        zone: 'example.test.',
        ttl: 9,
        from: {
          kind: 'addresses',
          addresses: [
            { address: '192.0.2.1', weight: 100 },
            { address: '192.0.2.2', weight: 7 },
          ],
        },
        adopt: true,
      },
    ])
    expect(Math.abs(Date.now() - modified)).toBeLessThan(60_000)
  })
})

describe('the records of a built-in zone', () => {
  const zone = (records: string, endpoints = '') =>
    `${changed('  example.test: {}', `  example.test:\n    records: |\n${records.replace(/^/gm, '      ')}`)}${endpoints}`

  test('are passed on as they are', () => {
    const text = zone('ns1 60 IN A 192.0.2.1\n@ 60 IN MX 10 mail', '')
    expect(right(text).server?.zones[0]?.records).toBe('ns1 60 IN A 192.0.2.1\n@ 60 IN MX 10 mail\n')
  })

  test.each([
    [
      'db 60 IN A 192.0.2.1',
      'endpoints.db.example.test: expected a name that zones.*.records leaves to Holdfast, found a A record for db.example.test',
    ],
    ['db 60 IN CNAME x', 'found a CNAME record for db.example.test'],
    [
      'sub 60 IN NS ns.example.net.\nx 60 IN TXT x',
      'endpoints.a.sub.example.test: expected a name that this zone answers for, found a name under the delegation at sub.example.test.',
    ],
    ['@ 60 IN SOA a b 1 2 3 4 5', 'zones.example.test.records: expected no SOA record here'],
    ['@ 60 IN NS ns1', 'zones.example.test.records: expected no NS record of the zone itself here'],
    ['_holdfast.db 60 IN TXT x', 'expected no name with the label _holdfast'],
    ['a.example.net. 60 IN A 192.0.2.1', 'expected records in example.test, found A at a.example.net.'],
    ['fine 60 IN A 192.0.2.1\nbad 60 IN A 192.0.2', 'holdfast.yaml:8:1: expected an IPv4 address'],
  ])('%s', (records, says) => {
    const all = said(zone(records, '  a.sub.example.test: { pool: web }\n'))
    expect(
      all.filter((one) => one.includes(says)),
      all.join('\n'),
    ).toHaveLength(1)
  })

  test('may stand beside an endpoint when they are of other types, but not beside an alias', () => {
    expect(said(zone('db 60 IN TXT x'))).toEqual([])
    expect(said(zone('www 60 IN TXT x', '  www.example.test: { alias: db.example.test }\n'))).toEqual([
      expect.stringContaining('found a TXT record for www.example.test'),
    ])
  })
})

describe('warnings leave the configuration usable', () => {
  test.each([
    [
      'a pool that nobody uses',
      base.replace('pool: web', 'addresses: 192.0.2.1'),
      ':7:3: pools.web: expected an endpoint that answers from this pool, found none;',
    ],
    [
      'a server open to others',
      base.replace('127.0.0.1:5300', '192.0.2.1:53'),
      ':3:19: server.listen[0]: expected a loopback address, unless others shall reach it, found 192.0.2.1;',
    ],
    ['metrics open to others', `${base}http: 0.0.0.0:9600\n`, ':15:7: http: expected a loopback address'],
    [
      'a TTL that defeats health',
      base.replace('ttl: 5', 'ttl: 900'),
      '14:38: endpoints.db.example.test.ttl: expected a TTL of at most 300 seconds where health decides, found 900;',
    ],
    [
      'a floor that never lets a second go',
      changed('    check: { http: { port: 8080 } }', '    check: { http: { port: 8080 } }\n    limits: { floor: 1 }'),
      ':9:22: pools.web.limits.floor: expected a floor under 1,',
    ],
    [
      'a pool of one',
      base.replace(/ {6}(west|north).*\n/g, ''),
      'pools.web.targets: expected at least two targets, so that one can be taken out, found one,',
    ],
    [
      'a demand that needs everybody',
      changed('    check: { http: { port: 8080 } }', '    check: { tcp: { port: 80 } }\n    demand: 240'),
      'pools.web.demand: expected at most 200: the capacity of 250 used up to 0.8, found 240; add targets',
    ],
    [
      'a site of one beside greater ones',
      base
        .replace('site: west', 'site: east')
        .replace('      north:', '      south: { site: east, addresses: 127.0.0.14 }\n      north:'),
      'pools.web.targets: expected at least 3 targets in every site, since there are so many in some, found 1 in north;',
    ],
    [
      'a name server without an address',
      changed('  example.test: {}', '  example.test: { ns: [ns2.example.test] }'),
      ':5:24: zones.example.test.ns[0]: expected the address of a name server inside its own zone, found none for "ns2.example.test"; add a record: ns2 3600 IN A …',
    ],
  ])('%s', (_what, text, says) => {
    right(text)
    const all = said(text)
    expect(
      all.filter((one) => one.includes(says)),
      all.join('\n'),
    ).toHaveLength(1)
  })

  test('a floor that never lets anything go', () => {
    const two = base
      .replace(/ {6}north.*\n/, '')
      .replace('capacity: 50', 'capacity: 150')
      .replace('127.0.0.11 }', '127.0.0.11, capacity: 140 }')
    expect(said(two)).toEqual([])
    // 100 of 140 stays when the smaller one goes: enough for neither a floor of 0.9 nor …
    expect(
      said(
        changed(
          '    check: { http: { port: 8080 } }',
          '    check: { http: { port: 8080 } }\n    limits: { floor: 0.9 }',
        ),
      ),
    ).toEqual([])
  })
})

describe('files', () => {
  const problemOf = (path: string) => {
    const loaded = loadConfig(path, env)
    return loaded.kind === 'problems' ? describeProblem(loaded.problems[0]) : 'none'
  }

  test('that are missing, folders, too large, or not text', () => {
    expect(problemOf(join(home, 'absent.yaml'))).toContain('absent.yaml:1:1: expected a file, found none of that name;')
    expect(problemOf(home)).toContain('expected a file, found a folder;')
    expect(problemOf('/dev/null')).toContain('expected a file, found something else;')
    const huge = join(home, 'huge.yaml')
    writeFileSync(huge, '')
    truncateSync(huge, configBytesAtMost + 1)
    expect(problemOf(huge)).toContain('expected at most 256 MiB, found 257 MiB;')
    rmSync(huge)
    const loop = join(home, 'loop.yaml')
    symlinkSync(loop, loop)
    expect(problemOf(loop)).toContain('ELOOP')
    expect(said(Buffer.concat([Buffer.from('owner: a\nstate: "'), Buffer.from([0xff, 0x0a])]))).toEqual([
      'holdfast.yaml:2:1: expected text in UTF-8, found other bytes; save the file as UTF-8',
    ])
  })

  test('of endpoints are named with their line', () => {
    expect(
      said(`${base}endpointsFrom: more.txt\n`, {
        'more.txt':
          'a.example.test 60 pool wob\nnonsense\na.example.test 60 pool web\ndb.example.test 5 pool web\nb.example.test 99999999 pool web\nc.example.test 5 alias d.example.test\n',
      }),
    ).toEqual([
      expect.stringContaining('more.txt:1:1: expected a pool of this file, found "wob"; did you mean "web"?'),
      expect.stringContaining(
        'more.txt:2:1: expected NAME TTL pool POOL, NAME TTL alias NAME, or NAME TTL addresses IP…, found "nonsense";',
      ),
      expect.stringContaining(
        'more.txt:3:1: expected one endpoint of the name a.example.test, found another one, beside more.txt:1;',
      ),
      expect.stringContaining(
        'more.txt:4:1: expected one endpoint of the name db.example.test, found another one, beside endpoints.db.example.test;',
      ),
      expect.stringContaining('more.txt:5:1: expected a TTL in seconds'),
      expect.stringContaining(
        'more.txt:6:1: expected the name of an endpoint of this file, found "d.example.test", which is none;',
      ),
    ])
    expect(said(`${base}endpointsFrom: absent.txt\n`)).toEqual([
      expect.stringContaining('absent.txt:1:1: expected a file, found none of that name;'),
    ])
  })
})
