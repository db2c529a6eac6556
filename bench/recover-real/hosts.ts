/**
 * The load generator, as a program of its own: the hosts of the laboratory, each with its own timers and
 * its own patience, on the real clock and over 64 connections that are kept.
 */
import { connect } from 'node:net'
import { lease } from '../../lab/recover/database.ts'
import { Hosts, type Protocol } from '../../lab/recover/fleet.ts'
import { type Figures, Record } from '../../lab/recover/record.ts'
import { type Clients, type Scenario, type Terms, usual } from '../../lab/recover/scenario.ts'
import type { Server } from '../../lab/recover/server.ts'
import { Timers } from '../../lab/recover/timers.ts'
import { stream } from '../../lab/sim/random.ts'
import { Frames, failed, granted, leased, message, refused } from './frames.ts'

export interface HostsTask {
  readonly hosts: number
  readonly port: number
  readonly protocol: Protocol
  readonly patienceSeconds: number
  readonly startsAt: number
  readonly seed: number
  readonly clients: Clients
}

export interface HostsFigures extends Omit<Figures, 'bound' | 'worstWindow'> {
  /** Furthest behind its own clock, in ms: a generator that cannot keep up measures itself. */
  readonly lagMs: number
}

const connections = 64
const stepMs = 5

class Generator implements Server {
  readonly waiting = 0
  lagMs = 0
  readonly #task: HostsTask
  readonly #timers = new Timers()
  readonly #record: Record
  readonly #hosts: Hosts
  readonly #frames: (Frames | undefined)[] = []
  readonly #attempt: Uint32Array
  readonly #isAwaited: Uint8Array
  readonly #epoch: Uint32Array
  readonly #isLeased: Uint8Array
  readonly #losses: Uint8Array

  constructor(task: HostsTask) {
    this.#task = task
    const scenario: Scenario = { ...usual, hosts: task.hosts, clients: task.clients, seed: task.seed }
    const terms: Terms = {
      live: task.hosts,
      unitsPerSecond: 1,
      renewalSeconds: 3_600,
      ttlSeconds: 10_800,
      bound: 0,
      patienceSeconds: task.patienceSeconds,
    }
    this.#record = new Record(terms)
    this.#hosts = new Hosts(scenario, terms, task.protocol, this.#timers, this.#record, stream(task.seed, 'hosts'))
    this.#hosts.server = this
    this.#attempt = new Uint32Array(task.hosts)
    this.#isAwaited = new Uint8Array(task.hosts)
    this.#epoch = new Uint32Array(task.hosts)
    this.#isLeased = new Uint8Array(task.hosts)
    this.#losses = new Uint8Array(task.hosts)
    for (let index = 0; index < connections; index++) this.#connect(index)
  }

  get #now(): number {
    return (performance.timeOrigin + performance.now() - this.#task.startsAt) / 1000
  }

  get isDone(): boolean {
    return this.#record.isDone
  }

  get isConnected(): boolean {
    return this.#frames.length === connections && this.#frames.every((one) => one !== undefined)
  }

  message(host: number, _kind: number, attempt: number): void {
    this.#attempt[host] = attempt
    this.#isAwaited[host] = 1
    const frames = this.#frames[host % connections]
    if (frames === undefined) this.#lost(host)
    else frames.send(message, host, this.#task.protocol === 'polling' ? (this.#epoch[host] as number) : attempt, 0)
  }

  turnedAway(): undefined {}
  pump(): void {}
  ended(): void {}
  tick(): void {}

  step(): void {
    const now = this.#now
    while (this.#timers.nextAt <= now) {
      const at = this.#timers.nextAt
      this.lagMs = Math.max(this.lagMs, (this.#now - at) * 1000)
      this.#hosts.wake(this.#timers.take(), at)
    }
    this.#hosts.at(now)
  }

  second(): void {
    this.#record.second(Math.floor(this.#now), 0)
  }

  figures(): HostsFigures {
    return { ...this.#record.figures(), lagMs: this.lagMs }
  }

  #connect(index: number): void {
    const socket = connect(this.#task.port, '127.0.0.1')
    const frames = new Frames(socket, (type, host, a, b) => this.#receive(type, host, a, b))
    socket.on('connect', () => {
      this.#frames[index] = frames
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#frames[index] = undefined
      for (let host = index; host < this.#task.hosts; host += connections)
        if (this.#isAwaited[host] === 1) this.#lost(host)
      setTimeout(() => this.#connect(index), 200)
    })
  }

  /** The connection broke before the answer came: backoff with full jitter, whatever the protocol. */
  #lost(host: number): void {
    this.#isAwaited[host] = 0
    this.#hosts.at(this.#now)
    if (this.#task.protocol !== 'polling') {
      this.#hosts.failed(host, this.#attempt[host] as number)
      return
    }
    const losses = this.#losses[host] as number
    this.#losses[host] = Math.min(6, losses + 1)
    this.#hosts.answered(host, this.#isLeased[host] === 1, Math.random() * 2 ** losses)
  }

  #receive(type: number, host: number, a: number, b: number): void {
    this.#hosts.at(this.#now)
    this.#isAwaited[host] = 0
    if (type === granted) this.#hosts.granted(host, lease, a)
    else if (type === failed) this.#hosts.failed(host, a)
    else if (type === refused) this.#hosts.refused(host)
    else {
      this.#losses[host] = 0
      if (type === leased) {
        this.#epoch[host] = a
        if (this.#isLeased[host] === 0) this.#hosts.granted(host, lease, 0)
        this.#isLeased[host] = 1
      }
      this.#hosts.answered(host, type === leased, b / 1000)
    }
  }
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? '{}') as HostsTask
  const generator = new Generator(task)
  let told = false
  setInterval(() => {
    generator.step()
    if (generator.isDone && !told) {
      told = true
      process.send?.('done')
    }
  }, stepMs)
  setInterval(() => generator.second(), 1000)
  process.on('message', () => {
    process.send?.(generator.figures(), () => process.exit(0))
  })
  process.on('disconnect', () => process.exit(1))
}
