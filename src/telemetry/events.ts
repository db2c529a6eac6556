/**
 * Every event that a program traces: how important it is, and what it says to a person. The types make
 * sure that no event is forgotten here. Pure.
 */
import type { AnyBalanceEvent } from '../balance/events.ts'
import type { AnyEnactEvent } from '../enact/events.ts'
import type { AnyHealthEvent } from '../health/events.ts'
import type { AnyIntakeEvent } from '../intake/events.ts'
import { tokenAil } from '../leases/ails.ts'
import type { AnyLeaseEvent } from '../leases/events.ts'
import type { PlanEvent } from '../plan/events.ts'
import type { ServeEvent } from '../serve/events.ts'
import type { TraceEvent } from '../world/world.ts'
import type { Level } from './level.ts'
import type { CliEvent } from './program-events.ts'

export type AnyEvent =
  | AnyBalanceEvent
  | AnyEnactEvent
  | AnyHealthEvent
  | AnyIntakeEvent
  | AnyLeaseEvent
  | PlanEvent
  | ServeEvent
  | CliEvent

interface Telling<Event> {
  readonly level: Level | ((event: Event) => Level)
  say(event: Event): string
}

const n = (value: number, one: string, many = `${one}s`) => `${value} ${value === 1 ? one : many}`
const name = (text: string) => text.replace(/\.$/, '')

const percent = (share: number) => `${Math.round(share * 100)} %`

const table: { readonly [E in AnyEvent as E['event']]: Telling<E> } = {
  'program.started': {
    level: 'info',
    say: (e) => `${e.role} ${e.version} started${e.http === '' ? '' : `, ${e.http}`}`,
  },
  'program.stopped': { level: 'info', say: (e) => `stopped: ${e.why}` },
  'program.fell_back': { level: 'warn', say: (e) => `starts with the last good configuration: ${e.reason}` },
  'program.left_out': { level: 'info', say: (e) => `and ${e.count} more like the last (${e.kind})` },
  'program.failed': { level: 'error', say: (e) => `failed: ${e.reason}` },

  'plan.published': {
    level: 'info',
    say: (e) =>
      `generation ${e.generation} published: ${e.changed} changed, ${e.added} new, ${e.retired} retired${e.capacityRemoved > 0 ? `, ${percent(e.capacityRemoved)} of a pool leaves` : ''}`,
  },
  'plan.pool_weighed': {
    level: 'debug',
    say: (e) => `${e.pool}: ${percent(e.capacity)} of its capacity answers${e.failOpen ? ', fail-open' : ''}`,
  },
  'plan.gate': { level: 'warn', say: (e) => `${e.pool}: ${e.text}` },
  'plan.lost': { level: 'debug', say: (e) => `generation ${e.generation} came second, reads again` },
  'plan.check_failed': {
    level: 'error',
    say: (e) =>
      `generation ${e.generation} is not published: rule ${e.rule}, ${e.at}: expected ${e.expected}, found ${e.found}`,
  },
  'plan.held': { level: 'info', say: (e) => `nothing is published: ${e.reason}` },
  'plan.policy_taken': {
    level: 'info',
    say: (e) => `the configuration is in use: ${n(e.endpoints, 'name')}, ${n(e.pools, 'pool')}`,
  },
  'plan.policy_refused': {
    level: 'warn',
    say: (e) =>
      `the configuration cannot be used, the last good one goes on: ${e.first}${e.problems > 1 ? ` (and ${e.problems - 1} more)` : ''}`,
  },
  'plan.stood_by': { level: 'info', say: (e) => e.reason },
  'plan.damage_found': { level: 'warn', say: (e) => `generation ${e.generation} is damaged in the store: ${e.what}` },
  'plan.override_ended': { level: 'info', say: (e) => `${e.subject.replace('/', ' ')} ended: ${e.because}` },
  'plan.document_refused': { level: 'warn', say: (e) => `${e.key} in the store is damaged: ${e.what}` },
  'plan.store_failed': { level: 'warn', say: (e) => `the store cannot be used: ${e.reason}` },

  'enact.claimed': { level: 'debug', say: (e) => `works on generation ${e.generation}` },
  'enact.applied': { level: 'info', say: (e) => `${name(e.name)} answers generation ${e.generation} (${e.why})` },
  'enact.repaired': { level: 'warn', say: (e) => `${name(e.name)} was changed by somebody else: repaired (${e.why})` },
  'enact.fenced': {
    level: 'info',
    say: (e) => `${name(e.name)}: generation ${e.theirs} stands there, ${e.mine} is not written`,
  },
  'enact.conflicted': {
    level: 'debug',
    say: (e) => `${name(e.name)}: somebody else was faster, read again (${e.reason})`,
  },
  'enact.refused': { level: 'warn', say: (e) => `${name(e.name)}: the authority refuses: ${e.reason}` },
  'enact.removal_refused': { level: 'error', say: (e) => `${name(e.name)} is not written: ${e.reason}` },
  'enact.unanswered': { level: 'warn', say: (e) => `${name(e.name)}: no answer to a write, read again (${e.reason})` },
  'enact.unapplied': { level: 'warn', say: (e) => `${name(e.name)}: accepted, but not there when read back` },
  'enact.blocked': { level: 'warn', say: (e) => `${name(e.name)} is blocked: ${e.why}` },
  'enact.unblocked': { level: 'info', say: (e) => `${name(e.name)} is no longer blocked` },
  'enact.outrun': {
    level: 'warn',
    say: (e) => `${name(e.name)}: generation ${e.theirs} stands there, the store knows only ${e.mine}`,
  },
  'enact.twin_suspected': {
    level: 'error',
    say: (e) =>
      `another deployment seems to write with owner "${e.owner}": plan after plan is outrun; give each deployment an owner and names of its own`,
  },
  'enact.dropped': { level: 'debug', say: (e) => `dropped generation ${e.plan} for a newer one` },
  'enact.vanished': { level: 'warn', say: (e) => `generation ${e.generation} is not whole in the store: ${e.what}` },
  'enact.passed': {
    level: 'debug',
    say: (e) => `${name(e.zone)}: ${n(e.written, 'name')} written in ${Math.round(e.ms)} ms`,
  },
  'enact.completed': { level: 'info', say: (e) => `${name(e.zone)}: generation ${e.plan} is enacted` },
  'enact.authority_lost': { level: 'warn', say: (e) => `${name(e.zone)}: the authority does not answer: ${e.reason}` },
  'enact.authority_found': { level: 'info', say: (e) => `${name(e.zone)}: the authority answers` },
  'enact.store_lost': { level: 'warn', say: (e) => `the store cannot be read: ${e.reason}` },
  'enact.store_found': { level: 'info', say: () => 'the store is back' },
  'enact.store_refused': { level: 'warn', say: (e) => `the store refuses a document: ${e.reason}` },
  'enact.policy_unreadable': {
    level: 'warn',
    say: (e) => `the configuration cannot be used, the last good one goes on: ${e.reason}`,
  },

  'sweep.deleted': { level: 'info', say: (e) => `swept ${n(e.plans, 'old plan')} and ${n(e.shards, 'shard')}` },
  'sweep.conflicted': { level: 'debug', say: () => 'a new plan came during the sweep: nothing was deleted' },
  'sweep.failed': { level: 'warn', say: (e) => `the sweep failed: ${e.reason}` },

  'health.probed': { level: 'debug', say: (e) => `${e.pool}: ${e.passed} of ${e.targets} pass` },
  'health.turned': {
    level: 'info',
    say: (e) =>
      e.result === 'pass' ? `${e.pool}/${e.target} passes again` : `${e.pool}/${e.target} fails: ${e.detail}`,
  },
  'health.delayed': { level: 'warn', say: (e) => `${e.pool}: a round began ${Math.round(e.lateMs)} ms late` },
  'health.overran': {
    level: 'warn',
    say: (e) => `${e.pool}: ${n(e.skipped, 'round')} left out, the last took too long`,
  },
  'health.blinded': {
    level: 'warn',
    say: (e) => `${e.pool}: nothing is known of ${n(e.checks, 'target')} after this round: ${e.why}`,
  },
  'health.canary_lost': { level: 'warn', say: (e) => `judges nobody, the canary does not answer: ${e.why}` },
  'health.canary_found': { level: 'info', say: () => 'the canary answers again' },
  'health.strained': {
    level: 'warn',
    say: (e) => `its event loop is ${e.lateMs} ms late: targets get twice the time`,
  },
  'health.relieved': { level: 'info', say: () => 'its event loop keeps time again' },
  'health.started': { level: 'debug', say: (e) => `${e.pool}: probes ${n(e.targets, 'target')}` },
  'health.stopped': { level: 'info', say: (e) => `${e.pool}: probed no more` },
  'health.store_lost': { level: 'warn', say: (e) => `observations cannot be written: ${e.reason}` },
  'balance.policy_changed': { level: 'debug', say: (e) => `the configuration is in use: ${n(e.pools, 'pool')}` },
  'balance.policy_unreadable': {
    level: 'error',
    say: (e) => `the configuration cannot be read, the last good one goes on: ${e.reason}`,
  },
  'balance.followed': { level: 'info', say: (e) => `pushes the weights of generation ${e.generation}` },
  'balance.resumed': { level: 'info', say: (e) => `goes on with the weights of generation ${e.generation}` },
  'balance.store_lost': { level: 'warn', say: (e) => `the store is gone, the last weights go on: ${e.reason}` },
  'balance.store_found': { level: 'info', say: () => 'the store is back' },
  'balance.refused': { level: 'error', say: (e) => e.reason },
  'balance.haproxy_found': { level: 'info', say: (e) => `HAProxy ${e.version} answers (process ${e.process})` },
  'balance.haproxy_lost': { level: 'warn', say: (e) => e.reason },
  'balance.stood_by': { level: 'info', say: () => 'stands by: the runtime socket answers another balancer' },
  'balance.haproxy_reloaded': {
    level: 'info',
    say: (e) => `HAProxy was reloaded: leaves its old process ${e.process}`,
  },
  'balance.complained': {
    level: (e) => (e.reason === '' ? 'info' : 'warn'),
    say: (e) => (e.reason === '' ? `${e.pool}: nothing to complain about any more` : e.reason),
  },
  'balance.pushed': {
    level: 'debug',
    say: (e) => `generation ${e.generation} pushed: ${n(e.commands, 'command')} for ${n(e.slots, 'slot')}, ${e.ms} ms`,
  },
  'balance.fenced': {
    level: 'debug',
    say: (e) => `${e.pool}: generation ${e.theirs} stands in HAProxy, ${e.mine} is not pushed over it`,
  },
  'balance.repaired': {
    level: 'warn',
    say: (e) => `${e.pool}/${e.slot} put right: was left as ${e.expected}, found ${e.found}`,
  },
  'balance.read_back': { level: 'debug', say: (e) => `${n(e.slots, 'slot')} read back, ${e.drift} changed` },
  'health.store_found': { level: 'info', say: () => 'the store is back' },
  'health.policy_unreadable': {
    level: 'warn',
    say: (e) => `the configuration cannot be used, the last good one goes on: ${e.reason}`,
  },
  'health.policy_changed': { level: 'debug', say: (e) => `the configuration is in use: ${n(e.pools, 'pool')}` },

  'intake.turned': {
    level: 'info',
    say: (e) =>
      `${e.pool}/${e.target} is ${e.to} by ${e.agent}${e.from === '' ? '' : `, was ${e.from}`}${e.detail === '' ? '' : `: ${e.detail}`}`,
  },
  'intake.received': {
    level: 'debug',
    say: (e) => `${e.agent}: ${n(e.accepted, 'observation')} taken, ${e.refused} refused`,
  },
  'intake.refused': {
    level: 'warn',
    say: (e) => `${n(e.count, 'observation')}${e.agent === '' ? '' : ` of ${e.agent}`} refused: ${e.why}`,
  },
  'intake.agent_unusable': { level: 'error', say: (e) => `the agent ${e.agent} is not let in, its token: ${e.why}` },
  'intake.listening': { level: 'info', say: (e) => `takes observations at ${e.url}/v1/observations` },
  'intake.demand_asked': { level: 'debug', say: (e) => `${e.pool} needs ${e.value}` },
  'intake.demand_lost': { level: 'warn', say: (e) => `the demand of ${e.pool} is not known, ${e.source}: ${e.why}` },
  'intake.demand_found': { level: 'info', say: (e) => `the demand of ${e.pool} is known, ${e.source}` },
  'intake.store_lost': { level: 'warn', say: (e) => `reports cannot be written: ${e.reason}` },
  'intake.store_found': { level: 'info', say: () => 'the store is back' },
  'intake.policy_unreadable': {
    level: 'warn',
    say: (e) => `the configuration cannot be used, the last good one goes on: ${e.reason}`,
  },
  'intake.policy_changed': { level: 'debug', say: (e) => `the configuration is in use: ${n(e.pools, 'pool')}` },

  'serve.started': {
    level: 'info',
    say: (e) => `answers at ${e.listen}: ${n(e.names, 'name')} in ${n(e.zones, 'zone')}`,
  },
  'serve.stopped': { level: 'info', say: () => 'answers no more' },
  'serve.zone_made': { level: 'info', say: (e) => `${name(e.zone)}: made, ${n(e.records, 'record')}` },
  'serve.settings_applied': {
    level: 'info',
    say: (e) =>
      `${name(e.zone)}: ${n(e.changes, 'change')} of the configuration${e.skipped > 0 ? `, ${n(e.skipped, 'record')} left to guarded names` : ''}`,
  },
  'serve.settings_refused': { level: 'warn', say: (e) => `${name(e.zone)} is served as it was: ${e.reason}` },
  'serve.zone_unused': {
    level: 'warn',
    say: (e) => `${name(e.zone)} is on disk, not in the configuration: kept, not served`,
  },
  'serve.updated': { level: 'debug', say: (e) => `${name(e.zone)}: ${n(e.names, 'name')} changed, serial ${e.serial}` },
  'serve.update_refused': {
    // A condition that does not hold is everyday life among several enactors; anything else is somebody's mistake.
    level: (e) => (e.guard === '' && /^[NY]X/.test(e.rcode) ? 'debug' : 'warn'),
    say: (e) => `${name(e.zone)}: an update by ${name(e.key)} was turned down (${e.rcode}): ${e.reason}`,
  },
  'serve.signature_refused': {
    level: 'warn',
    say: (e) => `${e.client}: a signature is wrong: ${e.detail}${e.more > 0 ? ` (and ${e.more} more)` : ''}`,
  },
  'serve.disk_failed': { level: 'error', say: (e) => `the disk did not take a change: ${e.reason}` },
  'serve.fenced': { level: 'error', say: (e) => `takes no more updates: ${e.reason}` },
  'serve.transferred': {
    level: 'debug',
    say: (e) => `${name(e.zone)}: ${n(e.records, 'record')} transferred to ${name(e.key)}`,
  },
  'serve.failed': {
    level: 'error',
    say: (e) => `a message could not be handled (a bug): ${e.reason}${e.more > 0 ? ` (and ${e.more} more)` : ''}`,
  },
  'leases.listening': { level: 'info', say: (e) => `hosts report at ${e.url}` },
  'leases.shards_taken': {
    level: 'info',
    say: (e) => `${n(e.count, 'shard')} taken${e.from === '' ? '' : ` from ${e.from}`}: ${e.why}`,
  },
  'leases.shards_given_up': { level: 'info', say: (e) => `${n(e.count, 'shard')} given up: ${e.why}` },
  'leases.shards_lost': {
    level: 'info',
    say: (e) => `${n(e.count, 'shard')} with ${n(e.hosts, 'host')} left: ${e.why}`,
  },
  'leases.granting_stopped': { level: 'warn', say: (e) => `grants nothing for now: ${e.why}` },
  'leases.granting': { level: 'info', say: () => 'grants leases' },
  'leases.dependency': {
    level: (e) => (e.to === 'down' ? 'error' : e.to === 'degraded' ? 'warn' : 'info'),
    say: (e) => `${e.stage}: the dependency is ${e.to}, was ${e.from}; ${n(e.waiting, 'host waits', 'hosts wait')}`,
  },
  'leases.drained': {
    level: 'info',
    say: (e) => `nobody waits any more: ${n(e.hosts, 'lease')} in ${Math.round(e.ms / 100) / 10} s`,
  },
  'leases.not_done': {
    level: 'warn',
    say: (e) => `${e.stage}: ${n(e.count, 'operation')} not done (${e.outcome}), the last: ${e.why}`,
  },
  'leases.identity_conflict': {
    level: 'warn',
    say: (e) =>
      `two hosts report as ${e.host}${e.count > 1 ? ` (${e.count} reports of such pairs)` : ''}: the one that started later has the lease; give each an id of its own`,
  },
  'leases.host_refused': {
    level: 'warn',
    say: (e) => `${n(e.count, 'report')} refused (${e.why}), the last of ${e.host}`,
  },
  'leases.expired': { level: 'warn', say: (e) => `${n(e.count, 'lease')} taken away, the last of ${e.host}` },
  'leases.token_unusable': { level: 'error', say: tokenAil },
  'leases.token_found': { level: 'info', say: () => 'the token of the fleet can be used' },
  'leases.turned_away': { level: 'warn', say: (e) => `${n(e.count, 'request')} turned away (${e.why})` },
  'leases.counted': {
    level: 'debug',
    say: (e) => `${e.leased} of ${n(e.known, 'host')} leased, ${e.waiting} wait, limit ${e.limit}`,
  },
  'leases.store_lost': { level: 'warn', say: (e) => `the store cannot be used: ${e.reason}` },
  'leases.store_found': { level: 'info', say: () => 'the store is back' },
  'leases.hint_unreadable': { level: 'warn', say: (e) => `what the last recovery left cannot be read: ${e.reason}` },
  'leases.twin': {
    level: 'error',
    say: (e) => `another program works as ${e.id}: give each manager an id of its own; this one owns nothing now`,
  },
  'serve.socket_failed': { level: 'warn', say: (e) => `${e.listen}: ${e.reason}` },
}

const tellings: ReadonlyMap<string, Telling<never>> = new Map(Object.entries(table))

/** Their names. */
export const knownEvents: ReadonlySet<string> = new Set(tellings.keys())

export function levelOf(event: TraceEvent): Level {
  const level = tellings.get(event.event)?.level ?? 'info'
  return typeof level === 'function' ? level(event as never) : level
}

/** One line for people; an event that this version does not know is shown as it is. */
export function describeEvent(event: TraceEvent): string {
  const telling = tellings.get(event.event)
  if (telling !== undefined) return telling.say(event as never)
  const { event: kind, ...fields } = event
  return [kind, ...Object.entries(fields).map(([field, value]) => `${field}=${value}`)].join(' ')
}

/** Shown to people; the rest is in the log file. */
export const isNotable = (level: Level): boolean => level !== 'debug'
