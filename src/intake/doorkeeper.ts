/** Who is let in, and how often. Tokens are compared by a keyed digest, so that how long it takes tells nothing of them. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ReadSecret, SecretSource } from '../model/secret.ts'
import type { Instant } from '../world/world.ts'
import type { Speaker } from './desk.ts'
import { type Bucket, full, type Rate, take } from './rate.ts'

export interface Agent extends Speaker {
  readonly token: SecretSource
}

/** Observations of one agent; a request counts as ten at least. */
const perAgent: Rate = { refill: 1_000, burst: 2_000 }
const requestCost = 10
/** Wrong tokens, of everybody together: guessing is slow, and the rest goes on. */
const strangers: Rate = { refill: 20, burst: 40 }
/** Tokens are read again after this long. */
const keptMs = 2_000
const tokenPattern = /^[\x21-\x7e]{16,4096}$/

export type Admission =
  | { readonly kind: 'speaker'; readonly speaker: Speaker }
  | { readonly kind: 'stranger' }
  /** Too often: again after this time. */
  | { readonly kind: 'later'; readonly agent: string; readonly waitMs: number }

export class Doorkeeper {
  readonly #agents: readonly Agent[]
  readonly #read: ReadSecret
  readonly #key: Uint8Array
  readonly #unusable: (agent: string, why: string) => void
  readonly #buckets = new Map<string, Bucket>()
  readonly #told = new Map<string, string>()
  #strangers: Bucket | undefined
  #byDigest = new Map<string, { readonly digest: Buffer; readonly agent: Agent }>()
  #readAt: Instant | undefined

  /** `key`: unpredictable bytes. `unusable` is told once of each agent whose token cannot be used, and of each new reason. */
  constructor(
    agents: readonly Agent[],
    read: ReadSecret,
    key: Uint8Array,
    unusable: (agent: string, why: string) => void,
  ) {
    this.#agents = agents
    this.#read = read
    this.#key = key
    this.#unusable = unusable
  }

  /** `authorization`: the header of that name. */
  admit(authorization: string | undefined, now: Instant): Admission {
    this.#refresh(now)
    const token = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1]
    const digest = token === undefined ? undefined : this.#digest(token)
    const known = digest === undefined ? undefined : this.#byDigest.get(digest.toString('base64'))
    if (digest === undefined || known === undefined || !timingSafeEqual(digest, known.digest)) {
      const { bucket, waitMs } = take(strangers, this.#strangers ?? full(strangers, now), 1, now)
      this.#strangers = bucket
      return waitMs > 0 ? { kind: 'later', agent: '', waitMs } : { kind: 'stranger' }
    }
    const { name, targets } = known.agent
    const waitMs = this.#spend(name, requestCost, now)
    return waitMs > 0 ? { kind: 'later', agent: name, waitMs } : { kind: 'speaker', speaker: { name, targets } }
  }

  /** For the observations of a request that was let in: 0, or how long to wait. */
  weigh(agent: string, observations: number, now: Instant): number {
    return observations <= requestCost ? 0 : this.#spend(agent, observations - requestCost, now)
  }

  #spend(agent: string, cost: number, now: Instant): number {
    const { bucket, waitMs } = take(perAgent, this.#buckets.get(agent) ?? full(perAgent, now), cost, now)
    this.#buckets.set(agent, bucket)
    return waitMs
  }

  #digest(token: string): Buffer {
    return createHmac('sha256', this.#key).update(token).digest()
  }

  #refresh(now: Instant): void {
    if (this.#readAt !== undefined && now - this.#readAt < keptMs) return
    this.#readAt = now
    const byDigest = new Map<string, { readonly digest: Buffer; readonly agent: Agent }>()
    for (const agent of this.#agents) {
      const reading = this.#read(agent.token)
      let why: string | undefined
      if (reading.kind === 'unreadable') why = reading.why
      else if (!tokenPattern.test(reading.text)) why = 'it has not 16 to 4096 printable characters without blanks'
      else {
        const digest = this.#digest(reading.text)
        const other = byDigest.get(digest.toString('base64'))
        if (other === undefined) byDigest.set(digest.toString('base64'), { digest, agent })
        else why = `${other.agent.name} has the same one`
      }
      if (why !== undefined && this.#told.get(agent.name) !== why) this.#unusable(agent.name, why)
      if (why === undefined) this.#told.delete(agent.name)
      else this.#told.set(agent.name, why)
    }
    this.#byDigest = byDigest
  }
}
