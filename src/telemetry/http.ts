/** The small HTTP server that each program has for machines that watch it: /metrics, /healthz, /readyz. */
import { isIPv6 } from 'node:net'
import fastify from 'fastify'
import { type Problem, problem } from '../base/problem.ts'
import type { Address } from '../world/world.ts'

/** `ok: false` is answered with status 503. The rest is for people. */
export interface Health {
  readonly ok: boolean
  readonly [field: string]: unknown
}

export interface HttpSources {
  /** Prometheus text format, version 0.0.4. */
  metrics(): Promise<string>
  /** Does the process live? */
  health(): Health
  /** Does it do its work? */
  ready(): Promise<Health>
}

export interface TelemetryServer {
  readonly url: string
  close(): Promise<void>
}

/** Listens at `address` (port 0: any free one). The problem names the address and what stands in the way. */
export async function serveTelemetry(address: Address, sources: HttpSources): Promise<TelemetryServer | Problem> {
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    connectionTimeout: 10_000,
    requestTimeout: 10_000,
    bodyLimit: 1024,
    exposeHeadRoutes: true,
  })
  app.get('/metrics', async (_request, reply) => {
    void reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').header('cache-control', 'no-store')
    return sources.metrics()
  })
  app.get('/healthz', async (_request, reply) => {
    const health = sources.health()
    void reply.code(health.ok ? 200 : 503).header('cache-control', 'no-store')
    return health
  })
  app.get('/readyz', async (_request, reply) => {
    const ready = await sources.ready()
    void reply.code(ready.ok ? 200 : 503).header('cache-control', 'no-store')
    return ready
  })
  try {
    await app.listen({ host: address.host, port: address.port })
  } catch (error) {
    await app.close()
    const code = (error as NodeJS.ErrnoException).code
    return problem(
      `http ${address.host}:${address.port}`,
      'an address that this program can listen at',
      code === 'EADDRINUSE' ? 'the port is in use by another program' : (error as Error).message,
      code === 'EADDRINUSE'
        ? `stop the other program (ss -ltnp 'sport = :${address.port}' names it) or change http in the configuration`
        : 'change http in the configuration',
    )
  }
  const bound = app.server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return {
    url: `http://${isIPv6(address.host) ? `[${address.host}]` : address.host}:${port}`,
    close: () => app.close(),
  }
}
