import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { describeProblem } from '../base/problem.ts'
import type { Name } from '../model/name.ts'
import { type Loaded, loadConfig } from './config.ts'
import { readYaml } from './yaml.ts'

const env = { HOLDFAST_KEY: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' }

let path: string
beforeAll(() => {
  path = join(mkdtempSync(join(tmpdir(), 'holdfast-config-')), 'holdfast.yaml')
})
afterAll(() => rmSync(join(path, '..'), { recursive: true, force: true }))

function load(text: string): Loaded {
  writeFileSync(path, text)
  return loadConfig(path, env)
}

// Values that a right configuration may hold, beside what the model must make of them.

const id = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
const milliseconds = (least: number, most: number) =>
  fc.oneof(
    fc.integer({ min: least, max: most }).map((ms) => ({ text: `${ms}ms`, ms })),
    fc
      .integer({ min: Math.ceil(least / 1000), max: Math.floor(most / 1000) })
      .map((s) => ({ text: `${s}s`, ms: s * 1000 })),
  )
const share = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100)
const check = fc.oneof(
  fc.constant({ file: 'none', model: { kind: 'none' } }),
  fc.integer({ min: 1, max: 65_535 }).map((port) => ({ file: { tcp: { port } }, model: { kind: 'tcp', port } })),
  fc
    .record({
      port: fc.integer({ min: 1, max: 65_535 }),
      status: fc.uniqueArray(fc.integer({ min: 100, max: 599 }), { minLength: 1, maxLength: 3 }),
    })
    .map(({ port, status }) => ({
      file: { http: { port, path: '/x?y=z', host: 'h', status } },
      model: { kind: 'http', port, path: '/x?y=z', host: 'h', status: [...status].sort((a, b) => a - b) },
    })),
)
const pool = fc.record({
  check,
  interval: milliseconds(1_001, 60_000),
  timeout: milliseconds(1, 1_000),
  fall: fc.integer({ min: 1, max: 32 }),
  rise: fc.integer({ min: 1, max: 32 }),
  ramp: milliseconds(0, 86_400_000),
  window: milliseconds(1_000, 86_400_000),
  shares: fc.tuple(share, share, share, share, share),
  targets: fc.uniqueArray(fc.record({ id, site: id, capacity: fc.integer({ min: 1, max: 1e9 }) }), {
    minLength: 1,
    maxLength: 5,
    selector: ({ id }) => id,
  }),
})

const configuration = fc
  .record({
    owner: id,
    zone: fc.tuple(label, label).map((labels) => labels.join('.')),
    pools: fc.uniqueArray(fc.tuple(id, pool), { minLength: 1, maxLength: 3, selector: ([name]) => name }),
    names: fc.uniqueArray(label, { minLength: 1, maxLength: 12 }),
    ttl: fc.integer({ min: 0, max: 604_800 }),
    keep: fc.integer({ min: 2, max: 10_000 }),
    coalesce: milliseconds(0, 60_000),
    spelling: fc.boolean(),
    picks: fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
  })
  .map(({ owner, zone, pools, names, ttl, keep, coalesce, spelling, picks }) => {
    const written = (name: string) => (spelling ? `${name.toUpperCase()}.${zone}.` : `${name}.${zone}`)
    const endpoints: Record<string, object> = Object.create(null)
    const expected = new Map<string, object>()
    for (const [index, name] of names.entries()) {
      const pick = picks[index] ?? 0
      // At most eight aliases in a row: an alias points at the first name, which is none.
      const kind = index === 0 ? pick % 2 : pick % 3
      const [poolId] = pools[pick % pools.length] as [string, unknown]
      const file =
        kind === 0
          ? { pool: poolId }
          : kind === 1
            ? { addresses: [`192.0.2.${pick % 256}*7`, '2001:DB8::1'] }
            : { alias: written(names[0] as string) }
      const from =
        kind === 0
          ? { kind: 'pool', pool: poolId }
          : kind === 1
            ? {
                kind: 'addresses',
                addresses: [
                  { address: `192.0.2.${pick % 256}`, weight: 7 },
                  { address: '2001:db8::1', weight: 100 },
                ],
              }
            : { kind: 'alias', of: `${names[0]}.${zone}.` }
      endpoints[written(name)] = { ...file, ttl, adopt: kind === 1 }
      expected.set(`${name}.${zone}.`, { name: `${name}.${zone}.`, zone: `${zone}.`, ttl, from, adopt: kind === 1 })
    }
    const file = {
      owner,
      keys: { k: { secret: { env: 'HOLDFAST_KEY' } } },
      server: {},
      zones: { [zone]: {} },
      pools: Object.fromEntries(
        pools.map(([name, { check, interval, timeout, fall, rise, ramp, window, shares, targets }]) => [
          name,
          {
            check: check.file,
            interval: interval.text,
            timeout: timeout.text,
            fall,
            rise,
            ramp: ramp.text,
            limits: {
              poolBudget: shares[0],
              siteBudget: shares[1],
              window: window.text,
              floor: shares[2],
              failOpenUnder: Math.min(shares[3], shares[4]),
              failOpenUntil: Math.max(shares[3], shares[4]),
            },
            targets: Object.fromEntries(
              targets.map(({ id, site, capacity }, n) => [
                id,
                { site, capacity, addresses: [`192.0.2.${n}`, `2001:db8::${n + 1}`] },
              ]),
            ),
          },
        ]),
      ),
      endpoints,
      plan: { keep, coalesce: coalesce.text },
    }
    const model = {
      owner,
      keepPlans: keep,
      coalesceMs: coalesce.ms,
      endpoints: expected,
      pools: new Map(
        pools.map(([name, { check, interval, timeout, fall, rise, ramp, window, shares, targets }]) => [
          name,
          {
            id: name,
            check: check.model,
            intervalMs: interval.ms,
            timeoutMs: timeout.ms,
            fall,
            rise,
            rampMs: ramp.ms,
            limits: {
              poolBudget: shares[0],
              siteBudget: shares[1],
              windowMs: window.ms,
              floor: shares[2],
              failOpenUnder: Math.min(shares[3], shares[4]),
              failOpenUntil: Math.max(shares[3], shares[4]),
            },
            targets: expect.arrayContaining(
              targets.map(({ id, site, capacity }, n) => ({
                id,
                site,
                capacity,
                addresses: [`192.0.2.${n}`, `2001:db8::${n + 1}`],
              })),
            ),
          },
        ]),
      ),
    }
    return { file, model }
  })

test('every right configuration comes out as what was written, in any style', () => {
  fc.assert(
    fc.property(
      configuration,
      fc.constantFrom<'any' | 'block' | 'flow'>('any', 'block', 'flow'),
      ({ file, model }, collectionStyle) => {
        const loaded = load(
          stringify(file, { collectionStyle, defaultKeyType: 'QUOTE_DOUBLE', defaultStringType: 'QUOTE_DOUBLE' }),
        )
        expect(loaded.kind === 'problems' ? loaded.problems.map(describeProblem) : []).toEqual([])
        if (loaded.kind === 'config') expect(loaded.config.policy).toMatchObject(model)
      },
    ),
    { numRuns: 100 },
  )
})

const junk = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ': ',
    '\n',
    '\n  ',
    '- ',
    '*a',
    '&a ',
    '<<: ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '!',
    '%',
    '~',
    '0',
    '-1',
    '1e999',
    '.inf',
    'null',
    '\t',
    '\u0000',
    '\ufeff',
    '---\n',
    '...\n',
    '__proto__',
    'constructor',
    '*',
    '..',
    '::',
    '_holdfast.',
  ),
)

test('whatever becomes of the text, each problem has its place, and none is thrown', () => {
  const edits = fc.array(fc.record({ at: fc.nat(), remove: fc.nat({ max: 8 }), insert: junk }), {
    minLength: 1,
    maxLength: 4,
  })
  let refused = 0
  fc.assert(
    fc.property(configuration, edits, ({ file }, changes) => {
      let text = stringify(file)
      for (const { at, remove, insert } of changes) {
        const offset = at % (text.length + 1)
        text = text.slice(0, offset) + insert + text.slice(offset + remove)
      }
      const loaded = load(text)
      if (loaded.kind === 'problems') refused++
      expectPlaces(loaded, text)
    }),
    { numRuns: 300 },
  )
  expect(refused).toBeGreaterThan(30)
})

const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(
      null,
      true,
      0,
      -1,
      1.5,
      '',
      'none',
      'builtin',
      '1s',
      '127.0.0.1',
      '127.0.0.1:53',
      'a.example.test',
      'k',
      'web',
    ),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(
      fc.constantFrom(
        'owner',
        'keys',
        'k',
        'secret',
        'env',
        'server',
        'listen',
        'zones',
        'example.test',
        'a.example.test',
        'authority',
        'rfc2136',
        'pools',
        'web',
        'check',
        'http',
        'port',
        'targets',
        'addresses',
        'site',
        'endpoints',
        'alias',
        'pool',
        'limits',
        'records',
        'ns',
        'soa',
        'toString',
        'constructor',
        'hasOwnProperty',
      ),
      tie('value'),
      { maxKeys: 5 },
    ),
  ),
})).value

test('nor by any value of any shape in any place', () => {
  fc.assert(
    fc.property(configuration, fc.array(fc.nat(), { maxLength: 6 }), anything, ({ file }, way, value) => {
      const text = stringify(replaced(file, way, value))
      expectPlaces(load(text), text)
    }),
    { numRuns: 300 },
  )
})

test('nor by text that never was a configuration', () => {
  fc.assert(
    fc.property(fc.array(junk, { maxLength: 30 }), (parts) => {
      const text = parts.join('')
      const read = readYaml('f', text)
      if (!('kind' in read)) expect(read.length).toBeGreaterThan(0)
      expectPlaces(load(text), text)
    }),
    { numRuns: 300 },
  )
})

/** With the value in the place that `way` leads to. */
function replaced(tree: unknown, way: readonly number[], value: unknown): unknown {
  const [step, ...rest] = way
  if (step === undefined || typeof tree !== 'object' || tree === null) return value
  const names = Object.keys(tree)
  const name = names[step % Math.max(1, names.length)]
  if (name === undefined) return value
  const inner = replaced((tree as Record<string, unknown>)[name], rest, value)
  return Array.isArray(tree) ? tree.with(Number(name), inner) : { ...tree, [name]: inner }
}

function expectPlaces(loaded: Loaded, text: string): void {
  const lines = text.split('\n')
  const problems = loaded.kind === 'problems' ? loaded.problems : loaded.warnings
  for (const { at, expected, found, todo, file, line, column, path: where } of problems) {
    expect(file).toBe(path)
    expect(at.startsWith(`${path}:${line}:${column}`)).toBe(true)
    expect(line).toBeGreaterThanOrEqual(1)
    expect(line).toBeLessThanOrEqual(lines.length)
    expect(column).toBeGreaterThanOrEqual(1)
    expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1)
    for (const words of [expected, found, todo]) {
      expect(words).not.toBe('')
      expect(words).not.toContain('\n')
      expect(words.length).toBeLessThan(600)
    }
    expect(typeof where).toBe('string')
  }
  if (loaded.kind === 'config')
    for (const [name, { from }] of loaded.config.policy.endpoints) {
      if (from.kind === 'alias') expect(loaded.config.policy.endpoints.has(from.of as Name), name).toBe(true)
      if (from.kind === 'pool') expect(loaded.config.policy.pools.has(from.pool), name).toBe(true)
    }
}
