/**
 * The prober: checks every target of every pool in a fixed rhythm and writes down what it saw. It
 * judges nothing; planners do, from what all probers wrote.
 *
 * The work is constant: the same checks and the same documents in calm and in crisis, spread over the
 * interval. A round that takes too long leaves rounds out instead of piling up, and what this program
 * could not see because it stood still, or was blind, is not held against a target.
 */
import { permits } from '../base/permits.ts'
import { describeProblem } from '../base/problem.ts'
import { keys } from '../model/keys.ts'
import type { Observation } from '../model/observation.ts'
import type { Policy, PolicySource, Pool, Target } from '../model/policy.ts'
import { unusableText } from '../model/progress.ts'
import { Mailbox } from '../store/mailbox.ts'
import { type Store, StoreOutage } from '../store/store.ts'
import type { EpochMs, Instant, World } from '../world/world.ts'
import { checkTarget, type Looking } from './check.ts'
import { worldChecker } from './check-world.ts'
import type { Checker } from './checker.ts'
import { trace } from './events.ts'
import { type Checked, carriedOver, nextObservation, resumedFrom, seenOf } from './probe.ts'
import { Senses } from './senses.ts'

export interface ProberPorts {
  readonly store: Store
  readonly policy: PolicySource
  /** For the status document. */
  readonly self?: { readonly pid: number; readonly http: string | null }
  /** How checks are made; by what the World can ask if absent. */
  readonly checker?: Checker
  /** Where this prober stands, in the words of `Target.site`. */
  readonly site?: string | null
  /** The longest delay of the event loop since about the last call, in milliseconds. */
  readonly loopDelay?: () => number
}

/**
 * Checks in progress, of all pools together: enough for 10,000 targets that all hang until their time-out.
 * Fewer would make rounds longer just when everything fails.
 */
const checksAtOnce = 16_384
/** So many checks of a pool begin together; the slices of a larger pool are spread over its interval. */
const slice = 64
/** Part of the time that is left beside the time-out over which they are spread. */
const spread = 0.9
/** How often the policy is looked at. */
const lookMs = 1_000
const heartbeatMs = 5_000
const ailsAtMost = 20
/** The first rounds of all pools begin within this time, each at a moment of its own. */
const phaseMs = 1_000

/** Runs until the process ends. One document per pool with a check: `keys.observation`. */
export async function prober(world: World, ports: ProberPorts): Promise<never> {
  const { store, policy: source, self, checker = worldChecker(world), site = null, loopDelay = () => 0 } = ports
  const started = world.clock.wall()
  const mailbox = new Mailbox(world, store, {
    lost: (reason, retryMs) => trace(world, { event: 'health.store_lost', reason, retryMs }),
    found: () => trace(world, { event: 'health.store_found' }),
  })
  const senses = new Senses(world, checker, loopDelay)
  const tools: Tools = { world, checker, places: permits(checksAtOnce), mailbox, senses, site }
  const running = new Map<string, PoolRounds>()
  let digest: string | undefined
  let unreadable: string | undefined
  let beat: Instant | undefined

  for (;;) {
    senses.feel()
    const reading = await source.read()
    if (reading.kind === 'policy') {
      unreadable = undefined
      if (reading.policy.digest !== digest) {
        digest = reading.policy.digest
        await follow(reading.policy)
      }
    } else {
      const reason = describeProblem(reading.problems[0])
      if (unreadable !== reason) trace(world, { event: 'health.policy_unreadable', reason })
      unreadable = reason
    }
    const now = world.clock.now()
    if (beat === undefined || now - beat >= heartbeatMs) {
      beat = now
      mailbox.put(keys.status.key('prober', world.id), keys.status.encode(statusAt(world.clock.wall())))
    }
    await world.clock.sleep(lookMs)
  }

  /** Starts, changes and stops rounds so that they are those of this policy. */
  async function follow(policy: Policy): Promise<void> {
    const probed = [...policy.pools.values()].filter(({ check }) => check.kind !== 'none')
    const wanted = new Set(probed.map(({ id }) => id))
    for (const [id, rounds] of running) {
      if (wanted.has(id)) continue
      rounds.stop()
      running.delete(id)
      mailbox.delete(keys.observation.key(id, world.id))
      trace(world, { event: 'health.stopped', pool: id })
    }
    for (const pool of probed) {
      const rounds = running.get(pool.id)
      if (rounds === undefined) running.set(pool.id, await begin(pool))
      else if (JSON.stringify(rounds.pool) !== JSON.stringify(pool)) running.set(pool.id, rounds.replacedBy(pool))
    }
    trace(world, { event: 'health.policy_changed', digest: policy.digest, pools: probed.length })
  }

  async function begin(pool: Pool): Promise<PoolRounds> {
    const previous = resumedFrom(await lastDocument(store, pool.id, world.id), pool, world.id, world.clock.wall())
    const kept = previous === undefined ? 0 : Object.keys(previous.targets).length
    trace(world, { event: 'health.started', pool: pool.id, targets: pool.targets.length, kept })
    return new PoolRounds(tools, pool, previous)
  }

  function statusAt(at: EpochMs) {
    const rounds = [...running.values()]
    const targets = rounds.reduce((sum, { pool }) => sum + pool.targets.length, 0)
    const failing = rounds.reduce((sum, { failing }) => sum + failing, 0)
    const note =
      digest === undefined
        ? `has no policy yet: ${unreadable ?? 'reading it'}`
        : `probes ${counted(targets, 'target')} of ${counted(rounds.length, 'pool')}, ${failing} failing${
            unreadable === undefined ? '' : '; goes on with the last good policy, the newest is not usable'
          }`
    const ails = [
      ...(unreadable === undefined ? [] : [unusableText(unreadable)]),
      ...senses.ails,
      ...rounds.flatMap(({ pool, unseen }) =>
        unseen === undefined ? [] : [`${pool.id} cannot be checked: ${unseen}`],
      ),
    ].slice(0, ailsAtMost)
    const { pid, http } = self ?? { pid: process.pid, http: null }
    return { role: 'prober', id: world.id, pid, started, at, http, note, ails } as const
  }
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

/** What this prober wrote last about the pool. A store that cannot be read is as good as none: histories start anew. */
async function lastDocument(store: Store, pool: string, id: string): Promise<Observation | undefined> {
  try {
    const entry = await store.get(keys.observation.key(pool, id))
    return entry === undefined ? undefined : keys.observation.decode(entry.value)
  } catch (error) {
    if (error instanceof StoreOutage) return undefined
    throw error
  }
}

interface Tools extends Looking {
  readonly mailbox: Mailbox
  readonly senses: Senses
  readonly site: string | null
}

/** The rounds of one pool, from its construction until `stop`. */
class PoolRounds {
  readonly #tools: Tools
  readonly #world: World
  readonly pool: Pool
  #seen: Observation | undefined
  #unseen: string | undefined
  #stopped = false

  constructor(tools: Tools, pool: Pool, seen: Observation | undefined) {
    this.#tools = tools
    this.#world = tools.world
    this.pool = pool
    this.#seen = seen
    void this.#run()
  }

  /** Why the latest round learnt nothing of a target, for reasons of this prober alone. */
  get unseen(): string | undefined {
    return this.#unseen
  }

  /** Targets whose latest check failed. */
  get failing(): number {
    return Object.values(this.#seen?.targets ?? {}).filter(({ history }) => history.endsWith('f')).length
  }

  /** Stops these rounds and begins those of the changed pool, on what was seen of the targets that stay as they were. */
  replacedBy(pool: Pool): PoolRounds {
    this.stop()
    return new PoolRounds(this.#tools, pool, carriedOver(this.#seen, this.pool, pool))
  }

  stop(): void {
    this.#stopped = true
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#world
    await clock.sleep(random.below(Math.min(this.pool.intervalMs, phaseMs)))
    const { id, intervalMs } = this.pool
    let due = clock.now()
    /** Whole intervals since then: they are left out. */
    const missed = (then: Instant) => Math.max(0, Math.floor((clock.now() - then) / intervalMs)) * intervalMs
    while (!this.#stopped) {
      const lateMs = Math.round(clock.now() - due)
      if (lateMs > intervalMs) trace(this.#world, { event: 'health.delayed', pool: id, lateMs })
      due = (due + missed(due)) as Instant
      await this.#round()
      due = (due + intervalMs) as Instant
      const skippedMs = missed(due)
      if (skippedMs > 0) trace(this.#world, { event: 'health.overran', pool: id, skipped: skippedMs / intervalMs })
      due = (due + skippedMs) as Instant
      await clock.sleep(Math.max(0, due - clock.now()))
    }
  }

  async #round(): Promise<void> {
    const { pool } = this
    const { check } = pool
    if (check.kind === 'none') return
    const { clock } = this.#world
    const { senses, mailbox, site } = this.#tools
    const began = clock.now()
    // Whoever is slow itself takes good answers for late ones.
    const timeoutMs = senses.strained ? Math.min(2 * pool.timeoutMs, pool.intervalMs) : pool.timeoutMs
    const looked = new Map<string, Checked>()
    let why: string | undefined
    const look = async (target: Target) => {
      const checked = await checkTarget(this.#tools, pool, check, target, timeoutMs)
      if ('result' in checked) looked.set(target.id, checked)
      else why ??= checked.unseen
    }
    const turns = this.#turns(pool.intervalMs - timeoutMs)
    await Promise.all(
      turns.map(async ({ afterMs, targets }) => {
        if (afterMs > 0) await clock.sleep(afterMs)
        await Promise.all(targets.map(look))
      }),
    )
    const canary = await senses.sees()
    if (this.#stopped) return
    const isBlind = canary.kind !== 'pass'
    if (isBlind) why = canary.kind === 'fail' ? canary.detail : canary.why
    const results = isBlind ? new Map<string, Checked>() : looked
    this.#unseen = why
    const before = this.#seen
    const prober = { id: this.#world.id, site, strained: isBlind || senses.strained }
    this.#seen = nextObservation(pool, prober, before, results, clock.wall())
    mailbox.put(keys.observation.key(pool.id, this.#world.id), keys.observation.encode(this.#seen))
    this.#tell(before, results, why ?? '', Math.round(clock.now() - began))
  }

  /** Which targets are checked when, so that even the last is done by the end of the interval. */
  #turns(withinMs: number): readonly { readonly afterMs: number; readonly targets: readonly Target[] }[] {
    const { targets } = this.pool
    if (targets.length <= slice) return [{ afterMs: 0, targets }]
    const count = Math.ceil(targets.length / slice)
    const each = (spread * Math.max(0, withinMs)) / count
    return Array.from({ length: count }, (_, index) => ({
      afterMs: index * each + this.#world.random.below(Math.ceil(each) + 1),
      targets: targets.slice(index * slice, (index + 1) * slice),
    }))
  }

  #tell(before: Observation | undefined, results: ReadonlyMap<string, Checked>, why: string, ms: number): void {
    const { pool } = this
    let passed = 0
    let changed = 0
    for (const [target, { result, detail }] of results) {
      if (result === 'pass') passed++
      const last = seenOf(before, target)?.history.at(-1)
      if (last === undefined ? result === 'pass' : (last === 'p') === (result === 'pass')) continue
      changed++
      trace(this.#world, { event: 'health.turned', pool: pool.id, target, result, detail })
    }
    const targets = pool.targets.length
    const blind = targets - results.size
    if (blind > 0) trace(this.#world, { event: 'health.blinded', pool: pool.id, checks: blind, why })
    const failed = results.size - passed
    trace(this.#world, { event: 'health.probed', pool: pool.id, targets, passed, failed, changed, ms })
  }
}
