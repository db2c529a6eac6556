/** One number from Prometheus, by `GET /api/v1/query` (prometheus.io/docs/prometheus/latest/querying/api). Pure. */
import type { DemandSource } from '../model/policy.ts'
import type { EpochMs, HttpReply } from '../world/world.ts'

export type PrometheusSource = Extract<DemandSource, { kind: 'prometheus' }>

export type Sample =
  | { readonly kind: 'sample'; readonly value: number; readonly at: EpochMs }
  | { readonly kind: 'none'; readonly why: string }

/** Clocks of two machines differ a little. */
const aheadAtMostMs = 5_000

export const sourceText = ({ address: { host, port } }: PrometheusSource): string =>
  `prometheus ${host.includes(':') ? `[${host}]` : host}:${port}`

/**
 * What is requested. An instant vector bears the time of the question, not of its samples: how old those
 * may be is said by `lookback_delta` (a server that does not know it looks back five minutes).
 */
export function pathOf({ path, query, maxAgeMs }: PrometheusSource, timeoutMs: number): string {
  const parameters = new URLSearchParams({
    query,
    timeout: `${Math.max(1, Math.floor(timeoutMs / 1_000))}s`,
    lookback_delta: `${Math.round(maxAgeMs / 1_000)}s`,
  })
  return `${path}/api/v1/query?${parameters.toString()}`
}

/** One sample, finite, not negative, not too old. */
export function readSample(reply: Pick<HttpReply, 'status' | 'body'>, now: EpochMs, maxAgeMs: number): Sample {
  const none = (why: string): Sample => ({ kind: 'none', why })
  let answer: unknown
  try {
    answer = JSON.parse(Buffer.from(reply.body).toString('utf8'))
  } catch {
    return none(`expected JSON with status 200, found status ${reply.status} and no JSON`)
  }
  const status = field(answer, 'status')
  if (reply.status !== 200 || status !== 'success') {
    const said = field(answer, 'error')
    return none(`expected success, found status ${reply.status}${typeof said === 'string' ? `: ${oneLine(said)}` : ''}`)
  }
  const data = field(answer, 'data')
  const type = field(data, 'resultType')
  const result = field(data, 'result')
  if (type !== 'vector' && type !== 'scalar')
    return none(`expected a vector or a scalar, found ${typeof type === 'string' ? oneLine(type) : 'something else'}`)
  if (!Array.isArray(result)) return none('expected a result, found none')
  if (type === 'vector' && result.length !== 1)
    return none(`expected one sample, found ${result.length === 0 ? 'none' : result.length}; use sum() in the query`)
  const pair = type === 'vector' ? field(result[0], 'value') : result
  if (!Array.isArray(pair) || typeof pair[0] !== 'number' || typeof pair[1] !== 'string')
    return none('expected a time and a value, found something else')
  const value = pair[1].trim() === '' ? Number.NaN : Number(pair[1])
  if (!Number.isFinite(value) || value < 0)
    return none(`expected a number of 0 or more, found ${JSON.stringify(pair[1].slice(0, 40))}`)
  const at = Math.round(pair[0] * 1_000)
  if (!(now - at <= maxAgeMs))
    return none(`expected a sample of the last ${maxAgeMs / 1_000} s, found ${secondsOf(now - at)} s`)
  if (at - now > aheadAtMostMs) return none(`expected a sample of now, found one ${secondsOf(at - now)} s ahead`)
  return { kind: 'sample', value, at: Math.min(at, now) as EpochMs }
}

const secondsOf = (ms: number): string => (Number.isFinite(ms) ? String(Math.round(ms / 1_000)) : 'no number of')

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined

const oneLine = (text: string): string => text.replace(/\p{C}/gu, ' ').slice(0, 160)
