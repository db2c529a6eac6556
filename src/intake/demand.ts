/**
 * Asks how much of each pool is needed, in a fixed rhythm. The intake does, and not the probers: they do the
 * same work whatever happens, there are many of them, and all would ask the same server.
 */
import { keys } from '../model/keys.ts'
import type { Policy } from '../model/policy.ts'
import type { ReadSecret } from '../model/secret.ts'
import type { Mailbox } from '../store/mailbox.ts'
import type { Failure, HttpReply, World } from '../world/world.ts'
import { trace } from './events.ts'
import { type PrometheusSource, pathOf, readSample, sourceText } from './prometheus.ts'

/** Asks over HTTP or HTTPS; the answer's body is cut off at 64 KiB. */
export type AskPrometheus = (
  source: PrometheusSource,
  path: string,
  headers: Readonly<Record<string, string>>,
  timeoutMs: number,
) => Promise<Failure | HttpReply>

const timeoutAtMostMs = 5_000

export class DemandRounds {
  readonly #world: World
  readonly #mailbox: Mailbox
  readonly #ask: AskPrometheus
  readonly #secret: ReadSecret
  readonly #running = new Map<string, { readonly source: string; stopped: boolean; why: string | undefined }>()

  constructor(world: World, mailbox: Mailbox, ask: AskPrometheus, secret: ReadSecret) {
    this.#world = world
    this.#mailbox = mailbox
    this.#ask = ask
    this.#secret = secret
  }

  /** Pools of which nobody can say how much is needed, with the reason. */
  get lost(): readonly (readonly [pool: string, why: string])[] {
    return [...this.#running].flatMap(([pool, { why }]) => (why === undefined ? [] : [[pool, why] as const]))
  }

  get count(): number {
    return this.#running.size
  }

  follow(policy: Policy): void {
    for (const [id, running] of this.#running) {
      const demand = policy.pools.get(id)?.demand
      if (demand?.kind === 'prometheus' && JSON.stringify(demand) === running.source) continue
      running.stopped = true
      this.#running.delete(id)
      this.#mailbox.delete(keys.demand.key(id, this.#world.id))
    }
    for (const [id, { demand }] of policy.pools)
      if (demand?.kind === 'prometheus' && !this.#running.has(id)) {
        const running = { source: JSON.stringify(demand), stopped: false, why: undefined }
        this.#running.set(id, running)
        void this.#run(id, demand, running)
      }
  }

  async #run(
    pool: string,
    source: PrometheusSource,
    running: { readonly stopped: boolean; why: string | undefined },
  ): Promise<void> {
    const { clock, random } = this.#world
    await clock.sleep(random.below(1_000))
    while (!running.stopped) {
      const began = clock.now()
      const why = await this.#once(pool, source, running)
      if (running.stopped) return
      if (why !== running.why)
        trace(
          this.#world,
          why === undefined
            ? { event: 'intake.demand_found', pool, source: sourceText(source) }
            : { event: 'intake.demand_lost', pool, source: sourceText(source), why },
        )
      running.why = why
      await clock.sleep(Math.max(0, began + source.everyMs - clock.now()))
    }
  }

  /** Undefined, or why there is no demand now. */
  async #once(pool: string, source: PrometheusSource, running: { readonly stopped: boolean }) {
    const { clock } = this.#world
    const began = clock.now()
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': 'holdfast-intake',
      connection: 'close',
    }
    if (source.bearer !== undefined) {
      const secret = this.#secret(source.bearer)
      if (secret.kind === 'unreadable') return `its token cannot be read: ${secret.why}`
      if (!/^[\x21-\x7e]+$/.test(secret.text)) return 'its token is not printable text without blanks'
      headers.authorization = `Bearer ${secret.text}`
    }
    const timeoutMs = Math.min(timeoutAtMostMs, source.everyMs)
    const reply = await this.#ask(source, pathOf(source, timeoutMs), headers, timeoutMs)
    if (reply.kind === 'failure') return `${reply.reason}: ${reply.detail}`
    const sample = readSample(reply, clock.wall(), source.maxAgeMs)
    if (sample.kind === 'none') return sample.why
    // The policy may have changed meanwhile: what is not asked for any more is not written again.
    if (running.stopped) return undefined
    const { value, at } = sample
    const document = { pool, by: this.#world.id, value, at, source: sourceText(source) }
    this.#mailbox.put(keys.demand.key(pool, this.#world.id), keys.demand.encode(document))
    trace(this.#world, { event: 'intake.demand_asked', pool, value, ms: Math.round(clock.now() - began) })
    return undefined
  }
}
