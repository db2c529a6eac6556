/**
 * What agents post, and whether it is taken. Pure: `desk.ts` keeps what was taken.
 *
 * An observation is taken once: its sequence has to grow for each agent and target. The same one again is
 * answered as the first time, so that an agent may repeat what it got no answer to; an older one, or
 * another one under the same number, is refused.
 */
import type { Readiness, TargetReport } from '../model/report.ts'
import type { EpochMs } from '../world/world.ts'

/** As posted; its form is checked by `schema` already. */
export interface PostedObservation {
  readonly pool: string
  readonly target: string
  /** Which machine or program says so, where several share a token; the name of the token's owner if absent. */
  readonly agent?: string
  readonly state: Readiness
  readonly load?: number | null
  readonly detail?: string
  /** RFC 3339, such as 2025-10-20T06:48:00.000Z. */
  readonly sentAt: string
  readonly sequence: number
}

export const observationsAtMost = 1_000

const id = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$' } as const
const observation = {
  type: 'object',
  additionalProperties: false,
  required: ['pool', 'target', 'state', 'sentAt', 'sequence'],
  properties: {
    pool: id,
    target: id,
    agent: id,
    state: { enum: ['ready', 'not-ready', 'pending'] },
    load: { type: ['number', 'null'], minimum: 0, maximum: 1e6 },
    detail: { type: 'string', maxLength: 200 },
    sentAt: {
      type: 'string',
      pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$',
    },
    sequence: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
  },
} as const

/** JSON Schema of the body: one observation, or a list of them. */
export const bodySchema = {
  if: { type: 'array' },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { type: 'array', minItems: 1, maxItems: observationsAtMost, items: observation },
  else: observation,
} as const

export type Why = 'stale' | 'future' | 'sequence' | 'target' | 'pool'

export interface Refusal {
  readonly kind: 'refused'
  /** Of HTTP. */
  readonly status: 403 | 404 | 409 | 422
  readonly why: Why
  readonly expected: string
  readonly found: string
  readonly todo: string
}

export interface Taken {
  readonly kind: 'taken'
  /** It was taken before. */
  readonly repeated: boolean
  readonly agent: string
  readonly report: TargetReport
}

/** What was taken last of an agent about a target. */
export interface Last {
  readonly sequence: number
  /** To tell a repetition from another observation under its number. */
  readonly said: string
}

export interface Asked {
  readonly posted: PostedObservation
  /** Whose token it came with. */
  readonly owner: string
  /** What that one may speak of; null: everything. */
  readonly allowed: ReadonlySet<string> | null
  /** Targets of the pool; undefined: there is no such pool. */
  readonly targets: ReadonlySet<string> | undefined
  readonly last: Last | undefined
  readonly now: EpochMs
  readonly freshnessMs: number
}

const refused = (status: Refusal['status'], why: Why, expected: string, found: string, todo: string): Refusal => ({
  kind: 'refused',
  status,
  why,
  expected,
  found,
  todo,
})

export function judge({ posted, owner, allowed, targets, last, now, freshnessMs }: Asked): Taken | Refusal {
  const { pool, target, state, load = null, detail = '', sentAt, sequence } = posted
  const path = `${pool}/${target}`
  // Before it is said what there is: who may not speak of something need not learn whether it exists.
  if (allowed !== null && !allowed.has(pool) && !allowed.has(path))
    return refused(403, 'target', `a target that ${owner} may speak of`, path, 'allow it under intake.agents')
  if (targets === undefined) return refused(404, 'pool', 'a pool of the configuration', pool, 'correct the name')
  if (!targets.has(target)) return refused(404, 'target', `a target of the pool ${pool}`, target, 'correct the name')
  const sent = Date.parse(sentAt)
  const between = `sentAt within ${freshnessMs / 1000} s of ${new Date(now).toISOString()}`
  if (!Number.isFinite(sent)) return refused(422, 'stale', between, sentAt, 'send a time that there is')
  if (now - sent > freshnessMs) return refused(422, 'stale', between, sentAt, 'send what is so now; or set the clocks')
  if (sent - now > freshnessMs) return refused(422, 'future', between, sentAt, 'set the clocks of both machines')
  const said = saidBy(posted)
  if (last !== undefined && sequence <= last.sequence && said !== last.said) {
    const found = sequence === last.sequence ? `another observation under ${sequence}` : String(sequence)
    return refused(
      409,
      'sequence',
      `a sequence above ${last.sequence}`,
      found,
      'count on, such as by milliseconds since 1970',
    )
  }
  const agent = posted.agent === undefined || posted.agent === owner ? owner : `${owner}/${posted.agent}`
  const report: TargetReport = { state, load, at: now, agent, detail: printable(detail) }
  return { kind: 'taken', repeated: last !== undefined && said === last.said, agent, report }
}

/** Everything that an observation says: the same text, the same observation. */
export function saidBy({ state, load = null, detail = '', sentAt, sequence }: PostedObservation): string {
  return JSON.stringify([sequence, sentAt, state, load, detail])
}

/** Detail goes to terminals and logs: no control characters. */
const printable = (text: string): string => text.replace(/\p{C}/gu, '?')
