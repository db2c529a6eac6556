/**
 * Checks over TLS: the handshake itself, HTTPS, and gRPC (with TLS or without). One connection for each
 * check, verified by Node; the words of a failed handshake are OpenSSL's.
 */
import { readFileSync, statSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { type ClientHttp2Session, constants, connect as http2Connect } from 'node:http2'
import { type Socket, connect as tcpConnect } from 'node:net'
import { resolve } from 'node:path'
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { IpAddress } from '../model/address.ts'
import type { CheckTls, GrpcCheck, HttpCheck } from '../model/check.ts'
import type { ReadSecret } from '../model/secret.ts'
import { failureOf } from '../world/node.ts'
import type { Clock } from '../world/world.ts'
import { headersOf } from './check-world.ts'
import { couldNotLook, fail, type Look, pass } from './checker.ts'
import { checkRequest, grpcStatusText, readCheckResponse } from './grpc.ts'
import { judgeFailure, judgeHttp } from './judge.ts'

const dayMs = 86_400_000
const bodyAtMost = 64 * 1024
const grpcBodyAtMost = 4096

export interface TlsAsker {
  handshake(check: { readonly port: number; readonly tls: CheckTls }, address: IpAddress, ms: number): Promise<Look>
  https(check: HttpCheck & { readonly tls: CheckTls }, named: HttpCheck, address: IpAddress, ms: number): Promise<Look>
  grpc(check: GrpcCheck, address: IpAddress, ms: number): Promise<Look>
}

type Settle = (look: Look) => void

export function tlsAsker(clock: Pick<Clock, 'wall'>, secret: ReadSecret, dir: string): TlsAsker {
  const context = contexts(dir)

  /** Connects and shakes hands, looks at the certificate, and hands the connection on. */
  const connected = (
    { port, tls }: { readonly port: number; readonly tls: CheckTls },
    host: IpAddress,
    protocols: readonly string[],
    settle: Settle,
    then: (socket: TLSSocket) => void,
  ): (() => void) => {
    const secureContext = context(tls.ca)
    if (typeof secureContext === 'string') {
      settle(couldNotLook(secureContext))
      return () => {}
    }
    const socket = tlsConnect({
      host,
      port,
      // An address is no server name (RFC 6066, section 3); then the certificate must bear the address.
      servername: tls.serverName ?? '',
      rejectUnauthorized: tls.verify,
      secureContext,
      ALPNProtocols: [...protocols],
    })
    socket.on('error', (error) => settle(judgeTls(error)))
    socket.on('secureConnect', () => {
      const trouble = expiry(socket.getPeerCertificate().valid_to, tls.daysLeft, clock.wall())
      if (trouble === undefined) then(socket)
      else settle(fail(trouble))
    })
    socket.on('close', () => settle(fail('connection closed before it answered')))
    return () => socket.destroy()
  }

  return {
    handshake: (check, address, ms) =>
      within(ms, (settle) => connected(check, address, [], settle, () => settle(pass))),

    https(check, named, address, ms) {
      const headers = headersOf(check, secret)
      if (!('sent' in headers)) return Promise.resolve(headers)
      return within(ms, (settle) =>
        connected(check, address, ['http/1.1'], settle, (socket) => {
          const request = httpRequest({
            // Without an agent, which would make a connection of its own.
            createConnection: () => socket,
            host: address,
            port: check.port,
            method: check.method ?? 'GET',
            path: check.path,
            headers: headers.sent,
          })
          request.on('error', (error) => settle(judgeTls(error)))
          request.on('response', (response) => {
            const chunks: Buffer[] = []
            let length = 0
            const finish = () => {
              const body = Buffer.concat(chunks).subarray(0, bodyAtMost)
              settle(judgeHttp(named, { status: response.statusCode ?? 0, body }))
            }
            response.on('data', (chunk: Buffer) => {
              chunks.push(chunk)
              length += chunk.length
              if (length >= bodyAtMost) finish()
            })
            response.on('end', finish)
            response.on('error', (error) => settle(judgeTls(error)))
          })
          request.end()
        }),
      )
    },

    grpc: (check, address, ms) =>
      within(ms, (settle) => {
        const { tls } = check
        let session: ClientHttp2Session | undefined
        const ask = (socket: Socket | TLSSocket) => {
          session = askHealth(socket, check, address, settle)
        }
        const end =
          tls === undefined
            ? plain(address, check.port, settle, ask)
            : connected({ port: check.port, tls }, address, ['h2'], settle, (socket) => {
                if (socket.alpnProtocol === 'h2') ask(socket)
                else settle(fail(`expected HTTP/2 (ALPN h2), found ${socket.alpnProtocol || 'no protocol'}`))
              })
        return () => {
          session?.destroy()
          end()
        }
      }),
  }
}

function plain(host: IpAddress, port: number, settle: Settle, then: (socket: Socket) => void): () => void {
  const socket = tcpConnect({ host, port, noDelay: true })
  socket.on('error', (error) => settle(judgeTls(error)))
  socket.on('connect', () => then(socket))
  socket.on('close', () => settle(fail('connection closed before it answered')))
  return () => socket.destroy()
}

function askHealth(socket: Socket | TLSSocket, check: GrpcCheck, address: IpAddress, settle: Settle) {
  const authority = check.host ?? (address.includes(':') ? `[${address}]` : address)
  const scheme = check.tls === undefined ? 'http' : 'https'
  const session = http2Connect(`${scheme}://${address.includes(':') ? `[${address}]` : address}`, {
    createConnection: () => socket,
    // A lying server may send more than it is asked for; it is not to fill this memory.
    maxSessionMemory: 1,
    maxHeaderListPairs: 64,
    settings: { enablePush: false, initialWindowSize: 16_384 },
  })
  session.on('error', (error) => settle(judgeTls(error)))
  session.on('goaway', () => settle(fail('the server ends the HTTP/2 connection (GOAWAY)')))
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':scheme': scheme,
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'holdfast-prober',
  })
  const chunks: Buffer[] = []
  let length = 0
  let code: string | undefined
  const read = (headers: Record<string, unknown>) => {
    const found = headers['grpc-status']
    if (typeof found === 'string') code = found
  }
  stream.on('error', (error) => settle(judgeTls(error)))
  stream.on('response', (headers) => {
    read(headers)
    const status = headers[constants.HTTP2_HEADER_STATUS]
    if (Number(status) !== 200) settle(fail(`expected HTTP status 200, found ${String(status)}`))
  })
  stream.on('trailers', read)
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (length > grpcBodyAtMost) settle(fail(`expected a health response, found more than ${grpcBodyAtMost} octets`))
  })
  stream.on('end', () => {
    if (code !== undefined && code !== '0') return settle(fail(`expected SERVING, found ${grpcStatusText(code)}`))
    const response = readCheckResponse(Buffer.concat(chunks))
    if (response.kind === 'malformed') settle(fail(`expected a health response, found ${response.what}`))
    else settle(response.status === 'SERVING' ? pass : fail(`expected SERVING, found ${response.status}`))
  })
  stream.end(checkRequest(check.service))
  return session
}

/** Undefined: the certificate is good for long enough. */
function expiry(validTo: string | undefined, daysLeft: number, now: number): string | undefined {
  if (validTo === undefined) return 'expected a certificate, found none'
  const days = Math.floor((Date.parse(validTo) - now) / dayMs)
  if (days >= daysLeft) return undefined
  if (days < 0) return `the certificate expired on ${validTo}`
  return `expected a certificate for ${daysLeft} more days, found ${days}`
}

const judgeTls = (error: Error): Look => {
  const failure = failureOf(error)
  if (failure.reason !== 'other') return judgeFailure(failure)
  // OpenSSL's words begin with a number of the thread, and end in file and line.
  const words = /:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1] ?? error.message
  return fail(`TLS or HTTP failed: ${words}`)
}

/** Settles at the first word, or when time is up; what `start` returned is called once in either case. */
function within(timeoutMs: number, start: (settle: Settle) => () => void): Promise<Look> {
  return new Promise((resolve) => {
    let settled = false
    let stop: (() => void) | undefined
    const settle = (look: Look) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      stop?.()
      resolve(look)
    }
    // After a standstill timers come first: an answer that was here in time is still in its socket.
    const late = () => settle(fail(`no answer in time: nothing in ${timeoutMs} ms`))
    const timer = setTimeout(() => setImmediate(late), timeoutMs)
    try {
      stop = start(settle)
      if (settled) stop()
    } catch (error) {
      settle(judgeTls(error as Error))
    }
  })
}

/** Contexts by file of authorities, made again when the file changed; the text says why there is none. */
function contexts(dir: string): (ca: string | null) => SecureContext | string {
  const made = new Map<string, { readonly stamp: string; readonly context: SecureContext }>()
  return (ca) => {
    const path = ca === null ? '' : resolve(dir, ca)
    try {
      const stamp = ca === null ? '' : stampOf(path)
      const known = made.get(path)
      if (known?.stamp === stamp) return known.context
      const context = createSecureContext(ca === null ? {} : { ca: readFileSync(path) })
      made.set(path, { stamp, context })
      return context
    } catch (error) {
      return `the authorities in ${path} cannot be used: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`
    }
  }
}

function stampOf(path: string): string {
  const { mtimeMs, size, ino } = statSync(path)
  return `${mtimeMs} ${size} ${ino}`
}
