/**
 * The last configuration that could be used, kept in `state/run`: a program that dies while somebody is
 * editing the present one must be able to come back.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Problem } from '../base/problem.ts'
import { type Config, loadConfig } from '../config/config.ts'
import type { PolicySource } from '../model/policy.ts'
import type { Cli } from './cli.ts'
import { exit } from './exit.ts'
import { CliFailure } from './io.ts'

export const lastGoodPath = (config: Pick<Config, 'state'>): string => join(config.state, 'run', 'last-good.yaml')

/**
 * Where `up` keeps the copy of a configuration that cannot be used now: in the state folder that the file
 * names, as far as it can be read, or else in the usual one. It need not exist.
 */
export function copyBeside(path: string): string {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // The file is gone, or a folder: the usual state folder is as good a guess as any.
  }
  const state = /^state:[ \t]+["']?([^"'#\r\n]*[^"'#\s])/m.exec(text)?.[1] ?? 'state'
  return lastGoodPath({ state: resolve(dirname(resolve(path)), state) })
}

export interface Usable {
  readonly config: Config
  /** Why the present configuration cannot be used, if that is so: then this is the copy's. */
  readonly fellBack: Problem | null
}

/** As `readUsable`; and a configuration that can be used is kept. */
export function usableConfig(cli: Cli, path: string, copy: string | null, secrets: boolean): Usable {
  const usable = readUsable(cli, path, copy, secrets)
  if (usable.fellBack === null && copy !== null) keepCopy(usable.config, copy)
  return usable
}

/** The configuration; or, where it cannot be used now, what `copy` keeps of the time when it could. */
export function readUsable(cli: Cli, path: string, copy: string | null, secrets: boolean): Usable {
  const loaded = loadConfig(path, cli.io.env, { secrets })
  if (loaded.kind === 'config') return { config: loaded.config, fellBack: null }
  const dir = dirname(resolve(path))
  const before = copy !== null && existsSync(copy) ? loadConfig(copy, cli.io.env, { secrets, dir }) : loaded
  if (before.kind === 'config')
    return { config: { ...before.config, path: resolve(path) }, fellBack: loaded.problems[0] }
  throw new CliFailure(exit.config, loaded.problems)
}

/**
 * Keeps a copy of a configuration that was just found good, with its time, which decides whose policy is
 * newer. Nothing is kept if the file has been written since, or if the disk does not take it: that must
 * not end what keeps names alive.
 */
export function keepCopy({ path, modified }: Pick<Config, 'path' | 'modified'>, copy: string): void {
  const temporary = `${copy}.${process.pid}`
  try {
    mkdirSync(dirname(copy), { recursive: true, mode: 0o700 })
    copyFileSync(path, temporary)
    const { atime, mtime, mtimeMs } = statSync(path)
    chmodSync(temporary, 0o600)
    utimesSync(temporary, atime, mtime)
    if (Math.floor(mtimeMs) <= modified) renameSync(temporary, copy)
  } catch {
    // Said above: goes without.
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** The source; but what it says first is never "unreadable": instead it is the policy that the program started with. */
export function startingWith(source: PolicySource, { policy, modified }: Config): PolicySource {
  let first = true
  return {
    async read() {
      const reading = await source.read()
      const usable = first && reading.kind === 'unreadable' ? ({ kind: 'policy', policy, modified } as const) : reading
      first = false
      return usable
    },
  }
}
