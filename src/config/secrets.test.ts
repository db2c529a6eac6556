import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeProblem } from '../base/problem.ts'
import type { Name } from '../model/name.ts'
import { loadConfig } from './config.ts'
import { makeSecretFile } from './secrets.ts'

const secret = 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I='
let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'holdfast-secrets-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

function load(key: string, env = {}, options = {}) {
  const path = join(home, 'holdfast.yaml')
  writeFileSync(
    path,
    `owner: a\nkeys:\n  k: ${key}\nserver: {}\nzones: { example.test: {} }\nendpoints: { a.example.test: { addresses: 192.0.2.1 } }\n`,
  )
  const loaded = loadConfig(path, env, options)
  const said = (loaded.kind === 'problems' ? loaded.problems : loaded.warnings).map((one) =>
    describeProblem(one).replaceAll(home, ''),
  )
  const shown = inspect(loaded, { depth: 20, showHidden: true }) + JSON.stringify(loaded)
  return { loaded, said, shown }
}
function put(name: string, text: string, mode = 0o600) {
  writeFileSync(join(home, name), text)
  chmodSync(join(home, name), mode)
}

test('comes from a file or the environment, and is never shown', () => {
  put('key', `${secret}\n`)
  for (const [key, env] of [
    ['{ secret: { file: key } }', {}],
    ['{ algorithm: hmac-sha512, secret: { env: HOLDFAST_K } }', { HOLDFAST_K: ` ${secret}` }],
  ] as const) {
    const { loaded, said, shown } = load(key, env)
    expect(said).toEqual([])
    if (loaded.kind !== 'config') throw new Error('expected a configuration')
    const held = loaded.config.keys.get('k.' as Name)
    expect(held?.algorithm).toBe(key.includes('512') ? 'hmac-sha512' : 'hmac-sha256')
    expect([...(loaded.config.server?.keys.values() ?? [])]).toEqual([held])
    expect(shown).not.toContain(secret)
    expect(shown).not.toContain('secret-secret')
  }
})

test('is not looked at by those who must not hold it', () => {
  const { loaded } = load('{ secret: { env: HOLDFAST_ABSENT } }', {}, { secrets: false })
  if (loaded.kind !== 'config') throw new Error('expected a configuration')
  expect([loaded.config.keys.size, loaded.config.server?.keys.size]).toEqual([0, 0])
})

test.each([
  [
    `{ secret: ${secret} }`,
    ':3:16: keys.k.secret: expected where the secret is: { file: PATH } or { env: HOLDFAST_NAME }, found a value (not shown: it may be the secret itself);',
  ],
  [`${secret}`, ':3:6: keys.k: expected where the secret is'],
  [`{ secret: { value: ${secret} } }`, ':3:18: keys.k.secret.value: expected one of file, env, found "value";'],
  [
    `{ secret: { env: ${secret} } }`,
    ':3:23: keys.k.secret.env: expected the name of an environment variable that starts with HOLDFAST_, found something else (not shown',
  ],
  [`{ algorithm: ${secret}, secret: { env: HOLDFAST_K } }`, 'keys.k.algorithm: expected hmac-sha256 or hmac-sha512'],
  [`{ secret: [${secret}] }`, ':3:16: keys.k.secret: expected where the secret is'],
  [
    `{ secret: { env: HOLDFAST_ABSENT } }`,
    ':3:23: keys.k.secret.env: expected the secret in the environment variable HOLDFAST_ABSENT, found nothing; set',
  ],
  [
    `{ secret: { env: HOLDFAST_EMPTY } }`,
    'expected the secret in the environment variable HOLDFAST_EMPTY, found nothing; set',
  ],
  [
    `{ secret: { file: absent } }`,
    ':3:24: keys.k.secret.file: expected a file with the secret at /absent, found none of that name; write the secret there in base64, or let generate: true make it',
  ],
  [`{ secret: { file: . } }`, 'found a folder;'],
  [`{ secret: { file: prose } }`, 'expected a secret in base64, found something else (not shown);'],
  [`{ secret: { file: short } }`, 'expected a secret of at least 16 octets, found 3;'],
  [`{ secret: {} }`, ':3:8: keys.k.secret: expected one of file and env, found neither;'],
  [`{ secret: { file: short, env: HOLDFAST_K } }`, 'expected one of file and env, found both;'],
  [
    `{ generate: true, secret: { env: HOLDFAST_K } }`,
    'keys.k.generate: expected generate with a secret in a file, found a secret in the environment;',
  ],
])('%s is refused', (key, says) => {
  put('prose', `${secret.slice(0, 20)}!`)
  put('short', 'YWJj\n')
  const { loaded, said, shown } = load(key, { HOLDFAST_K: secret, HOLDFAST_EMPTY: ' ' })
  expect(loaded.kind).toBe('problems')
  expect(
    said.filter((one) =>
      one.includes(says.replace(':3:8: keys.k.secret: expected one of', 'keys.k.secret: expected one of')),
    ),
    said.join('\n'),
  ).toHaveLength(1)
  expect(shown).not.toContain(secret.slice(0, 20))
})

test('readable by others is a warning', () => {
  put('open', secret, 0o644)
  const { loaded, said } = load('{ secret: { file: open } }')
  expect(loaded.kind).toBe('config')
  expect(said).toEqual([
    expect.stringContaining(
      'keys.k.secret.file: expected a secret that only its owner can read, found mode 644; chmod 600 /open',
    ),
  ])
})

test('is made where it is asked for, once, for its owner alone', () => {
  const first = load('{ secret: { file: made/key }, generate: true }').loaded
  if (first.kind !== 'config') throw new Error('expected a configuration')
  const { generate, keys } = first.config
  expect([generate, keys.size]).toEqual([[{ key: 'k.', file: join(home, 'made/key'), octets: 32 }], 0])
  const [wanted] = generate
  if (wanted === undefined) throw new Error('expected a secret to make')
  expect(makeSecretFile(wanted, (length) => new Uint8Array(length).fill(7))).toBeUndefined()
  expect(statSync(wanted.file).mode & 0o777).toBe(0o600)
  const text = readFileSync(wanted.file, 'utf8')
  expect(Buffer.from(text, 'base64')).toHaveLength(32)
  // Never overwritten.
  expect(makeSecretFile(wanted, (length) => new Uint8Array(length).fill(8))).toBeUndefined()
  expect(readFileSync(wanted.file, 'utf8')).toBe(text)
  const second = load('{ secret: { file: made/key }, generate: true }').loaded
  expect(second.kind === 'config' && second.config.keys.size).toBe(1)
  expect(
    makeSecretFile({ ...wanted, file: join(home, 'made/key/below') }, (length) => new Uint8Array(length)),
  ).toMatchObject({
    kind: 'problem',
  })
})
