/** A TCP proxy on loopback that can be told to behave as a dependency in trouble does. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export interface ProxyTarget {
  readonly host: string
  readonly port: number
}

export interface TcpProxy {
  readonly port: number
  /** Breaks every connection, and refuses new ones until `restore`. */
  takeAway(): void
  restore(): void
  close(): Promise<void>
}

/** `port` 0: any that is free. `delayMs` is added once to each way there and back, half each way. */
export async function startProxy(target: ProxyTarget, port = 0, delayMs = 0): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let isAway = false
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('close', () => sockets.delete(socket))
  }
  const server: Server = createServer((client) => {
    if (isAway) {
      client.destroy()
      return
    }
    const upstream = connect(target.port, target.host)
    keep(client)
    keep(upstream)
    join(client, upstream, delayMs / 2)
    join(upstream, client, delayMs / 2)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const breakAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    takeAway() {
      isAway = true
      breakAll()
    },
    restore() {
      isAway = false
    },
    async close() {
      breakAll()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

function join(from: Socket, to: Socket, delayMs: number): void {
  from.on('error', () => from.destroy())
  from.on('close', () => to.destroy())
  if (delayMs === 0) {
    from.pipe(to)
    return
  }
  // Timers of the same length fire in the order in which they were set, so bytes stay in theirs.
  from.on('data', (chunk) => {
    setTimeout(() => {
      if (!to.destroyed) to.write(chunk)
    }, delayMs)
  })
}
