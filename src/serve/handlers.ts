/**
 * What becomes of a message that has come in, by UDP or TCP: a fast path for questions, straight from octets to octets;
 * the rest is handed on (`request.ts`). Sockets are elsewhere.
 */
import { type Asking, answer, handoff, lengthOf, rcodeOf } from './answer.ts'
import type { ServeTrace } from './events.ts'
import { handleRequest, type RequestContext } from './request.ts'
import type { TcpHandler } from './tcp.ts'

/** Takes one datagram. What it has from `message` it has when it returns. */
export type UdpHandler = (message: Uint8Array, port: number, host: string) => void

/** `send` may keep the reply. */
export function udpHandler(
  context: RequestContext,
  send: (reply: Uint8Array, port: number, host: string) => void,
): UdpHandler {
  const { table, stats, limits } = context
  const asking: Asking = { tcp: false, udpSize: limits.udpSize, reserve: 0, whole: false, random: context.random }
  const out = Buffer.alloc(0xffff)
  const failed = failureReporter(context)
  return (message, port, host) => {
    stats.udp++
    try {
      const result = answer(table, message, message.length, asking, out)
      if (result === handoff) {
        const sendOne = (reply: Uint8Array): true => {
          send(reply, port, host)
          return true
        }
        void handleRequest(context, message, { tcp: false, client: `${host}:${port}`, send: sendOne }).catch(failed)
        return
      }
      const length = lengthOf(result)
      if (length === 0) return
      stats.answered(rcodeOf(result))
      // It may be kept for later, so it gets its own octets.
      const reply = Buffer.allocUnsafe(length)
      out.copy(reply, 0, 0, length)
      send(reply, port, host)
    } catch (error) {
      failed(error)
    }
  }
}

export function tcpHandler(context: RequestContext): TcpHandler {
  const { table, stats, limits } = context
  const asking: Asking = { tcp: true, udpSize: limits.udpSize, reserve: 0, whole: false, random: context.random }
  const out = Buffer.alloc(0xffff)
  const failed = failureReporter(context)
  return (message, client, send) => {
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
  }
}

/** One bad message must not end the server for everybody: it is dropped and reported. */
function failureReporter({ trace, nowMs }: { trace: ServeTrace; nowMs: () => number }): (error: unknown) => void {
  let toldAt = Number.NEGATIVE_INFINITY
  let more = 0
  return (error) => {
    const now = nowMs()
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
