/** Binding addresses for UDP and TCP, each by itself, so that a reply leaves from the address and port that was asked. */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6, type Server } from 'node:net'
import { isProblem, type Problem, problem } from '../base/problem.ts'
import type { Address } from '../world/world.ts'

export interface Bound {
  readonly address: Address
  readonly udp: Socket
  readonly tcp: Server
}

const portAttempts = 20

/** Both protocols on one port. Port 0: one that is free for both. */
export async function bindAddress(address: Address, tcpServer: () => Server): Promise<Bound | Problem> {
  for (let attempt = 1; ; attempt++) {
    const udp = await bindUdp(address)
    if (isProblem(udp)) return udp
    const port = udp.address().port
    const tcp = await bindTcp({ host: address.host, port }, tcpServer())
    if (!isProblem(tcp)) return { address: { host: address.host, port }, udp, tcp }
    udp.close()
    if (address.port !== 0 || attempt === portAttempts) return tcp
  }
}

function bindUdp({ host, port }: Address): Promise<Socket | Problem> {
  const six = isIPv6(host)
  // The addresses of clients are numbers: without this each reply would go through the name resolver's queue.
  const lookup = (name: string, _options: unknown, done: (error: null, address: string, family: number) => void) =>
    done(null, name, six ? 6 : 4)
  const socket = createSocket({
    type: six ? 'udp6' : 'udp4',
    ipv6Only: six,
    recvBufferSize: 4 * 1024 * 1024,
    lookup: lookup as never,
  })
  return new Promise((resolve) => {
    socket.once('error', (error) => {
      socket.close()
      resolve(notBound('UDP', { host, port }, error))
    })
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}

function bindTcp({ host, port }: Address, server: Server): Promise<Server | Problem> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(notBound('TCP', { host, port }, error)))
    server.listen({ port, host, ipv6Only: isIPv6(host), backlog: 511 }, () => {
      server.removeAllListeners('error')
      resolve(server)
    })
  })
}

function notBound(protocol: string, { host, port }: Address, error: NodeJS.ErrnoException): Problem {
  const at = `server.listen ${isIPv6(host) ? `[${host}]` : host}:${port} (${protocol})`
  const says: Readonly<Record<string, readonly [found: string, todo: string]>> = {
    EADDRINUSE: [
      'a port in use by another program',
      `stop that program (find it with: ss -lnp "sport = :${port}"), or listen on another port`,
    ],
    EADDRNOTAVAIL: ['an address that this machine does not have', 'correct the address, or add it to an interface'],
    EACCES: ['a port that needs more rights', 'use a port from 1024 on, or give the program CAP_NET_BIND_SERVICE'],
  }
  const [found, todo] = says[error.code ?? ''] ?? [error.message, 'correct the address']
  return problem(at, 'an address to listen on', found, todo)
}
