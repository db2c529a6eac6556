/** The real World: Node's clocks, sockets and randomness. */
import { randomBytes, randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { request as httpRequest } from 'node:http'
import { isIP, type Socket, connect as tcpConnect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { assert } from '../base/assert.ts'
import type {
  Address,
  Connection,
  EpochMs,
  Failure,
  HttpReply,
  HttpRequest,
  Instant,
  TraceEvent,
  World,
} from './world.ts'

export interface NodeWorldOptions {
  /** Which program this is: `World.id`. */
  readonly id: string
  readonly onTrace: (event: TraceEvent) => void
}

export function nodeWorld({ id, onTrace }: NodeWorldOptions): World {
  return {
    id,
    clock: { now: () => performance.now() as Instant, wall: () => Date.now() as EpochMs, sleep },
    random: { below, bytes: (length) => Uint8Array.from(randomBytes(length)) },
    net: { ask, connect, request },
    trace: onTrace,
  }
}

/** The longest time that setTimeout knows; beyond it, it would fire at once. */
const longestTimer = 2 ** 31 - 1

async function sleep(ms: number): Promise<void> {
  for (let left = Math.max(0, ms); ; left -= longestTimer) {
    await new Promise<void>((resolve) => setTimeout(resolve, Math.min(left, longestTimer)))
    if (left <= longestTimer) return
  }
}

function below(bound: number): number {
  assert(Number.isInteger(bound) && bound > 0 && bound <= 2 ** 32, `expected a bound from 1 to 2^32, found ${bound}`)
  return randomInt(bound)
}

const reasons: Readonly<Record<string, Failure['reason']>> = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  // No port of ours is left: `connect` says it so.
  EADDRNOTAVAIL: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  ENOBUFS: 'exhausted',
  ENOMEM: 'exhausted',
  ENETDOWN: 'unreachable',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ERR_STREAM_DESTROYED: 'reset',
  EMSGSIZE: 'too-large',
}

const failure = (reason: Failure['reason'], detail: string): Failure => ({ kind: 'failure', reason, detail })

/** What a socket says, in the words of the World. */
export const failureOf = (error: NodeJS.ErrnoException): Failure =>
  failure(reasons[error.code ?? ''] ?? 'other', error.message)

/** Sockets would look a name up; the World never does, because names are what Holdfast keeps alive. */
const notAnAddress = ({ host }: Address): Failure | undefined =>
  isIP(host) === 0 ? failure('other', `expected an IP address, found ${JSON.stringify(host)}`) : undefined

/** Runs `start` until it settles or the time is up; what it returned is called once in either case. It never settles at once. */
function within<Result>(
  timeoutMs: number,
  what: string,
  start: (settle: (result: Result | Failure) => void) => () => void,
): Promise<Result | Failure> {
  return new Promise((resolve) => {
    let settled = false
    let timer: NodeJS.Timeout | undefined
    let stop: (() => void) | undefined
    const settle = (result: Result | Failure) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      stop?.()
      resolve(result)
    }
    try {
      stop = start(settle)
    } catch (error) {
      // Node throws on a port or a header that cannot be; here that is one more reason why nothing came back.
      settle(failureOf(error as Error))
      return
    }
    const late = () => settle(failure('timeout', `${what}: nothing in ${timeoutMs} ms`))
    // After a standstill timers come first: an answer that was here in time is still in its socket.
    timer = setTimeout(() => setImmediate(late), Math.min(Math.max(0, timeoutMs), longestTimer))
  })
}

type Received = { readonly kind: 'message'; readonly bytes: Uint8Array }

async function ask(to: Address, message: Uint8Array, timeoutMs: number): Promise<Failure | Received> {
  const wrong = notAnAddress(to)
  if (wrong !== undefined) return wrong
  return await within<Received>(timeoutMs, `datagram to ${to.host} port ${to.port}`, (settle) => {
    const socket = createSocket(isIP(to.host) === 6 ? 'udp6' : 'udp4')
    socket.on('error', (error) => settle(failureOf(error)))
    socket.on('message', (bytes) => settle({ kind: 'message', bytes: Uint8Array.from(bytes) }))
    // Connected, the kernel passes on nothing but datagrams from there, and reports a port that nobody listens on.
    socket.connect(to.port, to.host, () => {
      socket.send(message, (error) => {
        if (error !== null) settle(failureOf(error))
      })
    })
    return () => socket.close()
  })
}

async function connect(
  to: Address,
  timeoutMs: number,
): Promise<Failure | { readonly kind: 'connected'; readonly connection: Connection }> {
  const wrong = notAnAddress(to)
  if (wrong !== undefined) return wrong
  const result = await within<{ readonly kind: 'socket'; readonly socket: Socket }>(
    timeoutMs,
    `connection to ${to.host} port ${to.port}`,
    (settle) => {
      const socket = tcpConnect({ host: to.host, port: to.port, noDelay: true })
      let connected = false
      const refused = (error: Error) => settle(failureOf(error))
      socket.once('error', refused)
      socket.once('connect', () => {
        connected = true
        settle({ kind: 'socket', socket })
      })
      return () => {
        if (!connected) socket.destroy()
        else socket.off('error', refused)
      }
    },
  )
  return result.kind === 'failure' ? result : { kind: 'connected', connection: new FramedSocket(result.socket) }
}

/** Messages behind a 16-bit length each. */
class FramedSocket implements Connection {
  static readonly #maxKept = 1024
  readonly #socket: Socket
  readonly #kept: Uint8Array[] = []
  /** What has arrived but is not taken apart yet, because enough messages are kept. */
  #rest: Uint8Array = new Uint8Array()
  /** Octets of the length, as far as they are here; then those of the message. */
  #prefix: number[] = []
  #body: Uint8Array | undefined
  #filled = 0
  #ended: Failure | undefined
  #waiting: ((result: Failure | Received) => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      // The socket is paused while a rest is kept, and it may deliver once more before it notices.
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      this.#takeApart()
    })
    socket.on('end', () => this.#end(failure('closed', 'the other side closed the connection')))
    socket.on('error', (error) => this.#end(failureOf(error)))
    socket.on('close', () => this.#end(failure('closed', 'the connection is closed')))
  }

  send(message: Uint8Array): Promise<Failure | { readonly kind: 'sent' }> {
    assert(message.length <= 0xffff, `expected a message of at most 65535 octets, found ${message.length}`)
    if (this.#ended !== undefined) return Promise.resolve({ ...this.#ended, reason: 'closed' })
    const framed = new Uint8Array(2 + message.length)
    framed[0] = message.length >> 8
    framed[1] = message.length & 255
    framed.set(message, 2)
    return new Promise((resolve) => {
      this.#socket.write(framed, (error) => {
        // Part of it may be out: anything but `closed`, which promises the opposite.
        resolve(error ? failure('reset', error.message) : { kind: 'sent' })
      })
    })
  }

  receive(timeoutMs: number): Promise<Failure | Received> {
    assert(this.#waiting === undefined, 'expected one receiver at a time, found a second')
    const kept = this.#kept.shift()
    if (kept !== undefined) {
      if (this.#rest.length > 0) this.#takeApart()
      return Promise.resolve({ kind: 'message', bytes: kept })
    }
    if (this.#ended !== undefined) return Promise.resolve(this.#ended)
    return within<Received>(timeoutMs, 'next message', (settle) => {
      this.#waiting = settle
      return () => {
        this.#waiting = undefined
      }
    })
  }

  close(): void {
    this.#end(failure('closed', 'the connection was closed on this side'))
    this.#socket.destroy()
  }

  #takeApart(): void {
    const chunk = this.#rest
    let at = 0
    while (at < chunk.length && this.#kept.length < FramedSocket.#maxKept) {
      if (this.#body === undefined) {
        this.#prefix.push(chunk[at++] as number)
        const [high, low] = this.#prefix
        if (low === undefined) continue
        this.#body = new Uint8Array(((high as number) << 8) | low)
        this.#filled = 0
        this.#prefix = []
      } else {
        const part = chunk.subarray(at, at + this.#body.length - this.#filled)
        this.#body.set(part, this.#filled)
        this.#filled += part.length
        at += part.length
      }
      if (this.#filled < this.#body.length) continue
      const bytes = this.#body
      this.#body = undefined
      if (this.#waiting !== undefined) this.#waiting({ kind: 'message', bytes })
      else this.#kept.push(bytes)
    }
    this.#rest = chunk.subarray(at)
    if (this.#rest.length > 0) this.#socket.pause()
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  #end(reason: Failure): void {
    this.#ended ??= reason
    this.#waiting?.(this.#ended)
  }
}

const maxBody = 64 * 1024

async function request(
  { method, to, path, headers, body }: HttpRequest,
  timeoutMs: number,
): Promise<Failure | HttpReply> {
  const wrong = notAnAddress(to)
  if (wrong !== undefined) return wrong
  return await within<HttpReply>(timeoutMs, `${method} to ${to.host} port ${to.port}`, (settle) => {
    // No agent: a connection of its own, closed afterwards, so that no request meets one that died meanwhile.
    const createConnection = () => tcpConnect({ host: to.host, port: to.port, noDelay: true })
    const sent = httpRequest({ host: to.host, port: to.port, method, path, headers, createConnection })
    sent.on('error', (error) => settle(failureOf(error)))
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      let length = 0
      const finish = () =>
        settle({
          kind: 'http',
          status: response.statusCode ?? 0,
          body: Uint8Array.from(Buffer.concat(chunks).subarray(0, maxBody)),
        })
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (length >= maxBody) finish()
      })
      response.on('end', finish)
      response.on('error', (error) => settle(failureOf(error)))
    })
    sent.end(body)
    return () => sent.destroy()
  })
}
