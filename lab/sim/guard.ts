/**
 * The guard: while simulated code runs, whoever reaches for the real clock, real randomness, real timers
 * or the machine is stopped with an error that says what to use instead. Without it a leak would only
 * show as a history that cannot be told twice.
 *
 * What is guarded is replaced once and for all by a function that does as before unless the guard is up.
 */
import childProcess from 'node:child_process'
import crypto from 'node:crypto'
import dgram from 'node:dgram'
import dns from 'node:dns'
import fs from 'node:fs'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

export class Ambient extends Error {
  override readonly name = 'Ambient'
}

let up = false
let installed = false

/** From now on, until `lower`. */
export function raise(): void {
  if (!installed) install()
  up = true
}

export function lower(): void {
  up = false
}

function refuse(what: string): void {
  if (!up) return
  // Whoever reports this needs the machine.
  throw new Ambient(
    `expected simulated code to reach outside through its World alone, found ${what}; use world.clock, world.random or world.net`,
  )
}

type Callable = (...args: never[]) => unknown

function guard(owner: object, name: string, label: string): void {
  const original = Reflect.get(owner, name) as Callable | undefined
  if (typeof original !== 'function') return
  const guarded = function (this: unknown, ...args: never[]): unknown {
    refuse(label)
    return new.target === undefined
      ? Reflect.apply(original, this, args)
      : Reflect.construct(original, args, new.target)
  }
  // Such as `setTimeout[util.promisify.custom]`.
  for (const key of Reflect.ownKeys(original))
    if (key !== 'length' && key !== 'name' && key !== 'prototype')
      Object.defineProperty(guarded, key, Object.getOwnPropertyDescriptor(original, key) ?? {})
  guarded.prototype = original.prototype
  Object.defineProperty(owner, name, { value: guarded, configurable: true, writable: true, enumerable: true })
}

const timers = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch'] as const

/** By module: what opens a way out. What works on something that is already open needs no guard. */
const machine: readonly (readonly [label: string, module: object, names: readonly string[]])[] = [
  [
    'fs',
    fs,
    [
      'open',
      'openSync',
      'readFile',
      'readFileSync',
      'writeFile',
      'writeFileSync',
      'appendFileSync',
      'stat',
      'statSync',
      'existsSync',
      'readdir',
      'readdirSync',
      'mkdirSync',
      'rmSync',
      'renameSync',
      'watch',
      'createReadStream',
      'createWriteStream',
    ],
  ],
  [
    'fs/promises',
    fs.promises,
    ['open', 'readFile', 'writeFile', 'appendFile', 'stat', 'readdir', 'mkdir', 'rm', 'rename'],
  ],
  ['net', net, ['connect', 'createConnection', 'createServer']],
  ['dgram', dgram, ['createSocket']],
  ['dns', dns, ['lookup', 'resolve']],
  ['http', http, ['request', 'get', 'createServer']],
  ['child_process', childProcess, ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork']],
  ['crypto', crypto, ['randomBytes', 'randomUUID', 'randomInt', 'randomFillSync']],
]

function install(): void {
  installed = true
  const RealDate = Date
  globalThis.Date = new Proxy(RealDate, {
    construct(target, args, newTarget) {
      if (args.length === 0) refuse('new Date()')
      return Reflect.construct(target, args, newTarget) as object
    },
    apply(target, self, args: []) {
      refuse('Date()')
      return Reflect.apply(target, self, args)
    },
  })
  guard(RealDate, 'now', 'Date.now()')
  guard(Math, 'random', 'Math.random()')
  guard(performance, 'now', 'performance.now()')
  guard(process, 'hrtime', 'process.hrtime()')
  guard(globalThis.crypto, 'getRandomValues', 'crypto.getRandomValues()')
  guard(globalThis.crypto, 'randomUUID', 'crypto.randomUUID()')
  for (const name of timers) guard(globalThis, name, `${name}()`)
  for (const [label, module, names] of machine) for (const name of names) guard(module, name, `${label}.${name}()`)
  syncBuiltinESMExports()
}
