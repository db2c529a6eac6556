/**
 * Plugin for Fastify 5: every route that is registered after it in the same scope.
 *
 *     import Fastify from 'fastify'
 *     import { fastifyGovernor, httpGate, runOf } from 'holdfast/recover'
 *
 *     const app = Fastify()
 *     await app.register(fastifyGovernor, { gate: httpGate({ timeoutMs: 2_000 }) })
 *     app.post('/leases/:host', (request) => renew(request.params.host, runOf(request)?.signal))
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { callOf, type HttpGate, type MiddlewareOptions } from './http.ts'
import { governRequest } from './node-http.ts'

export interface FastifyGovernorOptions extends MiddlewareOptions<FastifyRequest> {
  readonly gate: HttpGate
}

export function fastifyGovernor(app: FastifyInstance, options: FastifyGovernorOptions, done: () => void): void {
  app.addHook('onRequest', (request, reply, next) => {
    const call = callOf(request, (name) => request.headers[name], options)
    governRequest(options.gate, request, reply.raw, call, {
      go: () => next(),
      refuse: ({ status, headers, body }) => void reply.code(status).headers(headers).send(body),
      fail: (error) => next(error as Error),
    })
  })
  done()
}

// What Fastify looks for on a plugin: its hooks are those of whoever registers it, not of a scope of their own.
Object.assign(fastifyGovernor, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'holdfast-recover',
})
