/** A lease service: hosts report to it by `POST /v1/sync`, as many as are due together in one request. */
import { Agent, request } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import type { Answered, Service } from './service.ts'

export interface LeaseServiceOptions {
  /** Ends with `/v1/sync`. */
  readonly url: string
  readonly token: string | undefined
  readonly idOf: (host: number) => string
  /** Of this drill: after a start every host needs its lease anew. */
  readonly bootId: string
}

/** Hosts of one request: a rack. */
const together = 100
const connections = 64
const answerMs = 5_000
const replyAtMost = 1 << 20

interface Told {
  readonly status?: unknown
  readonly epoch?: unknown
  readonly proof?: unknown
  readonly pollAfterMs?: unknown
}

export function leaseService({ url, token, idOf, bootId }: LeaseServiceOptions): Service {
  const isSecure = url.startsWith('https:')
  const settings = { keepAlive: true, maxSockets: connections }
  const agent = isSecure ? new SecureAgent(settings) : new Agent(settings)
  const ask = isSecure ? secureRequest : request
  const held = new Map<number, { readonly epoch: number; readonly proof: string | undefined }>()
  const sites = 8
  const one = (host: number) => {
    const lease = held.get(host)
    return {
      id: idOf(host),
      bootId,
      epoch: lease?.epoch ?? 0,
      site: `site-${host % sites}`,
      ...(lease?.proof === undefined ? {} : { proof: lease.proof }),
    }
  }
  const take = (hosts: readonly number[], text: string, answered: Answered) => {
    const told = hostsIn(text)
    for (const [index, host] of hosts.entries()) {
      const { status, epoch, proof, pollAfterMs } = told?.[index] ?? {}
      const wait = typeof pollAfterMs === 'number' && pollAfterMs >= 0 && pollAfterMs < 3_600_000 ? pollAfterMs : 5_000
      if (status === 'LEASED' && typeof epoch === 'number') {
        held.set(host, { epoch, proof: typeof proof === 'string' ? proof : undefined })
        answered(host, 'leased', wait)
      } else answered(host, status === 'PENDING' ? 'pending' : 'lost', wait)
    }
  }
  const send = (hosts: readonly number[], answered: Answered) => {
    const lose = () => {
      for (const host of hosts) answered(host, 'lost', 0)
    }
    const body = JSON.stringify({ hosts: hosts.map(one) })
    const headers = {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    }
    let isOver = false
    const settle = (end: () => void) => {
      if (isOver) return
      isOver = true
      clearTimeout(late)
      end()
    }
    const call = ask(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size <= replyAtMost) chunks.push(chunk)
      })
      response.on('error', () => settle(lose))
      response.on('end', () => {
        const isGood = response.statusCode === 200 && size <= replyAtMost
        settle(isGood ? () => take(hosts, Buffer.concat(chunks).toString(), answered) : lose)
      })
    })
    const late = setTimeout(() => {
      settle(lose)
      call.destroy()
    }, answerMs)
    call.on('error', () => settle(lose))
    call.end(body)
  }
  return {
    report(due, answered) {
      for (let from = 0; from < due.length; from += together) send(due.slice(from, from + together), answered)
    },
    tick() {},
    limit: () => undefined,
    work: () => null,
    async close() {
      agent.destroy()
    },
  }
}

function hostsIn(text: string): readonly Told[] | undefined {
  try {
    const { hosts } = JSON.parse(text) as { readonly hosts?: unknown }
    return Array.isArray(hosts) ? (hosts as readonly Told[]) : undefined
  } catch {
    return undefined
  }
}
