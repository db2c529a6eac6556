/** The section `haproxy` in the words of the model, checked against the pools. */
import { isAbsolute, resolve } from 'node:path'
import type { Haproxy, HaproxyPool, RuntimeAddress } from '../model/haproxy.ts'
import type { Check } from '../model/policy.ts'
import type { Address } from '../world/world.ts'
import type { Draft } from './draft.ts'
import type { HaproxyShape } from './haproxy-shape.ts'
import { didYouMean, type Finding, type Path, quoted } from './problems.ts'
import { addressText, isLoopback, readAddress } from './units.ts'

/** A path longer than this cannot be a socket (unix(7)). */
const socketPathMax = 107

type Says = readonly [expected: string, found: string, todo: string]

/** Null, with findings, where something is wrong with it. `dir`: where relative paths start. */
export function haproxyOf(
  shape: HaproxyShape | null,
  draft: Draft,
  dir: string,
): { readonly haproxy: Haproxy | null; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  if (shape === null) return { haproxy: null, findings }
  const report = (where: Path, [expected, found, todo]: Says, severity: 'error' | 'warning' = 'error') =>
    findings.push({ where, severity, expected, found, todo })

  const socket = socketOf(shape.socket, dir, report)
  const pools: HaproxyPool[] = []
  const backends = new Map<string, string>()
  const binds = new Map<string, string>()
  for (const [id, its] of Object.entries(shape.pools)) {
    const path: Path = ['haproxy', 'pools', id]
    const known = draft.pools.get(id)?.pool
    if (known === undefined) {
      const isBroken = draft.broken.pools === 'all' || draft.broken.pools.has(id)
      const near = didYouMean(id, draft.pools.keys())
      if (!isBroken)
        report(path, [
          'a pool of this file',
          quoted(id),
          near === undefined ? 'add the pool, or correct the name' : `did you mean ${quoted(near)}?`,
        ])
      continue
    }
    const backend = its.backend ?? id
    const other = backends.get(backend)
    if (other !== undefined)
      report(
        [...path, 'backend'],
        [
          'a backend of its own',
          `${quoted(backend)}, as pool ${other} has`,
          'name another one: the slots of a backend belong to one pool',
        ],
      )
    backends.set(backend, id)
    const port = its.port ?? portOf(known.check)
    if (port === undefined) {
      report(path, ['a port, since the check of the pool has none', 'nothing', 'write port: the port of its targets'])
      continue
    }
    const targets = known.targets.length
    const slots = its.slots ?? Math.max(8, 2 * targets)
    if (slots <= targets)
      report(
        [...path, 'slots'],
        [
          `more slots than the ${targets} targets, so that one can be exchanged without a gap`,
          `${slots}`,
          `write ${2 * targets}`,
        ],
      )
    const bind = its.bind === undefined ? null : addressOf(its.bind, [...path, 'bind'], report)
    if (bind === undefined) continue
    if (bind !== null) {
      const at = addressText(bind)
      const claimed = binds.get(at)
      if (claimed !== undefined)
        report([...path, 'bind'], ['an address and port of its own', `${at}, as pool ${claimed} has`, 'choose another'])
      binds.set(at, id)
    }
    pools.push({ pool: id, backend, port, slots, mode: its.mode, bind })
  }
  if (Object.keys(shape.pools).length === 0)
    report(['haproxy', 'pools'], ['at least one pool', 'none', 'name the pools that HAProxy serves'])
  if (socket === undefined || findings.some(({ severity }) => severity === 'error')) return { haproxy: null, findings }
  const stateFile = shape.stateFile === undefined ? null : resolve(dir, shape.stateFile)
  if (stateFile === null)
    report(
      ['haproxy'],
      [
        'stateFile, so that a reload of HAProxy finds addresses and weights',
        'nothing',
        'name HAProxy’s server-state-file, or dump it before each reload yourself (docs/haproxy.md)',
      ],
      'warning',
    )
  return { haproxy: { socket, stateFile, pools }, findings }
}

const portOf = (check: Check): number | undefined => ('port' in check ? (check.port ?? undefined) : undefined)

type Report = (where: Path, says: Says) => void

function socketOf(text: string, dir: string, report: Report): RuntimeAddress | undefined {
  const path: Path = ['haproxy', 'socket']
  const reading = readAddress(text)
  if (reading.kind === 'address') {
    if (isLoopback(reading.address.host)) return { kind: 'tcp', address: reading.address }
    report(path, [
      'a path, or an address on loopback',
      text,
      'use a socket file, or loopback: who reaches the runtime API commands HAProxy',
    ])
    return undefined
  }
  if (reading.kind === 'name' && !isAbsolute(text) && /^[^/]+:[0-9]{1,5}$/.test(text)) {
    report(path, [
      'a path, or an IP address on loopback with its port',
      `the name ${quoted(reading.host)}`,
      'write the IP address: Holdfast has to work while names do not',
    ])
    return undefined
  }
  const file = resolve(dir, text)
  if (Buffer.byteLength(file) > socketPathMax) {
    report(path, [
      `a path of at most ${socketPathMax} bytes, which is all that a socket can have`,
      `${Buffer.byteLength(file)}`,
      'choose a shorter one, such as /run/haproxy/holdfast.sock',
    ])
    return undefined
  }
  return { kind: 'unix', path: file }
}

function addressOf(text: string, path: Path, report: Report): Address | undefined {
  const reading = readAddress(text)
  if (reading.kind === 'address') return reading.address
  report(path, ['an IP address and a port, such as 127.0.0.1:8000', quoted(text), 'correct it'])
  return undefined
}
