import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeProblem } from '../base/problem.ts'
import { loadConfig } from './config.ts'
import { wantsIntake } from './intake.ts'

const token = 'a-token-of-twenty-nine-letters'
const env = {
  HOLDFAST_KEY: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  HOLDFAST_SHORT: 'short-one',
  HOLDFAST_A: token,
}

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'holdfast-intake-'))
  mkdirSync(join(home, 'secrets'))
  writeFileSync(join(home, 'secrets', 'fleet'), `${'f'.repeat(32)}\n`)
  writeFileSync(join(home, 'secrets', 'same'), token)
  writeFileSync(join(home, 'secrets', 'empty'), '\n')
})
afterAll(() => rmSync(home, { recursive: true }))

function load(more: string, pool = '') {
  const path = join(home, 'holdfast.yaml')
  writeFileSync(
    path,
    `owner: test
keys: { k: { secret: { env: HOLDFAST_KEY } } }
server: { listen: "127.0.0.1:5300" }
zones: { example.test: {} }
pools:
  web:
    check: { tcp: { port: 80 } }
${pool}    targets:
      a: { site: s1, addresses: 127.0.0.11 }
      b: { site: s2, addresses: 127.0.0.12 }
      c: { site: s3, addresses: 127.0.0.13 }
endpoints: { www.example.test: { pool: web } }
${more}`,
  )
  return loadConfig(path, env)
}

function said(more: string, pool = ''): string[] {
  const loaded = load(more, pool)
  const problems = loaded.kind === 'problems' ? loaded.problems : loaded.warnings
  return problems.map((problem) => describeProblem(problem).replaceAll(`${home}/`, ''))
}

describe('the intake', () => {
  test('is off, or what is written', () => {
    const off = load('')
    if (off.kind !== 'config') throw new Error('expected a configuration')
    expect(off.config.intake).toBeNull()
    expect(wantsIntake(off.config)).toBe(false)
    const on = load(
      'intake: { freshness: 10s, agents: { fleet: { token: { file: secrets/fleet }, targets: [web/a] } } }\nprober: { site: s1, canary: "127.0.0.1:22" }',
    )
    if (on.kind !== 'config') throw new Error(said('').join())
    expect(on.warnings).toEqual([])
    expect(on.config.intake).toEqual({
      listen: { host: '127.0.0.1', port: 9640 },
      freshnessMs: 10_000,
      agents: [{ name: 'fleet', token: { kind: 'file', file: 'secrets/fleet' }, targets: new Set(['web/a']) }],
    })
    expect(on.config.prober).toEqual({ site: 's1', canary: [{ host: '127.0.0.1', port: 22 }] })
    expect(wantsIntake(on.config)).toBe(true)
  })

  test.each([
    ['intake: { agents: {} }', 'intake.agents: expected at least one agent, found none'],
    ['intake: { agents: { a: { token: {} } } }', 'intake.agents.a.token: expected one of file and env, found neither'],
    [
      'intake: { agents: { a: { token: { env: HOLDFAST_A }, targets: wbe } } }',
      'expected a pool of this file, found "wbe"; did you mean "web"?',
    ],
    [
      'intake: { agents: { a: { token: { env: HOLDFAST_A }, targets: web/z } } }',
      'expected a target of the pool web, found "z"',
    ],
    [
      'intake: { agents: { a: { token: { env: HOLDFAST_SHORT } } } }',
      'expected a token of at least 16 printable characters without blanks, found 9 characters',
    ],
    [
      'intake: { agents: { a: { token: { env: HOLDFAST_A } }, b: { token: { file: secrets/same } } } }',
      'intake.agents.b.token: expected a token of its own, found the one of a (not shown)',
    ],
    [
      'intake: { agents: { a: { token: { file: secrets/gone } } } }',
      'expected a secret, found secrets/gone: expected a file, found none of that name; write it there',
    ],
    [
      'intake: { agents: { a: { token: { file: secrets/empty } } } }',
      'expected a secret, found secrets/empty is empty',
    ],
    ['intake: { agents: { a: { token: { env: HOLDFAST_B } } } }', 'HOLDFAST_B is not set in the environment'],
    [
      'intake: { listen: "0.0.0.0:9640", agents: { a: { token: { env: HOLDFAST_A } } } }',
      'expected a loopback address, unless others shall reach it, found 0.0.0.0; put TLS in front of it',
    ],
    [
      'intake: { listen: "127.0.0.1:5300", agents: { a: { token: { env: HOLDFAST_A } } } }',
      'intake.listen: expected an address and port of its own',
    ],
    ['intake: { listen: localhost, agents: { a: { token: { env: HOLDFAST_A } } } }', 'intake.listen: expected'],
    ['intake: { agents: { a: { token: h4nd-written-token } } }', 'not shown'],
    ['intake: { agents: { a: h4nd-written-token } }', 'not shown'],
    ['prober: { canary: gateway.example.net:22 }', 'prober.canary: expected an IP address with its port'],
  ])('%s', (text, words) => {
    const all = said(text)
    expect(
      all.filter((one) => one.includes(words)),
      all.join('\n'),
    ).toHaveLength(1)
    expect(all.join()).not.toMatch(/h4nd|short-one|a-token-of/)
  })
})

describe('demand', () => {
  test('is a number, or asked for', () => {
    const loaded = load('', '    demand: { prometheus: { address: "192.0.2.9:9090", query: up, path: /prom/ } }\n')
    if (loaded.kind !== 'config') throw new Error('expected a configuration')
    expect(loaded.config.policy.pools.get('web')?.demand).toEqual({
      kind: 'prometheus',
      address: { host: '192.0.2.9', port: 9090 },
      query: 'up',
      everyMs: 15_000,
      maxAgeMs: 60_000,
      path: '/prom',
    })
    expect(wantsIntake(loaded.config)).toBe(true)
  })
  test.each([
    ['-1', 'pools.web.demand: expected a demand of 0 or more, found -1'],
    ['many', 'pools.web.demand: expected a number, or { prometheus: … }, found "many"'],
    ['{ prometheus: { address: prometheus.example.net, query: up } }', 'expected an IP address with its port'],
    ['{ prometheus: { address: "www.example.test:9090", query: up } }', 'which Holdfast itself manages'],
    [
      '{ prometheus: { address: "192.0.2.9:9090" } }',
      'pools.web.demand.prometheus.query: expected PromQL, found nothing',
    ],
    ['{ prometheus: { address: "192.0.2.9:9090", query: up, every: 5m } }', 'expected a duration from 1s to 30s'],
    ['{ prometheus: { address: "192.0.2.9:9090", query: up, bearer: h4nd-written } }', 'not shown'],
    [
      '{ prometheus: { address: "192.0.2.9:9090", query: up, bearer: { file: secrets/gone } } }',
      'Prometheus cannot be asked without it',
    ],
  ])('%s', (text, words) => {
    const all = said('', `    demand: ${text}\n`)
    expect(
      all.filter((one) => one.includes(words)),
      all.join('\n'),
    ).toHaveLength(1)
    expect(all.join()).not.toContain('h4nd')
  })
})
