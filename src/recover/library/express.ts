/**
 * Middleware for Express 4 and 5, and for whatever else has `(request, response, next)`.
 *
 *     import express from 'express'
 *     import { expressGovernor, httpGate, runOf } from 'holdfast/recover'
 *
 *     const gate = httpGate({ timeoutMs: 2_000 })
 *     app.use('/leases', expressGovernor(gate))
 *     app.post('/leases/:host', async (request, response) => {
 *       response.json(await renew(request.params.host, runOf(request)?.signal))
 *     })
 *
 * Who is refused gets 503 with `Retry-After`, whose time is up 504. A status of 500 and above counts as a
 * failure of the dependency; whatever is below does not.
 */
import { callOf, type HttpGate, type MiddlewareOptions } from './http.ts'
import { governRequest, type Outgoing } from './node-http.ts'

interface Incoming {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

interface Answer extends Outgoing {
  writeHead(status: number, headers: Readonly<Record<string, string>>): { end(body: string): unknown }
}

export function expressGovernor<Request extends Incoming = Incoming>(
  gate: HttpGate,
  options: MiddlewareOptions<Request> = {},
): (request: Request, response: Answer, next: (error?: unknown) => void) => void {
  return (request, response, next) => {
    const call = callOf(request, (name) => request.headers[name], options)
    governRequest(gate, request, response, call, {
      go: () => next(),
      refuse: ({ status, headers, body }) => void response.writeHead(status, headers).end(body),
      fail: next,
    })
  }
}
