/**
 * Hosts that report to lease managers as the protocol has it, a few thousand in one process over a few
 * keep-alive connections: they come again when they were told to, go where they are sent, try the next manager
 * with full jitter when nobody answers, and know by their own clock whether their lease still holds.
 */
import { Agent, request } from 'node:http'

interface Host {
  readonly id: string
  readonly bootId: string
  readonly site: string
  epoch: number
  proof: string
  /** By its own clock; 0: it has none. */
  validUntil: number
  /** When it last asked and was told that it holds a lease. */
  heldAt: number
  manager: string
  dueAt: number
  isAsking: boolean
  failures: number
}

export interface SyncReply {
  readonly id: string
  readonly status: 'LEASED' | 'PENDING' | 'UNKNOWN' | 'STALE' | 'MOVED'
  readonly epoch: number
  readonly ttl: number
  readonly pollAfterMs: number
  readonly proof?: string
  readonly to?: string
  readonly reason?: string
}

const turnMs = 20
const patienceMs = 5_000

export class Fleet {
  readonly #agent: Agent
  readonly #token: string
  readonly #managers: readonly string[]
  readonly #hosts: readonly Host[]
  readonly #timer: NodeJS.Timeout
  #asking = 0
  messages = 0
  refusals = 0
  moved = 0
  /** Leases that ran out at their host after it had one. */
  lapsed: string[] = []

  constructor(options: {
    readonly managers: readonly string[]
    readonly token: string
    readonly hosts: number
    readonly connections: number
    readonly withinMs: number
  }) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections })
    this.#token = options.token
    this.#managers = options.managers
    const now = performance.now()
    this.#hosts = Array.from({ length: options.hosts }, (_, index) => ({
      id: `host-${index}`,
      bootId: `boot-${index}`,
      site: `site-${index % 3}`,
      epoch: 0,
      proof: '',
      validUntil: 0,
      heldAt: 0,
      manager: options.managers[index % options.managers.length] as string,
      dueAt: now + Math.random() * options.withinMs,
      isAsking: false,
      failures: 0,
    }))
    this.#timer = setInterval(() => this.#turn(), turnMs)
  }

  get leased(): number {
    const now = performance.now()
    return this.#hosts.filter(({ validUntil }) => validUntil > now).length
  }

  /** Hosts that asked after `time`, as `performance.now()` counts, and hold a lease since. */
  heldSince(time: number): number {
    return this.#hosts.filter(({ heldAt }) => heldAt > time).length
  }

  epochOf(id: string): number {
    return this.#hosts.find((host) => host.id === id)?.epoch ?? 0
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#agent.destroy()
  }

  #turn(): void {
    const now = performance.now()
    for (const host of this.#hosts) {
      if (host.validUntil > 0 && host.validUntil <= now) {
        this.lapsed.push(host.id)
        host.validUntil = 0
      }
      if (host.isAsking || host.dueAt > now || this.#asking > 2_000) continue
      host.isAsking = true
      this.#asking++
      void this.#ask(host).finally(() => {
        host.isAsking = false
        this.#asking--
      })
    }
  }

  async #ask(host: Host): Promise<void> {
    const sentAt = performance.now()
    this.messages++
    const { id, bootId, epoch, proof, site } = host
    const asked = await post(this.#agent, host.manager, this.#token, {
      id,
      bootId,
      epoch,
      site,
      ...(proof === '' ? {} : { proof }),
    })
    const now = performance.now()
    if (asked.kind === 'failure') {
      host.failures++
      // Never the same one again first: it may be dead.
      const next = this.#managers.indexOf(host.manager) + 1
      host.manager = this.#managers[next % this.#managers.length] as string
      host.dueAt = now + Math.random() * Math.min(5_000, 1_000 * 2 ** host.failures)
      return
    }
    host.failures = 0
    if (asked.status !== 200) {
      this.refusals++
      host.dueAt = now + asked.retryAfterMs
      return
    }
    const [answer] = asked.hosts
    if (answer === undefined) throw new Error('expected an answer for the host, found none')
    host.dueAt = now + answer.pollAfterMs
    if (answer.status === 'MOVED') {
      this.moved++
      host.manager = answer.to ?? host.manager
    } else if (answer.status === 'LEASED') {
      host.epoch = answer.epoch
      host.proof = answer.proof ?? host.proof
      host.validUntil = sentAt + 0.98 * answer.ttl
      host.heldAt = sentAt
    }
  }
}

export type Asked =
  | {
      readonly kind: 'reply'
      readonly status: number
      readonly retryAfterMs: number
      readonly hosts: readonly SyncReply[]
      readonly text: string
    }
  | { readonly kind: 'failure'; readonly reason: string }

/** `POST /v1/sync` at a manager. A string is sent as it is. */
export function post(agent: Agent | undefined, manager: string, token: string, body: object | string): Promise<Asked> {
  return new Promise((resolve) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const call = request(
      `${manager}/v1/sync`,
      {
        method: 'POST',
        ...(agent === undefined ? {} : { agent }),
        headers: { authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(text) },
        timeout: patienceMs,
      },
      (response) => {
        let said = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          said += chunk
        })
        response.on('error', (error) => resolve({ kind: 'failure', reason: error.message }))
        response.on('end', () => {
          const status = response.statusCode ?? 0
          const retryAfterMs = 1000 * Number(response.headers['retry-after'] ?? 1)
          const hosts = status === 200 ? (JSON.parse(said) as { hosts: SyncReply[] }).hosts : []
          resolve({ kind: 'reply', status, retryAfterMs, hosts, text: said })
        })
      },
    )
    call.on('timeout', () => call.destroy(new Error('no answer')))
    call.on('error', (error) => resolve({ kind: 'failure', reason: error.message }))
    call.end(text)
  })
}
