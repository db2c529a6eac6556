/**
 * The intake: takes what agents know of targets from inside, and asks how much of each pool is needed. It
 * judges nothing; planners do, by the same gates as for what probers saw.
 */
import { describeProblem, isProblem, type Problem } from '../base/problem.ts'
import { keys } from '../model/keys.ts'
import type { PolicySource } from '../model/policy.ts'
import { unusableText } from '../model/progress.ts'
import type { ReadSecret } from '../model/secret.ts'
import { Mailbox } from '../store/mailbox.ts'
import { type Store, StoreOutage } from '../store/store.ts'
import type { EpochMs, Instant, World } from '../world/world.ts'
import { type AskPrometheus, DemandRounds } from './demand.ts'
import { Desk } from './desk.ts'
import { type Agent, Doorkeeper } from './doorkeeper.ts'
import { trace } from './events.ts'
import type { IntakeDesk, IntakeServer } from './http.ts'

export interface IntakePorts {
  readonly store: Store
  readonly policy: PolicySource
  readonly secret: ReadSecret
  readonly ask: AskPrometheus
  /** Who may post; null: nobody is listened to, only demand is asked for. */
  readonly agents: { readonly agents: readonly Agent[]; readonly freshnessMs: number } | null
  /** Begins to listen. */
  readonly serve: (desk: IntakeDesk) => Promise<IntakeServer | Problem>
  /** For the status document. */
  readonly self?: { readonly pid: number; readonly http: string | null }
}

/** How often documents are written, and the policy is looked at. */
const lookMs = 1_000
const heartbeatMs = 5_000

/** Runs until the process ends; a problem is why it could not listen. One document per pool: `keys.report`. */
export async function intake(world: World, ports: IntakePorts): Promise<Problem> {
  const { store, policy: source, agents, self, secret } = ports
  const started = world.clock.wall()
  const mailbox = new Mailbox(world, store, {
    lost: (reason, retryMs) => trace(world, { event: 'intake.store_lost', reason, retryMs }),
    found: () => trace(world, { event: 'intake.store_found' }),
  })
  const desk = new Desk()
  const demand = new DemandRounds(world, mailbox, ports.ask, secret)
  let digest: string | undefined
  let unreadable: string | undefined
  let beat: Instant | undefined
  let told = ''
  let pools: readonly string[] = []
  let url: string | null = null
  if (agents !== null) {
    const server = await ports.serve(listening(agents))
    if (isProblem(server)) return server
    url = server.url
    trace(world, { event: 'intake.listening', url })
  }

  for (;;) {
    const reading = await source.read()
    if (reading.kind === 'policy') {
      unreadable = undefined
      if (reading.policy.digest !== digest) {
        desk.follow(reading.policy)
        demand.follow(reading.policy)
        for (const pool of pools) if (!desk.pools.includes(pool)) mailbox.delete(keys.report.key(pool, world.id))
        for (const pool of desk.pools) if (!pools.includes(pool)) await resume(pool)
        pools = desk.pools
        // Only now is it known what may be posted.
        digest = reading.policy.digest
        trace(world, { event: 'intake.policy_changed', digest, pools: pools.length })
      }
    } else {
      const reason = describeProblem(reading.problems[0])
      if (unreadable !== reason) trace(world, { event: 'intake.policy_unreadable', reason })
      unreadable = reason
    }
    for (const report of desk.changed(world.id, world.clock.wall()))
      mailbox.put(keys.report.key(report.pool, world.id), keys.report.encode(report))
    const now = world.clock.now()
    const ails = ailsNow()
    if (beat === undefined || now - beat >= heartbeatMs || ails.join() !== told) {
      beat = now
      told = ails.join()
      mailbox.put(keys.status.key('intake', world.id), keys.status.encode(statusAt(world.clock.wall(), ails)))
    }
    await world.clock.sleep(lookMs)
  }

  /** What was taken before a restart counts as before. */
  async function resume(pool: string): Promise<void> {
    try {
      const entry = await store.get(keys.report.key(pool, world.id))
      const report = entry === undefined ? undefined : keys.report.decode(entry.value)
      if (report !== undefined && report.pool === pool) desk.resume(report, world.clock.wall())
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
    }
  }

  function listening({ agents, freshnessMs }: NonNullable<IntakePorts['agents']>): IntakeDesk {
    const doorkeeper = new Doorkeeper(agents, secret, world.random.bytes(32), (agent, why) =>
      trace(world, { event: 'intake.agent_unusable', agent, why }),
    )
    return {
      admit: (authorization) => doorkeeper.admit(authorization, world.clock.now()),
      weigh: (agent, observations) => doorkeeper.weigh(agent, observations, world.clock.now()),
      post(observations, speaker) {
        if (digest === undefined) return undefined
        const refused = new Map<string, number>()
        const outcomes = observations.map((posted) => {
          const { outcome, before } = desk.post(posted, speaker, world.clock.wall(), freshnessMs)
          if (outcome.kind === 'refused') refused.set(outcome.why, (refused.get(outcome.why) ?? 0) + 1)
          else if (!outcome.repeated && before?.state !== outcome.report.state) {
            const { pool, target } = posted
            const { agent, state: to, detail } = outcome.report
            trace(world, { event: 'intake.turned', pool, target, agent, from: before?.state ?? '', to, detail })
          }
          return outcome
        })
        const agent = speaker.name
        for (const [why, count] of refused) trace(world, { event: 'intake.refused', agent, why, count })
        const accepted = outcomes.filter(({ kind }) => kind === 'taken').length
        trace(world, { event: 'intake.received', agent, accepted, refused: outcomes.length - accepted })
        return outcomes
      },
      refused: (agent, why, count) => trace(world, { event: 'intake.refused', agent, why, count }),
      retryAfter: (waitMs) => Math.ceil(waitMs / 1_000) + world.random.below(3),
    }
  }

  function ailsNow(): readonly string[] {
    return [
      ...(unreadable === undefined ? [] : [unusableText(unreadable)]),
      ...demand.lost.slice(0, 20).map(([pool, why]) => `the demand of ${pool} is not known: ${why}`),
    ]
  }

  function statusAt(at: EpochMs, ails: readonly string[]) {
    const count = agents?.agents.length ?? 0
    const does = [
      ...(url === null ? [] : [`takes observations of ${count} ${count === 1 ? 'agent' : 'agents'} at ${url}`]),
      ...(demand.count === 0
        ? []
        : [`asks for the demand of ${demand.count} ${demand.count === 1 ? 'pool' : 'pools'}`]),
    ]
    const note =
      digest === undefined ? `has no policy yet: ${unreadable ?? 'reading it'}` : does.join('; ') || 'has nothing to do'
    const { pid, http } = self ?? { pid: process.pid, http: null }
    return { role: 'intake', id: world.id, pid, started, at, http, note, ails } as const
  }
}
