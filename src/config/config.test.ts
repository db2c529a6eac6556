import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeProblem } from '../base/problem.ts'
import type { Name } from '../model/name.ts'
import { usualDetection, usualLimits } from '../model/policy.ts'
import { type Config, configBytesAtMost, loadConfig } from './config.ts'

const env = { HOLDFAST_KEY: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' }

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

function load(text: string | Uint8Array, files: Readonly<Record<string, string>> = {}) {
  const path = join(home, 'holdfast.yaml')
  writeFileSync(path, text)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true })
    writeFileSync(join(home, name), content, { mode: 0o600 })
  }
  return loadConfig(path, env)
}

/** As a person reads them, without the folder. */
function said(text: string | Uint8Array, files: Readonly<Record<string, string>> = {}): string[] {
  const loaded = load(text, files)
  const problems = loaded.kind === 'problems' ? loaded.problems : loaded.warnings
  return problems.map((problem) => describeProblem(problem).replaceAll(`${home}/`, ''))
}

function right(text: string, files: Readonly<Record<string, string>> = {}): Config {
  const loaded = load(text, files)
  expect(loaded.kind === 'problems' ? loaded.problems.map(describeProblem) : []).toEqual([])
  if (loaded.kind === 'problems') throw new Error('expected a configuration, found problems')
  return loaded.config
}

const base = `owner: quickstart
keys: { holdfast: { secret: { env: HOLDFAST_KEY } } }
server: { listen: "127.0.0.1:5300" }
zones:
  example.test: {}
pools:
  web:
    check: { http: { port: 8080 } }
    targets:
      east: { site: east, addresses: 127.0.0.11 }
      west: { site: west, addresses: [127.0.0.12, "::1"], capacity: 50 }
      north: { site: north, addresses: 127.0.0.13 }
endpoints:
  db.example.test: { pool: web, ttl: 5 }
`

/** The base with lines put in after the line that starts with `after`, or in its place. */
function changed(line: string, by: string): string {
  expect(base.split('\n')).toContain(line)
  return base.replace(line, by)
}
const withEndpoints = (lines: string) => `${base}${lines.trim().replace(/^ */gm, '  ')}\n`

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

describe('what is wrong is said with its place, and what to do', () => {
  const endpoint = (line: string) => withEndpoints(line)
  const cases: readonly (readonly [what: string, text: string, ...says: string[]])[] = [
    [
      'an alias to nothing',
      endpoint('www.example.test: { alias: dp.example.test }'),
      ':15:30: endpoints.www.example.test.alias: expected the name of an endpoint of this file, found "dp.example.test", which is none; did you mean "db.example.test"?',
    ],
    [
      'an alias out of our zones',
      endpoint('www.example.test: { alias: cdn.example.net }'),
      ':15:30: endpoints.www.example.test.alias: expected the name of an endpoint of this file, found "cdn.example.net", outside of every zone here; point at',
    ],
    [
      'an alias in a circle',
      endpoint(
        'a.example.test: { alias: b.example.test }\nb.example.test: { alias: C.example.test }\nc.example.test: { alias: b.example.test }',
      ),
      ':16:28: endpoints.b.example.test.alias: expected an alias that ends at addresses or a pool, found a circle: b.example.test → c.example.test → b.example.test;',
    ],
    [
      'an alias to itself',
      endpoint('a.example.test: { alias: a.example.test }'),
      ':15:28: endpoints.a.example.test.alias: expected an alias that ends at addresses or a pool, found a circle: a.example.test → a.example.test;',
    ],
    [
      'an alias at the apex',
      endpoint('example.test: { alias: db.example.test }'),
      ':15:26: endpoints.example.test.alias: expected addresses or a pool at the apex of a zone, found an alias',
    ],
    [
      'too many aliases in a row',
      endpoint(
        [...'abcdefghi']
          .map((letter, index) => `${letter}.example.test: { alias: ${'abcdefghi'[index + 1] ?? 'db'}.example.test }`)
          .join('\n'),
      ),
      ':15:28: endpoints.a.example.test.alias: expected at most 8 aliases in a row, found 9;',
    ],
    [
      'one key twice',
      endpoint('db.example.test: { pool: web }'),
      ':15:3: endpoints.db.example.test: expected "db.example.test" once, found it again;',
    ],
    [
      'one name in two spellings',
      endpoint('DB.Example.test.: { pool: web }'),
      ':15:3: endpoints.DB.Example.test.: expected one endpoint of the name db.example.test, found another one, beside endpoints.db.example.test;',
    ],
    [
      'a name outside of every zone',
      endpoint('db.example.net: { pool: web }'),
      ':15:3: endpoints.db.example.net: expected a name in one of the zones: example.test, found "db.example.net", outside of every zone;',
    ],
    [
      'a name that is none',
      endpoint('"a..b.example.test": { pool: web }'),
      ':15:3: endpoints.a..b.example.test: expected labels of 1 to 63 letters',
    ],
    [
      'the label of markers',
      endpoint('_holdfast.db.example.test: { pool: web }'),
      ':15:3: endpoints._holdfast.db.example.test: expected a name without the label _holdfast,',
    ],
    [
      'a name below the label of markers',
      endpoint('a._holdfast.example.test: { pool: web }'),
      ':15:3: endpoints.a._holdfast.example.test: expected a name without the label _holdfast,',
    ],
    [
      'a name too long for its marker',
      endpoint(`${'a.'.repeat(116)}example.test: { pool: web }`),
      'expected at most 243 characters, so that its marker has room, found 244;',
    ],
    [
      'an unknown pool',
      endpoint('a.example.test: { pool: wed }'),
      ':15:27: endpoints.a.example.test.pool: expected a pool of this file, found "wed"; did you mean "web"?',
    ],
    [
      'two sources',
      endpoint('a.example.test: { pool: web, alias: db.example.test }'),
      ':15:19: endpoints.a.example.test: expected exactly one of pool, alias and addresses, found pool and alias;',
    ],
    [
      'no source',
      endpoint('a.example.test: { ttl: 4 }'),
      'expected exactly one of pool, alias and addresses, found none of them;',
    ],
    [
      'a TTL too long',
      endpoint('a.example.test: { pool: web, ttl: 604801 }'),
      ':15:37: endpoints.a.example.test.ttl: expected a TTL in seconds, a whole number from 0 to 604800, found 604801;',
    ],
    [
      'a TTL below zero',
      endpoint('a.example.test: { pool: web, ttl: -1 }'),
      'a TTL in seconds, a whole number from 0 to 604800, found -1;',
    ],
    [
      'a weight of zero',
      endpoint('a.example.test: { addresses: 192.0.2.1*0 }'),
      'with a weight from 1 to 65535 such as 192.0.2.1*50, found "192.0.2.1*0";',
    ],
    [
      'an address twice',
      endpoint('a.example.test: { addresses: [192.0.2.1, 192.0.2.1] }'),
      ':15:44: endpoints.a.example.test.addresses[1]: expected each address once, found 192.0.2.1 again;',
    ],
    [
      'an address in two targets',
      changed('      east: { site: east, addresses: 127.0.0.11 }', '      east: { site: east, addresses: 127.0.0.12 }'),
      ':11:38: pools.web.targets.west.addresses: expected each address once in a pool, found 127.0.0.12, which east has too;',
    ],
    [
      'a capacity of zero',
      base.replace('capacity: 50', 'capacity: 0'),
      ':11:69: pools.web.targets.west.capacity: expected a capacity above 0, found 0;',
    ],
    ['a negative capacity', base.replace('capacity: 50', 'capacity: -1'), 'expected a capacity above 0, found -1;'],
    [
      'a capacity that is no number',
      base.replace('capacity: 50', 'capacity: .nan'),
      'expected a capacity above 0, found NaN;',
    ],
    [
      'a timeout as long as the interval',
      changed(
        '    check: { http: { port: 8080 } }',
        '    check: { tcp: { port: 80 } }\n    interval: 1s\n    timeout: 1s',
      ),
      ':10:14: pools.web.timeout: expected less than the interval of 1000ms, found 1000ms;',
    ],
    [
      'a duration without a unit',
      changed('    check: { http: { port: 8080 } }', '    check: { tcp: { port: 80 } }\n    interval: 60'),
      ':9:15: pools.web.interval: expected interval: a number with its unit, such as 500ms, 1s, 2m or 1h, found 60; write the unit',
    ],
    [
      'a duration too short',
      changed('    check: { http: { port: 8080 } }', '    check: { tcp: { port: 80 } }\n    interval: 1ms'),
      'expected a duration from 100ms to 1h, found "1ms";',
    ],
    [
      'fail-open that ends before it begins',
      changed(
        '    check: { http: { port: 8080 } }',
        '    check: { tcp: { port: 80 } }\n    limits: { failOpenUnder: 0.7 }',
      ),
      ':9:13: pools.web.limits.failOpenUntil: expected at least failOpenUnder, 0.7, found 0.6;',
    ],
    [
      'a floor above one',
      changed('    check: { http: { port: 8080 } }', '    check: { tcp: { port: 80 } }\n    limits: { floor: 1.5 }'),
      ':9:22: pools.web.limits.floor: expected floor, a share from 0 to 1, found 1.5;',
    ],
    ...(
      [
        ['correlationWindow: 1s', 'correlationWindow', 'at least the interval of 2000ms, found 1000ms'],
        ['undo: 5s', 'undo', 'at least correlationWindow, 10000ms, found 5000ms'],
        ['evacuation: { othersFailing: 0.9 }', 'evacuation.othersFailing', 'less than failing, 0.8, found 0.9'],
        [
          'evacuation: { healthy: 0.2 }',
          'evacuation.healthy',
          'more than what passes of a site that is taken out, 0.2',
        ],
        ['evacuation: { headroom: 0.9 }', 'evacuation.headroom', 'headroom, from 1 to 100, found 0.9'],
        ['utilization: 0', 'utilization', 'utilization, from 0.01 to 1, found 0'],
        ['window: 25h', 'window', 'a duration from 1s to 24h, found "25h"'],
      ] as const
    ).map(
      ([limit, at, says]) =>
        [
          `limits that contradict: ${limit}`,
          changed('    check: { http: { port: 8080 } }', `    check: { tcp: { port: 80 } }\n    limits: { ${limit} }`),
          `pools.web.limits.${at}: expected ${says}`,
        ] as const,
    ),
    [
      'a hold longer than the longest',
      changed('    check: { http: { port: 8080 } }', '    check: { tcp: { port: 80 } }\n    hold: 10m'),
      'pools.web.holdMax: expected at least hold, 600000ms, found 300000ms; raise it, or lower hold',
    ],
    [
      'a demand above the capacity',
      changed('    check: { http: { port: 8080 } }', '    check: { tcp: { port: 80 } }\n    demand: 251'),
      ':9:13: pools.web.demand: expected at most the capacity of all targets, 250, found 251; add targets',
    ],
    [
      'two checks',
      base.replace('{ port: 8080 }', '{ port: 8080 }, tcp: { port: 1 }'),
      ':8:12: pools.web.check: expected one of http, tcp, tls, dns, grpc, command, found http and tcp;',
    ],
    [
      'a port that is none',
      base.replace('8080', '80800'),
      ':8:28: pools.web.check.http.port: expected a port, a whole number from 1 to 65535, found 80800;',
    ],
    [
      'a target name that is none',
      base.replace('      north:', '      no/rth:'),
      ':12:7: pools.web.targets.no/rth: expected a target: 1 to 63 letters, digits',
    ],
    [
      'no targets',
      `${base.slice(0, base.indexOf('    targets:'))}    targets: {}\nendpoints: { db.example.test: { pool: web } }\n`,
      ':9:14: pools.web.targets: expected at least one target, found none;',
    ],
    [
      'an unknown key of a zone',
      changed('  example.test: {}', '  example.test: { key: holdfats }'),
      ':5:24: zones.example.test.key: expected a key of this file, found "holdfats"; did you mean "holdfast"?',
    ],
    [
      'no key to choose',
      base.replace('keys: {', 'keys: { other: { secret: { env: HOLDFAST_KEY } },'),
      ':5:3: zones.example.test.key: expected the name of a key, found nothing, and 2 keys to choose from;',
    ],
    [
      'no keys',
      base.replace(/keys:.*\n/, ''),
      ':4:3: zones.example.test.key: expected the name of a key, found nothing, and no keys in this file;',
    ],
    [
      'a built-in zone without a server',
      base.replace(/server:.*\n/, ''),
      ':4:3: zones.example.test.authority: expected a server section for a zone of the built-in server, found none;',
    ],
    [
      'one zone in two spellings',
      changed('  example.test: {}', '  example.test: {}\n  EXAMPLE.test.: {}'),
      ':6:3: zones.EXAMPLE.test.: expected each zone once, found "EXAMPLE.test." beside "example.test";',
    ],
    [
      'records of a zone that is elsewhere',
      changed('  example.test: {}', '  example.test: { authority: { rfc2136: 192.0.2.53 }, records: "" }'),
      'zones.example.test.records: expected nothing: this zone is kept at your own server, found records;',
    ],
    [
      'an address in use twice',
      `${base}http: 127.0.0.1:5300\n`,
      ':15:7: http: expected an address and port of its own, found 127.0.0.1:5300, as server.listen.0 has;',
    ],
    // No circular bootstrap.
    [
      'an authority reached by a managed name',
      changed('  example.test: {}', '  example.test: { authority: { rfc2136: "ns1.example.test:53" } }'),
      ':5:41: zones.example.test.authority.rfc2136: expected an IP address with its port, found "ns1.example.test", a name in example.test, which Holdfast itself manages: a circular bootstrap;',
    ],
    [
      'an authority reached by another name',
      changed('  example.test: {}', '  example.test: { authority: { rfc2136: ns.example.net } }'),
      'expected an IP address with its port, found the name "ns.example.net"; write the IP address: Holdfast has to work while names do not',
    ],
    [
      'a server that listens on a managed name',
      base.replace('127.0.0.1:5300', 'db.example.test:5300'),
      ':3:19: server.listen: expected an IP address with its port, found "db.example.test", a name in example.test, which Holdfast itself manages: a circular bootstrap;',
    ],
    [
      'a target reached by a managed name',
      base.replace('127.0.0.13', 'db.example.test'),
      ':12:40: pools.web.targets.north.addresses: expected an IP address, found "db.example.test", a name in example.test, which Holdfast itself manages: a circular bootstrap;',
    ],
    [
      'a store reached by a managed name',
      `${base}store: https://db.example.test:2379/\n`,
      ':15:8: store: expected a folder on this machine, found "db.example.test", a name in example.test, which Holdfast itself manages: a circular bootstrap;',
    ],
    [
      'a store somewhere else',
      `${base}store: etcd://192.0.2.1:2379\n`,
      ':15:8: store: expected a folder on this machine, found an address at "192.0.2.1";',
    ],
    // The shape.
    [
      'an unknown key',
      `${base}endponts: {}\n`,
      ':15:1: endponts: expected one of owner, state,',
      'found "endponts"; did you mean "endpoints"?',
    ],
    ['a key that says nothing like ours', `${base}colour: red\n`, 'found "colour"; remove it'],
    [
      'a missing key',
      base.replace(/owner:.*\n/, ''),
      ':1:1: owner: expected the name of this deployment: 1 to 63 letters, digits, "-", "_" and ".", starting with a letter or digit, found nothing; add "owner"',
    ],
    [
      'a list in place of a table',
      base.replace('example.test: {}', 'example.test: []'),
      ':5:17: zones.example.test: expected a zone: { authority, key, … }, found an empty list;',
    ],
    [
      'something else than a table',
      '- a\n- b\n',
      ':1:1: expected a Holdfast configuration: owner, zones, pools, endpoints, …, found a list of 2;',
    ],
    ['an empty file', '', ':1:1: expected a Holdfast configuration, found an empty file; start from `holdfast init`'],
    ['only comments', '# nothing\n', ':1:1: expected a Holdfast configuration, found an empty file;'],
    ['YAML that is none', 'owner: [a\nzones: {}\n', 'expected YAML 1.2, found'],
    ['two documents', `${base}---\n${base}`, ':15:1: expected YAML 1.2, found Source contains multiple documents'],
    [
      'a tag',
      base.replace('quickstart', '!!binary aGk='),
      ':1:17: owner: expected a value without a tag, found the tag',
    ],
    ['a tab', base.replace('  example.test', '\texample.test'), ':5:1: expected YAML 1.2, found'],
  ]
  test.each(cases)('%s', (_what, text, ...says) => {
    const all = said(text)
    for (const words of says)
      expect(
        all.filter((one) => one.includes(words)),
        all.join('\n'),
      ).toHaveLength(1)
    expect(load(text).kind).toBe('problems')
    expect(
      all.every((one) => one.startsWith('holdfast.yaml:')),
      all.join('\n'),
    ).toBe(true)
  })

  test('a bad target does not hide what else is wrong with its pool, nor a bad name its unknown pool', () => {
    const found = said(
      `${changed('      east: { site: east, addresses: 127.0.0.11 }', '      east: { site: east, addresses: 127.0.0.11, capacity: 0 }').replace('  web:\n', '  web:\n    interval: 1s\n    timeout: 2s\n')}  db.example.net: { pool: wbe }\n`,
    )
    expect(found.map((line) => line.replace(/^holdfast.yaml:[0-9]+:[0-9]+: /, '').split(',')[0])).toEqual([
      'pools.web.timeout: expected less than the interval of 1000ms',
      'pools.web.targets.east.capacity: expected a capacity above 0',
      'endpoints.db.example.net: expected a name in one of the zones: example.test',
      'endpoints.db.example.net.pool: expected a pool of this file',
    ])
  })

  test('everything at once, in the order of the file', () => {
    const all = said(`owner: quick start
keys: { holdfast: { secret: { env: HOLDFAST_ABSENT } } }
server: {}
zones: { example.test: { kee: holdfast } }
pools:
  web: { interval: 60, targets: { a: { site: a, addresses: 192.0.2.1 } } }
  api: { check: { tcp: { port: 80 } }, interval: 1s, timeout: 3s, targets: { a: { site: a, addresses: 192.0.2.1 } } }
endpoints:
  db.example.test: { pool: web }
  www.example.test: { alias: dv.example.test }
  www.example.test: { pool: web }
  api.example.test: { pool: apu }
`)
    expect(all.map((one) => one.split(': expected')[0])).toEqual([
      'holdfast.yaml:1:8: owner',
      'holdfast.yaml:2:36: keys.holdfast.secret.env',
      'holdfast.yaml:4:26: zones.example.test.kee',
      'holdfast.yaml:6:20: pools.web.interval',
      'holdfast.yaml:7:63: pools.api.timeout',
      'holdfast.yaml:10:30: endpoints.www.example.test.alias',
      'holdfast.yaml:11:3: endpoints.www.example.test',
      'holdfast.yaml:12:29: endpoints.api.example.test.pool',
    ])
  })

  test('nothing is said to be missing that is only misspelt', () => {
    const all = said(base.replace('    targets:', '    tragets:'))
    expect(all.map((one) => one.split(': expected')[0])).toEqual([
      'holdfast.yaml:7:3: pools.web.targets',
      'holdfast.yaml:9:5: pools.web.tragets',
    ])
  })

  test('a thousand problems at most, and how many more', () => {
    const all = said(
      withEndpoints(Array.from({ length: 1500 }, (_, n) => `n${n}.example.test: { pool: wob${n} }`).join('\n')),
    )
    expect(all).toHaveLength(1000)
    expect(all.at(-1)).toContain('expected at most 1000 problems, found 501 more from here on;')
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
