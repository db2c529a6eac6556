/**
 * The built-in authoritative server: reads its zones from its own directory, brings the settings into them, and answers.
 * It needs nothing else to run: no store, no planner, no enactor.
 */
import { randomBytes } from 'node:crypto'
import { isProblem, type Problem } from '../base/problem.ts'
import type { Address } from '../world/world.ts'
import { openCopy } from './copy.ts'
import type { ServeTrace } from './events.ts'
import { tcpHandler, udpHandler } from './handlers.ts'
import { lockDirectory } from './lock.ts'
import type { RequestContext } from './request.ts'
import { openService } from './service.ts'
import type { ServerSettings } from './settings.ts'
import { type Bound, bindAddress } from './sockets.ts'
import type { ServeStats } from './stats.ts'
import { TcpService } from './tcp.ts'

export interface RunningServer {
  /** Where it listens, with the ports that were picked for port 0. */
  readonly addresses: readonly Address[]
  stats(): ServeStats
  /** Ends what is in progress, closes everything. */
  close(): Promise<void>
}

/** Resolves when the server answers, or with what stands against it. */
export async function startServer(settings: ServerSettings, trace: ServeTrace): Promise<RunningServer | Problem> {
  const lock = await lockDirectory(settings.dir)
  if (isProblem(lock)) return lock
  const copy = await openCopy(settings.dir, `process ${process.pid}, since ${new Date().toISOString()}`)
  if (isProblem(copy)) {
    lock.close()
    return copy
  }
  const release = async () => {
    await copy.close()
    lock.close()
  }
  const surroundings = {
    nowSeconds: () => Math.floor(Date.now() / 1000),
    nowMs: () => performance.now(),
    random: xorshift(),
  }
  const context = await openService(settings, copy, surroundings, trace)
  if (isProblem(context)) {
    await release()
    return context
  }

  const { table, updater, limits, stats } = context
  const tcp = new TcpService(limits, stats, tcpHandler(context))
  const bound: Bound[] = []
  for (const address of settings.listen) {
    const found = await bindAddress(address, () => tcp.server())
    if (isProblem(found)) {
      await closeAll(bound)
      await release()
      return found
    }
    bound.push(found)
  }
  for (const listening of bound) serveUdp(context, listening)
  const addresses = bound.map(({ address }) => address)
  const names = [...table.zones.values()].reduce((sum, { nodes }) => sum + nodes.size, 0)
  const listen = addresses.map(({ host, port }) => `${host}:${port}`).join(' ')
  trace({ event: 'serve.started', zones: table.zones.size, names, listen })

  let closing: Promise<void> | undefined
  return {
    addresses,
    stats: () => stats.snapshot(),
    close() {
      closing ??= (async () => {
        await updater.drain()
        // One turn, in which the last replies are handed to their sockets.
        await new Promise((resolve) => setImmediate(resolve))
        const closed = closeAll(bound)
        tcp.closeAll()
        await closed
        await release()
        trace({ event: 'serve.stopped' })
      })()
      return closing
    },
  }
}

async function closeAll(bound: readonly Bound[]): Promise<void> {
  await Promise.all(
    bound.flatMap(({ udp, tcp }) => [
      new Promise<void>((resolve) => udp.close(() => resolve())),
      new Promise<void>((resolve) => tcp.close(() => resolve())),
    ]),
  )
}

function serveUdp(context: RequestContext, { udp, address }: Bound): void {
  udp.on('error', (error) =>
    context.trace({
      event: 'serve.socket_failed',
      listen: `${address.host}:${address.port}`,
      reason: error.message,
    }),
  )
  const handle = udpHandler(context, (reply, port, host) => udp.send(reply, 0, reply.length, port, host))
  udp.on('message', (message, from) => handle(message, from.port, from.address))
}

/** Marsaglia's xorshift: good enough to shuffle records, and fast. Whole numbers 0 <= n < 2^32. */
function xorshift(): () => number {
  let state = randomBytes(4).readUInt32LE(0) || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
