/** Makes the live view's screen out of what `up` knows: programs, a snapshot of the store, what DNS answers. Pure. */
import type { Config } from '../config/config.ts'
import { addressText } from '../config/units.ts'
import type { TargetState } from '../model/plan.ts'
import type { Policy, Pool, Target } from '../model/policy.ts'
import { shown } from './pin.ts'
import { companionCommand } from './programs.ts'
import type { Shown } from './published.ts'
import { isFresh, type Snapshot } from './snapshot.ts'
import type { ProgramView } from './supervisor.ts'
import { durationText } from './text.ts'
import type { Mark, Screen } from './view.ts'

export interface Known {
  readonly config: Config
  /** The newest that could be used; `unusable`: what is wrong with the present one, if anything. */
  readonly policy: Policy
  readonly unusable: string | null
  readonly cwd: string
  readonly now: number
  readonly started: number
  readonly programs: readonly ProgramView[]
  readonly snapshot: Snapshot | null
  /** Why there is no snapshot, or why it is old. */
  readonly outage: string | null
  readonly published: readonly Shown[]
  readonly events: Screen['events']
}

/** Names that the view reads and shows, at most. */
export const namesShown = 8

export function screenOf(known: Known): Screen {
  const { config, policy, snapshot, now } = known
  const head = snapshot?.head
  return {
    now,
    owner: policy.owner,
    started: known.started,
    head: head === undefined ? null : { generation: head.generation, at: head.at },
    alarms: alarmsOf(known),
    programs: known.programs.toSorted(byImportance).map((program) => programRow(program, known)),
    pools: [...policy.pools.values()].slice(0, 6).map((pool) => poolRows(pool, known)),
    names: known.published.map(nameRow),
    namesTotal: policy.endpoints.size,
    events: known.events,
    tries: tries(known),
    footer:
      config.server === null ? 'Ctrl-C stops everything' : 'Ctrl-C stops everything; with --keep-server DNS goes on',
  }
}

const order = ['server', 'role', 'companion'] as const
const byImportance = (a: ProgramView, b: ProgramView): number => order.indexOf(a.kind) - order.indexOf(b.kind)

function alarmsOf({ snapshot, outage, unusable, now }: Known): string[] {
  const alarms: string[] = []
  if (unusable !== null) alarms.push(`${unusable} (the last good configuration goes on)`)
  if (outage !== null) alarms.push(`store: ${outage}`)
  for (const { action, author, reason, expires } of snapshot?.overrides ?? []) {
    const until = expires === null ? '' : `, ${durationText(expires - now)} more`
    if (action.kind === 'freeze') alarms.push(`frozen by ${author}: ${reason}${until} (holdfast thaw)`)
    if (action.kind === 'rollback')
      alarms.push(`rolled back to ${action.to} by ${author}: ${reason}${until} (holdfast rollback --undo)`)
  }
  return alarms
}

function programRow(program: ProgramView, known: Known): Screen['programs'][number] {
  const { snapshot, now, config } = known
  const { name, pid, state, kind } = program
  const restarted = program.restarts > 0 ? `restarted ${program.restarts}×` : ''
  if (state === 'gone')
    return answersAgain(name, known)
      ? { name, pid, mark: 'good', note: 'started by hand' }
      : { name, pid, mark: 'bad', note: 'ended, left to you' }
  if (state === 'waiting') {
    const left = Math.max(0, (program.retryAt ?? now) - now)
    return { name, pid, mark: 'bad', note: `again in ${durationText(left)}` }
  }
  if (state === 'starting') return { name, pid, mark: 'busy', note: 'starts' }
  if (kind === 'companion') return { name, pid, mark: 'good', note: 'service' }
  if (kind === 'server') {
    const at = config.server?.listen.map(addressText).join(' ') ?? ''
    return { name, pid, mark: 'good', note: program.adopted ? `${at}, kept` : restarted || at }
  }
  const status = snapshot?.statuses.find((one) => one.id === name)
  const enacted = snapshot?.progress.find(([id]) => id === name)?.[1].enacted
  if (status !== undefined && status.pid === pid && !isFresh(status.at, now))
    return { name, pid, mark: 'bad', note: `silent for ${durationText(now - status.at)}` }
  const note = enacted !== undefined && name.startsWith('enactor') ? `enacted ${enacted}` : ''
  return { name, pid, mark: 'good', note: [note, restarted].filter((text) => text !== '').join(', ') || 'runs' }
}

/** A companion that ended may run again, started by somebody else: a target of its name passes its check. */
function answersAgain(name: string, { snapshot, now, policy }: Known): boolean {
  return (snapshot?.observations ?? []).some((one) => {
    const observed = one.targets[name]
    const pool = policy.pools.get(one.pool)
    return pool !== undefined && observed?.history.endsWith('p') === true && isRecent(observed.at, now, pool)
  })
}

const isRecent = (at: number, now: number, pool: Pool): boolean => now - at < Math.max(5000, 3 * pool.intervalMs)

function poolRows(pool: Pool, { snapshot, now }: Known): Screen['pools'][number] {
  const state = snapshot?.head?.pools[pool.id]
  const seen = snapshot?.observations.filter((one) => one.pool === pool.id) ?? []
  return {
    id: pool.id,
    capacity: state?.capacity ?? null,
    failOpen: state?.failOpenSince != null,
    targets: pool.targets.slice(0, 12).map((target) => {
      const observed = seen.map((one) => one.targets[target.id]).find((one) => one !== undefined)
      const failing = observed?.history.endsWith('f') === true ? `check fails: ${observed.detail}` : ''
      const fresh = observed !== undefined && isRecent(observed.at, now, pool)
      return {
        id: target.id,
        address: addressesText(target),
        latencyMs: fresh && failing === '' ? observed.latencyMs : null,
        ...unlessUnknown(judged(state?.targets[target.id], failing), fresh || pool.check.kind === 'none'),
      }
    }),
  }
}

/** S8: without a fresh check nothing is shown as well, though it answers. */
const unlessUnknown = <Row extends { readonly mark: Mark; readonly note: string }>(row: Row, known: boolean): Row =>
  known || row.mark !== 'good' ? row : { ...row, mark: 'unknown', note: `${row.note}, health unknown` }

const addressesText = ({ addresses }: Target): string =>
  addresses.length === 1 ? addresses[0] : `${addresses[0]} +${addresses.length - 1}`

function judged(state: TargetState | undefined, failing: string): { share: number; mark: Mark; note: string } {
  switch (state?.kind) {
    case undefined:
      return { share: 0, mark: 'unknown', note: 'not planned yet' }
    case 'new':
      return { share: 0, mark: 'unknown', note: failing || 'new: waits for its first good checks' }
    case 'serving':
      return failing === '' ? { share: 1, mark: 'good', note: 'serving' } : { share: 1, mark: 'busy', note: failing }
    case 'ramping':
      return { share: state.percent / 100, mark: 'busy', note: failing || 'comes back' }
    case 'held':
      return { share: 1, mark: 'busy', note: `still answers: ${state.by}` }
    case 'removed':
      return { share: 0, mark: 'bad', note: `out: ${state.reason}` }
    case 'evacuated':
      return { share: 0, mark: 'busy', note: 'out with its whole site' }
    case 'drained':
      return { share: 0, mark: 'busy', note: `drained by ${state.by}: ${state.reason}` }
  }
}

function nameRow(one: Shown): Screen['names'][number] {
  const name = shown(one.name)
  if (one.kind === 'outage') return { name, generation: null, answer: one.reason, mark: 'bad' }
  const answer = one.alias === null ? one.addresses.toSorted().join('  ') : `→ ${shown(one.alias as typeof one.name)}`
  const mark: Mark = answer === '' ? 'bad' : one.marker === null ? 'busy' : 'good'
  return { name, generation: one.marker?.generation ?? null, answer: answer === '' ? 'nothing' : answer, mark }
}

function tries(known: Known): Screen['tries'] {
  const { config, policy, programs, cwd } = known
  const first =
    [...policy.endpoints.values()].find(({ from }) => from.kind === 'pool') ?? [...policy.endpoints.values()][0]
  const zone = first === undefined ? undefined : policy.zones.get(first.zone)
  const list: { command: string; what: string }[] = []
  if (first !== undefined && zone !== undefined)
    list.push({ command: digCommand(zone.authority.address, shown(first.name)), what: 'ask' })
  const gone = programs.filter(
    ({ name, kind, state }) => kind === 'companion' && state === 'gone' && !answersAgain(name, known),
  )
  for (const { name } of gone.slice(0, 3))
    list.push({ command: `${companionCommand(config, name, cwd)} &`, what: `start ${name} again` })
  const service = programs.find(({ kind, pid }) => kind === 'companion' && pid !== null)
  if (service !== undefined) list.push({ command: `kill -9 ${service.pid}`, what: `the service ${service.name}` })
  const enactors = programs.filter(({ name, pid }) => name.startsWith('enactor-') && pid !== null)
  if (enactors.length > 0)
    list.push({ command: `kill -9 ${enactors.map(({ pid }) => pid).join(' ')}`, what: 'all enactors' })
  const server = programs.find(({ kind, pid }) => kind === 'server' && pid !== null)
  if (server !== undefined) list.push({ command: `kill -9 ${server.pid}`, what: 'the DNS server' })
  list.push({ command: `kill -9 ${process.pid}`, what: 'this program' })
  return list
}

/** The exact command that asks this server for a name. */
export function digCommand(at: { readonly host: string; readonly port: number }, name: string): string {
  return `dig @${at.host}${at.port === 53 ? '' : ` -p ${at.port}`} ${name} +short`
}
