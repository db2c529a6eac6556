/**
 * The balancer: makes HAProxy's weights those of the newest plan. The planner decides; this follows the
 * head, pushes the whole vector every second whether anything changed or not, reads it back every ten,
 * and says how it is.
 *
 * Three loops that share what is known: one follows the store, one speaks to HAProxy, one reports. So
 * a store that is gone stops no push, and an HAProxy that is gone stops no report. Without a store the
 * last weights go on; they are written down beside it, and so outlive this program, too.
 */
import { describeProblem } from '../base/problem.ts'
import { type Generation, genesis } from '../model/generation.ts'
import type { Balancing, Haproxy } from '../model/haproxy.ts'
import { keys } from '../model/keys.ts'
import type { Policy, PolicySource } from '../model/policy.ts'
import { unusableText } from '../model/progress.ts'
import { readHead, readPlan } from '../store/plans.ts'
import { never, type Revision, type Store, StoreOutage } from '../store/store.ts'
import type { Instant, World } from '../world/world.ts'
import { trace } from './events.ts'
import type { RuntimeSocket } from './runtime-socket.ts'
import { ailsOf, Session } from './session.ts'
import { decodeVector, encodeVector, type Vector, vectorOf } from './vector.ts'

/** A file that is replaced whole. */
export interface Keep {
  /** Undefined: there is none, or it cannot be read. */
  read(): Promise<Uint8Array | undefined>
  /** Undefined, or what went wrong. */
  write(bytes: Uint8Array): Promise<string | undefined>
}

export interface BalancerPorts {
  readonly store: Store
  readonly policy: PolicySource
  readonly haproxy: Haproxy
  readonly socket: RuntimeSocket
  /** Its own last vector. */
  readonly memory: Keep
  /** HAProxy's `server-state-file`; null: somebody else writes it. */
  readonly stateFile: Keep | null
  /** For the status document. */
  readonly self?: { readonly pid: number; readonly http: string | null }
}

const pushMs = 1_000
const readBackMs = 10_000
/** News is pushed at once, but not more often than this. */
const pushMinMs = 100
const watchMs = 1_000
const reportMs = 1_000
const heartbeatMs = 5_000
const backoff = { firstMs: 200, mostMs: 5_000 }

/** Never returns; what is thrown is a bug. */
export async function balancer(world: World, ports: BalancerPorts): Promise<never> {
  const program = new Balancer(world, ports)
  await program.resume()
  return await Promise.race([program.follow(), program.push(), program.report()])
}

class Balancer {
  readonly #world: World
  readonly #ports: BalancerPorts
  readonly #pools: readonly string[]
  #policy: Policy | undefined
  #policyComplaint = ''
  #vector: Vector | undefined
  #revision: Revision = never
  /** The head as it was read last, and when that reading began; 0: the store has none. */
  #head: { readonly generation: Generation; readonly at: Instant } | undefined
  #storeComplaint = ''
  #session: Session | undefined
  #haproxyComplaint = 'not asked yet'
  #standsBy = false
  /** The newest generation that was found in HAProxy above ours, and when. */
  #newer: { readonly generation: Generation; readonly at: Instant } | undefined
  #keepComplaint = ''
  /** By pool. */
  readonly #complaints = new Map<string, string>()
  #news: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(world: World, ports: BalancerPorts) {
    this.#world = world
    this.#ports = ports
    this.#pools = ports.haproxy.pools.map(({ pool }) => pool)
  }

  /** What was pushed last, before anything newer is known. */
  async resume(): Promise<void> {
    await this.#readPolicy()
    const bytes = await this.#ports.memory.read()
    if (bytes === undefined || this.#policy === undefined) return
    this.#vector = decodeVector(bytes, this.#policy.owner)
    if (this.#vector !== undefined)
      trace(this.#world, { event: 'balance.resumed', generation: this.#vector.generation })
  }

  async follow(): Promise<never> {
    for (let failures = 0; ; ) {
      try {
        await this.#readPolicy()
        await this.#readPlan()
        if (failures > 0) trace(this.#world, { event: 'balance.store_found' })
        this.#storeComplaint = ''
        failures = 0
        const watched = await this.#ports.store.watch(keys.head.prefix, this.#revision, watchMs)
        this.#revision = watched.revision
      } catch (error) {
        if (!(error instanceof StoreOutage)) throw error
        const retryMs = jittered(this.#world, failures++)
        if (this.#storeComplaint !== error.message)
          trace(this.#world, { event: 'balance.store_lost', reason: error.message, retryMs })
        this.#storeComplaint = error.message
        await this.#world.clock.sleep(retryMs)
      }
    }
  }

  async push(): Promise<never> {
    const { clock } = this.#world
    for (let failures = 0, readAt = Number.NEGATIVE_INFINITY; ; ) {
      const began = clock.now()
      const retryMs = jittered(this.#world, failures)
      const session = this.#session ?? (await this.#open(retryMs))
      if (session === undefined) {
        failures++
        await clock.sleep(retryMs)
        continue
      }
      this.#news = Promise.withResolvers()
      const readBack = began >= readAt + readBackMs
      if (readBack) readAt = began
      const ticked = await session.tick(this.#vector, readBack, (state) => this.#dump(state))
      this.#noteNewer(session)
      if (ticked.kind !== 'ticked') {
        this.#session = undefined
        readAt = Number.NEGATIVE_INFINITY
        if (ticked.kind === 'reloaded') continue
        failures++
        this.#lost(describeProblem(ticked.problem), retryMs)
        await clock.sleep(retryMs)
        continue
      }
      failures = 0
      this.#complainOf(session)
      await clock.sleep(Math.max(0, pushMinMs - (clock.now() - began)))
      await Promise.race([clock.sleep(Math.max(0, pushMs - (clock.now() - began))), this.#news.promise])
    }
  }

  async report(): Promise<never> {
    const { clock, id } = this.#world
    const { store } = this.#ports
    const started = clock.wall()
    const self = this.#ports.self ?? { pid: process.pid, http: null }
    for (let said = '', saidAt = Number.NEGATIVE_INFINITY; ; await clock.sleep(reportMs)) {
      const words = { note: this.#note(), ails: this.#ails() }
      const balancing = this.#balancing()
      const text = JSON.stringify([words, { ...balancing, at: 0 }])
      if (text === said && clock.now() < saidAt + heartbeatMs) continue
      const at = clock.wall()
      try {
        const commit = await store.commit(
          [],
          [
            {
              kind: 'put',
              key: keys.status.key('balancer', id),
              value: keys.status.encode({ role: 'balancer', id, started, at, ...self, ...words }),
            },
            { kind: 'put', key: keys.balancing.key(id), value: keys.balancing.encode(balancing) },
          ],
        )
        if (commit.kind === 'refused') this.#complain(describeProblem(commit.problem))
        if (commit.kind !== 'committed') continue
        said = text
        saidAt = clock.now()
      } catch (error) {
        // The loop that follows the store says that it is gone.
        if (!(error instanceof StoreOutage)) throw error
      }
    }
  }

  async #readPolicy(): Promise<void> {
    const reading = await this.#ports.policy.read()
    if (reading.kind === 'unreadable') {
      const reason = describeProblem(reading.problems[0])
      if (reason !== this.#policyComplaint) trace(this.#world, { event: 'balance.policy_unreadable', reason })
      this.#policyComplaint = reason
      return
    }
    this.#policyComplaint = ''
    if (reading.policy.digest === this.#policy?.digest) return
    this.#policy = reading.policy
    const { digest } = reading.policy
    trace(this.#world, { event: 'balance.policy_changed', digest, pools: this.#pools.length })
  }

  /** @throws StoreOutage */
  async #readPlan(): Promise<void> {
    const at = this.#world.clock.now()
    const reading = await readHead(this.#ports.store)
    if (reading.kind === 'damaged') return
    const generation = reading.kind === 'none' ? genesis : reading.head.generation
    this.#head = { generation, at }
    if (reading.kind === 'none' || this.#policy === undefined) return
    const followed = this.#vector
    if (followed?.generation === generation && followed.policy === this.#policy.digest) return
    const plan = await readPlan(this.#ports.store, generation, reading.head.digest)
    if (plan.kind !== 'plan') return
    const vector = vectorOf(this.#pools, this.#policy, plan.plan, followed)
    if (vector === undefined || vector === followed) return
    this.#vector = vector
    this.#news.resolve()
    if (vector.generation !== followed?.generation) trace(this.#world, { event: 'balance.followed', generation })
    const failed = await this.#ports.memory.write(encodeVector(vector))
    if (failed !== undefined) this.#complain(`the last weights cannot be written down: ${failed}`)
    this.#keepComplaint = failed ?? ''
  }

  async #open(retryMs: number): Promise<Session | undefined> {
    const opened = await Session.open(this.#world, this.#ports.socket, this.#ports.haproxy, () => {
      if (!this.#standsBy) trace(this.#world, { event: 'balance.stood_by' })
      this.#standsBy = true
    })
    this.#standsBy = false
    if (opened.kind === 'unusable') {
      this.#lost(describeProblem(opened.problem), retryMs)
      return undefined
    }
    this.#session = opened.session
    this.#haproxyComplaint = ''
    const { version, pid } = opened.session.info
    trace(this.#world, { event: 'balance.haproxy_found', version, process: pid })
    return opened.session
  }

  #lost(reason: string, retryMs: number): void {
    if (reason !== this.#haproxyComplaint) trace(this.#world, { event: 'balance.haproxy_lost', reason, retryMs })
    this.#haproxyComplaint = reason
  }

  #noteNewer(session: Session): void {
    const newest = Math.max(
      genesis,
      ...[...session.states().values()].map(({ newer }) => newer ?? genesis),
    ) as Generation
    if (newest === genesis) this.#newer = undefined
    else if (newest !== this.#newer?.generation) this.#newer = { generation: newest, at: this.#world.clock.now() }
  }

  #complainOf(session: Session): void {
    for (const [pool, state] of session.states()) {
      const reason = ailsOf(state).join('; ')
      if (reason === (this.#complaints.get(pool) ?? '')) continue
      this.#complaints.set(pool, reason)
      trace(this.#world, { event: 'balance.complained', pool, reason })
    }
  }

  async #dump(state: string): Promise<void> {
    const { stateFile } = this.#ports
    if (stateFile === null) return
    const failed = await stateFile.write(Buffer.from(`${state}\n`))
    if (failed !== undefined && failed !== this.#keepComplaint)
      this.#complain(`HAProxy's state file cannot be written: ${failed}`)
    this.#keepComplaint = failed ?? ''
  }

  #complain(reason: string): void {
    trace(this.#world, { event: 'balance.refused', reason })
  }

  /**
   * A generation above the head that was read after it was seen: the store has lost what came then. The
   * planner reads this and goes on above it; until then nothing goes back.
   */
  #ahead(): Generation | null {
    const head = this.#head
    if (head === undefined) return null
    const own = this.#vector?.generation ?? genesis
    const found = this.#newer !== undefined && head.at > this.#newer.at ? this.#newer.generation : genesis
    const highest = Math.max(own, found) as Generation
    return highest > head.generation ? highest : null
  }

  #balancing(): Balancing {
    const session = this.#session
    const pools = [...(session?.states() ?? [])].map(([pool, { problem: _, warnings: __, newer: ___, ...report }]) => [
      pool,
      report,
    ])
    return {
      at: this.#world.clock.wall(),
      working: this.#vector?.generation ?? genesis,
      ahead: this.#ahead(),
      haproxy: session?.info.version ?? null,
      pools: Object.fromEntries(pools),
    }
  }

  #ails(): readonly string[] {
    const unusable = this.#policyComplaint === '' ? [] : [unusableText(this.#policyComplaint)]
    const keep = this.#keepComplaint === '' ? [] : [`a file of the balancer cannot be written: ${this.#keepComplaint}`]
    if (this.#standsBy) return [...unusable, ...keep]
    if (this.#session === undefined) return [...unusable, ...keep, this.#haproxyComplaint].slice(0, 10)
    return [...unusable, ...keep, ...[...this.#session.states().values()].flatMap(ailsOf)].slice(0, 10)
  }

  #note(): string {
    const vector = this.#vector
    const what = vector === undefined ? 'no plan yet' : `plan ${vector.generation}`
    if (this.#standsBy) return `${what}; stands by: the runtime socket answers somebody else`
    const session = this.#session
    if (session === undefined) return `${what}; cannot use HAProxy`
    const states = [...session.states().values()]
    const slots = states.reduce((sum, state) => sum + state.slots.length, 0)
    const used = states.reduce((sum, state) => sum + state.slots.filter(({ target }) => target !== null).length, 0)
    const held = states.filter(({ problem: found }) => found !== null).length
    const backends = `${states.length} backend${states.length === 1 ? '' : 's'}`
    const done = states.every(({ generation }) => generation === vector?.generation)
    const pushed =
      held > 0
        ? `nothing pushed to ${held} of ${backends}`
        : `${done ? 'all weights pushed' : 'pushing'} to ${backends}`
    return `${what}; HAProxy ${session.info.version}, ${pushed}, ${used} of ${slots} slots in use`
  }
}

/** Doubles up to a bound; half of it is chance. */
function jittered(world: World, failures: number): number {
  const most = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(failures, 10))
  return most / 2 + world.random.below(most / 2)
}
