/**
 * DNS over TCP (RFC 7766): messages framed by their length, which may come in pieces; many questions on a connection, their
 * replies in any order; idle connections closed; limits in total and for each client.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { ServerLimits } from './settings.ts'
import type { Stats } from './stats.ts'

/** True: sent, go on. Otherwise resolves when there is room for more, with false when the connection is gone. */
export type TcpSend = (reply: Uint8Array) => true | Promise<boolean>

/** Handles one message; resolves when it is done with, if that takes time. */
export type TcpHandler = (message: Uint8Array, client: string, send: TcpSend) => Promise<unknown> | undefined

export class TcpService {
  private readonly limits: ServerLimits
  private readonly stats: Stats
  private readonly handle: TcpHandler
  /** In order of last use, the longest idle first. */
  private readonly open = new Set<Socket>()
  private readonly clients = new Map<string, number>()

  constructor(limits: ServerLimits, stats: Stats, handle: TcpHandler) {
    this.limits = limits
    this.stats = stats
    this.handle = handle
  }

  server(): Server {
    return createServer({ noDelay: true }, (socket) => this.accept(socket))
  }

  /** Closes each connection when what was written to it is on its way, or after a second. */
  closeAll(): void {
    for (const socket of this.open) {
      socket.setTimeout(1000)
      socket.destroySoon()
    }
  }

  private accept(socket: Socket): void {
    const client = socket.remoteAddress ?? ''
    const mine = this.clients.get(client) ?? 0
    if (mine >= this.limits.tcpConnectionsPerClient) {
      this.stats.tcpRefused++
      socket.destroy()
      return
    }
    // When all places are taken the longest idle one makes room: a flood of connections must not shut others out for long.
    if (this.open.size >= this.limits.tcpConnections) {
      const [idlest] = this.open
      idlest?.destroy()
      if (idlest !== undefined) this.open.delete(idlest)
    }
    this.clients.set(client, mine + 1)
    this.open.add(socket)
    this.stats.tcpConnections = this.open.size
    socket.setTimeout(this.limits.tcpIdleMs, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.once('close', () => {
      this.open.delete(socket)
      this.stats.tcpConnections = this.open.size
      const left = (this.clients.get(client) ?? 1) - 1
      if (left > 0) this.clients.set(client, left)
      else this.clients.delete(client)
    })
    this.read(socket, client)
  }

  private read(socket: Socket, client: string): void {
    let kept: Buffer = Buffer.alloc(0)
    let inFlight = 0
    const send = senderOf(socket)
    // Messages are taken only while few are in progress; what has come beyond them waits, and the socket is not read.
    const take = () => {
      let at = 0
      while (!socket.destroyed && inFlight < this.limits.tcpInFlight && kept.length - at >= 2) {
        const length = kept.readUInt16BE(at)
        if (length < 12) {
          socket.destroy()
          return
        }
        if (kept.length - at - 2 < length) break
        const message = kept.subarray(at + 2, at + 2 + length)
        at += 2 + length
        this.stats.tcp++
        const done = this.handle(message, client, send)
        if (done === undefined) continue
        inFlight++
        void done.finally(() => {
          inFlight--
          take()
        })
      }
      kept = kept.subarray(at)
      if (socket.destroyed) return
      if (inFlight >= this.limits.tcpInFlight) socket.pause()
      else if (socket.isPaused()) socket.resume()
    }
    socket.on('data', (piece: Buffer) => {
      this.open.delete(socket)
      this.open.add(socket)
      kept = kept.length === 0 ? piece : Buffer.concat([kept, piece])
      take()
    })
  }
}

/** Length and message in one write. */
function senderOf(socket: Socket): TcpSend {
  let room: Promise<boolean> | undefined
  return (reply) => {
    if (!socket.writable) return Promise.resolve(false)
    const framed = Buffer.allocUnsafe(2 + reply.length)
    framed.writeUInt16BE(reply.length, 0)
    framed.set(reply, 2)
    if (socket.write(framed)) return true
    // All that wait for room wait for the same.
    room ??= roomIn(socket).finally(() => {
      room = undefined
    })
    return room
  }
}

function roomIn(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (alive: boolean) => {
      socket.off('drain', drained)
      socket.off('close', closed)
      resolve(alive)
    }
    const drained = () => finish(true)
    const closed = () => finish(false)
    socket.once('drain', drained)
    socket.once('close', closed)
  })
}
