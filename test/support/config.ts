/** Configurations for tests: one that is right, ways to change it, and a folder to load it from. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { describeProblem } from '../../src/base/problem.ts'
import { type Config, loadConfig } from '../../src/config/config.ts'

export const env = { HOLDFAST_KEY: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' }

/** A folder of its own for each test file; not there before its first test. */
export let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

export function load(text: string | Uint8Array, files: Readonly<Record<string, string>> = {}) {
  const path = join(home, 'holdfast.yaml')
  writeFileSync(path, text)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(home, name)), { recursive: true })
    writeFileSync(join(home, name), content, { mode: 0o600 })
  }
  return loadConfig(path, env)
}

/** As a person reads them, without the folder. */
export function said(text: string | Uint8Array, files: Readonly<Record<string, string>> = {}): string[] {
  const loaded = load(text, files)
  const problems = loaded.kind === 'problems' ? loaded.problems : loaded.warnings
  return problems.map((problem) => describeProblem(problem).replaceAll(`${home}/`, ''))
}

export function right(text: string, files: Readonly<Record<string, string>> = {}): Config {
  const loaded = load(text, files)
  expect(loaded.kind === 'problems' ? loaded.problems.map(describeProblem) : []).toEqual([])
  if (loaded.kind === 'problems') throw new Error('expected a configuration, found problems')
  return loaded.config
}

export const base = `owner: quickstart
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
export function changed(line: string, by: string): string {
  expect(base.split('\n')).toContain(line)
  return base.replace(line, by)
}
export const withEndpoints = (lines: string) => `${base}${lines.trim().replace(/^ */gm, '  ')}\n`
