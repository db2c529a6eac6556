import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { describeProblem } from '../base/problem.ts'
import { loadConfig } from './config.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
mkdirSync(join(folder, 'state'))
afterAll(() => rmSync(folder, { recursive: true }))

const yaml = (haproxy: string) => `owner: test
keys: { k: { secret: { env: HOLDFAST_K } } }
server: {}
zones: { example.test: { key: k, ns: ns.example.org } }
pools:
  web: { check: { tcp: { port: 8080 } }, targets: { a: { site: x, addresses: 192.0.2.1 }, b: { site: y, addresses: 192.0.2.2 } } }
  plain: { check: none, targets: { a: { site: x, addresses: 192.0.2.1 }, b: { site: y, addresses: 192.0.2.2 } } }
endpoints: { www.example.test: { pool: web } }
haproxy: ${haproxy}
`

function load(haproxy: string) {
  const path = join(folder, 'holdfast.yaml')
  writeFileSync(path, yaml(haproxy))
  return loadConfig(path, { HOLDFAST_K: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' })
}

function said(haproxy: string): string {
  const loaded = load(haproxy)
  return (loaded.kind === 'problems' ? loaded.problems : loaded.warnings).map(describeProblem).join('\n')
}

describe('the section haproxy', () => {
  test('in the words of the model', () => {
    const loaded = load(
      '{ socket: run/h.sock, stateFile: /var/lib/h.state, pools: { web: { bind: 127.0.0.1:80 }, plain: { port: 1, slots: 3, mode: http, backend: b } } }',
    )
    if (loaded.kind !== 'config') throw new Error(loaded.problems.map(describeProblem).join('\n'))
    expect(loaded.warnings).toEqual([])
    expect(loaded.config.haproxy).toEqual({
      socket: { kind: 'unix', path: join(folder, 'run', 'h.sock') },
      stateFile: '/var/lib/h.state',
      pools: [
        { pool: 'web', backend: 'web', port: 8080, slots: 8, mode: 'tcp', bind: { host: '127.0.0.1', port: 80 } },
        { pool: 'plain', backend: 'b', port: 1, slots: 3, mode: 'http', bind: null },
      ],
    })
    expect(loaded.config.programs.balancers).toBe(1)
  })

  test('is none when it is not there', () => {
    const loaded = load('null')
    expect(loaded.kind === 'config' && loaded.config.haproxy).toBe(null)
  })

  test('does not make another policy', () => {
    const digest = (text: string) => {
      const loaded = load(text)
      return loaded.kind === 'config' ? loaded.config.policy.digest : undefined
    }
    expect(digest('{ socket: s, stateFile: f, pools: { web: {} } }')).toBe(digest('null'))
  })

  test.each([
    ['{ socket: 192.0.2.1:9999, pools: { web: {} } }', 'haproxy.socket: expected a path, or an address on loopback'],
    ['{ socket: haproxy.example.test:9999, pools: { web: {} } }', 'the name "haproxy.example.test"'],
    [`{ socket: /${'x'.repeat(120)}, pools: { web: {} } }`, 'at most 107 bytes'],
    ['{ socket: s, pools: { wbe: {} } }', 'did you mean "web"?'],
    ['{ socket: s, pools: {} }', 'at least one pool'],
    ['{ socket: s, pools: { plain: {} } }', 'a port, since the check of the pool has none'],
    ['{ socket: s, pools: { web: { slots: 2 } } }', 'more slots than the 2 targets'],
    ['{ socket: s, pools: { web: { backend: b }, plain: { port: 1, backend: b } } }', 'a backend of its own'],
    [
      '{ socket: s, pools: { web: { bind: "127.0.0.1:1" }, plain: { port: 1, bind: "127.0.0.1:1" } } }',
      'as pool web has',
    ],
    ['{ socket: s, pools: { web: { bind: example.test:80 } } }', 'an IP address and a port'],
    ['{ socket: s, pools: { web: { mode: udp } } }', 'tcp or http'],
    ['{ soket: s, pools: { web: {} } }', 'did you mean "socket"?'],
    ['{ socket: s, pools: { web: {} } }', 'stateFile, so that a reload'],
  ])('%s', (text, words) => {
    expect(said(text)).toContain(words)
  })
})
