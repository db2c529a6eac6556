/**
 * The planner: reads, decides, checks, publishes; waits for news; again. Any number of them may run:
 * one commit decides who was first, and the others read again. It remembers nothing that it could not
 * read again, and it holds no credentials to write DNS.
 */
import { describeProblem } from '../base/problem.ts'
import { type Event, eventText, isLasting } from '../health/reasons.ts'
import { type Generation, genesis } from '../model/generation.ts'
import { keys } from '../model/keys.ts'
import { subjectOf } from '../model/override.ts'
import type { PlanText } from '../model/plan.ts'
import type { Policy, PolicySource } from '../model/policy.ts'
import { type PolicyInForce, type RoleStatus, unusableText } from '../model/progress.ts'
import { readPlan, readShards } from '../store/plans.ts'
import { type Compare, type Revision, type Store, StoreOutage } from '../store/store.ts'
import type { EpochMs, Instant, World } from '../world/world.ts'
import { affectedShards } from './assess.ts'
import { check, type Violation } from './check.ts'
import { type Compiled, compile, isCompiled } from './compile.ts'
import { Contention } from './contention.ts'
import { type Decided, type Decision, decide } from './decide.ts'
import { aheadOf, spokenOf } from './documents.ts'
import { trace } from './events.ts'
import { expired, type Inputs, inputsOf } from './inputs.ts'
import { type Base, type Newest, newestOf } from './newest.ts'
import { publish } from './publish.ts'

export interface PlannerPorts {
  readonly store: Store
  readonly policy: PolicySource
  /** For the status document. */
  readonly self?: { readonly pid: number; readonly http: string | null }
}

/** How often the policy is looked at, and a few shards are proved again. */
const lookMs = 1_000
const heartbeatMs = 3_000
/** After a plan that the check refused, or a store that would not write. */
const retryMs = { first: 200, most: 5_000 }

/** Runs until the process ends. A StoreOutage is waited out; anything else thrown is a bug. */
export async function planner(world: World, ports: PlannerPorts): Promise<never> {
  const program = new Planner(world, ports)
  for (let failures = 0; ; ) {
    try {
      const wait = await program.turn()
      failures = wait.failed ? failures + 1 : 0
      if (wait.failed) await world.clock.sleep(backoff(world, failures))
      // Also after a failure: what it came of may have been taken back meanwhile.
      if (!wait.again) await program.wait(wait.failed ? world.clock.wall() : wait.nextAt)
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error
      const ms = backoff(world, ++failures)
      trace(world, { event: 'plan.store_failed', reason: error.message, retryMs: ms })
      program.forget()
      await world.clock.sleep(ms)
    }
  }
}

function backoff({ random }: World, failures: number): number {
  const most = Math.min(retryMs.most, retryMs.first * 2 ** Math.min(10, failures - 1))
  return Math.round(most / 2 + random.below(Math.ceil(most / 2) + 1))
}

/** An instruction found impossible is tried again after this long, if nothing else changes. */
const refusedMs = 10_000

interface Refusals {
  readonly at: string
  readonly until: Instant
  readonly subjects: ReadonlyMap<string, string>
}

interface Wait {
  readonly nextAt: EpochMs | null
  readonly failed: boolean
  /** Something was done, or read, that changes what there is to decide: at once. */
  readonly again: boolean
}

const calm = (nextAt: EpochMs | null): Wait => ({ nextAt, failed: false, again: false })
const again: Wait = { nextAt: null, failed: false, again: true }
const failed: Wait = { nextAt: null, failed: true, again: false }
/** Between two decisions that come of time alone, so that not even a wrong time keeps this program from hearing. */
const restMs = 10

class Planner {
  readonly #world: World
  readonly #ports: PlannerPorts
  readonly #inputs: Inputs
  readonly #newest: Newest
  readonly #started: EpochMs
  #loaded = false
  #looked: Instant | undefined
  #beaten: Instant | undefined
  #compiled: Compiled | undefined
  #modified = 0 as EpochMs
  /** Since when the policy is known here. */
  #since = 0 as EpochMs
  #policyProblem: string | undefined
  /** Why the plan that was decided last is not published. */
  #unpublished: string | undefined
  #noticed: EpochMs | null = null
  /** Instructions found impossible, what was newest when they were, and until when that is believed. */
  #refused: Refusals = { at: '', until: 0 as Instant, subjects: new Map() }
  #rollback: PlanText | null = null
  readonly #contention = new Contention()
  #note = 'starting'
  #held = ''
  /** What lasts and has been told already. */
  #lasting = new Set<string>()

  constructor(world: World, ports: PlannerPorts) {
    this.#world = world
    this.#ports = ports
    this.#inputs = inputsOf(world, ports.store)
    this.#newest = newestOf(world, ports.store)
    this.#started = world.clock.wall()
  }

  forget(): void {
    this.#loaded = false
    this.#newest.reset()
  }

  async wait(nextAt: EpochMs | null): Promise<void> {
    const { clock } = this.#world
    const untilNext = nextAt === null ? lookMs : Math.max(restMs, nextAt - clock.wall())
    const touched = (key: string, upTo: Revision) => this.#newest.touched(key, upTo)
    if ((await this.#inputs.wait(Math.min(lookMs, untilNext), touched)) === 'compacted') this.forget()
  }

  /** One decision, from reading to publishing. */
  async turn(): Promise<Wait> {
    const { clock } = this.#world
    if (this.#looked === undefined || clock.now() - this.#looked >= lookMs) {
      this.#looked = clock.now()
      await this.#look()
      await this.#newest.audit()
    }
    if (!this.#loaded) {
      await this.#inputs.load()
      this.#loaded = true
    }
    const outcome = await this.#plan()
    await this.#beat()
    return outcome
  }

  async #look(): Promise<void> {
    const reading = await this.#ports.policy.read()
    if (reading.kind === 'unreadable')
      return this.#policyRefused(reading.problems.length, describeProblem(reading.problems[0]))
    this.#modified = reading.modified
    if (reading.policy.digest === this.#compiled?.policy.digest) {
      this.#policyProblem = undefined
      return
    }
    const compiled = compile(reading.policy)
    if (!isCompiled(compiled)) return this.#policyRefused(compiled.length, describeProblem(compiled[0]))
    this.#policyProblem = undefined
    this.#compiled = compiled
    this.#since = this.#world.clock.wall()
    const { digest, endpoints, pools } = reading.policy
    trace(this.#world, { event: 'plan.policy_taken', digest, endpoints: endpoints.size, pools: pools.size })
  }

  #policyRefused(problems: number, first: string): void {
    if (this.#policyProblem !== first) trace(this.#world, { event: 'plan.policy_refused', problems, first })
    this.#policyProblem = first
  }

  async #plan(): Promise<Wait> {
    const { clock } = this.#world
    const began = clock.now()
    const now = clock.wall()
    this.#unpublished = undefined
    for (const override of expired(this.#inputs.overrides.values(), now)) await this.#inputs.end(override, 'expired')
    const compiled = this.#compiled
    if (compiled === undefined) {
      this.#note = `no policy: ${this.#policyProblem ?? 'not read yet'}`
      return calm(null)
    }
    const standBy = await this.#standBy(compiled.policy)
    if (standBy !== undefined) {
      if (this.#note !== standBy) trace(this.#world, { event: 'plan.stood_by', reason: standBy })
      this.#note = standBy
      return calm(null)
    }
    const base = await this.#newest.base()
    const decision = await this.#situation(compiled, base, now)
    if (decision === undefined) return again
    const decided = decide(decision)
    if (decided.refused.size > 0) this.#refuse(base, decided.refused)
    this.#noticed = decided.kind === 'hold' ? decided.noticed : null
    this.#tellLasting(decided.events)
    if (decided.kind === 'plan') {
      const contested = this.#contention.wait(base.head?.pools ?? {}, decided.head.pools, clock.now())
      if (contested === null) return this.#publish(decision, base, decided, began)
      this.#tellHeld(base, `another planner sees pool ${contested.pool} differently: is a clock wrong?`)
      return calm((now + Math.ceil(contested.ms)) as EpochMs)
    }
    this.#tellHeld(base, decided.reasons[0]?.text ?? '')
    for (const name of decided.usedUp) {
      const filed = this.#inputs.overrides.get(keys.override.prefix + subjectOf({ kind: 'retire', name }))
      if (filed !== undefined) await this.#inputs.end(filed, 'there is nothing left to retire')
    }
    return calm(decided.nextAt)
  }

  /** Undefined if this planner's policy is the one in force, or has just become it; else why it stands by. */
  async #standBy(policy: Policy): Promise<string | undefined> {
    const { document, revision } = this.#inputs.policyInForce()
    if (document?.digest === policy.digest) return undefined
    const mine: PolicyInForce = { digest: policy.digest, modified: this.#modified, author: this.#world.id }
    if (document !== undefined && mine.modified <= document.modified)
      return `stands by: the policy of ${document.author}, changed ${stamp(document.modified)}, is in force, and this one was changed ${stamp(mine.modified)}; give all planners the same file, or save this one again`
    const key = keys.policy.key()
    const commit = await this.#ports.store.commit(
      [{ key, revision }],
      [{ kind: 'put', key, value: keys.policy.encode(mine) }],
    )
    // What is in force has changed, by this commit or by the one that was faster: read it before the next decision.
    await this.#inputs.reread(key)
    if (commit.kind === 'committed') return undefined
    return `stands by: the policy could not be put in force (${commit.kind})`
  }

  /** Undefined when something that is needed could not be read: start again. */
  async #situation(compiled: Compiled, base: Base, now: EpochMs): Promise<Decision | undefined> {
    // A clock that was set back must not put the window of evidence off until it is there again.
    if (this.#since > now) this.#since = now
    const ahead = aheadOf(this.#inputs.progress.values(), base.above)
    const lost = base.head === null || base.damage !== null
    const overrides = [...this.#inputs.overrides.values()].map(({ document }) => document)
    const situation = {
      compiled,
      observations: this.#inputs.observations(),
      reports: this.#inputs.reports(),
      demands: this.#inputs.demands(),
      overrides,
      refused: this.#refusedNow(base),
      previous: base.head === null ? null : { head: base.head },
      above: Math.max(
        base.above,
        ahead ?? genesis,
        lost ? spokenOf(this.#inputs.progress.values()) : genesis,
      ) as Generation,
      rebase: base.damage ?? (ahead === null ? null : `a marker of generation ${ahead} was found published`),
      since: this.#since,
      noticed: this.#noticed,
      now,
    }
    const to = overrides.flatMap(({ action }) => (action.kind === 'rollback' ? [action.to] : []))[0]
    const rollback = to === undefined || base.head?.rolledBackTo === to ? null : await this.#readOld(to)
    const previous = await base.text(affectedShards({ ...situation, rollback }))
    if (previous !== null && 'kind' in previous) return undefined
    return { ...situation, previous, rollback, author: this.#world.id }
  }

  async #readOld(generation: Generation): Promise<PlanText | null> {
    if (this.#rollback?.head.generation === generation) return this.#rollback
    const { store } = this.#ports
    const plan = await readPlan(store, generation)
    const text = plan.kind === 'plan' ? await readShards(store, plan.plan) : plan
    this.#rollback = text.kind === 'text' ? text.text : null
    return this.#rollback
  }

  async #publish(
    decision: Decision,
    base: Base,
    plan: Decided & { readonly kind: 'plan' },
    began: Instant,
  ): Promise<Wait> {
    const { generation } = plan.head
    const violations = check({ ...decision, next: plan.text, newShards: plan.newShards })
    if (violations.length > 0) return this.#checkFailed(decision, base, generation, violations)
    const usedUp = plan.usedUp.map((name) => keys.override.prefix + subjectOf({ kind: 'retire', name }))
    const freeze = keys.override.prefix + subjectOf({ kind: 'freeze' })
    const instructions = [freeze, ...usedUp].map((key): Compare => ({ key, revision: this.#inputs.revisionOf(key) }))
    const { store } = this.#ports
    const outcome = await publish(store, plan, base.revision, [...instructions, ...base.also], usedUp)
    if (outcome.kind === 'published') {
      this.#newest.published(plan, outcome.revision)
      this.#contention.published(base.head?.pools ?? {}, plan.head.pools, this.#world.clock.now())
      for (const key of usedUp) this.#inputs.forget(key)
      if (decision.rollback === null || plan.head.rolledBackTo !== undefined) this.#rollback = null
      this.#tellPublished(decision, plan, began)
      return again
    }
    this.#newest.reset()
    if (outcome.kind === 'lost') {
      // An instruction was taken back or replaced, and the news of it has not been heard: ask.
      if (outcome.key.includes(keys.override.prefix)) this.#loaded = false
      trace(this.#world, { event: 'plan.lost', generation, key: outcome.key })
      return again
    }
    const reason = outcome.kind === 'refused' ? describeProblem(outcome.problem) : outcome.reason
    trace(this.#world, { event: 'plan.store_failed', reason, retryMs: retryMs.first })
    return this.#notPublished(`plan ${generation} cannot be published: ${reason}`)
  }

  #checkFailed(decision: Decision, base: Base, generation: Generation, violations: readonly Violation[]): Wait {
    for (const violation of violations.slice(0, 10))
      trace(this.#world, { event: 'plan.check_failed', generation, ...violation })
    const { rule, at, expected, found, todo } = violations[0] as Violation
    const text = `${rule} at ${at}: expected ${expected}, found ${found}; ${todo}`
    const rollback = decision.overrides.find(
      ({ action }) => action.kind === 'rollback' && !decision.refused.has(subjectOf(action)),
    )
    if (rollback !== undefined && decision.previous?.head.rolledBackTo === undefined) {
      this.#refuse(base, new Map([[subjectOf(rollback.action), `${text}; or allow it to break ${rule}`]]))
      return again
    }
    return this.#notPublished(`plan ${generation} is not published: ${text}`)
  }

  #notPublished(why: string): Wait {
    this.#note = why
    this.#unpublished = why
    return failed
  }

  /** Looked at again when plans, policy or instructions change, and after a while: a window may be over. */
  #refuse(base: Base, found: ReadonlyMap<string, string>): void {
    const subjects = new Map([...this.#refusedNow(base), ...found])
    const until = (this.#world.clock.now() + refusedMs) as Instant
    this.#refused = { at: this.#newestKey(base), until, subjects }
  }

  #refusedNow(base: Base): ReadonlyMap<string, string> {
    const { at, until, subjects } = this.#refused
    return at === this.#newestKey(base) && this.#world.clock.now() < until ? subjects : new Map()
  }

  #newestKey(base: Base): string {
    const revisions = [...this.#inputs.overrides.values()].map(({ revision }) => revision)
    return `${base.revision} ${this.#compiled?.policy.digest} ${Math.max(0, ...revisions)} ${revisions.length}`
  }

  #tellPublished(decision: Decision, plan: Decided & { readonly kind: 'plan' }, began: Instant): void {
    const { generation, parent, blast, pools } = plan.head
    this.#note = `plan ${generation}: ${blast.namesTotal} names`
    trace(this.#world, {
      event: 'plan.published',
      generation,
      parent,
      changed: blast.namesChanged,
      added: blast.namesAdded,
      retired: blast.namesRetired,
      total: blast.namesTotal,
      shards: plan.newShards.size,
      capacityRemoved: blast.capacityRemoved,
      ms: Math.round(this.#world.clock.now() - began),
    })
    for (const { pool, event } of plan.events) if (!isLasting(event)) this.#tellGate(pool, event)
    for (const [pool, state] of Object.entries(pools)) {
      if (state === decision.previous?.head.pools[pool]) continue
      const kinds = Object.values(state.targets).map(({ kind }) => kind)
      const count = (kind: (typeof kinds)[number]) => kinds.filter((one) => one === kind).length
      trace(this.#world, {
        event: 'plan.pool_weighed',
        generation,
        pool,
        capacity: state.capacity,
        failOpen: state.failOpenSince !== null,
        serving: count('serving'),
        ramping: count('ramping'),
        held: count('held'),
        removed: count('removed'),
        drained: count('drained'),
        waiting: count('new'),
      })
    }
  }

  /** Once for as long as it lasts. */
  #tellLasting(events: Decided['events']): void {
    const now = new Set<string>()
    for (const { pool, event } of events) {
      if (!isLasting(event)) continue
      const key = event.kind === 'muted' ? `${pool} muted ${event.prober}` : `${pool} ${event.kind}`
      now.add(key)
      if (!this.#lasting.has(key)) this.#tellGate(pool, event)
    }
    this.#lasting = now
  }

  #tellGate(pool: string, event: Event): void {
    trace(this.#world, { event: 'plan.gate', pool, gate: event.kind, text: eventText(event) })
  }

  #tellHeld(base: Base, reason: string): void {
    const at = base.head === null ? 'no plan yet' : `plan ${base.head.generation}: ${base.head.blast.namesTotal} names`
    this.#note = `${at}; ${reason}${this.#policyProblem === undefined ? '' : `; policy not read: ${this.#policyProblem}`}`
    const plain = reason === 'nothing changed' || reason === 'a change waits for company'
    if (!plain && reason !== this.#held) trace(this.#world, { event: 'plan.held', reason })
    this.#held = plain ? '' : reason
  }

  async #beat(): Promise<void> {
    const { clock, id } = this.#world
    if (this.#beaten !== undefined && clock.now() - this.#beaten < heartbeatMs) return
    this.#beaten = clock.now()
    const { pid, http } = this.#ports.self ?? { pid: 0, http: null }
    const at = clock.wall()
    const ails = [
      ...(this.#policyProblem === undefined ? [] : [unusableText(this.#policyProblem)]),
      ...(this.#unpublished === undefined ? [] : [this.#unpublished]),
    ]
    const status: RoleStatus = { role: 'planner', id, pid, started: this.#started, at, http, note: this.#note, ails }
    const key = keys.status.key('planner', id)
    await this.#ports.store.commit([], [{ kind: 'put', key, value: keys.status.encode(status) }])
  }
}

const stamp = (time: EpochMs): string => new Date(time).toISOString()
