/** Behind `governor`: callers, timers and runs around the pump, which decides who runs and how many. */
import { isProblem } from '../../base/problem.ts'
import { background } from '../classes.ts'
import { readHint } from '../hint.ts'
import { defaults } from '../parameters.ts'
import { type HostClass, none, type Outcome, Pump } from '../pump.ts'
import { Shed, type ShedReason, TimedOut } from './errors.ts'
import { Execution } from './execution.ts'
import { Lately } from './lately.ts'
import { nodePort } from './node-port.ts'
import {
  type Call,
  type ClassName,
  classNumbers,
  type GovernorOptions,
  isClassName,
  type Run,
  type Settings,
  settingsOf,
} from './options.ts'
import type { Port } from './port.ts'
import { RetryAfter } from './retry-after.ts'
import type { Events, Snapshot } from './snapshot.ts'

const tickMs = 25
const graceMs = 10
const usual: Call = {}

type Work<Input, Output> = (input: Input, run: Run) => Output | Promise<Output>

export class Engine<Input, Output> {
  readonly #fn: Work<Input, Output>
  readonly #settings: Settings<Input>
  readonly #port: Port
  readonly #pump: Pump
  /** Numbers below it are the pump's hosts: executions of all classes but `interactive`. */
  readonly #slots: number
  readonly #free: Int32Array
  #freeCount: number
  readonly #byItem: (Execution<Input, Output> | undefined)[] = []
  readonly #byKey = new Map<string, Execution<Input, Output>>()
  readonly #retryAfter: RetryAfter
  readonly #latency = new Lately()
  readonly #listeners = {
    shed: new Set<Events['shed']>(),
    timeout: new Set<Events['timeout']>(),
    dependency: new Set<Events['dependency']>(),
  }
  readonly #waiting = { fencing: 0, renewal: 0, running: 0, idle: 0, interactive: 0, background: 0 }
  #waitingInAll = 0
  readonly #total = { calls: 0, coalesced: 0, done: 0, failed: 0, timedOut: 0, shed: 0 }
  #abandoned = 0
  #state: Snapshot['dependency']
  #isTicking = false
  #tickDue = 0
  #isClosed = false
  readonly #whenIdle: (() => void)[] = []

  constructor(fn: Work<Input, Output>, options: GovernorOptions<Input>) {
    this.#fn = fn
    this.#settings = settingsOf(options)
    this.#port = options.port ?? nodePort
    const hint = readHint(options.hint)
    if (isProblem(hint)) throw new TypeError(`option hint: expected ${hint.expected}, found ${hint.found}`)
    const { waitingMost, limitMost, limitFirst, timeoutMs, deadlineMs } = this.#settings
    const random = () => this.#port.random()
    const now = this.#port.now()
    // Who runs keeps its number.
    this.#slots = waitingMost + limitMost
    this.#free = Int32Array.from({ length: this.#slots }, (_, i) => this.#slots - 1 - i)
    this.#freeCount = this.#slots
    this.#retryAfter = new RetryAfter(now, random)
    this.#pump = new Pump({
      hosts: this.#slots,
      sites: 1,
      now,
      random,
      hint,
      parameters: {
        operationTimeoutMs: timeoutMs,
        stallMs: Math.min(defaults.stallMs, timeoutMs),
        limitFirst,
        limitMax: limitMost,
        interactiveTimeoutMs: deadlineMs,
        interactiveMax: this.#slots,
      },
      onShed: (item) => this.#tooLate(item),
    })
    this.#state = this.#pump.dependency.state
  }

  call(input: Input, { key, class: klass, signal, deadlineMs }: Call = usual): Promise<Output> {
    return new Promise((resolve, reject) => {
      this.#total.calls++
      signal?.throwIfAborted()
      const name = klass ?? this.#settings.class
      if (!isClassName(name)) throw new TypeError(`class: expected one such as "interactive", found ${String(name)}`)
      if (deadlineMs !== undefined && !(deadlineMs >= 0))
        throw new TypeError(`deadlineMs: expected milliseconds, found ${String(deadlineMs)}`)
      const now = this.#port.now()
      const wishedMs = deadlineMs ?? (name === 'interactive' ? this.#settings.deadlineMs : undefined)
      // While this process was busy with something else the caller waited already, unseen.
      const remainingMs = wishedMs === undefined ? undefined : Math.max(0, wishedMs - this.#overdueMs(now))
      const execution = this.#executionFor(input, key ?? this.#settings.key?.(input), name, remainingMs, now)
      this.#addCaller(execution, resolve, reject, signal, remainingMs)
      this.#drain(now)
    })
  }

  on<Name extends keyof Events>(event: Name, listener: Events[Name]): () => void {
    const listeners = this.#listeners[event] as Set<Events[Name]>
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const execution of [...this.#byItem])
      if (execution !== undefined && !execution.isRunning) {
        this.#withdraw(execution)
        execution.reject(this.#shed('closed', this.#port.now()))
      }
    if (this.#pump.inFlight > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
  }

  snapshot(): Snapshot {
    const { dependency, inFlight, limit, knee, goodput, throughput, meanLatencyMs } = this.#pump.snapshot()
    return {
      dependency,
      waiting: { ...this.#waiting },
      inFlight,
      limit,
      knee,
      goodput,
      throughput,
      meanLatencyMs,
      total: { ...this.#total },
      abandoned: this.#abandoned,
      hint: this.#pump.hint,
    }
  }

  /** Throws `Shed`. */
  #executionFor(
    input: Input,
    key: string | undefined,
    klass: ClassName,
    remainingMs: number | undefined,
    now: number,
  ): Execution<Input, Output> {
    if (this.#isClosed) throw this.#shed('closed', now)
    const shared = key === undefined ? undefined : this.#byKey.get(key)
    if (shared !== undefined) {
      this.#total.coalesced++
      if (!shared.isRunning && classNumbers[klass] < classNumbers[shared.class])
        this.#hurry(shared, klass, remainingMs, now)
      return shared
    }
    this.#tick(now)
    const item = this.#line(klass, remainingMs, now)
    const execution = new Execution<Input, Output>(input, key, klass, item, now)
    this.#byItem[item] = execution
    this.#count(klass, 1)
    if (key !== undefined) this.#byKey.set(key, execution)
    return execution
  }

  /** Into the line. Throws `Shed`. */
  #line(klass: ClassName, remainingMs: number | undefined, now: number): number {
    if (klass !== 'interactive') return this.#slot(classNumbers[klass] as HostClass, remainingMs, now)
    const budgetMs = remainingMs ?? this.#settings.deadlineMs
    if (this.#mayGoAtOnce(budgetMs, now)) return this.#slot(background, undefined, now)
    if (this.#waiting.interactive >= this.#settings.waitingMost) throw this.#shed('overload', now)
    const admission = this.#pump.admit(budgetMs, now)
    if (admission.kind === 'refused')
      throw this.#shed(this.#pump.dependency.state === 'down' ? 'down' : 'overload', now)
    return admission.item
  }

  /**
   * Nobody is ahead of it and there is room: what throughput was measured, when there last was a crowd, does
   * not matter. While the dependency is down this is the probe.
   */
  #mayGoAtOnce(budgetMs: number, now: number): boolean {
    if (this.#waitingInAll > 0 || budgetMs <= 0) return false
    const { state, probeAt } = this.#pump.dependency
    if (state === 'down') return this.#pump.inFlight === 0 && now >= probeAt
    return this.#pump.inFlight < this.#pump.limit && this.#latency.meanMs(now) < budgetMs
  }

  #slot(klass: HostClass, remainingMs: number | undefined, now: number): number {
    if (this.#hasNoSlot() || remainingMs === 0) throw this.#shed('overload', now)
    const slot = this.#free[--this.#freeCount] as number
    this.#pump.offer(slot, klass, 0, now, this.#strictDeadline(remainingMs, now))
    return slot
  }

  #hasNoSlot(): boolean {
    return this.#waitingInAll - this.#waiting.interactive >= this.#settings.waitingMost
  }

  #strictDeadline(remainingMs: number | undefined, now: number): number {
    return now + (remainingMs ?? this.#settings.timeoutMs)
  }

  /** Somebody of a class that goes first wants what waits in another: it moves, if there is room. */
  #hurry(execution: Execution<Input, Output>, klass: ClassName, remainingMs: number | undefined, now: number): void {
    // Among calls with somebody waiting it would have to be admitted; where it is, it already was.
    if (klass === 'interactive') return
    const number = classNumbers[klass] as HostClass
    const before = execution.item
    if (before < this.#slots) this.#pump.offer(before, number, 0, now, this.#strictDeadline(remainingMs, now))
    else {
      if (this.#hasNoSlot()) return
      execution.item = this.#slot(number, remainingMs, now)
      this.#outOfLine(before, now)
      this.#byItem[execution.item] = execution
    }
    this.#count(execution.class, -1)
    this.#count(klass, 1)
    execution.class = klass
  }

  #addCaller(
    execution: Execution<Input, Output>,
    resolve: (output: Output) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
    remainingMs: number | undefined,
  ): void {
    const leave = (error: unknown) => {
      caller.release()
      execution.callers.splice(execution.callers.indexOf(caller), 1)
      if (execution.callers.length === 0 && !execution.isRunning) this.#withdraw(execution)
      reject(error)
    }
    const onAbort = signal === undefined ? undefined : () => leave(signal.reason)
    const stop =
      remainingMs === undefined
        ? undefined
        : this.#port.after(remainingMs, () => {
            const now = this.#port.now()
            leave(execution.isRunning ? this.#timedOut(remainingMs, now) : this.#shed('overload', now))
          })
    if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true })
    const caller = {
      resolve,
      reject,
      release() {
        stop?.()
        if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
      },
    }
    execution.callers.push(caller)
  }

  /** Nobody wants it any more, and it did not begin. */
  #withdraw(execution: Execution<Input, Output>): void {
    this.#outOfLine(execution.item, this.#port.now())
    this.#count(execution.class, -1)
    this.#forgetKey(execution)
  }

  #outOfLine(item: number, now: number): void {
    this.#byItem[item] = undefined
    if (item >= this.#slots) {
      this.#pump.leave(item, now)
      return
    }
    this.#pump.withdraw(item, now)
    this.#free[this.#freeCount++] = item
  }

  /** The pump found that it cannot be done in time after all. */
  #tooLate(item: number): void {
    const execution = this.#byItem[item]
    if (execution === undefined) return
    this.#byItem[item] = undefined
    this.#count(execution.class, -1)
    this.#forgetKey(execution)
    execution.reject(this.#shed('overload', this.#port.now()))
  }

  #drain(now: number): void {
    for (;;) {
      const item = this.#pump.next(now)
      if (item === none) break
      this.#run(this.#byItem[item] as Execution<Input, Output>, now)
    }
    this.#keepTicking()
  }

  #run(execution: Execution<Input, Output>, now: number): void {
    const { timeoutMs } = this.#settings
    this.#count(execution.class, -1)
    execution.startedAt = now
    let late: TimedOut | undefined
    let isAbandoned = false
    let stop = this.#port.after(timeoutMs, () => {
      const error = this.#timedOut(timeoutMs, this.#port.now())
      late = error
      this.#total.timedOut++
      for (const listener of this.#listeners.timeout) listener(error)
      this.#forgetKey(execution)
      execution.abort(error)
      // Who heeds the signal ends by itself now, in an order of its own.
      stop = this.#port.after(graceMs, () => {
        execution.reject(error)
        // It still uses the dependency, so its place is kept, but not for ever.
        stop = this.#port.after(timeoutMs, () => {
          this.#abandoned++
          isAbandoned = true
          this.#ended(execution, 'timeout')
        })
      })
    })
    const end = (outcome: Outcome, settle: () => void) => {
      if (isAbandoned) {
        this.#abandoned--
        return
      }
      stop()
      this.#forgetKey(execution)
      if (late !== undefined) {
        execution.reject(late)
        this.#ended(execution, 'timeout')
        return
      }
      if (outcome === 'failed') this.#total.failed++
      else this.#total.done++
      settle()
      this.#ended(execution, outcome)
    }
    this.#start(execution).then(
      (output) => end('ok', () => execution.resolve(output)),
      (error: unknown) => end(this.#settings.isRefusal(error) ? 'refused' : 'failed', () => execution.reject(error)),
    )
  }

  async #start(execution: Execution<Input, Output>): Promise<Output> {
    return await this.#fn(execution.input, execution)
  }

  #ended(execution: Execution<Input, Output>, outcome: Outcome): void {
    const { item } = execution
    const now = this.#port.now()
    const latencyMs = now - execution.startedAt
    if (outcome === 'ok' || outcome === 'refused') this.#latency.add(latencyMs, now)
    // Whether to try again is the caller's to say.
    if (this.#pump.done(item, outcome, latencyMs, now) === 'again') this.#pump.withdraw(item, now)
    this.#byItem[item] = undefined
    if (item < this.#slots) this.#free[this.#freeCount++] = item
    this.#tellState()
    this.#drain(now)
    if (this.#pump.inFlight === 0) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Who comes from now on needs an execution of its own. */
  #forgetKey(execution: Execution<Input, Output>): void {
    const { key } = execution
    if (key !== undefined && this.#byKey.get(key) === execution) this.#byKey.delete(key)
  }

  #count(klass: ClassName, by: 1 | -1): void {
    this.#waiting[klass] += by
    this.#waitingInAll += by
  }

  #keepTicking(): void {
    if (this.#isTicking || (this.#waitingInAll === 0 && this.#pump.inFlight === 0)) return
    this.#isTicking = true
    this.#tickDue = this.#port.now() + tickMs
    this.#port.after(tickMs, () => {
      this.#isTicking = false
      const now = this.#port.now()
      this.#tick(now)
      this.#drain(now)
    })
  }

  #overdueMs(now: number): number {
    return this.#isTicking ? Math.max(0, now - this.#tickDue) : 0
  }

  #tick(now: number): void {
    this.#pump.tick(now)
    this.#tellState()
  }

  #tellState(): void {
    const { state } = this.#pump.dependency
    if (state === this.#state) return
    const before = this.#state
    this.#state = state
    for (const listener of this.#listeners.dependency) listener(state, before)
  }

  #shed(reason: ShedReason, now: number): Shed {
    const error = new Shed(reason, this.#retryAfter.next(this.#pump.throughput, now))
    this.#total.shed++
    for (const listener of this.#listeners.shed) listener(error)
    return error
  }

  #timedOut(afterMs: number, now: number): TimedOut {
    return new TimedOut(afterMs, this.#retryAfter.next(this.#pump.throughput, now))
  }
}
