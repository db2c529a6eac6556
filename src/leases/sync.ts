/**
 * `POST /v1/sync`: what hosts say, one or a rack of them, and what they are told. Pure, and without a schema
 * library: this runs for every report of every host, and JSON that is not as it must be is refused by the
 * first thing that is wrong with it.
 */
import { type Problem, problem } from '../base/problem.ts'
import { idle, running } from '../recover/classes.ts'

export interface SyncHost {
  readonly id: string
  /** Another one after each start of the host: tells two hosts with one identity apart. */
  readonly bootId: string
  /** Of the lease that it holds; 0: none. */
  readonly epoch: number
  /** With which another manager granted it; empty: it shows none. */
  readonly proof: string
  readonly klass: typeof running | typeof idle
  /** Its failure domain; empty: it does not say. */
  readonly site: string
}

export type SyncStatus = 'LEASED' | 'PENDING' | 'UNKNOWN' | 'STALE' | 'MOVED'

export interface SyncAnswer {
  readonly id: string
  readonly status: SyncStatus
  readonly epoch: number
  /** How long its lease is good from when it sent its report, in ms; 0 where it has none. */
  readonly ttl: number
  readonly pollAfterMs: number
  /** LEASED: to be shown with the epoch from now on. */
  readonly proof?: string
  /** MOVED: where it is to report instead. */
  readonly to?: string
  /** UNKNOWN and STALE: why. */
  readonly reason?: string
}

export const hostsAtMost = 500
/** What 500 hosts with long names need, and a little. */
export const bodyAtMost = 256 * 1024
const epochMax = Number.MAX_SAFE_INTEGER

/** Needs no escaping in JSON, in a key of the store, or in a line of a file. */
export const hostIdPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/
const bootIdPattern = /^[A-Za-z0-9._:-]{1,64}$/
const sitePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/
const proofPattern = /^[A-Za-z0-9_-]{22}$/

/** `text`: the body. The problem is for the one who sent it. */
export function parseSync(text: string): readonly SyncHost[] | Problem {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return wrong('body', 'JSON', 'something else')
  }
  if (!isTable(body)) return wrong('body', 'a host, or { hosts: [ … ] }', kindOf(body))
  const { hosts } = body
  if (hosts === undefined) {
    const host = hostOf(body, 'body')
    return 'kind' in host ? host : [host]
  }
  if (!Array.isArray(hosts)) return wrong('hosts', 'a list of hosts', kindOf(hosts))
  if (hosts.length === 0 || hosts.length > hostsAtMost)
    return wrong('hosts', `1 to ${hostsAtMost} hosts`, String(hosts.length))
  const parsed: SyncHost[] = []
  for (let index = 0; index < hosts.length; index++) {
    const host = hostOf(hosts[index], `hosts[${index}]`)
    if ('kind' in host) return host
    parsed.push(host)
  }
  return parsed
}

type Table = Readonly<Record<string, unknown>>
const isTable = (value: unknown): value is Table => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is not known here is left to later versions. */
function hostOf(value: unknown, at: string): SyncHost | Problem {
  if (!isTable(value)) return wrong(at, 'a host: { id, bootId, epoch }', kindOf(value))
  const { id, bootId, epoch = 0, proof = '', class: klass = 'running', site = '' } = value
  if (typeof id !== 'string' || !hostIdPattern.test(id))
    return wrong(`${at}.id`, '1 to 128 letters, digits, ".", "_", ":" and "-", a letter or digit first', kindOf(id))
  if (typeof bootId !== 'string' || !bootIdPattern.test(bootId))
    return wrong(`${at}.bootId`, '1 to 64 letters, digits, ".", "_", ":" and "-"', kindOf(bootId))
  if (typeof epoch !== 'number' || !Number.isInteger(epoch) || epoch < 0 || epoch > epochMax)
    return wrong(`${at}.epoch`, 'the epoch that the host was told last, or 0', kindOf(epoch))
  if (typeof proof !== 'string' || (proof !== '' && !proofPattern.test(proof)))
    return wrong(`${at}.proof`, 'the proof that the host was told last, or none', kindOf(proof))
  if (klass !== 'running' && klass !== 'idle') return wrong(`${at}.class`, 'running or idle', kindOf(klass))
  if (typeof site !== 'string' || (site !== '' && !sitePattern.test(site)))
    return wrong(`${at}.site`, '1 to 63 letters, digits, ".", "_" and "-"', kindOf(site))
  return { id, bootId, epoch, proof, klass: klass === 'idle' ? idle : running, site }
}

/** No more of what a stranger sent than its kind, and a little of a number or word. */
function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (value === null || typeof value === 'object') return value === null ? 'null' : 'a table'
  return JSON.stringify(value).slice(0, 40)
}

const wrong = (at: string, expected: string, found: string): Problem =>
  problem(at, expected, found, 'correct it: nothing of this request was looked at')

/** The body of the reply. `gen` rises when shards change hands: what a client remembers of owners is old then. */
export function replyText(now: number, gen: number, answers: readonly SyncAnswer[]): string {
  let text = `{"now":${now},"gen":${gen},"hosts":[`
  for (let index = 0; index < answers.length; index++) {
    const { id, status, epoch, ttl, pollAfterMs, proof, to, reason } = answers[index] as SyncAnswer
    // The id is one that was parsed above.
    text += `${index === 0 ? '' : ','}{"id":"${id}","status":"${status}","epoch":${epoch},"ttl":${ttl},"pollAfterMs":${pollAfterMs}`
    if (proof !== undefined) text += `,"proof":"${proof}"`
    if (to !== undefined) text += `,"to":${JSON.stringify(to)}`
    if (reason !== undefined) text += `,"reason":${JSON.stringify(reason)}`
    text += '}'
  }
  return `${text}]}`
}
