/** Secrets that are text, such as tokens: read where they are used, so that a new one needs no restart. */
import { resolve } from 'node:path'
import type { ReadSecret, SecretSource } from '../model/secret.ts'
import { readTextFile } from './files.ts'
import type { Environment } from './secrets.ts'

type Reading = ReturnType<ReadSecret>

const bytesAtMost = 65_536
/** A file is looked at again after this long. */
const keptMs = 1_000

/** `dir`: where relative paths of the configuration start. `now`: milliseconds of any clock that goes on. */
export function textSecrets(dir: string, env: Environment, now: () => number): ReadSecret {
  const kept = new Map<string, { readonly at: number; readonly reading: Reading }>()
  return (source) => {
    if (source.kind === 'env') return fromEnvironment(source.env, env)
    const before = kept.get(source.file)
    const at = now()
    if (before !== undefined && at - before.at < keptMs) return before.reading
    const reading = fromFile(source, dir)
    kept.set(source.file, { at, reading })
    return reading
  }
}

function fromEnvironment(name: string, env: Environment): Reading {
  const text = env[name]?.trim() ?? ''
  return text === '' ? { kind: 'unreadable', why: `${name} is not set in the environment` } : { kind: 'secret', text }
}

function fromFile({ file }: Extract<SecretSource, { kind: 'file' }>, dir: string): Reading {
  const path = resolve(dir, file)
  const reading = readTextFile(path, bytesAtMost)
  if (reading.kind === 'trouble')
    return { kind: 'unreadable', why: `${path}: expected ${reading.expected}, found ${reading.found}` }
  const text = reading.text.trim()
  return text === '' ? { kind: 'unreadable', why: `${path} is empty` } : { kind: 'secret', text }
}
