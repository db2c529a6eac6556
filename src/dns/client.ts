/**
 * Asking DNS servers, over UDP and over one pipelined TCP connection (RFC 7766).
 *
 * Nothing is ever sent twice by itself, since after a time-out or a broken connection the outcome is unknown and only the
 * caller can find out; with one exception, where nothing had been sent: a connection that was closed while idle.
 */
import type { Address, Connection, Failure, Instant, World } from '../world/world.ts'
import { idOf, type Reply, readReply, type Sealed, seal } from './exchange.ts'
import type { Message } from './message.ts'
import type { TsigKey } from './tsig.ts'
import { Opcode } from './types.ts'

export type { Reply } from './exchange.ts'

/** The part of the World that asking takes. */
export type Asking = Pick<World, 'net' | 'clock' | 'random'>

export interface AskOptions {
  /** For the whole exchange, in milliseconds. */
  readonly timeoutMs: number
  /** Signs requests; replies then have to be signed too. */
  readonly key?: TsigKey
}

export interface DnsOptions extends AskOptions {
  /** Requests under way on the connection at once; 64 when absent. */
  readonly maxInFlight?: number
  /** Requests that wait for one of those places, first come, first served; 1,024 when absent. More are refused. */
  readonly maxWaiting?: number
}

export interface DnsConnection {
  /**
   * Sends `message` under an id of its own and resolves to its reply. Failures: `timeout`, `closed`, `reset` mean that the
   * outcome is unknown unless the detail says "not sent"; `refused`, `unreachable`, `too-large` that nothing was sent;
   * `other` is a reply that cannot be believed, or too many requests waiting.
   */
  exchange(message: Message): Promise<Reply | Failure>
  /** Requests under way fail as `closed`. */
  close(): void
}

const seconds = (world: Asking): number => Math.floor(world.clock.wall() / 1000)

const failure = (reason: Failure['reason'], detail: string): Failure => ({ kind: 'failure', reason, detail })

const where = (to: Address): string => (to.host.includes(':') ? `[${to.host}]:${to.port}` : `${to.host}:${to.port}`)

/**
 * One datagram out, one back; asks again over TCP when the reply to a query is truncated. The caller repeats lost
 * queries, and never an UPDATE before it has looked.
 */
export async function askUdp(
  world: Asking,
  to: Address,
  message: Message,
  options: AskOptions,
): Promise<Reply | Failure> {
  const deadline = world.clock.now() + options.timeoutMs
  const sealed = seal(message, world.random.below(0x10000), options.key, seconds(world))
  const received = await world.net.ask(to, sealed.bytes, options.timeoutMs)
  if (received.kind === 'failure') return received
  const reply = readReply(received.bytes, sealed, seconds(world))
  if (reply.kind === 'stray') return failure('other', `${where(to)} sent a datagram that does not answer the question`)
  if (reply.kind === 'failure' || !reply.message.tc || message.opcode !== Opcode.QUERY) return reply
  const left = deadline - world.clock.now()
  if (left <= 0) return failure('timeout', `no time left to ask ${where(to)} over TCP after a truncated reply`)
  const connection = openDns(world, to, { ...options, timeoutMs: left })
  const whole = await connection.exchange(message)
  connection.close()
  return whole
}

/** Connects when the first message is to be sent, and again when the other side closed the connection. */
export function openDns(world: Asking, to: Address, options: DnsOptions): DnsConnection {
  return new Pipeline(world, to, options)
}

/** The message was not handed over, so that it may go out on another connection. */
interface Unsent {
  readonly kind: 'unsent'
  readonly failure: Failure
}

interface Pending {
  readonly sealed: Sealed
  readonly deadline: number
  handedOver: boolean
  settle(outcome: Reply | Failure | Unsent): void
}

class Pipeline implements DnsConnection {
  readonly #world: Asking
  readonly #to: Address
  readonly #options: DnsOptions
  readonly #maxInFlight: number
  readonly #maxWaiting: number
  #inFlight = 0
  #waiting: (() => void)[] = []
  #link: Link | undefined
  #connecting: Promise<Link | Failure> | undefined
  #closed = false

  constructor(world: Asking, to: Address, options: DnsOptions) {
    this.#world = world
    this.#to = to
    this.#options = options
    this.#maxInFlight = options.maxInFlight ?? 64
    this.#maxWaiting = options.maxWaiting ?? 1024
  }

  async exchange(message: Message): Promise<Reply | Failure> {
    const deadline = this.#world.clock.now() + this.#options.timeoutMs
    if (this.#inFlight < this.#maxInFlight) this.#inFlight++
    else {
      if (this.#waiting.length >= this.#maxWaiting) {
        return failure(
          'other',
          `expected at most ${this.#maxWaiting} requests to wait for ${where(this.#to)}, found that many: not sent`,
        )
      }
      // Whoever leaves hands over its place, so #inFlight stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    try {
      return await this.#send(message, deadline)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#inFlight--
      else next()
    }
  }

  close(): void {
    this.#closed = true
    this.#link?.end(this.#closedFailure())
    this.#link = undefined
  }

  #closedFailure(): Failure {
    return failure('closed', `the connection to ${where(this.#to)} was closed on this side`)
  }

  async #send(message: Message, deadline: number): Promise<Reply | Failure> {
    for (let again = false; ; again = true) {
      if (this.#closed) return this.#closedFailure()
      if (this.#world.clock.now() >= deadline)
        return failure('timeout', `no time left for ${where(this.#to)}: not sent`)
      const link = await this.#connected(deadline)
      if ('kind' in link) return link
      const usedBefore = link.used
      const outcome = await link.exchange(message, deadline, this.#options.key)
      if (outcome.kind !== 'unsent') return outcome
      if (again || !usedBefore) return outcome.failure
    }
  }

  async #connected(deadline: number): Promise<Link | Failure> {
    if (this.#link !== undefined && !this.#link.retired) return this.#link
    this.#connecting ??= this.#connect(deadline - this.#world.clock.now())
    return await this.#connecting
  }

  async #connect(timeoutMs: number): Promise<Link | Failure> {
    const result = await this.#world.net.connect(this.#to, timeoutMs)
    this.#connecting = undefined
    if (result.kind === 'failure') return result
    if (this.#closed) {
      result.connection.close()
      return this.#closedFailure()
    }
    this.#link = new Link(this.#world, this.#to, result.connection)
    return this.#link
  }
}

/** One TCP connection and what is under way on it. */
class Link {
  /** Whether anything has been sent on it. */
  used = false
  /** Nothing more is to be sent on it: it broke, or a reply is overdue and could be taken for a later one's. */
  retired = false
  readonly #world: Asking
  readonly #to: Address
  readonly #connection: Connection
  readonly #pending = new Map<number, Pending>()
  #receiving = false
  #strays = 0

  constructor(world: Asking, to: Address, connection: Connection) {
    this.#world = world
    this.#to = to
    this.#connection = connection
  }

  exchange(message: Message, deadline: number, key: TsigKey | undefined): Promise<Reply | Failure | Unsent> {
    let id = this.#world.random.below(0x10000)
    while (this.#pending.has(id)) id = (id + 1) & 0xffff
    const sealed = seal(message, id, key, seconds(this.#world))
    const { length } = sealed.bytes
    if (length > 0xffff)
      return Promise.resolve(
        failure('too-large', `expected a message of at most 65535 octets, found ${length}: send it in parts`),
      )
    this.used = true
    return new Promise((settle) => {
      const pending: Pending = { sealed, deadline, handedOver: false, settle }
      this.#pending.set(id, pending)
      void this.#connection.send(sealed.bytes).then((sent) => {
        pending.handedOver = true
        if (sent.kind === 'failure') this.#notSent(id, pending, sent)
        else if (this.retired && !this.#receiving)
          this.#finish(id, failure('closed', `the connection to ${where(this.#to)} broke`))
      })
      if (!this.#receiving) void this.#receive()
    })
  }

  /** Gives up: everything under way fails with `reason`. */
  end(reason: Failure): void {
    this.retired = true
    this.#connection.close()
    for (const id of this.#pending.keys()) this.#finish(id, reason)
  }

  #notSent(id: number, pending: Pending, sent: Failure): void {
    this.retired = true
    // Only `closed` says that no part of the message went out.
    const outcome: Failure | Unsent =
      sent.reason === 'closed' ? { kind: 'unsent', failure: { ...sent, detail: `${sent.detail}: not sent` } } : sent
    if (this.#pending.get(id) === pending) this.#finish(id, outcome)
  }

  #finish(id: number, outcome: Reply | Failure | Unsent): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.retired && this.#pending.size === 0) this.#connection.close()
    pending?.settle(outcome)
  }

  /** Runs while anything is under way: replies to whom they belong, and time-outs. */
  async #receive(): Promise<void> {
    this.#receiving = true
    while (this.#pending.size > 0) {
      const received = await this.#connection.receive(Math.max(0, this.#earliest() - this.#world.clock.now()))
      if (received.kind === 'message') this.#dispatch(received.bytes)
      else if (received.reason !== 'timeout') {
        this.#broken(received)
        break
      }
      this.#expire(this.#world.clock.now())
    }
    this.#receiving = false
  }

  #earliest(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const { deadline } of this.#pending.values()) if (deadline < earliest) earliest = deadline
    return earliest
  }

  #dispatch(bytes: Uint8Array): void {
    const id = idOf(bytes)
    const pending = id === undefined ? undefined : this.#pending.get(id)
    const outcome = pending === undefined ? undefined : readReply(bytes, pending.sealed, seconds(this.#world))
    if (id === undefined || outcome === undefined || outcome.kind === 'stray') this.#strays++
    else this.#finish(id, outcome)
  }

  #expire(now: Instant): void {
    for (const [id, { deadline }] of this.#pending) {
      if (deadline > now) continue
      this.retired = true
      const strays = this.#strays === 0 ? '' : `; ${this.#strays} messages that answer nothing came instead`
      this.#finish(id, failure('timeout', `no reply from ${where(this.#to)} in time: the outcome is unknown${strays}`))
    }
  }

  /** What was handed over may have been acted on; of the rest, sending itself will tell. */
  #broken(reason: Failure): void {
    this.retired = true
    for (const [id, { handedOver }] of this.#pending) {
      if (handedOver) this.#finish(id, { ...reason, detail: `${reason.detail}: the outcome is unknown` })
    }
  }
}
