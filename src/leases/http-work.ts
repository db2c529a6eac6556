/**
 * A call over HTTP as the dependency: POST { host, epoch, site }, with the time that is left in the header
 * `deadline-ms`. When that is over the connection is closed, which is how the other side learns of it.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { maskedText } from './masked.ts'
import type { Work, WorkHost, WorkOutcome } from './work.ts'

export interface HttpWorkOptions {
  readonly url: string
  /** For `Authorization: Bearer`; null: none is sent. */
  readonly bearer:
    | (() => { readonly kind: 'secret'; readonly text: string } | { readonly kind: 'unreadable'; readonly why: string })
    | null
  readonly connections: number
}

/** So much of a reply is read. */
const replyAtMost = 4_096

export function httpWork({ url, bearer, connections }: HttpWorkOptions): Work {
  const to = new URL(url)
  const isTls = to.protocol === 'https:'
  const settings = { keepAlive: true, maxSockets: connections, maxFreeSockets: connections }
  const agent = isTls ? new HttpsAgent(settings) : new HttpAgent(settings)
  const ask = isTls ? httpsRequest : httpRequest
  return {
    atOnce: connections,
    grant(host: WorkHost, epoch: number, timeoutMs: number): Promise<WorkOutcome> {
      const token = bearer?.()
      if (token?.kind === 'unreadable')
        return Promise.resolve({ kind: 'failed', why: `the token cannot be read: ${token.why}` })
      const body = JSON.stringify({ host: host.id, epoch, site: host.site })
      return new Promise((resolve) => {
        const headers = {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(body)),
          'deadline-ms': String(Math.round(timeoutMs)),
          ...(token === undefined ? {} : { authorization: `Bearer ${token.text}` }),
        }
        const call = ask(to, { method: 'POST', agent, headers })
        const late = setTimeout(() => {
          settle({ kind: 'timeout', why: `no answer in ${Math.round(timeoutMs)} ms; the connection was closed` })
          call.destroy()
        }, timeoutMs)
        const settle = (outcome: WorkOutcome) => {
          clearTimeout(late)
          resolve(outcome)
        }
        call.on('error', (error: Error) =>
          settle({ kind: 'failed', why: maskedText(error.message, token?.text ?? url) }),
        )
        call.on('response', (response: IncomingMessage) => {
          const chunks: Buffer[] = []
          let size = 0
          response.on('data', (chunk: Buffer) => {
            size += chunk.length
            if (size <= replyAtMost) chunks.push(chunk)
            else call.destroy(new Error(`expected a reply of at most ${replyAtMost} octets, found more`))
          })
          response.on('error', (error) => settle({ kind: 'failed', why: error.message }))
          response.on('end', () => settle(outcomeOf(response.statusCode ?? 0, Buffer.concat(chunks).toString(), epoch)))
        })
        call.end(body)
      })
    },
    async close() {
      agent.destroy()
    },
  }
}

/** A reply may name the epoch that it wrote; then it must be this one. */
export function outcomeOf(status: number, body: string, epoch: number): WorkOutcome {
  if (status >= 200 && status < 300) {
    const wrote = epochIn(body)
    if (wrote === undefined || wrote === epoch) return { kind: 'done' }
    return {
      kind: 'refused',
      why: `expected it to write the epoch ${epoch}, found that it wrote ${String(wrote).slice(0, 40)}`,
    }
  }
  if (status === 408 || status === 504) return { kind: 'timeout', why: `status ${status}` }
  // Too many, or not now: the trouble of the dependency, not of this host.
  if (status >= 400 && status < 500 && status !== 401 && status !== 403 && status !== 429)
    return { kind: 'refused', why: `status ${status}` }
  return { kind: 'failed', why: `status ${status}` }
}

function epochIn(body: string): unknown {
  if (!body.startsWith('{')) return undefined
  try {
    return (JSON.parse(body) as { readonly epoch?: unknown }).epoch
  } catch {
    return undefined
  }
}
