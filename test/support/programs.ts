/**
 * Suites that need a program from Debian. Where it is missing the suite says which and why, and is
 * skipped; with CI=true that is a failure, since nobody would read the skip.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { describe, test } from 'vitest'
import list from '../../scripts/debian-packages.json' with { type: 'json' }

/** The path of a program, looked for in PATH and the folders of system programs; an absolute one is itself, if it is there. */
export function findProgram(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin']
  for (const folder of isAbsolute(program) ? ['/'] : folders) {
    const path = join(folder, program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}

/** `describe`, for a suite that cannot run without these programs. */
export function describeWith(programs: readonly string[], name: string, suite: () => void): void {
  const missing = programs.filter((program) => findProgram(program) === undefined)
  if (missing.length === 0) {
    describe(name, suite)
    return
  }
  const why = `needs ${missing.map(whereFrom).join(', ')}: run "npm test" as root on Debian, or install it`
  if (process.env.CI === 'true')
    test(`${name} can run`, () => {
      throw new Error(`${name}: ${why}`)
    })
  // Not describe.skip: that would run the body of the suite to find its tests.
  else test.skip(`${name} (${why})`)
}

function whereFrom(program: string): string {
  const entry = list.packages.find(({ programs = [], file }) => programs.includes(program) || file === program)
  return entry === undefined ? program : `${program} (Debian package ${entry.package})`
}

/**
 * For suites that choose by themselves: why they cannot run, or undefined when they can, as in
 * `describe.skipIf(missing)(`against BIND${missing ?? ''}`, ...)`. With CI=true it throws.
 */
export function requireProgram(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => findProgram(program) === undefined)
  if (missing.length === 0) return undefined
  const why = `needs ${missing.map(whereFrom).join(', ')}`
  if (process.env.CI === 'true') throw new Error(`${why}: install it`)
  return ` (skipped: ${why})`
}
