/** `POST /v1/observations`: what comes over HTTP, in the words of the desk. */
import { isIPv6 } from 'node:net'
import fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Problem, problem } from '../base/problem.ts'
import type { Address } from '../world/world.ts'
import type { Outcome, Speaker } from './desk.ts'
import type { Admission } from './doorkeeper.ts'
import { bodySchema, type PostedObservation } from './observation.ts'

export interface IntakeDesk {
  /** By the header `authorization`. */
  admit(authorization: string | undefined): Admission
  /** How long to wait before so many observations are taken; 0: now. */
  weigh(agent: string, observations: number): number
  /** Undefined: there is no policy yet. */
  post(observations: readonly PostedObservation[], speaker: Speaker): readonly Outcome[] | undefined
  /** Not taken before it was looked at. */
  refused(agent: string, why: 'token' | 'rate' | 'shape' | 'large', count: number): void
  /** Seconds, in which those who were sent away together do not come back together. */
  retryAfter(waitMs: number): number
}

export interface IntakeServer {
  readonly url: string
  close(): Promise<void>
}

const bodyAtMost = 512 * 1024
const connectionsAtMost = 2_000

interface Says {
  readonly expected: string
  readonly found: string
  readonly todo: string
}

/** Listens at `address`; the problem names it and what stands in the way. */
export async function serveIntake(address: Address, desk: IntakeDesk): Promise<IntakeServer | Problem> {
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    connectionTimeout: 15_000,
    keepAliveTimeout: 75_000,
    requestTimeout: 10_000,
    bodyLimit: bodyAtMost,
    // What is posted is taken as it is, or not at all.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: false } },
  })
  app.server.maxConnections = connectionsAtMost
  const speakers = new WeakMap<FastifyRequest, Speaker>()
  const say = (reply: FastifyReply, status: number, says: Says) => reply.code(status).send({ problems: [says] })
  const later = (reply: FastifyReply, agent: string, waitMs: number) => {
    desk.refused(agent, 'rate', 1)
    const seconds = desk.retryAfter(waitMs)
    return say(reply.header('retry-after', String(seconds)), 429, {
      expected: 'fewer observations',
      found: 'more than one agent may post',
      todo: `wait ${seconds} s, and post several in one list`,
    })
  }

  app.post(
    '/v1/observations',
    {
      schema: { body: bodySchema },
      // Before the body is read: strangers cost next to nothing.
      onRequest: async (request, reply) => {
        const admission = desk.admit(request.headers.authorization)
        if (admission.kind === 'speaker') speakers.set(request, admission.speaker)
        else if (admission.kind === 'later') return later(reply, admission.agent, admission.waitMs)
        else {
          desk.refused('', 'token', 1)
          return say(reply.header('www-authenticate', 'Bearer'), 401, {
            expected: 'Authorization: Bearer and the token of an agent',
            found: request.headers.authorization === undefined ? 'no Authorization' : 'another one',
            todo: 'name the agent under intake.agents, and send its token',
          })
        }
        return undefined
      },
    },
    async (request, reply) => {
      const speaker = speakers.get(request) as Speaker
      const posted = request.body as PostedObservation | readonly PostedObservation[]
      const observations = Array.isArray(posted) ? posted : [posted as PostedObservation]
      const waitMs = desk.weigh(speaker.name, observations.length)
      if (waitMs > 0) return later(reply, speaker.name, waitMs)
      const outcomes = desk.post(observations, speaker)
      if (outcomes === undefined)
        return say(reply.header('retry-after', String(desk.retryAfter(1_000))), 503, {
          expected: 'a configuration that can be used',
          found: 'none yet',
          todo: 'see holdfast status',
        })
      const refused = outcomes.flatMap((outcome, index) =>
        outcome.kind === 'refused'
          ? [{ index, status: outcome.status, expected: outcome.expected, found: outcome.found, todo: outcome.todo }]
          : [],
      )
      const [first] = refused
      const accepted = outcomes.length - refused.length
      const repeated = outcomes.filter((outcome) => outcome.kind === 'taken' && outcome.repeated).length
      // 207 (RFC 4918, section 13): some of each.
      return reply
        .code(first === undefined ? 200 : accepted > 0 ? 207 : first.status)
        .send({ accepted, repeated, refused })
    },
  )

  app.setNotFoundHandler((request, reply) =>
    say(reply, 404, {
      expected: 'POST /v1/observations',
      found: `${request.method} ${request.url.slice(0, 100)}`,
      todo: 'correct the method or the path',
    }),
  )
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const agent = speakers.get(request)?.name ?? ''
    const status = error.statusCode ?? 500
    desk.refused(agent, status === 413 ? 'large' : 'shape', 1)
    if (error.validation !== undefined) {
      const [first] = error.validation
      const unknown = first?.params.additionalProperty
      return say(reply, 400, {
        expected: 'an observation as the documentation has it, or a list of them',
        found: `body${first?.instancePath ?? ''} ${first?.message ?? ''}${typeof unknown === 'string' ? `: ${unknown.slice(0, 60)}` : ''}`,
        todo: 'correct it',
      })
    }
    const says: Readonly<Record<number, Says>> = {
      413: {
        expected: `at most ${bodyAtMost} octets`,
        found: 'more',
        todo: 'post several shorter lists',
      },
      415: { expected: 'Content-Type: application/json', found: 'another one, or none', todo: 'send JSON' },
    }
    return say(
      reply,
      status >= 500 ? 500 : status,
      says[status] ?? {
        expected: 'JSON',
        found: status >= 500 ? 'a fault of the intake' : 'something else',
        todo: 'correct it',
      },
    )
  })

  try {
    await app.listen({ host: address.host, port: address.port })
  } catch (error) {
    await app.close()
    const { code, message } = error as NodeJS.ErrnoException
    return problem(
      `intake ${address.host}:${address.port}`,
      'an address that this program can listen at',
      code === 'EADDRINUSE' ? 'the port is in use by another program' : message,
      'change intake.listen in the configuration, or stop the other program',
    )
  }
  const bound = app.server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return {
    url: `http://${isIPv6(address.host) ? `[${address.host}]` : address.host}:${port}`,
    close: () => app.close(),
  }
}
