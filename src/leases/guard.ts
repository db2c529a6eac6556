/**
 * When the front door turns requests away unheard: it is late itself, or has too many connections. That is
 * the only place where a host is refused; whoever is heard is answered. Pure.
 */

export interface Guarding {
  /** More than so late, and no request is read before it has caught up. */
  readonly delayMs: number
  readonly sockets: number
}

export const usualDelayMs = 50

export type Refusal = 'delay' | 'sockets'

/** `dueAt`: when the loop was to run next by its own timer, which is over when it is late. */
export function refusalOf(
  { delayMs, sockets }: Guarding,
  now: number,
  dueAt: number,
  open: number,
): Refusal | undefined {
  if (open > sockets) return 'sockets'
  return now - dueAt > delayMs ? 'delay' : undefined
}

/** For the header Retry-After: whole seconds, at least one. */
export const retryAfterSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000))
