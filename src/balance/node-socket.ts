/** Runtime sockets of the real machine. */
import { connect, type Socket } from 'node:net'
import type { RuntimeAddress } from '../model/haproxy.ts'
import type { Failure } from '../world/world.ts'
import type { RuntimeSocket, RuntimeStream } from './runtime-socket.ts'

const keptBytes = 16 * 1024 * 1024

const reasons: Readonly<Record<string, Failure['reason']>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  // The queue of a socket file is full.
  EAGAIN: 'too-large',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
}

const failureOf = (error: NodeJS.ErrnoException): Failure =>
  failure(reasons[error.code ?? ''] ?? 'other', error.message)

const failure = (reason: Failure['reason'], detail: string): Failure => ({ kind: 'failure', reason, detail })

export const nodeRuntimeSocket: RuntimeSocket = {
  connect: (to, timeoutMs) =>
    new Promise((resolve) => {
      const socket = open(to)
      const timer = setTimeout(() => refuse(failure('timeout', `no connection in ${timeoutMs} ms`)), timeoutMs)
      const refuse = (outcome: Failure) => {
        clearTimeout(timer)
        // A socket that is being torn down may still report why.
        socket.on('error', () => {}).destroy()
        resolve(outcome)
      }
      const failed = (error: NodeJS.ErrnoException) => refuse(failureOf(error))
      socket.once('error', failed)
      socket.once('connect', () => {
        clearTimeout(timer)
        const stream = new NodeStream(socket)
        socket.off('error', failed)
        resolve({ kind: 'connected', stream })
      })
    }),
}

function open(to: RuntimeAddress): Socket {
  return to.kind === 'unix' ? connect(to.path) : connect(to.address.port, to.address.host)
}

class NodeStream implements RuntimeStream {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #size = 0
  #ended: Failure | undefined
  #waiting: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk)
      this.#size += chunk.length
      if (this.#size > keptBytes) {
        this.#ended ??= failure('too-large', `more than ${keptBytes} bytes came that nobody asked for`)
        socket.destroy()
      }
      this.#waiting?.()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#ended ??= failureOf(error)
      this.#waiting?.()
    })
    socket.on('close', () => {
      this.#ended ??= failure('closed', 'HAProxy closed the connection')
      this.#waiting?.()
    })
  }

  write(text: string): Promise<Failure | { readonly kind: 'sent' }> {
    if (this.#ended !== undefined) return Promise.resolve(this.#ended)
    return new Promise((resolve) => {
      this.#socket.write(text, (error) =>
        resolve(error == null ? { kind: 'sent' } : (this.#ended ?? failure('reset', error.message))),
      )
    })
  }

  async read(timeoutMs: number): Promise<Failure | { readonly kind: 'bytes'; readonly bytes: Uint8Array }> {
    if (this.#size === 0 && this.#ended === undefined)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs)
        this.#waiting = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    this.#waiting = undefined
    if (this.#size > 0) {
      const bytes = Buffer.concat(this.#chunks)
      this.#chunks = []
      this.#size = 0
      return { kind: 'bytes', bytes }
    }
    return this.#ended ?? failure('timeout', `nothing in ${timeoutMs} ms`)
  }

  close(): void {
    this.#ended ??= failure('closed', 'the connection was given up')
    this.#socket.destroy()
  }
}
