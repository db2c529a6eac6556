/**
 * The service between the hosts and the database, as a program of its own: one policy, real connections on
 * both sides. Told what to do by its parent over IPC, and tells it what it did.
 */
import { createServer, type Socket } from 'node:net'
import { type Kind, lease } from '../../lab/recover/database.ts'
import { Line } from '../../lab/recover/line.ts'
import type { Fleet, Machine, Server } from '../../lab/recover/server.ts'
import type { Work } from '../../src/leases/work.ts'
import { running } from '../../src/recover/classes.ts'
import { Governor } from '../../src/recover/governor.ts'
import type { Hint } from '../../src/recover/hint.ts'
import type { Outcome } from '../../src/recover/pump.ts'
import { none } from '../../src/recover/pump.ts'
import { atOnceMost, operationTimeoutMs, workOn } from './database.ts'
import { Frames, failed, granted, leased, pending, refused } from './frames.ts'
import { policies } from './policies.ts'

export interface ManagerTask {
  readonly policy: string
  readonly url: string
  readonly hosts: number
  readonly port: number
  readonly perSecond: number
  readonly knee: number
  readonly hint: Hint
  readonly patienceSeconds: number
  /** In ms since 1970: its clock counts from a while before. */
  readonly madeAt: number
}

/** From the parent: time 0, in ms since 1970. The connections are there by then. */
export interface Begins {
  readonly startsAt: number
}

export interface ManagerFigures {
  readonly operations: number
  readonly timeouts: number
  readonly failures: number
  /** Operations that were done for somebody who had given up. */
  readonly wasted: number
  /** First grants of hosts, in each second. */
  readonly grants: readonly number[]
  /** For the governor: allowed at once, at the end of each second. */
  readonly limits: readonly number[]
}

const sites = 8
/** The clocks of policies begin above 0. */
const aheadMs = 60_000

class Manager implements Machine, Fleet {
  inFlight = 0
  startsAt = Number.POSITIVE_INFINITY
  readonly server: Server
  readonly #task: ManagerTask
  readonly #work: Work
  readonly #line: Line | undefined
  readonly #governor: Governor | undefined
  readonly #connection: (Frames | undefined)[]
  readonly #attempt: Uint32Array
  readonly #askedAt: Float64Array
  readonly #isGranted: Uint8Array
  readonly #grants: number[] = []
  readonly #limits: number[] = []
  #operations = 0
  #timeouts = 0
  #failures = 0
  #wasted = 0

  constructor(task: ManagerTask) {
    this.#task = task
    const policy = policies.find(({ name }) => name === task.policy)
    if (policy === undefined) throw new Error(`expected a policy, found ${task.policy}`)
    this.#work = workOn(task.url, atOnceMost)
    this.#connection = new Array<Frames | undefined>(task.hosts).fill(undefined)
    this.#attempt = new Uint32Array(task.hosts)
    this.#askedAt = new Float64Array(task.hosts)
    this.#isGranted = new Uint8Array(task.hosts)
    if (policy.rules !== undefined) {
      this.#line = new Line(policy.rules(task.perSecond, task.knee), this, this)
      this.server = this.#line
    } else {
      const governor = new Governor({
        hosts: task.hosts,
        sites,
        now: this.#nowMs,
        random: Math.random,
        frontDoorPerSecond: 20_000,
        renewals: 'memory',
        ttlMs: 600_000,
        ...(policy.hint === true && { hint: task.hint }),
        parameters: { operationTimeoutMs, limitMax: atOnceMost },
      })
      this.#governor = governor
      this.server = this.#governed(governor)
    }
  }

  get now(): number {
    return this.#nowMs / 1000
  }

  receive(from: Frames, host: number, a: number): void {
    this.#connection[host] = from
    this.#attempt[host] = a
    this.#askedAt[host] = this.now
    this.server.message(host, lease, a)
    this.server.pump()
  }

  /** For the line: an operation for the attempt of a host. */
  begin(host: number, kind: Kind, attempt: number): void {
    this.#start(host, attempt, (outcome, latencyMs) => {
      this.#line?.ended(host, kind, attempt, outcome === 'ok', latencyMs / 1000)
    })
  }

  refused(host: number): void {
    this.#say(host, refused, 0, 0)
  }

  granted(host: number, _kind: Kind, attempt: number): void {
    if (!this.stillWaits(host, attempt)) this.#wasted++
    else this.#first(host)
    this.#say(host, granted, attempt, 0)
  }

  failed(host: number, attempt: number): void {
    this.#say(host, failed, attempt, 0)
  }

  /** As if each request carried its deadline. */
  stillWaits(host: number, attempt: number): boolean {
    return this.#attempt[host] === attempt && this.now - (this.#askedAt[host] as number) < this.#task.patienceSeconds
  }

  answered(): void {}
  expired(): void {}

  tick(): void {
    this.server.tick()
    this.server.pump()
  }

  second(): void {
    if (this.#governor !== undefined) this.#limits[this.#second] = this.#governor.snapshot().limit
  }

  figures(): ManagerFigures {
    return {
      operations: this.#operations,
      timeouts: this.#timeouts,
      failures: this.#failures,
      wasted: this.#wasted,
      grants: Array.from(this.#grants, (count) => count ?? 0),
      limits: Array.from(this.#limits, (limit) => limit ?? 0),
    }
  }

  get #second(): number {
    return Math.max(0, Math.floor((performance.timeOrigin + performance.now() - this.startsAt) / 1000))
  }

  get #nowMs(): number {
    return performance.timeOrigin + performance.now() - this.#task.madeAt + aheadMs
  }

  #start(host: number, epoch: number, ended: (outcome: Outcome, latencyMs: number) => void): void {
    this.inFlight++
    this.#operations++
    const began = performance.now()
    void this.#work.grant({ id: String(host), site: '' }, epoch, operationTimeoutMs).then(({ kind }) => {
      const outcome: Outcome = kind === 'done' ? 'ok' : kind
      const latencyMs = performance.now() - began
      this.inFlight--
      if (outcome === 'timeout') this.#timeouts++
      if (outcome === 'failed') this.#failures++
      ended(outcome, latencyMs)
      this.server.pump()
    })
  }

  #governed(governor: Governor): Server {
    const message = (host: number) => {
      const now = this.#nowMs
      const held = this.#attempt[host] as number
      if (held > 0) governor.adopt(host, running, host % sites, held, now)
      const standing = governor.report(host, running, host % sites, now)
      const type = standing === 'leased' ? leased : pending
      this.#say(host, type, governor.epochOf(host), Math.round(governor.pollAfter(host, now)))
    }
    const pump = () => {
      for (;;) {
        const host = governor.next(this.#nowMs)
        if (host === none) return
        this.#start(host, governor.epochToWrite(host), (outcome, latencyMs) => {
          if (governor.done(host, outcome, latencyMs, this.#nowMs) === 'done') this.#first(host)
        })
      }
    }
    return {
      waiting: 0,
      message,
      turnedAway: () => undefined,
      pump,
      ended: () => {},
      tick: () => governor.tick(this.#nowMs),
    }
  }

  #first(host: number): void {
    if (this.#isGranted[host] === 1) return
    this.#isGranted[host] = 1
    const second = this.#second
    this.#grants[second] = (this.#grants[second] ?? 0) + 1
  }

  #say(host: number, type: number, a: number, b: number): void {
    this.#connection[host]?.send(type, host, a, b)
  }
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? '{}') as ManagerTask
  const manager = new Manager(task)
  const listener = createServer((socket: Socket) => {
    socket.on('error', () => socket.destroy())
    const frames: Frames = new Frames(socket, (_type, host, a) => manager.receive(frames, host, a))
  })
  listener.listen(task.port, '127.0.0.1', () => process.send?.('listening'))
  setInterval(() => manager.tick(), 20)
  setInterval(() => manager.second(), 1000)
  process.on('message', (message: Begins | 'end') => {
    if (message !== 'end') {
      manager.startsAt = message.startsAt
      return
    }
    process.send?.(manager.figures(), () => process.exit(0))
  })
  process.on('disconnect', () => process.exit(1))
}
