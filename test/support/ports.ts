/** Ports that nobody listens on. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** A port that was found free is free again, and might be found again before anybody listens on it. */
const given = new Set<number>()

/**
 * A port that is free for UDP and for TCP at `host`. Someone else may take it before the caller does, so whoever starts
 * a server on it should be ready to try again; this process never gets it twice.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = await freeForTcp(host)
    if (given.has(port) || !(await isFreeForUdp(host, port))) continue
    given.add(port)
    return port
  }
  throw new Error(`expected a port free for UDP and TCP at ${host}, found none in 50 tries`)
}

function freeForTcp(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

function isFreeForUdp(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind(port, host, () => socket.close(() => resolve(true)))
  })
}
