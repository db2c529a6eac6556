/** What is published: built, packed, installed into an empty folder, and run there. */
import { spawn, spawnSync } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { build } from '../scripts/build.ts'
import { freePort } from './support/ports.ts'

const MiB = 2 ** 20

describe('the published package', () => {
  let folder: string
  let dist: string
  let home: string

  /** With this Node, without the clone's own programs on PATH. */
  const run = (program: string, args: readonly string[], cwd: string) => {
    const path = (process.env.PATH ?? '')
      .split(delimiter)
      .filter((entry) => !entry.endsWith(join('node_modules', '.bin')))
    const env = { ...process.env, PATH: [join(folder, 'bin'), ...path].join(delimiter) }
    const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: 'utf8', timeout: 100_000 })
    return { status, stdout, stderr }
  }
  const holdfast = (...args: readonly string[]) => run('npx', ['--no-install', 'holdfast', ...args], home)

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-package-'))
    dist = join(folder, 'dist')
    home = join(folder, 'home')
    build(dist)
    for (const made of ['bin', 'home']) mkdirSync(join(folder, made))
    symlinkSync(process.execPath, join(folder, 'bin', 'node'))
    writeFileSync(join(home, 'package.json'), '{ "private": true }\n')
    const packed = run('npm', ['pack', dist, '--json', '--ignore-scripts'], home)
    expect(packed.status, packed.stderr).toBe(0)
    const tarball = readdirSync(home).find((name) => name.endsWith('.tgz')) as string
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', `./${tarball}`]
    const installed = run('npm', args, home)
    expect(installed.status, installed.stderr).toBe(0)
  }, 180_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('brings no Node and no tools of the repository', () => {
    const names = readdirSync(join(home, 'node_modules'))
    expect(names).toContain('holdfast')
    expect(names.filter((name) => /^node-linux|^node$|^vitest$|^typescript$|^@biomejs$/.test(name))).toEqual([])
    const bytes = sizeOf(join(home, 'node_modules'))
    const own = sizeOf(join(home, 'node_modules', 'holdfast'))
    console.log(`installed: ${(bytes / MiB).toFixed(1)} MiB in all, of it holdfast ${(own / MiB).toFixed(2)} MiB`)
    expect(bytes).toBeLessThan(80 * MiB)
    expect(own).toBeLessThan(3 * MiB)
  })

  test('holds JavaScript only, without tests, and the types of its library', () => {
    const files = readdirSync(join(home, 'node_modules', 'holdfast'), { recursive: true, encoding: 'utf8' })
    expect(files.length).toBeGreaterThan(50)
    expect(files.filter((name) => /(?<!\.d)\.tsx?$|\.test\.|(?:^|\/)state(?:\/|$)/.test(name))).toEqual([])
    expect(files).toContain('src/recover/library/index.d.ts')
    expect(files.filter((name) => name.endsWith('.d.ts')).length).toBeLessThan(60)
  })

  test('imports no file that it does not have', () => {
    const root = join(home, 'node_modules', 'holdfast')
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js'))
    const left = files.filter((name) =>
      /(?:from|import\()\s*'\.[^']*\.ts'/.test(readFileSync(join(root, name), 'utf8')),
    )
    expect(left).toEqual([])
  })

  test('gives its library to a stranger who has Node alone', () => {
    const program = `
      import { governor, Shed, TimedOut, httpGate, expressGovernor, fastifyGovernor, governFetch } from 'holdfast/recover'
      const protect = governor(async (n, { signal }) => n + (signal.aborted ? 0 : 1), { key: String })
      const refused = await protect(1, { deadlineMs: 0 }).catch((error) => error instanceof Shed && error.retryAfterMs > 0)
      const handler = governFetch(httpGate(), async () => new Response('here'))
      console.log(await protect(1), refused, await (await handler(new Request('http://a/'))).text())
    `
    writeFileSync(join(home, 'stranger.mjs'), program)
    const { stdout, stderr } = run('node', ['stranger.mjs'], home)
    expect(stdout, stderr).toBe('2 true here\n')
  })

  test('has programs in its tour of the library that run as they stand there', () => {
    const tour = readFileSync(join(import.meta.dirname, '..', 'docs', 'protect-an-endpoint.md'), 'utf8')
    const programs = [...tour.matchAll(/```js\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(([, name = '', text = '']) => {
      writeFileSync(join(home, name), text)
      return name
    })
    expect(programs).toEqual(['function.mjs', 'express.mjs', 'fastify.mjs', 'fetch.mjs'])
    for (const name of programs) expect(run('node', ['--check', name], home)).toMatchObject({ status: 0, stderr: '' })
    expect(run('node', ['fetch.mjs'], home).stdout).toBe('200\n')
    expect(run('node', ['function.mjs'], home).stdout).toBe('fetch failed\n')
  })

  test('gives its library with types', () => {
    const program = `
      import { governor, type Snapshot } from 'holdfast/recover'
      const protect = governor((n: number, { signal }) => Promise.resolve(\`\${n} \${signal.aborted}\`), { key: (n) => \`\${n}\` })
      export const answer: string = await protect(1, { class: 'renewal', deadlineMs: 100 })
      // @ts-expect-error: it is a string
      export const wrong: number = await protect(1)
      export const { limit }: Snapshot = protect.snapshot()
    `
    writeFileSync(join(home, 'stranger.mts'), program)
    const modules = join(import.meta.dirname, '..', 'node_modules')
    const types = ['--types', 'node', '--typeRoots', join(modules, '@types')]
    const kind = ['--strict', '--noEmit', '--target', 'es2024', '--module', 'nodenext']
    const { stdout, status } = run(
      'node',
      [join(modules, 'typescript', 'bin', 'tsc'), ...kind, ...types, 'stranger.mts'],
      home,
    )
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })

  test('satisfies publint', async () => {
    const { messages } = await publint({ pkgDir: dist, pack: false })
    expect(messages).toEqual([])
  })

  test('says its version', () => {
    const { status, stdout } = holdfast('--version')
    expect(stdout.trim()).toBe(JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8')).version)
    expect(status).toBe(0)
  })

  test('finds its own example right', () => {
    const example = join('node_modules', 'holdfast', 'examples', 'quickstart', 'holdfast.yaml')
    const { status, stdout, stderr } = holdfast('config', 'check', example)
    expect(status, stdout + stderr).toBe(0)
  })

  test('makes a configuration that is right', () => {
    const made = holdfast('init')
    expect(made.status, made.stdout + made.stderr).toBe(0)
    expect(readdirSync(home)).toContain('holdfast.yaml')
    const checked = holdfast('config', 'check')
    expect(checked.status, checked.stdout + checked.stderr).toBe(0)
  })

  test('serves DNS, with the store that came without an install script', async () => {
    const port = await freePort()
    const config = join(home, 'holdfast.yaml')
    writeFileSync(config, readFileSync(config, 'utf8').replace('127.0.0.1:5300', `127.0.0.1:${port}`))
    const program = join(home, 'node_modules', 'holdfast', 'src', 'cli', 'main.js')
    const args = [program, 'run', 'server', '--http', '127.0.0.1:0', '--config', config]
    const server = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    try {
      let log = ''
      const ended = new Promise<never>((_, reject) =>
        server.once('exit', (code) => reject(new Error(`expected a server, found exit code ${code}: ${log}`))),
      )
      // It also ends when it is killed below.
      ended.catch(() => {})
      const started = new Promise<void>((resolve) =>
        server.stderr.setEncoding('utf8').on('data', (text: string) => {
          log += text
          if (log.includes('program.started')) resolve()
        }),
      )
      await Promise.race([started, ended])
      const resolver = new Resolver({ timeout: 2000, tries: 5 })
      resolver.setServers([`127.0.0.1:${port}`])
      expect(await resolver.resolve4('ns1.example.test')).toEqual(['127.0.0.1'])
    } finally {
      server.kill('SIGKILL')
    }
  })
})

function sizeOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) return stat.size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}
