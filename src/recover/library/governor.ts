/**
 * `governor(fn)`: any async function, called by as many as like, run as often at once as what stands behind
 * it bears. The pump decides; here callers are kept, timers set and runs counted.
 *
 *     import { governor, Shed } from 'holdfast/recover'
 *
 *     const renew = governor((host: string, { signal }) => renewInDatabase(host, signal), { key: (host) => host })
 *     try {
 *       await renew('host-17', { deadlineMs: 500 })
 *     } catch (error) {
 *       if (error instanceof Shed) comeBackIn(error.retryAfterMs)
 *       else throw error
 *     }
 *
 * A promise rejects with `Shed` (refused, nothing was done), `TimedOut` (begun, end unknown), the reason of
 * the caller's own signal, or whatever the function threw.
 */
import { Engine } from './engine.ts'
import type { Call, GovernorOptions, Run } from './options.ts'
import type { Events, Snapshot } from './snapshot.ts'

export interface Governed<Input, Output> {
  (input: Input, call?: Call): Promise<Output>
  snapshot(): Snapshot
  /** Listeners must not throw. The returned function takes the listener away. */
  on<Name extends keyof Events>(event: Name, listener: Events[Name]): () => void
  /** Refuses whatever waits and comes; resolves when the last run has ended. */
  close(): Promise<void>
}

/** `fn` gets the input and a `Run` with the signal. Throws a TypeError for options that cannot be. */
export function governor<Input = void, Output = unknown>(
  fn: (input: Input, run: Run) => Output | Promise<Output>,
  options: GovernorOptions<Input> = {},
): Governed<Input, Output> {
  const engine = new Engine(fn, options)
  const governed = (input: Input, call?: Call) => engine.call(input, call)
  return Object.assign(governed, {
    snapshot: () => engine.snapshot(),
    on: <Name extends keyof Events>(event: Name, listener: Events[Name]) => engine.on(event, listener),
    close: () => engine.close(),
  })
}
