/** What is wrong with an HAProxy, a backend, or the way to them: each a sentence with what to do. Pure. */
import { type Problem, problem } from '../base/problem.ts'
import { markerServer } from './marker.ts'
import { parseStat, parseVersion, type Server } from './replies.ts'
import { isSlot, slotPrefix } from './slots.ts'

export const oldestVersion = { major: 2, minor: 6 } as const

const generate = 'put what "holdfast haproxy config" writes into its configuration and reload it'

export function versionProblem(at: string, version: string): Problem | undefined {
  const found = parseVersion(version)
  const { major, minor } = oldestVersion
  // A version that cannot be read is a fork's or a future's: what counts is whether it does what is asked.
  if (found === undefined || found.major > major || (found.major === major && found.minor >= minor)) return undefined
  return problem(
    at,
    `HAProxy ${major}.${minor} or newer`,
    `HAProxy ${version}`,
    'upgrade it: older ones do not restore what a reload must keep',
  )
}

export function levelProblem(at: string, level: string): Problem | undefined {
  if (level.trim() === 'admin') return undefined
  return problem(
    at,
    'a runtime socket of level admin',
    `level ${level.trim() || 'none'}`,
    'write "level admin" at its "stats socket" line and reload HAProxy',
  )
}

export interface Backend {
  readonly marker: Server
  /** In the order of their numbers. */
  readonly slots: readonly Server[]
  readonly foreign: readonly string[]
  /** Usable, but not as it should be. */
  readonly warnings: readonly Problem[]
}

/** The backend as somebody may work with it, or why not. */
export function inspectBackend(name: string, targets: number, servers: readonly Server[]): Backend | Problem {
  const at = `HAProxy backend ${name}`
  const its = servers.filter(({ backend }) => backend === name)
  if (its.length === 0) return problem(at, 'a backend with slots', 'no such backend, or an empty one', generate)
  const marker = its.find((server) => server.name === markerServer)
  if (marker === undefined)
    return problem(
      at,
      `a server ${markerServer}, which says that the slots are Holdfast's`,
      'none: this backend is somebody else’s',
      `${generate}; nothing in it is touched until then`,
    )
  const slots = its
    .filter((server) => isSlot(server.name))
    .sort((a, b) => Number(a.name.slice(slotPrefix.length)) - Number(b.name.slice(slotPrefix.length)))
  if (slots.length === 0)
    return problem(at, `slots: server-template ${slotPrefix} 1-${Math.max(8, 2 * targets)} …`, 'none', generate)
  const foreign = its.filter((server) => server !== marker && !isSlot(server.name)).map((server) => server.name)
  const warnings: Problem[] = []
  const checked = slots.filter((slot) => slot.checked)
  if (checked.length > 0)
    warnings.push(
      problem(
        at,
        'slots without health checks of HAProxy’s own',
        `${checked.length} with "check" or "agent-check", such as ${checked[0]?.name}`,
        'take "check" away: two that judge the same targets work against each other',
      ),
    )
  if (slots.length < targets)
    warnings.push(
      problem(
        at,
        `a slot for each of ${targets} targets`,
        `${slots.length}`,
        `raise the number of its server-template to ${2 * targets}, reload HAProxy; until then ${targets - slots.length} get no traffic`,
      ),
    )
  else if (slots.length === targets)
    warnings.push(
      problem(
        at,
        'more slots than targets, so that a target can be exchanged before its slot is taken',
        `${slots.length} of each`,
        `raise the number of its server-template to ${2 * targets}`,
      ),
    )
  const unnamed = [marker, ...slots].filter((slot) => !slot.named)
  if (unnamed.length > 0)
    warnings.push(
      problem(
        at,
        'slots with a name, so that their addresses come back after a reload',
        `${unnamed[0]?.name}, configured with an address`,
        'write "unset.holdfast.invalid:9 init-addr last,127.0.0.1" in their place, as "holdfast haproxy config" does',
      ),
    )
  if (foreign.length > 0)
    warnings.push(
      problem(
        at,
        'no servers but the slots',
        `${foreign.slice(0, 5).join(', ')}${foreign.length > 5 ? ` and ${foreign.length - 5} more` : ''}`,
        'nothing needs to be done: they are never touched; but they take traffic that no plan knows of',
      ),
    )
  return { marker, slots, foreign, warnings }
}

/** How the backend balances (`show stat`): with some algorithms a weight is only on or off, or needs a reload. */
export function algorithmProblem(name: string, stat: string): Problem | undefined {
  const algorithm = parseStat(stat)?.[0]?.get('algo') ?? ''
  if (!/^(?:static-rr|first)$/.test(algorithm)) return undefined
  return problem(
    `HAProxy backend ${name}`,
    'an algorithm that follows weights while it runs: roundrobin, leastconn, random',
    `balance ${algorithm}`,
    'write "balance roundrobin" and reload HAProxy',
  )
}
