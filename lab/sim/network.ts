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
  /** A datagram takes ten times as long, so that later ones overtake it. */
  readonly reorder: Ratio
  /** A connection breaks when a message is sent on it. */
  readonly reset: Ratio
}

export const calm: Weather = {
  delay: [ms(1), ms(3)],
  drop: { of: 0, in: 1 },
  duplicate: { of: 0, in: 1 },
  reorder: { of: 0, in: 1 },
  reset: { of: 0, in: 1 },
}

export interface Host {
  readonly process: Process
  /** Answers later, or never. `reply` may be called at most once. `sent`: when it set out. */
  message?(
    bytes: Uint8Array,
    transport: 'udp' | 'tcp',
    from: string,
    reply: (bytes: Uint8Array) => void,
    sent: Micros,
  ): void
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
  /** Process ids that nothing reaches and that reach nothing. */
  readonly #silent = new Set<string>()
  /** On the way to and from these process ids it is otherwise than elsewhere. */
  readonly #links = new Map<string, Weather>()

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
    if (this.#cuts.size === 0 && this.#silent.size === 0) return false
    return this.#silent.has(to) || this.#silent.has(from) || this.#cuts.has(`${from}>${to}`)
  }

  silence(id: string, silent: boolean): void {
    if (silent) this.#silent.add(id)
    else this.#silent.delete(id)
  }

  isSilent(id: string): boolean {
    return this.#silent.has(id)
  }

  /** Null: as everywhere. */
  setLink(id: string, weather: Weather | null): void {
    if (weather === null) this.#links.delete(id)
    else this.#links.set(id, weather)
  }

  #weather(a: string, b: string): Weather {
    if (this.#links.size === 0) return this.weather
    return this.#links.get(a) ?? this.#links.get(b) ?? this.weather
  }

  #delay({ delay }: Weather): Micros {
    return this.#random.between(delay[0], delay[1])
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
      const sent = this.#kernel.now
      const late = this.#kernel.after(ms(timeoutMs), process, () =>
        resolve(failure('timeout', `no reply in ${timeoutMs} ms`)),
      )
      if (host === undefined) return
      const copies = this.#random.chance(this.#weather(process.id, host.process.id).duplicate) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        this.#datagram(process.id, host.process, host.process.incarnation, () =>
          host.message?.(
            bytes.slice(),
            'udp',
            process.id,
            (reply) => {
              const answer = reply.slice()
              this.#datagram(host.process.id, process, incarnation, () => {
                late.cancelled = true
                resolve({ kind: 'message', bytes: answer })
              })
            },
            sent,
          ),
        )
      }
    })
  }

  #connect(process: Process, to: Address, timeoutMs: number): ReturnType<Net['connect']> {
    const { incarnation } = process
    return new Promise((resolve) => {
      const late = this.#kernel.after(ms(timeoutMs), process, () =>
        resolve(failure('timeout', `no answer in ${timeoutMs} ms`)),
      )
      const host = this.#hosts.get(key(to))
      if (host === undefined) return
      const weather = this.#weather(process.id, host.process.id)
      const answer = (result: Awaited<ReturnType<Net['connect']>>) =>
        this.#segment(this.#lossy(weather), host.process.id, process, incarnation, () => {
          late.cancelled = true
          resolve(result)
        })
      if (host.process.state !== 'up') return answer(failure('refused', `nobody listens at ${key(to)}`))
      this.#segment(this.#lossy(weather), process.id, host.process, host.process.incarnation, () =>
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
        const weather = this.#weather(process.id, host.process.id)
        if (broken() || this.#random.chance(weather.reset)) {
          const why = failure('reset', 'the connection was reset')
          this.#kernel.after(this.#delay(weather), process, () => end(why), incarnation)
          return { kind: 'sent' }
        }
        const bytes = message.slice()
        const sent = this.#kernel.now
        const answered = (reply: Uint8Array) => {
          const answer = reply.slice()
          inbound = Math.max(inbound, this.#lossy(this.#weather(process.id, host.process.id)))
          this.#segment(inbound, host.process.id, process, incarnation, () => take(answer))
        }
        outbound = Math.max(outbound, this.#lossy(weather))
        this.#segment(outbound, process.id, host.process, hostIncarnation, () =>
          host.message?.(bytes, 'tcp', process.id, answered, sent),
        )
        return { kind: 'sent' }
      },
      receive: (timeoutMs) =>
        new Promise((resolve) => {
          const ready = inbox.shift()
          if (ready !== undefined) return resolve({ kind: 'message', bytes: ready })
          if (ended !== null) return resolve(ended)
          const waiter = (bytes: Uint8Array | null) => {
            timer.cancelled = true
            resolve(bytes === null ? (ended ?? failure('closed', 'the connection ended')) : { kind: 'message', bytes })
          }
          waiting.push(waiter)
          const late = () => {
            const index = waiting.indexOf(waiter)
            if (index < 0) return
            waiting.splice(index, 1)
            if (broken()) end(failure('reset', 'the connection was reset'))
            resolve(ended ?? failure('timeout', `no message in ${timeoutMs} ms`))
          }
          // Rounded up: whoever waits until a moment must not wake before it, at the same microsecond, for ever.
          const timer = this.#kernel.after(Math.ceil(timeoutMs * 1000), process, late, incarnation)
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
      const weather = this.#weather(process.id, host.process.id)
      const answer = (reply: HttpReply | Failure) =>
        this.#segment(this.#lossy(weather), host.process.id, process, incarnation, () => {
          late.cancelled = true
          resolve(reply)
        })
      if (host.process.state !== 'up') return answer(failure('refused', `nobody listens at ${key(request.to)}`))
      this.#segment(this.#lossy(weather), process.id, host.process, host.process.incarnation, () =>
        host.request?.(request, answer),
      )
    })
  }

  /** When a segment sent now arrives: a lost one is sent again after the usual 200 ms. */
  #lossy(weather: Weather): Micros {
    return this.#kernel.now + this.#delay(weather) + (this.#random.chance(weather.drop) ? ms(200) : 0)
  }

  /** One datagram's journey: it may be lost, and one of two may overtake the other. */
  #datagram(from: string, to: Process, incarnation: number, arrive: () => void): void {
    const weather = this.#weather(from, to.id)
    if (this.#random.chance(weather.drop)) return
    const slower = weather.reorder.of > 0 && this.#random.chance(weather.reorder) ? 10 : 1
    this.#kernel.after(slower * this.#delay(weather), to, () => this.isCut(from, to.id) || arrive(), incarnation)
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
