/**
 * A lease service: hosts report to it by `POST /v1/sync`, as many as are due together in one request, each to the
 * manager that it was sent to. Managers that invite drills say what they do meanwhile.
 */
import { Agent, request } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { retryAfterMs } from '../recover/library/sync-protocol.ts'
import { Accounts } from './accounts.ts'
import { askWork } from './ask.ts'
import type { Standing } from './fleet.ts'
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
/** Managers that hosts may be sent to. */
const managersAtMost = 64
const lookMs = 1_000

interface Told {
  readonly status?: unknown
  readonly epoch?: unknown
  readonly proof?: unknown
  readonly pollAfterMs?: unknown
  readonly to?: unknown
}

export function leaseService({ url: first, token, idOf, bootId }: LeaseServiceOptions): Service {
  const isSecure = first.startsWith('https:')
  const settings = { keepAlive: true, maxSockets: connections }
  const agent = isSecure ? new SecureAgent(settings) : new Agent(settings)
  const ask = isSecure ? secureRequest : request
  const held = new Map<number, { readonly epoch: number; readonly proof: string | undefined }>()
  const accounts = new Map([[first, new Accounts()]])
  /** Who said to be in charge; nobody: the first one is asked. */
  const managers = new Map<number, string>()
  let looking: NodeJS.Timeout | undefined
  const sites = 8
  const lookAt = async (url: string) => accounts.get(url)?.take(await askWork(new URL(url).origin, token))
  const look = () => Promise.all([...accounts.keys()].map(lookAt))
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
  /** Whether the host may be sent there: the token does not leave TLS, and nobody is sent round the world. */
  const follow = (host: number, to: unknown): boolean => {
    if (typeof to !== 'string' || !URL.canParse(to)) return false
    const { href, protocol } = new URL('/v1/sync', to)
    if (protocol !== new URL(first).protocol) return false
    if (!accounts.has(href)) {
      if (accounts.size >= managersAtMost) return false
      accounts.set(href, new Accounts())
      void lookAt(href)
    }
    managers.set(host, href)
    return true
  }
  const take = (hosts: readonly number[], text: string, answered: Answered) => {
    const told = hostsIn(text)
    for (const [index, host] of hosts.entries()) {
      const { status, epoch, proof, pollAfterMs, to } = told?.[index] ?? {}
      const wait = typeof pollAfterMs === 'number' && pollAfterMs >= 0 && pollAfterMs < 3_600_000 ? pollAfterMs : 5_000
      if (status === 'LEASED' && typeof epoch === 'number') {
        held.set(host, { epoch, proof: typeof proof === 'string' ? proof : held.get(host)?.proof })
        answered(host, 'leased', wait)
      } else if (status === 'MOVED' && follow(host, to)) answered(host, 'moved', wait)
      else {
        if (status === 'STALE') held.delete(host)
        answered(host, status === 'PENDING' ? 'pending' : 'lost', wait)
      }
    }
  }
  const send = (url: string, hosts: readonly number[], answered: Answered) => {
    const tell = (standing: Standing, ms: number) => {
      for (const host of hosts) answered(host, standing, ms)
    }
    const lose = () => {
      for (const host of hosts) managers.delete(host)
      tell('lost', 0)
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
        const { statusCode: status, headers: its } = response
        const laterMs = status === 429 || status === 503 ? retryAfterMs(its['retry-after']) : undefined
        const isGood = status === 200 && size <= replyAtMost
        if (isGood) settle(() => take(hosts, Buffer.concat(chunks).toString(), answered))
        else if (laterMs === undefined) settle(lose)
        else settle(() => tell('later', laterMs))
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
    async open() {
      await look()
      looking = setInterval(() => void look(), lookMs)
    },
    report(due, answered) {
      for (const [url, hosts] of Map.groupBy(due, (host) => managers.get(host) ?? first))
        for (let from = 0; from < hosts.length; from += together)
          send(url, hosts.slice(from, from + together), answered)
    },
    tick() {},
    limit() {
      const limits = [...accounts.values()].map(({ limit }) => limit).filter((limit) => limit !== undefined)
      return limits.length === 0 ? undefined : limits.reduce((sum, limit) => sum + limit, 0)
    },
    work() {
      const known = [...accounts.values()].map(({ work }) => work)
      if (known.some((work) => work === null)) return null
      const sum = (of: 'operations' | 'timeouts' | 'failures') =>
        known.reduce((total, work) => total + (work?.[of] ?? 0), 0)
      return { operations: sum('operations'), timeouts: sum('timeouts'), failures: sum('failures') }
    },
    async close() {
      clearInterval(looking)
      await look()
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
