/**
 * TSIG secrets: read from files or the environment, in base64, never from the configuration itself,
 * and never repeated in a message.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { assert } from '../base/assert.ts'
import { type Problem, problem } from '../base/problem.ts'
import { nameFromText } from '../dns/name.ts'
import { TsigKey } from '../dns/tsig.ts'
import type { Name } from '../model/name.ts'
import { readTextFile } from './files.ts'
import type { Finding, Path } from './problems.ts'
import type { KeyShape } from './schema.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A secret that is still to be made: `generate: true`, and no such file. */
export interface SecretFile {
  readonly key: Name
  /** Absolute. */
  readonly file: string
  /** Random octets to put into it, in base64: as many as the hash has (RFC 8945, section 6). */
  readonly octets: number
}

export interface Secrets {
  readonly keys: ReadonlyMap<Name, TsigKey>
  readonly generate: readonly SecretFile[]
  readonly findings: readonly Finding[]
}

/** A shorter secret can be guessed. */
const octetsAtLeast = 16

/** `read: false` looks at the settings alone, for programs that must not hold credentials. */
export function readSecrets(
  keys: ReadonlyMap<Name, { readonly path: Path; readonly shape: KeyShape }>,
  dir: string,
  env: Environment,
  read: boolean,
): Secrets {
  const found = new Map<Name, TsigKey>()
  const generate: SecretFile[] = []
  const findings: Finding[] = []
  for (const [name, { path, shape }] of keys) {
    const { file, env: variable } = shape.secret
    const report = (part: Path, severity: Finding['severity'], expected: string, what: string, todo: string) =>
      findings.push({ where: [...path, ...part], severity, expected, found: what, todo })
    if ((file === undefined) === (variable === undefined)) {
      report(['secret'], 'error', 'one of file and env', file === undefined ? 'neither' : 'both', 'keep one')
      continue
    }
    if (variable !== undefined && shape.generate)
      report(
        ['generate'],
        'error',
        'generate with a secret in a file',
        'a secret in the environment',
        'remove generate',
      )
    if (!read) continue

    let text: string
    let part: Path
    if (variable !== undefined) {
      part = ['secret', 'env']
      const value = env[variable]
      if (value === undefined || value.trim() === '') {
        report(
          part,
          'error',
          `the secret in the environment variable ${variable}`,
          'nothing',
          `set ${variable} to the secret in base64`,
        )
        continue
      }
      text = value
    } else {
      part = ['secret', 'file']
      const absolute = resolve(dir, file as string)
      const reading = readTextFile(absolute, 65_536)
      if (reading.kind === 'trouble') {
        if (reading.missing && shape.generate) {
          generate.push({ key: name, file: absolute, octets: shape.algorithm === 'hmac-sha512' ? 64 : 32 })
          continue
        }
        const todo = reading.missing ? 'write the secret there in base64, or let generate: true make it' : reading.todo
        report(part, 'error', `${reading.expected} with the secret at ${absolute}`, reading.found, todo)
        continue
      }
      if (process.platform !== 'win32' && (reading.stamp.mode & 0o077) !== 0) {
        const mode = (reading.stamp.mode & 0o777).toString(8)
        report(part, 'warning', 'a secret that only its owner can read', `mode ${mode}`, `chmod 600 ${absolute}`)
      }
      text = reading.text
    }
    const secret = secretOf(text)
    if (secret === undefined)
      report(
        part,
        'error',
        'a secret in base64',
        'something else (not shown)',
        'write it in base64, as tsig-keygen and openssl rand -base64 32 do',
      )
    else if (secret.length < octetsAtLeast)
      report(
        part,
        'error',
        `a secret of at least ${octetsAtLeast} octets`,
        `${secret.length}`,
        'make a longer one: openssl rand -base64 32',
      )
    else {
      const wire = nameFromText(name)
      assert(wire !== undefined, `expected the key name ${name} to be a domain name, found otherwise`)
      found.set(name, new TsigKey({ name: wire, algorithm: shape.algorithm, secret }))
    }
  }
  return { keys: found, generate, findings }
}

function secretOf(text: string): Uint8Array | undefined {
  const digits = text.trim()
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(digits) || digits.length % 4 !== 0) return undefined
  return Buffer.from(digits, 'base64')
}

/** Makes a secret file that only its owner can read. An existing file is never touched. */
export function makeSecretFile(secret: SecretFile, random: (length: number) => Uint8Array): Problem | undefined {
  const failed = (error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? 'an unknown error'
    return problem(secret.file, 'to make a secret file here', code, 'see whether the folder exists and may be written')
  }
  let descriptor: number
  try {
    mkdirSync(dirname(secret.file), { recursive: true, mode: 0o700 })
  } catch (error) {
    return failed(error)
  }
  try {
    descriptor = openSync(secret.file, 'wx', 0o600)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' ? undefined : failed(error)
  }
  try {
    writeSync(descriptor, `${Buffer.from(random(secret.octets)).toString('base64')}\n`)
    fsyncSync(descriptor)
    return undefined
  } catch (error) {
    return failed(error)
  } finally {
    closeSync(descriptor)
  }
}
