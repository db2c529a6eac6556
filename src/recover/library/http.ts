/**
 * What the three kinds of middleware share: one governor for all routes that lean on one dependency, and
 * what a request says about itself.
 *
 *     const gate = httpGate({ timeoutMs: 2_000 })
 *     app.use('/orders', expressGovernor(gate, { classOf: (request) => (request.headers['x-batch'] ? 'background' : undefined) }))
 */
import { Shed, TimedOut } from './errors.ts'
import { type Governed, governor } from './governor.ts'
import type { Call, ClassName, GovernorOptions, Run } from './options.ts'

/** A request that was let in; resolves when it is answered, rejects if the answer was a failure of what is behind. */
export type Answering = (run: Run) => Promise<void>

/** One for each dependency: share it among the routes, and among frameworks, that lean on the same one. */
export type HttpGate = Governed<Answering, void>

export const httpGate = (options: Omit<GovernorOptions<Answering>, 'key'> = {}): HttpGate =>
  governor<Answering, void>((answering, run) => answering(run), options)

/** `Request`: the framework's. */
export interface MiddlewareOptions<Request> {
  /**
   * The class of a request; undefined: the gate's own. Never let strangers choose it: take it from the route,
   * from who is logged in, or from a header that your own proxy sets.
   */
  readonly classOf?: (request: Request) => ClassName | undefined
  /** The header with the time that the caller has left, in ms; `deadline-ms` if not said. */
  readonly deadlineHeader?: string
}

/** Answered by the dependency's trouble, not by the request's. */
export class FailedAnswer extends Error {
  override readonly name = 'FailedAnswer'
}

export const throwIfFailed = (status: number): void => {
  if (status >= 500) throw new FailedAnswer(`expected an answer below 500, found ${status}`)
}

const runs = new WeakMap<object, Run>()

/** The run of a request that was let in, by the framework's request: its `signal` is to be passed on. */
export const runOf = (request: object): Run | undefined => runs.get(request)

export const letIn = (request: object, run: Run): void => void runs.set(request, run)

/** A header that is no number of milliseconds says nothing. */
export function callOf<Request>(
  request: Request,
  header: (name: string) => string | readonly string[] | null | undefined,
  { classOf, deadlineHeader = 'deadline-ms' }: MiddlewareOptions<Request>,
  signal?: AbortSignal,
): Call {
  const text = header(deadlineHeader)
  const deadlineMs = typeof text === 'string' && /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined
  return { class: classOf?.(request), deadlineMs, signal }
}

export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string
}

/** What a caller who was not served is told; undefined for an error that is not of the governor. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Shed || error instanceof TimedOut)) return undefined
  return {
    status: error.statusCode,
    headers: { ...error.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ error: error.message, retryAfterMs: error.retryAfterMs }),
  }
}
