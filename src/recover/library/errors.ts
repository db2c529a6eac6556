/**
 * Why a call was not done. Both are what HTTP frameworks look for in an error (`statusCode`, `headers`), so
 * that Express and Fastify answer 503 and 504 with `Retry-After` by themselves if nobody catches them.
 */

/** `overload`: it cannot be done in the time that it has. `down`: the dependency does not answer. */
export type ShedReason = 'overload' | 'down' | 'closed'

/** Refused before it was begun: nothing was done, so it is safe to try again, after `retryAfterMs`. */
export class Shed extends Error {
  override readonly name = 'Shed'
  readonly statusCode = 503
  readonly reason: ShedReason
  /** Different for everybody who is refused, so that they do not come back together. */
  readonly retryAfterMs: number

  constructor(reason: ShedReason, retryAfterMs: number) {
    super(`${why[reason]}; try again in ${retryAfterMs} ms`)
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }

  /** The same for frameworks of the other habit. */
  get status(): number {
    return this.statusCode
  }

  get headers(): Readonly<Record<string, string>> {
    return retryHeaders(this.retryAfterMs)
  }
}

const why: Readonly<Record<ShedReason, string>> = {
  overload: 'expected to be done in time, found too much ahead of it',
  down: 'expected a dependency that answers, found that it does not',
  closed: 'expected an open governor, found a closed one',
}

/** It was begun, and did not end in time. Whether it took effect is not known. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut'
  readonly statusCode = 504
  readonly afterMs: number
  /** When to try again, spread like that of `Shed`. */
  readonly retryAfterMs: number

  constructor(afterMs: number, retryAfterMs: number) {
    super(`expected an end within ${Math.round(afterMs)} ms, found none; whether it took effect is not known`)
    this.afterMs = afterMs
    this.retryAfterMs = retryAfterMs
  }

  get status(): number {
    return this.statusCode
  }

  get headers(): Readonly<Record<string, string>> {
    return retryHeaders(this.retryAfterMs)
  }
}

/** `Retry-After` in whole seconds (RFC 9110, section 10.2.3), and beside it what was meant. */
export const retryHeaders = (retryAfterMs: number): Readonly<Record<string, string>> => ({
  'retry-after': `${Math.ceil(retryAfterMs / 1000)}`,
  'retry-after-ms': `${Math.round(retryAfterMs)}`,
})
