/**
 * The part that Express and Fastify share: a request is in from when it is admitted until its handler ends
 * the response. A client that reads slowly takes up nothing of the dependency; one that goes away changes
 * nothing about the work that was begun for it.
 */
import { type HttpGate, letIn, type Refusal, refusalOf, throwIfFailed } from './http.ts'
import type { Call, Run } from './options.ts'

export interface Outgoing {
  readonly statusCode: number
  readonly writableEnded: boolean
  readonly headersSent: boolean
  // biome-ignore lint/suspicious/noExplicitAny: whatever a framework's response takes.
  end(...args: any[]): any
  once(event: 'close', listener: () => void): unknown
}

/**
 * Calls `go` when the request is let in; `refuse` when it is not, or when time is up and nobody has begun to
 * answer. `fail`: neither, a fault of the program such as a class that does not exist.
 */
export function governRequest(
  gate: HttpGate,
  request: object,
  response: Outgoing,
  call: Call,
  act: { go(): void; refuse(refusal: Refusal): void; fail(error: unknown): void },
): void {
  let running: Run | undefined
  let isRefused = false
  const left = new AbortController()
  response.once('close', () => {
    if (running === undefined) left.abort()
  })
  const answering = (run: Run) =>
    new Promise<void>((resolve, reject) => {
      running = run
      letIn(request, run)
      const { end } = response
      response.end = (...args) => {
        // What we say ourselves when time is up does not mean that the handler has stopped.
        if (!isRefused) {
          try {
            throwIfFailed(response.statusCode)
            resolve()
          } catch (error) {
            reject(error)
          }
        }
        return end.apply(response, args)
      }
      act.go()
    })
  gate(answering, { ...call, signal: left.signal }).catch((error: unknown) => {
    const refusal = refusalOf(error)
    if (refusal === undefined) {
      if (running === undefined && !left.signal.aborted) act.fail(error)
      return
    }
    // The caller's own time is up, not the run's: whoever still listens gets what the handler says.
    if (running?.signal.aborted === false) return
    if (response.headersSent || response.writableEnded) return
    isRefused = true
    act.refuse(refusal)
  })
}
