/**
 * The front door: `POST /v1/sync` over HTTP with keep-alive. On `node:http` itself, since this is the one path
 * whose cost is the fleet's (bench/leases.ts measures it beside a server that does nothing else).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIPv6, type Socket } from 'node:net'
import { isProblem, type Problem, problem } from '../base/problem.ts'
import type { ReadSecret, SecretSource } from '../model/secret.ts'
import type { Address } from '../world/world.ts'
import { Doorkeeper, type TokenTrouble } from './doorkeeper.ts'
import { type Guarding, refusalOf, retryAfterSeconds } from './guard.ts'
import type { Ends } from './runner.ts'
import { bodyAtMost, parseSync, replyText, type SyncAnswer, type SyncHost } from './sync.ts'

export interface FrontDoorOptions {
  readonly address: Address
  readonly token: SecretSource
  readonly secret: ReadSecret
  readonly guarding: Guarding
  /** Says so to who asks with the token: `holdfast drill recovery` does. */
  readonly invitesDrills?: boolean
  /** Milliseconds on a clock that does not go back. */
  readonly now: () => number
  readonly wall: () => number
}

export interface FrontDesk {
  answer(host: SyncHost, now: number): SyncAnswer
  /** When who is turned away unheard is to come again, in ms. */
  retryAfter(): number
  gen(): number
  /** For a drill: operations allowed in flight, and those that ended, since the start. */
  work(): { readonly limit: number; readonly operations: Readonly<Ends> }
  turnedAway(why: 'token' | 'shape' | 'large' | 'path' | 'delay' | 'sockets'): void
}

export interface FrontDoor {
  readonly url: string
  /** Requests so far, of all kinds. */
  requests(): number
  /** Undefined: the token of the fleet can be used. */
  tokenTrouble(): TokenTrouble | undefined
  close(): Promise<void>
}

/** How often the loop shows that it runs. */
const pulseMs = 25
/** Beyond the sockets that are served some are told so; the rest is not even accepted. */
const toldSockets = 256
const invitationPath = '/.well-known/holdfast-drill'
const jsonType = 'application/json'

interface Known {
  readonly header: string
  readonly version: number
}

export async function openFrontDoor(options: FrontDoorOptions, desk: FrontDesk): Promise<FrontDoor | Problem> {
  const { address, guarding, now } = options
  const doorkeeper = new Doorkeeper(options)
  const known = new WeakMap<Socket, Known>()
  const sockets = new Set<Socket>()
  let requests = 0
  let dueAt = now() + pulseMs
  const pulse = setInterval(() => {
    dueAt = now() + pulseMs
  }, pulseMs)

  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, keepAliveTimeout: 120_000 }, take)
  server.maxConnections = guarding.sockets + toldSockets
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })

  function take(request: IncomingMessage, response: ServerResponse): void {
    requests++
    response.sendDate = false
    const refusal = refusalOf(guarding, now(), dueAt, sockets.size)
    if (refusal !== undefined) {
      desk.turnedAway(refusal)
      const seconds = retryAfterSeconds(desk.retryAfter())
      const status = refusal === 'sockets' ? 503 : 429
      response.setHeader('retry-after', seconds)
      say(response, status, refusal === 'sockets', {
        expected: refusal === 'sockets' ? `at most ${guarding.sockets} connections` : 'a moment without so much to do',
        found: refusal === 'sockets' ? 'more' : 'a front door that is late',
        todo: `report again in ${seconds} s${refusal === 'sockets' ? ', and let racks report together' : ''}`,
      })
      return
    }
    const asksForInvitation = request.method === 'GET' && request.url === invitationPath
    if (!asksForInvitation && (request.method !== 'POST' || request.url !== '/v1/sync')) {
      desk.turnedAway('path')
      say(response, request.url === '/v1/sync' ? 405 : 404, false, {
        expected: 'POST /v1/sync',
        found: `${request.method} ${String(request.url).slice(0, 100)}`,
        todo: 'correct the method or the path',
      })
      return
    }
    if (!isAdmitted(request)) {
      desk.turnedAway('token')
      response.setHeader('www-authenticate', 'Bearer')
      say(response, 401, true, {
        expected: 'Authorization: Bearer and the token of leases.token',
        found: request.headers.authorization === undefined ? 'no Authorization' : 'another one',
        todo: 'send the token',
      })
      return
    }
    if (asksForInvitation) {
      send(response, 200, options.invitesDrills === true ? { allow: true, ...desk.work() } : { allow: false })
      return
    }
    if (Number(request.headers['content-length'] ?? 0) > bodyAtMost) {
      tooLarge(response)
      return
    }
    readBody(request, response)
  }

  function isAdmitted(request: IncomingMessage): boolean {
    const header = request.headers.authorization
    if (header === undefined) return false
    // Who showed it on this connection already knows it: to compare it again in the open tells nobody anything.
    const before = known.get(request.socket)
    const version = doorkeeper.version()
    if (before !== undefined && before.version === version && before.header === header) return true
    if (!doorkeeper.admits(header)) return false
    known.set(request.socket, { header, version })
    return true
  }

  function readBody(request: IncomingMessage, response: ServerResponse): void {
    let first: Buffer | undefined
    let more: Buffer[] | undefined
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > bodyAtMost) {
        if (!response.headersSent) tooLarge(response)
        return
      }
      if (first === undefined) first = chunk
      else {
        more ??= [first]
        more.push(chunk)
      }
    })
    request.on('end', () => {
      if (!response.headersSent) reply(response, (more === undefined ? (first ?? '') : Buffer.concat(more)).toString())
    })
  }

  function reply(response: ServerResponse, text: string): void {
    const hosts = parseSync(text)
    if (isProblem(hosts)) {
      desk.turnedAway('shape')
      say(response, 400, false, { ...hosts, expected: `${hosts.at}: ${hosts.expected}` })
      return
    }
    const at = now()
    const answers: SyncAnswer[] = []
    for (const host of hosts) answers.push(desk.answer(host, at))
    const body = replyText(options.wall(), desk.gen(), answers)
    // Ids, addresses and reasons are ASCII: as many octets as characters.
    response.writeHead(200, ['content-type', jsonType, 'content-length', String(body.length)])
    response.end(body, 'latin1')
  }

  function tooLarge(response: ServerResponse): void {
    desk.turnedAway('large')
    say(response, 413, true, {
      expected: `at most ${bodyAtMost} octets`,
      found: 'more',
      todo: 'report at most 500 hosts at once',
    })
  }

  const problems = await new Promise<Problem | undefined>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(
        problem(
          `leases ${address.host}:${address.port}`,
          'an address that this program can listen at',
          error.code === 'EADDRINUSE' ? 'the port is in use by another program' : error.message,
          'change leases.listen in the configuration, or stop the other program',
        ),
      ),
    )
    server.listen({ host: address.host, port: address.port, backlog: 4_096 }, () => resolve(undefined))
  })
  if (problems !== undefined) {
    clearInterval(pulse)
    return problems
  }
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return {
    url: `http://${isIPv6(address.host) ? `[${address.host}]` : address.host}:${port}`,
    requests: () => requests,
    tokenTrouble: () => doorkeeper.trouble(),
    async close() {
      clearInterval(pulse)
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

interface Says {
  readonly expected: string
  readonly found: string
  readonly todo: string
}

function say(response: ServerResponse, status: number, isLast: boolean, { expected, found, todo }: Says): void {
  if (isLast) response.setHeader('connection', 'close')
  send(response, status, { problems: [{ expected, found, todo }] })
}

function send(response: ServerResponse, status: number, document: object): void {
  const body = JSON.stringify(document)
  response.setHeader('content-type', jsonType)
  response.setHeader('content-length', Buffer.byteLength(body))
  response.statusCode = status
  response.end(body)
}
