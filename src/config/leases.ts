/** The section `leases` in the words of the role, and whether it can work at all. Pure. */
import type { SecretSource } from '../model/secret.ts'
import { cannotWork } from '../recover/bounds.ts'
import { reportsPerLease, ttlMs as ttlFor } from '../recover/polling.ts'
import type { Address } from '../world/world.ts'
import { secretSourceOf } from './check.ts'
import type { Reading } from './intake.ts'
import type { LeasesShape } from './leases-shape.ts'
import { type Path, quoted } from './problems.ts'
import { addressText, isUnspecified } from './units.ts'

export type WorkConfig =
  | {
      readonly kind: 'postgres'
      readonly url: SecretSource
      readonly statement: string
      readonly connections: number
      /** Of these, opened ahead. */
      readonly ready: number
      readonly timeoutMs: number
    }
  | {
      readonly kind: 'http'
      readonly url: string
      readonly bearer: SecretSource | null
      readonly connections: number
      readonly timeoutMs: number
    }
  | { readonly kind: 'store'; readonly timeoutMs: number }

export interface LeasesConfig {
  readonly listen: readonly Address[]
  readonly token: SecretSource
  readonly hostsMax: number
  /** A path as it is written; null: everybody with the token may enrol. */
  readonly hosts: string | null
  readonly shards: number
  readonly takeOverMs: number
  readonly ttlMs: number | null
  readonly graceMs: number
  readonly renewals: 'memory' | { readonly units: number }
  readonly frontDoorPerSecond: number
  readonly sockets: number
  readonly dependency: WorkConfig
  readonly downstream: WorkConfig | null
  /** `holdfast drill recovery` is welcome here. */
  readonly invitesDrills: boolean
}

const day = 86_400_000
const readyUsually = 16

export function readLeases(shape: LeasesShape, reading: Reading): LeasesConfig | undefined {
  const { report, duration } = reading
  const path: Path = ['leases']
  const at = (...rest: Path): Path => [...path, ...rest]
  const listen = listenOf(shape, at('listen'), reading)
  const token = secretSourceOf(shape.token, at('token'), report)
  const takeOverMs = duration(shape.takeOver, at('takeOver'), 1_000, 600_000, 'from 1s to 10m')
  const ttlMs = shape.ttl === undefined ? null : duration(shape.ttl, at('ttl'), 1_000, day, 'from 1s to 24h')
  const graceMs = duration(shape.grace, at('grace'), 0, day, 'up to 24h')
  const { store, ...others } = shape.dependency
  const dependency = workOf(others, store === true, at('dependency'), reading)
  const downstream = shape.downstream === undefined ? null : workOf(shape.downstream, false, at('downstream'), reading)
  if (listen === undefined || token === undefined || takeOverMs === undefined || ttlMs === undefined) return undefined
  if (graceMs === undefined || dependency === undefined || downstream === undefined) return undefined
  if (!fits(shape, ttlMs, path, reading)) return undefined
  const { hostsMax, hosts = null, shards, renewals, sockets } = shape
  return {
    listen,
    token,
    hostsMax,
    hosts,
    shards,
    takeOverMs,
    ttlMs,
    graceMs,
    renewals,
    frontDoorPerSecond: shape.frontDoor,
    sockets,
    dependency,
    downstream,
    invitesDrills: shape.drill?.allow === true,
  }
}

function listenOf(shape: LeasesShape, path: Path, { report, address }: Reading): readonly Address[] | undefined {
  const texts = [shape.listen].flat()
  const found: Address[] = []
  for (const [index, text] of texts.entries()) {
    const where = Array.isArray(shape.listen) ? [...path, index] : path
    const one = address(text, where)
    if (one === undefined) continue
    if (isUnspecified(one.host))
      report(
        where,
        'an address that hosts can reach, since managers send hosts to each other',
        quoted(text),
        'write it',
      )
    else if (found.some((other) => addressText(other) === addressText(one)))
      report(where, 'each address once', `${quoted(text)} again`, 'keep one of the two')
    else found.push(one)
  }
  return found.length === texts.length ? found : undefined
}

type WorkShape = Omit<LeasesShape['dependency'], 'store'>

function workOf(shape: WorkShape, store: boolean, path: Path, { report, duration }: Reading): WorkConfig | undefined {
  const { postgres, http } = shape
  const given = [
    ...(postgres === undefined ? [] : ['postgres']),
    ...(http === undefined ? [] : ['http']),
    ...(store ? ['store'] : []),
  ]
  const timeoutMs = duration(shape.timeout, [...path, 'timeout'], 10, 60_000, 'from 10ms to 1m')
  if (given.length !== 1) {
    const kinds = path.at(-1) === 'dependency' ? 'postgres, http and store' : 'postgres and http'
    report(path, `exactly one of ${kinds}`, given.length === 0 ? 'none of them' : given.join(' and '), 'keep one')
    return undefined
  }
  if (timeoutMs === undefined) return undefined
  if (postgres !== undefined) {
    const { statement, connections } = postgres
    const url = secretSourceOf(postgres.url, [...path, 'postgres', 'url'], report)
    const isWhole = isStatement(statement, [...path, 'postgres', 'statement'], report)
    const { ready = Math.min(readyUsually, connections) } = postgres
    if (ready > connections) {
      const here = [...path, 'postgres', 'ready']
      report(here, `at most connections (${connections})`, String(ready), 'raise connections, or lower it')
      return undefined
    }
    const kept = { statement, connections, ready, timeoutMs }
    return url === undefined || !isWhole ? undefined : { kind: 'postgres', url, ...kept }
  }
  if (http !== undefined) {
    const { url, connections } = http
    const bearer = http.bearer === undefined ? null : secretSourceOf(http.bearer, [...path, 'http', 'bearer'], report)
    if (!URL.canParse(url) || /@/.test(new URL(url).host) || new URL(url).username !== '') {
      report([...path, 'http', 'url'], 'a URL without user and password', 'another one', 'use bearer for a secret')
      return undefined
    }
    return bearer === undefined ? undefined : { kind: 'http', url, bearer, connections, timeoutMs }
  }
  return { kind: 'store', timeoutMs }
}

function isStatement(statement: string, path: Path, report: Reading['report']): boolean {
  const named = new Set([...statement.matchAll(/\$([0-9]+)/g)].map(([, digits]) => Number(digits)))
  const beyond = [...named].find((one) => one < 1 || one > 3)
  const missing = [1, 2].find((one) => !named.has(one))
  if (beyond === undefined && missing === undefined) return true
  report(
    path,
    '$1 (the host) and $2 (the epoch), and $3 (the site) if you like',
    beyond === undefined ? `no $${missing}` : `$${beyond}`,
    missing === 2
      ? 'write only where a smaller epoch stands, or a manager that was late overwrites a newer one: … AND epoch < $2'
      : 'correct the statement',
  )
  return false
}

/** By the formulae of `bounds.ts`: what cannot work is not started. */
function fits(shape: LeasesShape, ttl: number | null, path: Path, { report }: Reading): boolean {
  const renewalUnits = shape.renewals === 'memory' ? 0 : shape.renewals.units
  const bearing = { frontDoorPerSecond: shape.frontDoor, throughput: shape.capacity ?? 0 }
  const ttlSeconds = (ttl ?? ttlFor(shape.hostsMax, renewalUnits, bearing)) / 1000
  const trouble = cannotWork({
    hosts: shape.hostsMax,
    ttlSeconds,
    capacity: shape.capacity ?? 0,
    renewalUnits,
    frontDoorPerSecond: shape.frontDoor,
  })
  if (trouble !== undefined) {
    const { expected, found, todo } = trouble
    report(ttl === null ? [...path, 'hostsMax'] : [...path, 'ttl'], expected, found, todo)
    return false
  }
  // A host that was told to come back when its lease is over has lost it.
  const heartbeat = ttlSeconds / reportsPerLease
  if (ttl !== null && heartbeat < 1) {
    report([...path, 'ttl'], 'at least 3s: a host reports three times in it', `${ttlSeconds} s`, 'raise it')
    return false
  }
  return true
}
