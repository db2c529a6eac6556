import { describe, expect, test } from 'vitest'
import { base, changed, load, said, withEndpoints } from '../../test/support/config.ts'

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
