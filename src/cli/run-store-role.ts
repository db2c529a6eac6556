/** Wires a role that works on the store: planner (with the sweep), enactor, prober, balancer, intake, leases. */
import { describeProblem, isProblem } from '../base/problem.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { policySourceOf } from '../config/source.ts'
import { textSecrets } from '../config/text-secrets.ts'
import { addressText } from '../config/units.ts'
import { enactor } from '../enact/enactor.ts'
import { sweeper } from '../enact/sweep.ts'
import { nodeChecker } from '../health/check-node.ts'
import { watchLoopDelay } from '../health/loop-delay.ts'
import { prober } from '../health/prober.ts'
import { keys } from '../model/keys.ts'
import type { Policy, PolicySource, Zone } from '../model/policy.ts'
import { planner } from '../plan/planner.ts'
import type { Provider } from '../providers/provider.ts'
import { rfc2136Provider } from '../providers/rfc2136/rfc2136.ts'
import { openLmdbStore } from '../store/lmdb.ts'
import { type Store, StoreOutage } from '../store/store.ts'
import { type Health, serveTelemetry } from '../telemetry/http.ts'
import { openLog } from '../telemetry/log.ts'
import { metricsOf } from '../telemetry/metrics.ts'
import { planMetrics, publishedMetrics } from '../telemetry/store-metrics.ts'
import { nodeWorld } from '../world/node.ts'
import type { World } from '../world/world.ts'
import type { Cli } from './cli.ts'
import { staleMs } from './effect.ts'
import { endBy, endNow } from './end.ts'
import { exit } from './exit.ts'
import { CliFailure } from './io.ts'
import { startingWith, usableConfig } from './last-good.ts'
import { type RunOptions, tellParent } from './parent.ts'
import { patientStore } from './patient-store.ts'
import { haproxyIn, playBalancer } from './run-balancer.ts'
import { nothingToTakeIn, playIntake } from './run-intake.ts'
import { leasesIn, playLeases } from './run-leases.ts'
import { agoText } from './text.ts'
import { version } from './version.ts'

export type StoreRole = 'planner' | 'enactor' | 'prober' | 'balancer' | 'intake' | 'leases'

/** Never returns: the process ends when it is told to, or by a bug. */
export async function runStoreRole(cli: Cli, path: string, role: StoreRole, options: RunOptions): Promise<never> {
  const { config, fellBack } = usableConfig(cli, path, options.lastGood, role === 'enactor')
  if (role === 'balancer') haproxyIn(config)
  if (role === 'leases') leasesIn(config)
  const idle = role === 'intake' ? nothingToTakeIn(config) : undefined
  if (idle !== undefined) throw new CliFailure(exit.config, [idle])
  const open = () => openLmdbStore({ path: config.store.path })
  // Weights go on without a store, so a balancer starts without one.
  const opened = role === 'balancer' ? patientStore(open) : await open()
  if (isProblem(opened)) throw new CliFailure(exit.unreachable, [opened])
  const store: Store = opened
  const log = openLog(options.id, options.log)
  const metrics = metricsOf({ program: options.id, role, version })
  const world = nodeWorld({
    id: options.id,
    onTrace(event) {
      metrics.event(event)
      log.event(event)
    },
  })
  if (fellBack !== null) world.trace({ event: 'program.fell_back', reason: describeProblem(fellBack) })
  const source = remembering(startingWith(policySourceOf(config.path, cli.io.env), config), config.policy)
  const refresh =
    role === 'planner'
      ? planMetrics(metrics, store)
      : role === 'enactor'
        ? publishedMetrics(metrics, store, options.id, source.latest)
        : async () => {}
  const http =
    options.http === null
      ? null
      : await serveTelemetry(options.http, {
          async metrics() {
            await refresh()
            return await metrics.page()
          },
          health: () => ({ ok: true, role, id: options.id, pid: process.pid, version }),
          ready: () => readiness(store, role, options.id),
        })
  if (isProblem(http)) {
    await store.close()
    throw new CliFailure(exit.unreachable, [http])
  }
  const url = http?.url ?? null
  const self = { pid: process.pid, http: url }
  world.trace({ event: 'program.started', role, version, node: process.version, pid: process.pid, http: url ?? '' })
  tellParent({ ready: true, http: url })
  stopOnSignal(world)
  const failed = endOnBug(world)
  process.on('uncaughtException', failed)
  void playRole().catch(failed)
  return await new Promise<never>(() => {})

  async function playRole(): Promise<never> {
    if (role === 'intake' || role === 'leases') {
      const trouble =
        role === 'intake'
          ? await playIntake(world, config, cli, { store, policy: source, self })
          : await playLeases(world, config, cli, { store, listen: options.listen, self })
      tellParent({ problem: trouble })
      throw new Error(describeProblem(trouble))
    }
    if (role === 'prober')
      return await prober(world, {
        store,
        policy: source,
        self,
        site: options.site ?? config.prober.site,
        loopDelay: watchLoopDelay(),
        checker: nodeChecker(world, {
          secret: textSecrets(config.dir, cli.io.env, world.clock.now),
          dir: config.dir,
          env: cli.io.env,
          canaries: config.prober.canary,
        }),
      })
    if (role === 'balancer') return await playBalancer(world, config, { store, policy: source, self })
    if (role === 'enactor')
      return await enactor(world, { store, policy: source, self, provider: providers(world, cli, config) })
    return await Promise.race([
      planner(world, { store, policy: source, self }),
      sweeper(world, { store, policy: source }),
    ])
  }
}

/** The source, and the policy that was read from it last. */
function remembering(source: PolicySource, first: Policy): PolicySource & { latest(): Policy } {
  let latest = first
  return {
    async read() {
      const reading = await source.read()
      if (reading.kind === 'policy') latest = reading.policy
      return reading
    },
    latest: () => latest,
  }
}

/** Stopping is crashing: there is one way to recover, and each restart exercises it. */
function stopOnSignal(world: World): void {
  // A terminal's Ctrl-C reaches `up` as well, which ends its programs in its own way.
  const supervised = process.send !== undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (signal === 'SIGINT' && supervised) return
      world.trace({ event: 'program.stopped', why: signal })
      endBy(signal)
    })
}

/** A bug ends the program; whoever supervises it starts it again. */
function endOnBug(world: World): (error: unknown) => void {
  return (error) => {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    world.trace({ event: 'program.failed', reason })
    endNow()
  }
}

/** The role's own report in the store says that it works: its loop runs, and the store takes what it writes. */
async function readiness(store: Store, role: StoreRole, id: string): Promise<Health> {
  try {
    const entry = await store.get(keys.status.key(role, id))
    const status = entry === undefined ? undefined : keys.status.decode(entry.value)
    const now = Date.now()
    if (status === undefined || status.pid !== process.pid)
      return { ok: false, why: 'has not reported to the store yet' }
    if (now - status.at > staleMs) return { ok: false, why: `last reported to the store ${agoText(status.at, now)}` }
    return { ok: true, why: status.note }
  } catch (error) {
    if (error instanceof StoreOutage) return { ok: false, why: error.message }
    throw error
  }
}

/** One connection to an authority for each key. A key that came into the configuration later is read then. */
function providers(world: World, cli: Cli, config: Config): (zone: Zone) => Provider {
  const known = new Map<string, Provider>()
  let keysNow = config.keys
  return (zone) => {
    const id = `${addressText(zone.authority.address)} ${zone.key}`
    const existing = known.get(id)
    if (existing !== undefined) return existing
    if (!keysNow.has(zone.key)) {
      const loaded = loadConfig(config.path, cli.io.env, { secrets: true })
      if (loaded.kind === 'config') keysNow = loaded.config.keys
    }
    const key = keysNow.get(zone.key)
    if (key === undefined) return noKey(zone)
    const provider = rfc2136Provider(world, { address: zone.authority.address, key })
    known.set(id, provider)
    return provider
  }
}

function noKey(zone: Zone): Provider {
  const reason = `the secret of the key ${zone.key} cannot be read: see "holdfast config check"`
  return {
    guarantee: 'atomic-conditional',
    read: async (_zone, names) => names.map(() => ({ kind: 'outage', reason })),
    write: async (_zone, changes) => changes.map(() => ({ kind: 'refused', reason })),
  }
}
