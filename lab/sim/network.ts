/**
 * The simulated network: datagrams, framed connections and HTTP between named hosts, over links that
 * delay, drop, duplicate, reorder, cut one way or both ways, and reset.
 *
 * Bytes are copied on entry, as a wire would: nobody shares memory with anybody.
 */
import { assert } from '../../src/base/assert.ts'
import type { Address, Connection, Failure, HttpReply, HttpRequest, Net } from '../../src/world/world.ts'
import { type Kernel, type Micros, ms, type Process } from './kernel.ts'
import { type Ratio, type Stream, stream } from './random.ts'

export interface Weather {
  /** One way, least and greatest. */
  readonly delay: readonly [Micros, Micros]
  readonly drop: Ratio
  readonly duplicate: Ratio
  /** A connection breaks when a message is sent on it. */
  readonly reset: Ratio
}

export const calm: Weather = {
  delay: [ms(1), ms(3)],
  drop: { of: 0, in: 1 },
  duplicate: { of: 0, in: 1 },
  reset: { of: 0, in: 1 },
}

export interface Host {
  readonly process: Process
  /** Answers later, or never. `reply` may be called at most once. */
  message?(bytes: Uint8Array, transport: 'udp' | 'tcp', from: string, reply: (bytes: Uint8Array) => void): void
  request?(request: HttpRequest, reply: (reply: HttpReply) => void): void
}

const failure = (reason: Failure['reason'], detail: string): Failure => ({ kind: 'failure', reason, detail })

export class Network {
  weather: Weather = calm
  readonly #kernel: Kernel
  readonly #random: Stream
  readonly #hosts = new Map<string, Host>()
  /** `from>to` of process ids that do not get through, one way each. */
  readonly #cuts = new Set<string>()

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#random = stream(kernel.seed, 'network')
  }

  listen(address: Address, host: Host): void {
    this.#hosts.set(key(address), host)
  }

  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`)
  }

  mend(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`)
  }

  mendAll(): void {
    this.#cuts.clear()
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`)
  }

  delay(): Micros {
    return this.#random.between(this.weather.delay[0], this.weather.delay[1])
  }

  /** The network as `process` sees it. */
  of(process: Process): Net {
    return {
      ask: (to, message, timeoutMs) => this.#ask(process, to, message, timeoutMs),
      connect: (to, timeoutMs) => this.#connect(process, to, timeoutMs),
      request: (request, timeoutMs) => this.#request(process, request, timeoutMs),
    }
  }

  #ask(process: Process, to: Address, message: Uint8Array, timeoutMs: number): ReturnType<Net['ask']> {
    const { incarnation } = process
    return new Promise((resolve) => {
      const host = this.#hosts.get(key(to))
      const bytes = message.slice()
      this.#kernel.after(ms(timeoutMs), process, () => resolve(failure('timeout', `no reply in ${timeoutMs} ms`)))
      if (host === undefined) return
      const copies = this.#random.chance(this.weather.duplicate) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        this.#datagram(process.id, host.process, host.process.incarnation, () =>
          host.message?.(bytes.slice(), 'udp', process.id, (reply) => {
            const answer = reply.slice()
            this.#datagram(host.process.id, process, incarnation, () => resolve({ kind: 'message', bytes: answer }))
          }),
        )
      }
    })
  }

  #connect(process: Process, to: Address, timeoutMs: number): ReturnType<Net['connect']> {
    const { incarnation } = process
    return new Promise((resolve) => {
      this.#kernel.after(ms(timeoutMs), process, () => resolve(failure('timeout', `no answer in ${timeoutMs} ms`)))
      const host = this.#hosts.get(key(to))
      if (host === undefined) return
      const answer = (result: Awaited<ReturnType<Net['connect']>>) =>
        this.#segment(this.#lossy(), host.process.id, process, incarnation, () => resolve(result))
      if (host.process.state !== 'up') return answer(failure('refused', `nobody listens at ${key(to)}`))
      this.#segment(this.#lossy(), process.id, host.process, host.process.incarnation, () =>
        answer({ kind: 'connected', connection: this.#connection(process, host) }),
      )
    })
  }

  #connection(process: Process, host: Host): Connection {
    const { incarnation } = process
    const hostIncarnation = host.process.incarnation
    const inbox: Uint8Array[] = []
    const waiting: ((bytes: Uint8Array | null) => void)[] = []
    let ended: Failure | null = null
    // TCP keeps order: nothing overtakes what was sent before it in the same direction.
    let outbound: Micros = 0
    let inbound: Micros = 0

    const end = (why: Failure) => {
      ended ??= why
      for (const waiter of waiting.splice(0)) waiter(null)
    }
    const take = (bytes: Uint8Array) => {
      if (ended !== null) return
      const waiter = waiting.shift()
      if (waiter !== undefined) waiter(bytes)
      else if (inbox.length < 1024) inbox.push(bytes)
    }
    const broken = () => host.process.state !== 'up' || host.process.incarnation !== hostIncarnation

    return {
      send: async (message) => {
        if (ended !== null) return ended
        if (broken() || this.#random.chance(this.weather.reset)) {
          const why = failure('reset', 'the connection was reset')
          this.#kernel.after(this.delay(), process, () => end(why), incarnation)
          return { kind: 'sent' }
        }
        const bytes = message.slice()
        outbound = Math.max(outbound, this.#lossy())
        this.#segment(outbound, process.id, host.process, hostIncarnation, () =>
          host.message?.(bytes, 'tcp', process.id, (reply) => {
            const answer = reply.slice()
            inbound = Math.max(inbound, this.#lossy())
            this.#segment(inbound, host.process.id, process, incarnation, () => take(answer))
          }),
        )
        return { kind: 'sent' }
      },
      receive: (timeoutMs) =>
        new Promise((resolve) => {
          const ready = inbox.shift()
          if (ready !== undefined) return resolve({ kind: 'message', bytes: ready })
          if (ended !== null) return resolve(ended)
          const waiter = (bytes: Uint8Array | null) =>
            resolve(bytes === null ? (ended ?? failure('closed', 'the connection ended')) : { kind: 'message', bytes })
          waiting.push(waiter)
          const late = () => {
            const index = waiting.indexOf(waiter)
            if (index < 0) return
            waiting.splice(index, 1)
            if (broken()) end(failure('reset', 'the connection was reset'))
            resolve(ended ?? failure('timeout', `no message in ${timeoutMs} ms`))
          }
          this.#kernel.after(ms(timeoutMs), process, late, incarnation)
        }),
      close: () => end(failure('closed', 'closed here')),
    }
  }

  #request(process: Process, request: HttpRequest, timeoutMs: number): ReturnType<Net['request']> {
    const { incarnation } = process
    return new Promise((resolve) => {
      const late = this.#kernel.after(ms(timeoutMs), process, () =>
        resolve(failure('timeout', `no reply in ${timeoutMs} ms`)),
      )
      const host = this.#hosts.get(key(request.to))
      if (host === undefined) return
      const answer = (reply: HttpReply | Failure) =>
        this.#segment(this.#lossy(), host.process.id, process, incarnation, () => {
          late.cancelled = true
          resolve(reply)
        })
      if (host.process.state !== 'up') return answer(failure('refused', `nobody listens at ${key(request.to)}`))
      this.#segment(this.#lossy(), process.id, host.process, host.process.incarnation, () =>
        host.request?.(request, answer),
      )
    })
  }

  /** When a segment sent now arrives: a lost one is sent again after the usual 200 ms. */
  #lossy(): Micros {
    return this.#kernel.now + this.delay() + (this.#random.chance(this.weather.drop) ? ms(200) : 0)
  }

  /** One datagram's journey: it may be lost, and one of two may overtake the other. */
  #datagram(from: string, to: Process, incarnation: number, arrive: () => void): void {
    if (this.#random.chance(this.weather.drop)) return
    const delay = this.delay()
    this.#kernel.after(delay, to, () => this.isCut(from, to.id) || arrive(), incarnation)
  }

  /** A segment's journey: TCP repeats it until the link is mended, however long that takes. */
  #segment(at: Micros, from: string, to: Process, incarnation: number, arrive: () => void): void {
    const land = () => {
      if (this.isCut(from, to.id)) this.#segment(this.#kernel.now + ms(500), from, to, incarnation, arrive)
      else arrive()
    }
    this.#kernel.after(Math.max(0, at - this.#kernel.now), to, land, incarnation)
  }
}

function key({ host, port }: Address): string {
  assert(port > 0, `expected a port, found ${port}`)
  return `${host}:${port}`
}
