/**
 * Around a handler `(request: Request) => Promise<Response>`: Hono, Deno, Bun, workers, or your own.
 *
 *     import { governFetch, httpGate, runOf } from 'holdfast/recover'
 *
 *     const gate = httpGate({ timeoutMs: 2_000 })
 *     export default { fetch: governFetch(gate, async (request) => Response.json(await renew(request, runOf(request)?.signal))) }
 *
 * A request is in until its handler returns a response; a body that is streamed afterwards is not waited for.
 */
import { callOf, type HttpGate, letIn, type MiddlewareOptions, refusalOf, throwIfFailed } from './http.ts'

type Handler<Rest extends readonly unknown[]> = (request: Request, ...rest: Rest) => Response | Promise<Response>

export function governFetch<Rest extends readonly unknown[] = []>(
  gate: HttpGate,
  handler: Handler<Rest>,
  options: MiddlewareOptions<Request> = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    let response: Response | undefined
    try {
      await gate(
        async (run) => {
          letIn(request, run)
          response = await handler(request, ...rest)
          throwIfFailed(response.status)
        },
        callOf(request, (name) => request.headers.get(name), options, request.signal),
      )
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal !== undefined) return new Response(refusal.body, refusal)
      if (response === undefined) throw error
    }
    return response as Response
  }
}
