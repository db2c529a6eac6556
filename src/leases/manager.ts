/**
 * The lease manager. Reports of hosts come in through the front door and are answered at once; the governor
 * says whose operation to start; operations end and start the next. The store holds who has which shard, and
 * nothing of any host: a manager that starts knows nobody, and learns everything from reports.
 */
import { describeProblem, isProblem, type Problem } from '../base/problem.ts'
import { keys } from '../model/keys.ts'
import type { FleetPart } from '../model/lease.ts'
import { background, running } from '../recover/classes.ts'
import { Governor } from '../recover/governor.ts'
import { type Hint, readHint } from '../recover/hint.ts'
import { defaults } from '../recover/parameters.ts'
import { type HostClass, Pump } from '../recover/pump.ts'
import { Mailbox } from '../store/mailbox.ts'
import { never, type Store, StoreOutage } from '../store/store.ts'
import type { Instant, World } from '../world/world.ts'
import { ailsOf } from './ails.ts'
import { chanceFrom } from './chance.ts'
import { Desk } from './desk.ts'
import { trace } from './events.ts'
import type { FrontDesk, FrontDoor } from './front-door.ts'
import { HostRegistry, Sites } from './registry.ts'
import { Runner, type Stage } from './runner.ts'
import { ShardKeeper } from './shard-keeper.ts'
import type { SyncHost } from './sync.ts'
import type { Work } from './work.ts'

export interface LeaseSettings {
  readonly hostsMax: number
  readonly shards: number
  /** Of a shard: how long after a manager fell silent another one takes over. */
  readonly shardLeaseMs: number
  /** Of a host's lease; null: by the number of hosts, and what front door and dependency can bear. */
  readonly ttlMs: number | null
  readonly graceMs: number
  readonly renewals: 'memory' | { readonly units: number }
  readonly frontDoorPerSecond: number
  readonly timeoutMs: number
  readonly downstreamTimeoutMs: number
}

export interface LeasePorts {
  readonly store: Store
  readonly settings: LeaseSettings
  readonly work: Work
  /** What every granted host needs next; null: nothing. */
  readonly downstream: Work | null
  readonly isListed: (id: string) => boolean
  /** Begins to listen. */
  readonly open: (desk: FrontDesk) => Promise<FrontDoor | Problem>
  /** For the status document. */
  readonly self?: { readonly pid: number; readonly http: string | null }
}

const sitesMost = 1_024
const tickMs = 50
const lookMs = 1_000
const heartbeatMs = 5_000
/** A drain of fewer is everyday business. */
const tellDrainFrom = 20

/** Runs until the process ends; a problem is why it could not listen. */
export async function leaseManager(world: World, ports: LeasePorts): Promise<Problem> {
  const { store, settings, work, downstream, self } = ports
  const { clock } = world
  const started = clock.wall()
  const random = chanceFrom(world.random.bytes(12))
  const mailbox = new Mailbox(world, store, {
    lost: (reason, retryMs) => trace(world, { event: 'leases.store_lost', reason, retryMs }),
    found: () => trace(world, { event: 'leases.store_found' }),
  })
  let key: string | undefined
  let granted = 0
  let expired = { count: 0, host: '' }
  const turned = new Map<string, number>()
  let tokenTrouble = ''

  const registry = new HostRegistry(settings.hostsMax, settings.shards)
  const sites = new Sites(sitesMost)
  const governor = new Governor({
    hosts: settings.hostsMax,
    sites: sitesMost,
    now: clock.now(),
    random,
    frontDoorPerSecond: settings.frontDoorPerSecond,
    renewals: settings.renewals,
    graceMs: settings.graceMs,
    ...(settings.ttlMs === null ? {} : { ttlMs: settings.ttlMs }),
    parameters: {
      operationTimeoutMs: settings.timeoutMs,
      limitMax: Math.min(defaults.limitMax, work.atOnce),
    },
    hint: await hintOf('leases'),
    onExpired(host) {
      expired = { count: expired.count + 1, host: registry.idOf(host) }
    },
  })
  const after =
    downstream === null
      ? null
      : new Pump({
          hosts: settings.hostsMax,
          sites: sitesMost,
          now: clock.now(),
          random,
          repeats: true,
          parameters: {
            operationTimeoutMs: settings.downstreamTimeoutMs,
            limitMax: Math.min(defaults.limitMax, downstream.atOnce),
          },
          hint: await hintOf('downstream'),
        })

  let keeper: ShardKeeper | undefined
  const desk = new Desk(
    {
      governor,
      registry,
      sites,
      shards: settings.shards,
      ownerOf: (shard) => keeper?.ownerOf(shard) ?? { kind: 'nobody' },
      isListed: ports.isListed,
      // Whether the manager before passed it on, nobody knows: once more, behind all that are new.
      onAdopted: (host, now) => passOn(host, background, now),
      random,
      key: () => key,
      wornOut: (shard) => keeper?.wornOut(shard),
    },
    settings.hostsMax,
  )
  const mayStart = () => keeper?.mayGrant(clock.now()) === true
  const runner = new Runner(world, leaseStage(), work, settings.timeoutMs, mayStart)
  const nextRunner =
    after === null || downstream === null
      ? null
      : new Runner(world, downstreamStage(after), downstream, settings.downstreamTimeoutMs, mayStart)

  // Whoever shows a lease before it is known could not be believed.
  for (let look = 0; look < 3 && key === undefined; look++) await readKey()
  const door = await ports.open({
    answer(host: SyncHost, now: number) {
      const answer = desk.answer(host, now)
      if (answer.status === 'PENDING') runner.wake()
      return answer
    },
    retryAfter: () => desk.comeAgainMs(),
    gen: () => keeper?.gen ?? 0,
    work: () => ({ limit: governor.snapshot().limit, operations: runner.ends }),
    turnedAway: (why) => turned.set(why, (turned.get(why) ?? 0) + 1),
  })
  if (isProblem(door)) return door
  trace(world, { event: 'leases.listening', url: door.url })
  keeper = new ShardKeeper(world, store, {
    shards: settings.shards,
    leaseMs: settings.shardLeaseMs,
    url: door.url,
    onLost(shards, why) {
      const hosts = desk.lose(shards, clock.now())
      trace(world, { event: 'leases.shards_lost', count: shards.size, hosts, why })
    },
  })
  const keeping = keeper
  return await Promise.race([keeping.run(), ticking(), telling(door)])

  function passOn(host: number, klass: HostClass, now: number): void {
    after?.offer(host, klass, registry.site[host] as number, now)
    nextRunner?.wake()
  }

  function leaseStage(): Stage {
    return {
      name: 'leases',
      next: (now) => governor.next(now),
      begin: (host) => desk.begin(host),
      done(host, outcome, latencyMs, now, epoch) {
        const isDone = governor.done(host, outcome, latencyMs, now) === 'done'
        if (isDone) {
          granted++
          if (keeper?.ownerOf(registry.shardOf(host)).kind === 'self') passOn(host, running, now)
        }
        desk.ended(host, isDone, epoch, now)
      },
    }
  }

  function downstreamStage(pump: Pump): Stage {
    return {
      name: 'downstream',
      next: (now) => pump.next(now),
      // What was granted is passed on, and if it was forgotten meanwhile it is another's to pass on.
      begin: (host) =>
        registry.isUsed(host)
          ? {
              host: { id: registry.idOf(host), site: sites.nameOf(registry.site[host] as number) },
              epoch: registry.granted[host] as number,
            }
          : undefined,
      done(host, outcome, latencyMs, now) {
        const ended = pump.done(host, outcome, latencyMs, now)
        // It failed too often: it comes again when the others have had their turn.
        if (ended === 'dropped' && registry.isUsed(host)) pump.offer(host, running, registry.site[host] as number, now)
      },
    }
  }

  async function hintOf(stage: 'leases' | 'downstream'): Promise<Hint | undefined> {
    try {
      const entry = await store.get(keys.leaseHint.key(stage))
      const hint = readHint(entry === undefined ? undefined : keys.leaseHint.decode(entry.value))
      if (!isProblem(hint)) return hint
      trace(world, { event: 'leases.hint_unreadable', reason: describeProblem(hint) })
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
    return undefined
  }

  /** Of the deployment; made by whoever is first. */
  async function readKey(): Promise<void> {
    try {
      const entry = await store.get(keys.leaseKey.key())
      const known = entry === undefined ? undefined : keys.leaseKey.decode(entry.value)
      if (typeof known?.base64 === 'string') {
        key = known.base64
        return
      }
      const made = Buffer.from(world.random.bytes(32)).toString('base64')
      const value = keys.leaseKey.encode({ base64: made })
      const compare = { key: keys.leaseKey.key(), revision: entry?.revision ?? never }
      // Whatever comes of it, the next look reads what is there.
      await store.commit([compare], [{ kind: 'put', key: compare.key, value }])
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
  }

  async function ticking(): Promise<never> {
    let waitingSince: Instant | undefined
    let before = { granted: 0, most: 0 }
    let dependency = governor.snapshot().dependency
    let next = after?.dependency.state
    for (;;) {
      const now = clock.now()
      governor.tick(now)
      after?.tick(now)
      runner.pump()
      nextRunner?.pump()
      const waiting = governor.waiting + governor.inFlight
      if (waiting > 0 && waitingSince === undefined) {
        waitingSince = now
        before = { granted, most: 0 }
      }
      before.most = Math.max(before.most, waiting)
      if (waiting === 0 && waitingSince !== undefined) {
        if (before.most >= tellDrainFrom)
          trace(world, {
            event: 'leases.drained',
            hosts: granted - before.granted,
            ms: Math.round(now - waitingSince),
          })
        waitingSince = undefined
      }
      const is = governor.dependency
      if (is !== dependency)
        trace(world, { event: 'leases.dependency', stage: 'leases', from: dependency, to: is, waiting })
      dependency = is
      if (after !== null && next !== undefined && after.dependency.state !== next) {
        const to = after.dependency.state
        trace(world, { event: 'leases.dependency', stage: 'downstream', from: next, to, waiting: after.waiting })
        next = to
      }
      await clock.sleep(tickMs)
    }
  }

  async function telling(open: FrontDoor): Promise<never> {
    let beat: Instant | undefined
    let told = ''
    let hints = ''
    for (;;) {
      if (key === undefined) await readKey()
      const part = partNow(open)
      mailbox.put(keys.leaseFleet.key(world.id), keys.leaseFleet.encode(part))
      const now = clock.now()
      if (beat === undefined || now - beat >= heartbeatMs || part.ails.join() !== told) {
        beat = now
        told = part.ails.join()
        mailbox.put(keys.status.key('leases', world.id), keys.status.encode(statusOf(part)))
        const kept = JSON.stringify([governor.hint, after?.hint])
        if (kept !== hints) {
          hints = kept
          if (governor.hint !== undefined)
            mailbox.put(keys.leaseHint.key('leases'), keys.leaseHint.encode(governor.hint))
          if (after?.hint !== undefined)
            mailbox.put(keys.leaseHint.key('downstream'), keys.leaseHint.encode(after.hint))
        }
      }
      tell(part, open)
      await clock.sleep(lookMs)
    }
  }

  function tell(part: FleetPart, open: FrontDoor): void {
    for (const { why, count, host } of desk.take())
      if (why === 'conflict') trace(world, { event: 'leases.identity_conflict', host, count })
      else trace(world, { event: 'leases.host_refused', why, host, count })
    if (expired.count > 0) trace(world, { event: 'leases.expired', ...expired })
    expired = { count: 0, host: '' }
    for (const [why, count] of turned) trace(world, { event: 'leases.turned_away', why, count })
    turned.clear()
    const token = open.tokenTrouble()
    if (token !== undefined && token.why !== tokenTrouble) trace(world, { event: 'leases.token_unusable', ...token })
    if (token === undefined && tokenTrouble !== '') trace(world, { event: 'leases.token_found' })
    tokenTrouble = token?.why ?? ''
    trace(world, {
      event: 'leases.counted',
      known: part.known,
      leased: part.leased,
      waiting: sum(part.waiting),
      inFlight: part.inFlight,
      limit: part.limit,
      knee: part.knee,
      goodput: part.goodput,
      drainSeconds: part.drainMs === null ? -1 : part.drainMs / 1000,
      shards: part.shards,
      reports: desk.reports,
      requests: open.requests(),
      granted,
      downstreamWaiting: part.downstream?.waiting ?? 0,
    })
  }

  function partNow(open: FrontDoor): FleetPart {
    const is = governor.snapshot()
    const then = after?.snapshot()
    const held = keeping.held
    return {
      at: clock.wall(),
      url: open.url,
      shards: held,
      known: registry.size,
      leased: is.leased,
      waiting: is.waiting,
      inFlight: is.inFlight,
      limit: is.limit,
      knee: Math.round(is.knee),
      mode: is.mode,
      dependency: is.dependency,
      goodput: rounded(is.goodput),
      throughput: rounded(is.throughput),
      meanLatencyMs: rounded(is.meanLatencyMs),
      drainMs: is.drainMs === undefined ? null : Math.round(is.drainMs),
      ttlMs: Math.round(is.ttlMs),
      overdue: is.overdue,
      expired: is.expired,
      expirySuspended: is.isExpirySuspended,
      downstream:
        then === undefined
          ? null
          : {
              waiting: sum(then.waiting),
              inFlight: then.inFlight,
              limit: then.limit,
              goodput: rounded(then.goodput),
              drainMs: then.drainMs === undefined ? null : Math.round(then.drainMs),
              dependency: then.dependency,
            },
      ails: ailsOf({
        token: open.tokenTrouble(),
        dependency: is.dependency,
        waiting: sum(is.waiting),
        overdue: is.overdue,
        others: [keeping.ail, runner.ail, nextRunner?.ail ?? '', work.ail ?? '', downstream?.ail ?? ''],
      }),
    }
  }

  function statusOf(part: FleetPart) {
    const { pid, http } = self ?? { pid: process.pid, http: null }
    const waiting = sum(part.waiting)
    const drain =
      part.drainMs === null ? 'nobody can know when it is over' : `about ${Math.ceil(part.drainMs / 1000)} s`
    const note = [
      `${part.url}: ${part.shards} of ${settings.shards} shards, ${part.leased} of ${part.known} hosts leased`,
      ...(waiting === 0 ? [] : [`${waiting} wait (${drain})`]),
      `dependency ${part.dependency}, ${part.inFlight} of ${part.limit} in flight`,
    ].join('; ')
    return { role: 'leases', id: world.id, pid, started, at: clock.wall(), http, note, ails: part.ails } as const
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
const rounded = (value: number): number => Math.round(value * 10) / 10
