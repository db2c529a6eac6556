/**
 * What a host says to a lease manager (`POST /v1/sync`), what it is told, and when it speaks again. Pure.
 *
 * Only what the transport breaks is tried again by jitter, and out of a bucket that a run of failures
 * empties; everything else happens when the manager said so, since it knows how many there are.
 */
import { type Problem, problem } from '../../base/problem.ts'

export interface SyncIdentity {
  /** 1 to 128 letters, digits and `.` `_` `:` `-`. */
  readonly id: string
  /** Another one after each start of the host: tells two hosts with one identity apart. */
  readonly bootId: string
  /** `running` (the usual one) goes before `idle` when there is not enough for all. */
  readonly class?: 'running' | 'idle'
  /** Failure domain: those of one take turns with those of others. */
  readonly site?: string
}

/** What is kept between two reports; to be given to a client of the same start of the host later. */
export interface SyncState {
  /** Of the lease that the host was told last; 0: none. */
  readonly epoch: number
  /** By which a manager that does not know the host believes it. */
  readonly proof: string
  readonly pollAfterMs: number
}

export type SyncReply = { readonly pollAfterMs: number } & (
  | { readonly status: 'LEASED'; readonly epoch: number; readonly ttlMs: number; readonly proof: string | undefined }
  | { readonly status: 'PENDING' }
  | { readonly status: 'UNKNOWN' | 'STALE'; readonly reason: string }
  | { readonly status: 'MOVED'; readonly to: string }
)

/** Of one request. */
export const hostsMost = 500

export const nothingYet: SyncState = { epoch: 0, proof: '', pollAfterMs: 0 }
const dayMs = 86_400_000

const patterns = {
  id: /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/,
  bootId: /^[A-Za-z0-9._:-]{1,64}$/,
  site: /^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,62})?$/,
  class: /^(?:running|idle)$/,
} as const

/**
 * A manager looks at nothing of a request with one host in it that is not as it must be. Throws a TypeError: a wrong
 * identity is a fault of the program.
 */
export function checkIdentity({ id, bootId, site = '', class: klass = 'running' }: SyncIdentity): void {
  for (const [name, value] of Object.entries({ id, bootId, site, class: klass }))
    if (typeof value !== 'string' || !patterns[name as keyof typeof patterns].test(value))
      throw new TypeError(
        `${name}: expected ${patterns[name as keyof typeof patterns].source}, found ${JSON.stringify(value)?.slice(0, 200)}`,
      )
}

/** The body of a report, of one host or of many. */
export function reportText(hosts: readonly (readonly [SyncIdentity, SyncState])[]): string {
  const all = hosts.map(([{ id, bootId, class: klass = 'running', site = '' }, { epoch, proof }]) => ({
    ...{ id, bootId, epoch, proof, class: klass, site },
  }))
  return JSON.stringify(all.length === 1 ? all[0] : { hosts: all })
}

/**
 * `text`: the body of a reply with status 200. Nothing of it is believed that cannot be. By id, of those that were
 * answered; a problem if that is nobody.
 */
export function readReplies(text: string, ids: readonly string[]): ReadonlyMap<string, SyncReply | Problem> | Problem {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return wrong('JSON', text)
  }
  const hosts = isTable(body) && Array.isArray(body.hosts) ? (body.hosts as unknown[]) : []
  const asked = new Set(ids)
  const replies = new Map<string, SyncReply | Problem>()
  for (const host of hosts)
    if (isTable(host) && typeof host.id === 'string' && asked.delete(host.id)) replies.set(host.id, replyOf(host))
  return replies.size === 0 ? wrong(`hosts with an answer for ${ids.slice(0, 3).join(', ')}`, text) : replies
}

function replyOf(host: Table): SyncReply | Problem {
  const text = JSON.stringify(host)
  const { status, epoch, ttl, pollAfterMs, proof, to, reason } = host
  if (!isNumber(pollAfterMs, 0, dayMs)) return wrong('pollAfterMs in milliseconds, a day at most', text)
  switch (status) {
    case 'LEASED':
      if (!isNumber(epoch, 1, Number.MAX_SAFE_INTEGER) || !Number.isInteger(epoch) || !isNumber(ttl, 0, 366 * dayMs))
        return wrong('an epoch of at least 1 and a ttl in milliseconds', text)
      return { status, epoch, ttlMs: ttl, proof: typeof proof === 'string' ? proof : undefined, pollAfterMs }
    case 'PENDING':
      return { status, pollAfterMs }
    case 'UNKNOWN':
    case 'STALE':
      return { status, reason: typeof reason === 'string' ? reason.slice(0, 200) : 'no reason given', pollAfterMs }
    case 'MOVED':
      if (typeof to !== 'string' || !URL.canParse(to)) return wrong('MOVED to a URL', text)
      return { status, to, pollAfterMs }
    default:
      return wrong('a status LEASED, PENDING, UNKNOWN, STALE or MOVED', text)
  }
}

const baseMs = 1_000
const capMs = 60_000

/** Retries that may be made out of turn: one costs a whole token, each report that is answered brings a tenth. */
export class RetryBucket {
  #tokens = 10
  #failures = 0

  succeeded(): void {
    this.#failures = 0
    this.#tokens = Math.min(10, this.#tokens + 0.1)
  }

  /** How long to wait after a failure: full jitter while there are tokens, then about once in `pollAfterMs`. */
  failed(pollAfterMs: number, chance: number): number {
    const most = Math.max(capMs, pollAfterMs)
    if (this.#tokens < 1) return most * (0.5 + chance)
    this.#tokens--
    return Math.min(most, baseMs * 2 ** Math.min(this.#failures++, 30)) * chance
  }
}

/** `Retry-After` in seconds (RFC 9110, section 10.2.3) as milliseconds; undefined for anything else. */
export function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = header === undefined || !/^ *\d{1,6} *$/.test(header) ? undefined : Number(header)
  return seconds === undefined ? undefined : Math.min(dayMs, Math.max(1, seconds) * 1000)
}

type Table = Readonly<Record<string, unknown>>
const isTable = (value: unknown): value is Table => typeof value === 'object' && value !== null && !Array.isArray(value)
const isNumber = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && value >= least && value <= most

const wrong = (expected: string, text: string): Problem =>
  problem(
    'reply of the lease manager',
    expected,
    text.slice(0, 200),
    'check that the address is one of a lease manager',
  )
