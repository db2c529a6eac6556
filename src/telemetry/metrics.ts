/** Prometheus metrics of one program, made from its trace events and from nothing else it does. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { TraceEvent } from '../world/world.ts'
import type { AnyEvent } from './events.ts'

export interface Metrics {
  event(event: TraceEvent): void
  /** Prometheus text format. */
  page(): Promise<string>
  readonly registry: Registry
}

export interface MetricsOptions {
  readonly program: string
  readonly role: string
  readonly version: string
}

/** Makes metrics in one registry, all named `holdfast_...`. */
export interface Maker {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  gauge(name: string, help: string, labels?: readonly string[]): Gauge
  histogram(name: string, help: string, buckets: readonly number[], labels?: readonly string[]): Histogram
}

export function makerFor(registry: Registry): Maker {
  const registers = [registry]
  return {
    counter: (name, help, labels = []) =>
      new Counter({ name: `holdfast_${name}`, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) =>
      new Gauge({ name: `holdfast_${name}`, help, labelNames: [...labels], registers }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({ name: `holdfast_${name}`, help, buckets: [...buckets], labelNames: [...labels], registers }),
  }
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

type Handler = (event: AnyEvent) => void

/** By role: what its events count. A role that is not here has only what every program has. */
const roles: Readonly<Record<string, (make: Maker) => Handler>> = {
  planner(make) {
    const published = make.counter('plans_published_total', 'Plans that this planner published.')
    const lost = make.counter('plans_lost_total', 'Plans that another planner was faster with.')
    const refused = make.counter('plans_refused_total', 'Plans that the check refused, by rule.', ['rule'])
    const changed = make.counter('plan_names_changed_total', 'Names that published plans changed, added or retired.')
    const pass = make.histogram('plan_seconds', 'From reading the inputs to the acknowledged plan.', secondsBuckets)
    const swept = make.counter('plans_swept_total', 'Old plans deleted from the store.')
    return (event) => {
      switch (event.event) {
        case 'plan.published':
          published.inc()
          changed.inc(event.changed + event.added + event.retired)
          return pass.observe(event.ms / 1000)
        case 'plan.lost':
          return lost.inc()
        case 'plan.check_failed':
          return refused.inc({ rule: event.rule })
        case 'sweep.deleted':
          return swept.inc(event.plans)
        default:
      }
    }
  },
  enactor(make) {
    const written = make.counter('writes_total', 'Endpoints written and read back.', ['zone', 'why'])
    const repaired = make.counter('repairs_total', 'Endpoints put right after somebody else changed them.', [
      'zone',
      'why',
    ])
    const conflicts = make.counter('conflicts_total', 'Writes whose condition no longer held: nothing was changed.', [
      'zone',
    ])
    const fenced = make.counter('fence_refusals_total', 'Writes held back because a newer generation stood there.', [
      'zone',
    ])
    const refused = make.counter('authority_refusals_total', 'Writes that the authority refused.', ['zone'])
    const unanswered = make.counter('unanswered_total', 'Writes without an answer: their outcome was read back.', [
      'zone',
    ])
    const blocked = make.gauge('blocked_names', 'Names that this enactor cannot write.')
    const completed = make.gauge('enacted_generation', 'The plan that the whole zone was last seen published in.', [
      'zone',
    ])
    const authority = make.gauge('authority_up', 'Whether the authority of the zone answers.', ['zone'])
    const pass = make.histogram('pass_seconds', 'One pass over a zone in which something was done.', secondsBuckets, [
      'zone',
    ])
    return (event) => {
      switch (event.event) {
        case 'enact.applied':
          return written.inc({ zone: event.zone, why: event.why })
        case 'enact.repaired':
          return repaired.inc({ zone: event.zone, why: event.why })
        case 'enact.conflicted':
          return conflicts.inc({ zone: event.zone })
        case 'enact.fenced':
          return fenced.inc({ zone: event.zone })
        case 'enact.refused':
          return refused.inc({ zone: event.zone })
        case 'enact.unanswered':
          return unanswered.inc({ zone: event.zone })
        case 'enact.blocked':
          return blocked.inc()
        case 'enact.unblocked':
          return blocked.dec()
        case 'enact.completed':
          // At nought from the beginning: a rate over a counter that only appears with its first count misses that one.
          for (const counter of [conflicts, fenced, refused, unanswered]) counter.inc({ zone: event.zone }, 0)
          authority.set({ zone: event.zone }, 1)
          return completed.set({ zone: event.zone }, event.plan)
        case 'enact.authority_lost':
          return authority.set({ zone: event.zone }, 0)
        case 'enact.authority_found':
          return authority.set({ zone: event.zone }, 1)
        case 'enact.passed':
          return pass.observe({ zone: event.zone }, event.ms / 1000)
        default:
      }
    }
  },
  balancer(make) {
    const pushes = make.counter('haproxy_pushes_total', 'Times that all weights were pushed into HAProxy.')
    const push = make.histogram('haproxy_push_seconds', 'One push of all weights, with its answers.', secondsBuckets)
    const generation = make.gauge('haproxy_generation', 'The plan whose weights were pushed last.')
    const up = make.gauge('haproxy_up', 'Whether the runtime API of HAProxy can be used.')
    const repairs = make.counter('haproxy_repairs_total', 'Slots put right after somebody else changed them.', ['pool'])
    const fenced = make.counter('haproxy_fenced_total', 'Pushes held back because a newer generation stood there.', [
      'pool',
    ])
    const reloads = make.counter('haproxy_reloads_total', 'Reloads of HAProxy that were followed.')
    up.set(0)
    return (event) => {
      switch (event.event) {
        case 'balance.pushed':
          pushes.inc()
          generation.set(event.generation)
          return push.observe(event.ms / 1000)
        case 'balance.haproxy_found':
          return up.set(1)
        case 'balance.haproxy_lost':
          return up.set(0)
        case 'balance.haproxy_reloaded':
          return reloads.inc()
        case 'balance.repaired':
          return repairs.inc({ pool: event.pool })
        case 'balance.fenced':
          return fenced.inc({ pool: event.pool })
        default:
      }
    }
  },
  prober(make) {
    const round = make.histogram('probe_round_seconds', 'One round of checks over a pool.', secondsBuckets, ['pool'])
    const checks = make.counter('checks_total', 'Checks by result.', ['pool', 'result'])
    const turns = make.counter('check_turns_total', 'Checks that came out differently from the one before.', ['pool'])
    const held = make.counter('probe_rounds_late_total', 'Rounds that began late, were left out, or did not count.', [
      'pool',
    ])
    const blind = make.gauge(
      'prober_blind',
      'Whether the canary of this prober does not answer: then it judges nobody.',
    )
    const strained = make.gauge(
      'prober_strained',
      'Whether the event loop of this prober lags: then it gives twice the time.',
    )
    blind.set(0)
    strained.set(0)
    return (event) => {
      switch (event.event) {
        case 'health.canary_lost':
          return blind.set(1)
        case 'health.canary_found':
          return blind.set(0)
        case 'health.strained':
          return strained.set(1)
        case 'health.relieved':
          return strained.set(0)
        case 'health.probed':
          round.observe({ pool: event.pool }, event.ms / 1000)
          checks.inc({ pool: event.pool, result: 'pass' }, event.passed)
          return checks.inc({ pool: event.pool, result: 'fail' }, event.failed)
        case 'health.turned':
          return turns.inc({ pool: event.pool })
        case 'health.delayed':
        case 'health.blinded':
          return held.inc({ pool: event.pool })
        case 'health.overran':
          return held.inc({ pool: event.pool }, event.skipped)
        default:
      }
    }
  },
  intake(make) {
    const taken = make.counter('observations_total', 'Observations of agents that were taken.', ['agent'])
    const refused = make.counter(
      'observations_refused_total',
      'Observations or requests that were refused, by reason.',
      ['why'],
    )
    const demand = make.gauge('demand', 'How much of its capacity a pool needs, as last asked.', ['pool'])
    const known = make.gauge('demand_known', 'Whether the demand of a pool could be asked for.', ['pool'])
    return (event) => {
      switch (event.event) {
        case 'intake.received':
          return taken.inc({ agent: event.agent }, event.accepted)
        case 'intake.refused':
          return refused.inc({ why: event.why }, event.count)
        case 'intake.demand_asked':
          known.set({ pool: event.pool }, 1)
          return demand.set({ pool: event.pool }, event.value)
        case 'intake.demand_lost':
          return known.set({ pool: event.pool }, 0)
        default:
      }
    }
  },
  leases(make) {
    const known = make.gauge('leases_hosts', 'Hosts that this manager knows.')
    const leased = make.gauge('leases_leased', 'Hosts that hold a lease.')
    const waiting = make.gauge('leases_waiting', 'Hosts that wait for one.')
    const inFlight = make.gauge('leases_in_flight', 'Operations at the dependency now.')
    const limit = make.gauge('leases_limit', 'Operations that may be at the dependency at once.')
    const knee = make.gauge('leases_knee', 'Where the controller believes that more at once brings nothing.')
    const goodput = make.gauge('leases_goodput', 'Leases granted a second, in the last window.')
    const drain = make.gauge('leases_drain_seconds', 'Until nobody waits any more; -1: nobody can know.')
    const shards = make.gauge('leases_shards', 'Shards that this manager holds.')
    const next = make.gauge('leases_downstream_waiting', 'Hosts with a lease that wait for the stage behind.')
    const down = make.gauge('leases_dependency_down', 'Whether the dependency counts as down.', ['stage'])
    down.set({ stage: 'leases' }, 0)
    const reports = make.counter('leases_reports_total', 'Reports of hosts that were answered.')
    const requests = make.counter('leases_requests_total', 'Requests at the front door.')
    const granted = make.counter('leases_granted_total', 'Leases granted.')
    const expired = make.counter('leases_expired_total', 'Leases taken away.')
    const conflicts = make.counter('leases_identity_conflicts_total', 'Reports of a host whose id a later one has.')
    const turned = make.counter('leases_turned_away_total', 'Requests turned away, by reason.', ['why'])
    const failed = make.counter('leases_not_done_total', 'Operations that did not succeed, by outcome.', [
      'stage',
      'outcome',
    ])
    let last = { reports: 0, requests: 0, granted: 0 }
    return (event) => {
      switch (event.event) {
        case 'leases.counted':
          known.set(event.known)
          leased.set(event.leased)
          waiting.set(event.waiting)
          inFlight.set(event.inFlight)
          limit.set(event.limit)
          knee.set(event.knee)
          goodput.set(event.goodput)
          drain.set(event.drainSeconds)
          shards.set(event.shards)
          next.set(event.downstreamWaiting)
          reports.inc(event.reports - last.reports)
          requests.inc(event.requests - last.requests)
          granted.inc(event.granted - last.granted)
          last = event
          return
        case 'leases.dependency':
          return down.set({ stage: event.stage }, event.to === 'down' ? 1 : 0)
        case 'leases.expired':
          return expired.inc(event.count)
        case 'leases.identity_conflict':
          return conflicts.inc(event.count)
        case 'leases.turned_away':
          return turned.inc({ why: event.why }, event.count)
        case 'leases.not_done':
          return failed.inc({ stage: event.stage, outcome: event.outcome }, event.count)
        default:
      }
    }
  },
}

export function metricsOf({ program, role, version }: MetricsOptions): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ program, role })
  collectDefaultMetrics({ register: registry })
  const make = makerFor(registry)
  make.gauge('build_info', 'Always 1; the version is the label.', ['version']).set({ version }, 1)
  const events = make.counter('events_total', 'What happened, by kind of event.', ['event'])
  const store = role === 'server' ? null : make.gauge('store_up', 'Whether this program can use the store.')
  store?.set(1)
  const handle = roles[role]?.(make)
  return {
    registry,
    event(traced) {
      events.inc({ event: traced.event })
      if (/\.store_(?:lost|failed)$/.test(traced.event)) store?.set(0)
      else if (/\.store_found$|^plan\.(?:published|held)$/.test(traced.event)) store?.set(1)
      handle?.(traced as AnyEvent)
    },
    page: () => registry.metrics(),
  }
}
