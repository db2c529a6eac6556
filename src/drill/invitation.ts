/** A drill takes something away: only from who asked for it, and never by mistake from somebody else. */
import { type Problem, problem } from '../base/problem.ts'

/** What the target shows: `{ "allow": true, "until": "2030-01-31T18:00:00Z" }`; `until` may be absent. */
export interface Invitation {
  readonly allow: boolean
  /** Milliseconds since 1970. */
  readonly until?: number
}

/** Anything that is not exactly an invitation is none: undefined. */
export function readInvitation(value: unknown): Invitation | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { allow, until } = value as { readonly allow?: unknown; readonly until?: unknown }
  if (typeof allow !== 'boolean') return undefined
  if (until === undefined || until === null) return { allow }
  const at = until instanceof Date ? until.getTime() : typeof until === 'string' ? Date.parse(until) : Number.NaN
  return Number.isFinite(at) ? { allow, until: at } : undefined
}

/** Of an address, not of a name: a name may be anywhere tomorrow. */
export const isLoopback = (host: string): boolean => /^127(?:\.\d{1,3}){3}$|^(?:\[?::1\]?|localhost)$/.test(host)

export interface Asked {
  readonly host: string
  /** What the target showed; a text says why there is nothing. */
  readonly invitation: Invitation | string
  /** Where it is looked for, for the message. */
  readonly where: string
  readonly sureOf: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Undefined: go ahead. */
export function refusalOf({ host, invitation, where, sureOf, now }: Asked): Problem | undefined {
  const away = refusalOfHost(host, sureOf)
  if (away !== undefined) return away
  if (typeof invitation === 'string')
    return problem(
      'drill',
      `an invitation at ${where}`,
      invitation,
      'invite the drill where it is meant to happen (docs/drill.md); in production, do not',
    )
  if (!invitation.allow)
    return problem('drill', `an invitation at ${where}`, 'one that says "allow": false', 'ask whose system it is')
  if (invitation.until !== undefined && invitation.until <= now)
    return problem(
      'drill',
      `an invitation at ${where} that holds`,
      `one that ended ${new Date(invitation.until).toISOString()}`,
      'renew it',
    )
  return undefined
}

/** Asked before anything is sent there. */
export function refusalOfHost(host: string, sureOf: string | undefined): Problem | undefined {
  if (isLoopback(host) || sureOf === host) return undefined
  return problem(
    'drill',
    'a target on this machine, or --i-am-sure with the name of its host',
    sureOf === undefined ? `the host ${host}` : `the host ${host}, and --i-am-sure ${sureOf}`,
    `if the fleet of ${host} may stand still for a while: --i-am-sure ${host}`,
  )
}
