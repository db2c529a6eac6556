/**
 * The built-in authoritative server: reads its zones from its own directory, brings the settings into them, and answers.
 * It needs nothing else to run: no store, no planner, no enactor.
 */
import { randomBytes } from 'node:crypto'
import { isProblem, type Problem } from '../base/problem.ts'
import { fold, nameFromText, type WireName } from '../dns/name.ts'
import type { Address } from '../world/world.ts'
import { type Asking, answer, handoff, lengthOf, rcodeOf } from './answer.ts'
import { openCopy } from './copy.ts'
import type { ServeTrace } from './events.ts'
import { lockDirectory } from './lock.ts'
import { allowedKeys, handleRequest, type RequestContext } from './request.ts'
import { defaultLimits, type ServerSettings } from './settings.ts'
import { type Bound, bindAddress } from './sockets.ts'
import { type ServeStats, Stats } from './stats.ts'
import { TcpService } from './tcp.ts'
import { updater } from './updater.ts'
import { fillTable } from './zones.ts'

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
  const table = await fillTable(settings.zones, copy, Math.floor(Date.now() / 1000), trace)
  if (isProblem(table)) {
    await release()
    return table
  }

  const limits = { ...defaultLimits, ...settings.limits }
  const stats = new Stats(() => performance.now())
  const updates = updater(table, copy, limits.updateQueue, trace)
  const context: RequestContext = {
    table,
    updater: updates,
    keys: settings.keys,
    allowed: allowedKeys(settings.zones, ({ name }) => fold(nameFromText(name) as WireName)),
    limits,
    stats,
    trace,
    random: xorshift(),
    nowSeconds: () => Math.floor(Date.now() / 1000),
  }
  const tcp = tcpService(context)
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
        await updates.drain()
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

/** A fast path for questions, straight from octets to octets; the rest is handed on. */
function serveUdp(context: RequestContext, { udp, address }: Bound): void {
  const { table, stats, limits, trace } = context
  const asking: Asking = { tcp: false, udpSize: limits.udpSize, reserve: 0, whole: false, random: context.random }
  const out = Buffer.alloc(0xffff)
  const failed = failureReporter(trace)
  udp.on('error', (error) =>
    trace({ event: 'serve.socket_failed', listen: `${address.host}:${address.port}`, reason: error.message }),
  )
  udp.on('message', (message, { address: host, port }) => {
    stats.udp++
    try {
      const result = answer(table, message, message.length, asking, out)
      if (result === handoff) {
        const send = (reply: Uint8Array): true => {
          udp.send(reply, port, host)
          return true
        }
        void handleRequest(context, message, { tcp: false, client: `${host}:${port}`, send }).catch(failed)
        return
      }
      const length = lengthOf(result)
      if (length === 0) return
      stats.answered(rcodeOf(result))
      // The socket may keep it for later, so it gets its own octets.
      const reply = Buffer.allocUnsafe(length)
      out.copy(reply, 0, 0, length)
      udp.send(reply, 0, length, port, host)
    } catch (error) {
      failed(error)
    }
  })
}

function tcpService(context: RequestContext): TcpService {
  const { table, stats, limits } = context
  const asking: Asking = { tcp: true, udpSize: limits.udpSize, reserve: 0, whole: false, random: context.random }
  const out = Buffer.alloc(0xffff)
  const failed = failureReporter(context.trace)
  return new TcpService(limits, stats, (message, client, send) => {
    try {
      const result = answer(table, message, message.length, asking, out)
      if (result === handoff) return handleRequest(context, message, { tcp: true, client, send }).catch(failed)
      const length = lengthOf(result)
      if (length === 0) return undefined
      stats.answered(rcodeOf(result))
      const sent = send(out.subarray(0, length))
      return sent === true ? undefined : sent
    } catch (error) {
      failed(error)
      return undefined
    }
  })
}

/** One bad message must not end the server for everybody: it is dropped and reported. */
function failureReporter(trace: ServeTrace): (error: unknown) => void {
  let toldAt = Number.NEGATIVE_INFINITY
  let more = 0
  return (error) => {
    const now = performance.now()
    if (now - toldAt < 1000) {
      more++
      return
    }
    trace({
      event: 'serve.failed',
      reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
      more,
    })
    toldAt = now
    more = 0
  }
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
