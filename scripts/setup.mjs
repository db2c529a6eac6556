#!/usr/bin/env node
/**
 * Brings a clone to where it can run, and is silent when there is nothing to do.
 *
 *     node scripts/setup.mjs           npm packages, exactly as package-lock.json has them
 *     node scripts/setup.mjs --test    ... and the Debian packages that the tests use
 *
 * It runs before anything is installed, so it needs nothing but Node 20 and npm. It may run twice at
 * once (the second waits) and may be killed at any point (the next run starts over).
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const modules = join(root, 'node_modules')
/** What `engines` asks for: the first Node that runs TypeScript as it is. */
const leastNode = [22, 18]
const installMinutes = 15

const say = (text) => process.stderr.write(`holdfast setup: ${text}\n`)

/** Something a person has to mend: ends the setup. */
class SetupFailed extends Error {}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))

function readJsonIfThere(path) {
  try {
    return readJson(path)
  } catch {
    return undefined
  }
}

const isAtLeast = (version, [major, minor]) => {
  const [ours = 0, oursMinor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return ours > major || (ours === major && oursMinor >= minor)
}

// npm packages

/** Why node_modules is not what package-lock.json says, or undefined if it is. */
function outOfStep() {
  const wanted = readJson(join(root, 'package-lock.json')).packages
  const found = readJsonIfThere(join(modules, '.package-lock.json'))?.packages
  if (found === undefined) return 'no npm packages are installed yet'
  for (const [path, want] of Object.entries(wanted)) {
    if (path === '' || want.link) continue
    const have = found[path]
    if (have === undefined) {
      if (want.optional || want.devOptional || want.peer) continue
      return `${nameOf(path)} is not installed`
    }
    if (have.version !== want.version || have.integrity !== want.integrity)
      return `${nameOf(path)} is ${have.version}, package-lock.json has ${want.version}`
    if (!existsSync(join(root, path, 'package.json'))) return `the folder of ${nameOf(path)} is gone`
  }
  for (const path of Object.keys(found)) if (!(path in wanted)) return `${nameOf(path)} is not in package-lock.json`
  return undefined
}

const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

/** PATH without this clone's own Node: npm is about to replace the folder that it lies in. */
function outerPath() {
  const own = join(modules, '.bin')
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== own)
    .join(delimiter)
}

async function installPackages(why) {
  const total = Object.keys(readJson(join(root, 'package-lock.json')).packages).length - 1
  say(`${why}: installing up to ${total} npm packages, about 380 MB with the Node that runs Holdfast (once)`)
  const started = Date.now()
  const seconds = () => Math.round((Date.now() - started) / 1000)
  const progress = setInterval(() => say(`... ${countInstalled()} packages unpacked, ${seconds()} s`), 10_000)
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev', '--include=optional']
  const { status, output } = await run('npm', args, { PATH: outerPath() })
  clearInterval(progress)
  if (status !== 0) {
    throw new SetupFailed(
      `expected "npm ci" to install the packages of package-lock.json, found ${status === null ? `no end after ${installMinutes} minutes` : `exit code ${status}`}:\n` +
        `${errorLines(output)}\nCheck the network and the npm registry ("npm config get registry"), then run the same command again.`,
    )
  }
  say(`${countInstalled()} npm packages installed in ${seconds()} s`)
}

function countInstalled() {
  let count = 0
  for (const name of listFolder(modules)) {
    if (name.startsWith('.')) continue
    count += name.startsWith('@') ? listFolder(join(modules, name)).length : 1
  }
  return count
}

function listFolder(path) {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** The Node that `npm start` and `npm test` will find first must be able to run TypeScript. */
function checkNode() {
  const own = join(modules, '.bin', 'node')
  if (existsSync(own)) {
    const tried = spawnSync(own, ['--version'], { encoding: 'utf8' })
    if (tried.status === 0 && isAtLeast(tried.stdout.trim(), leastNode)) return
    // Built for another C library, such as musl: out of the way, so that the machine's own Node is found.
    rmSync(own)
  }
  if (isAtLeast(process.version, leastNode)) return
  throw new SetupFailed(
    `expected Node ${leastNode.join('.')} or newer, found ${process.version}, and no Node came with the npm packages for ` +
      `${process.platform} ${process.arch}. Install Node 24 (https://nodejs.org) and run the same command again.`,
  )
}

// Debian packages

function findProgram(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin']
  for (const folder of folders) {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return join(folder, program)
    } catch {}
  }
  return undefined
}

function missingDebianPackages() {
  const { packages } = readJson(join(root, 'scripts', 'debian-packages.json'))
  const isThere = ({ programs, file }) => (programs ? findProgram(programs[0]) !== undefined : existsSync(file))
  return packages.filter((entry) => !isThere(entry))
}

const aptInstall = (missing) => ['install', '-y', '--no-install-recommends', ...missing.map((entry) => entry.package)]

/** Installs them where that is possible, and says otherwise what to do and what cannot be tested. */
async function provideDebianPackages() {
  const missing = missingDebianPackages()
  if (missing.length === 0) return
  const isDebian = findProgram('apt-get') !== undefined
  if (isDebian && process.getuid?.() === 0) {
    await alone(() => installDebianPackages(missingDebianPackages()))
    return
  }
  const programs = missing.flatMap(({ programs, file }) => programs ?? file).join(', ')
  say(`programs that tests use are missing${isDebian ? '; to install them:' : `: ${programs}. Packages of Debian:`}`)
  say(
    isDebian
      ? `  sudo apt-get update && sudo apt-get ${aptInstall(missing).join(' ')}`
      : aptInstall(missing).slice(3).join(' '),
  )
  say(`without them these cannot run: ${[...new Set(missing.flatMap((entry) => entry.usedBy))].sort().join(', ')}`)
}

async function installDebianPackages(missing) {
  if (missing.length === 0) return
  const names = missing.map((entry) => entry.package)
  say(`installing Debian packages for the tests: ${names.join(' ')}`)
  const failures = []
  const allowDaemons = forbidDaemons()
  try {
    const apt = { DEBIAN_FRONTEND: 'noninteractive' }
    const wait = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=2']
    const updated = await run('apt-get', ['update', '-q', ...wait], apt)
    if (updated.status !== 0) failures.push(`apt-get update: ${lastLines(updated.output, 4)}`)
    const installed = await run('apt-get', [...wait, ...aptInstall(missing)], apt)
    if (installed.status !== 0) failures.push(`apt-get install: ${lastLines(installed.output, 8)}`)
    else stayStopped(missing)
  } finally {
    allowDaemons()
  }
  if (failures.length === 0) return
  const text =
    `expected apt-get to install ${names.join(' ')}, found:\n${failures.join('\n')}\n` +
    `Check the network and the Debian sources, then run the same command again.`
  // A person may go on: the suites that need these programs say so by themselves. In CI it is an error.
  if (process.env.CI === 'true') throw new SetupFailed(text)
  say(text)
}

/**
 * The servers are wanted as programs, not as services. Debian asks /usr/sbin/policy-rc.d before an
 * installation starts a daemon; 101 means "no". Returns how to put back what was there.
 */
function forbidDaemons() {
  const policy = '/usr/sbin/policy-rc.d'
  const aside = `${policy}.before-holdfast-setup`
  if (existsSync(policy) && !existsSync(aside)) renameSync(policy, aside)
  writeFileSync(policy, '#!/bin/sh\n# Put here for a moment by the setup of Holdfast.\nexit 101\n')
  chmodSync(policy, 0o755)
  const restore = () => {
    rmSync(policy, { force: true })
    if (existsSync(aside)) renameSync(aside, policy)
  }
  const stop = () => {
    restore()
    process.exit(130)
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return () => {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    restore()
  }
}

/** Nor after the next boot. Only for packages that this run installed: what was there before is not ours to stop. */
function stayStopped(installed) {
  if (!existsSync('/run/systemd/system')) return
  for (const { services = [] } of installed)
    for (const service of services) spawnSync('systemctl', ['disable', '--now', service], { stdio: 'ignore' })
}

// Running programs

/** @returns {Promise<{status: number | null, output: string}>} output: the last 64 KiB of both streams */
function run(program, args, environment) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: installMinutes * 60_000,
    })
    let output = ''
    const keep = (chunk) => {
      output = (output + chunk).slice(-65_536)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    child.once('error', (error) =>
      reject(new SetupFailed(`expected to run ${program}, found ${error.message}. Install it.`)),
    )
    child.once('close', (status) => resolve({ status, output }))
  })
}

/** What went wrong, without the stack below it. */
const errorLines = (text) =>
  text
    .split('\n')
    .filter((line) => /error/i.test(line) && !/^npm error\s+at |[{}]$/.test(line))
    .slice(0, 6)
    .map((line) => `  ${line}`)
    .join('\n')

const lastLines = (text, count = 15) =>
  text
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => `  ${line}`)
    .join('\n')

// One at a time

/** A file with the holder's process id; a holder that is gone does not count. */
async function alone(work) {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const lock = join(root, '.cache', 'setup.lock')
  for (let told = false; ; ) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST')
        throw new SetupFailed(`expected to write ${lock}, found ${error.message}. Make it writable.`)
    }
    const holder = holderOf(lock)
    if (holder === undefined) rmSync(lock, { force: true })
    else {
      if (!told) say(`another setup of this clone is running (process ${holder}); waiting for it`)
      told = true
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
  }
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function holderOf(lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    // Just made and not filled in yet counts as held, for a second.
    if (pid === 0) return Date.now() - statSync(lock).mtimeMs < 1000 ? 0 : undefined
    process.kill(pid, 0)
    return pid
  } catch (error) {
    return error.code === 'EPERM' ? -1 : undefined
  }
}

async function main() {
  const why = outOfStep()
  if (why !== undefined) {
    await alone(async () => {
      const still = outOfStep()
      if (still !== undefined) await installPackages(still)
    })
    checkNode()
  } else if (!isAtLeast(process.version, leastNode)) checkNode()
  if (process.argv.includes('--test')) await provideDebianPackages()
}

main().catch((error) => {
  if (!(error instanceof SetupFailed)) throw error
  say(error.message)
  process.exit(1)
})
