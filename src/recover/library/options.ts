/** How a function is protected, and how it is called. */
import type { Class } from '../classes.ts'
import type { Hint } from '../hint.ts'
import type { Port } from './port.ts'

/**
 * Who goes first. `fencing` and `renewal` are strict: before everybody else, the earliest deadline first.
 * The others share what is left, 12 : 5 : 2 : 1, and nothing is kept free for a class that has nothing
 * waiting. `interactive` (the usual one) is for calls with somebody waiting: refused at once if they cannot
 * be done in time. All others wait however long it takes, unless they are given a deadline.
 */
export type ClassName = 'fencing' | 'renewal' | 'running' | 'idle' | 'interactive' | 'background'

export const classNumbers: Readonly<Record<ClassName, Class>> = {
  fencing: 0,
  renewal: 1,
  running: 2,
  idle: 3,
  interactive: 4,
  background: 5,
}

export const isClassName = (text: unknown): text is ClassName =>
  typeof text === 'string' && Object.hasOwn(classNumbers, text)

export interface Call {
  /**
   * What the call is about, such as a host's name. Calls with the same key that wait or run share one
   * execution and its result: the first one's input is used.
   */
  readonly key?: string | undefined
  readonly class?: ClassName | undefined
  /** This caller waits no longer; others of the same key may. What is running already runs on. */
  readonly signal?: AbortSignal | undefined
  /** Time that is left for waiting and running together. */
  readonly deadlineMs?: number | undefined
}

/** What the function is told about its run, as its last argument. */
export interface Run {
  /** Says that time is up. Pass it on (to `fetch`, to a query): work that nobody waits for must end. */
  readonly signal: AbortSignal
  readonly key: string | undefined
  readonly class: ClassName
  readonly waitedMs: number
}

export interface GovernorOptions<Input = unknown> {
  /** For one run; then its signal fires and it counts as failed. 2,000 if not said. */
  readonly timeoutMs?: number
  /** For calls of class `interactive` that bring none. 10,000 if not said. */
  readonly deadlineMs?: number
  /** For calls that bring none; `interactive` if not said. */
  readonly class?: ClassName
  /** For calls that bring none. */
  readonly key?: (input: Input) => string | undefined
  /** Executions of class `interactive` that may wait; likewise of all other classes together. 4,096 if not said. */
  readonly waitingMost?: number
  /**
   * The dependency works, and says no to this input: no reason to slow down. If not said: errors with a
   * `status` or `statusCode` of 400 to 499, save 408 and 429.
   */
  readonly isRefusal?: (error: unknown) => boolean
  /** Runs at once in the beginning (4), and the most that is ever tried (4,096). */
  readonly limitFirst?: number
  readonly limitMost?: number
  /** `snapshot().hint` of an earlier process: where to look for the knee. */
  readonly hint?: Hint | undefined
  /** Clock, chance and timers; the real ones if not said. */
  readonly port?: Port
}

export interface Settings<Input> {
  readonly timeoutMs: number
  readonly deadlineMs: number
  readonly class: ClassName
  readonly key: ((input: Input) => string | undefined) | undefined
  readonly waitingMost: number
  readonly isRefusal: (error: unknown) => boolean
  readonly limitFirst: number
  readonly limitMost: number
}

/** Throws a TypeError that names the option: a wrong one is a fault of the program. */
export function settingsOf<Input>(options: GovernorOptions<Input>): Settings<Input> {
  const limitMost = within('limitMost', options.limitMost ?? 4_096, 1, 65_536)
  return {
    timeoutMs: within('timeoutMs', options.timeoutMs ?? 2_000, 1, 3_600_000),
    deadlineMs: within('deadlineMs', options.deadlineMs ?? 10_000, 1, 3_600_000),
    class: options.class ?? 'interactive',
    key: options.key,
    waitingMost: within('waitingMost', options.waitingMost ?? 4_096, 1, 1_000_000),
    isRefusal: options.isRefusal ?? saysNo,
    limitFirst: within('limitFirst', options.limitFirst ?? Math.min(4, limitMost), 1, limitMost),
    limitMost,
  }
}

function within(name: string, value: number, least: number, most: number): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value
  throw new TypeError(`option ${name}: expected a number from ${least} to ${most}, found ${value}`)
}

function saysNo(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { status, statusCode } = error as { status?: unknown; statusCode?: unknown }
  const code = typeof statusCode === 'number' ? statusCode : status
  return typeof code === 'number' && code >= 400 && code < 500 && code !== 408 && code !== 429
}
