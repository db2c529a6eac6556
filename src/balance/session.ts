/**
 * One connection to one HAProxy process: reads what is there, pushes everything every time, reads it
 * back. It knows nothing of the store, and forgets everything with the connection: what counts stands
 * in HAProxy.
 */
import { describeProblem, isProblem, type Problem, problem } from '../base/problem.ts'
import type { Generation } from '../model/generation.ts'
import type { BackendReport, Haproxy, HaproxyPool } from '../model/haproxy.ts'
import type { Failure, World } from '../world/world.ts'
import { setIdleTimeout, showBackend, showInfo, showLevel, showServer, showServersState } from './commands.ts'
import { trace } from './events.ts'
import { algorithmProblem, type Backend, inspectBackend, levelProblem, versionProblem } from './inspect.ts'
import { type Marker, markerAddress, readMarker } from './marker.ts'
import { driftOf, type Push, pushOf } from './reconcile.ts'
import {
  type Info,
  parseInfo,
  parseServersState,
  parseStat,
  parseStatAddress,
  refusalIn,
  type Server,
} from './replies.ts'
import { openRuntime, type RuntimeClient } from './runtime-client.ts'
import { type RuntimeSocket, runtimeAddressText } from './runtime-socket.ts'
import { assign } from './slots.ts'
import type { Vector } from './vector.ts'
import { servesNobody, type Wanted, wantedOf } from './weights.ts'

/** All answers of one step. */
const answersMs = 5_000
/** A socket that admits one balancer at a time makes the others wait; after this long they say so. */
const firstAnswerMs = 3_000
/** HAProxy closes a connection on which nothing came for so long: a balancer that stands still loses it. */
const idleSeconds = 10

export interface BackendState extends BackendReport {
  /** Why nothing is pushed to it; null: it is. */
  readonly problem: Problem | null
  readonly warnings: readonly Problem[]
  /** A generation above ours stands there. */
  readonly newer: Generation | null
}

export type Opened =
  | { readonly kind: 'session'; readonly session: Session }
  | { readonly kind: 'unusable'; readonly problem: Problem }

export type Ticked =
  | { readonly kind: 'ticked' }
  /** There is a newer process. */
  | { readonly kind: 'reloaded' }
  | { readonly kind: 'lost'; readonly problem: Problem }

/** What is known of one backend. */
interface Known {
  readonly config: HaproxyPool
  backend: Backend | undefined
  algorithm: Problem | undefined
  /** What is wrong with it, or with what is to be pushed. */
  problem: Problem | undefined
  refusal: Problem | undefined
  marker: Marker
  newer: Generation | null
  /** As they are now: as read, and as pushed since. */
  slots: readonly Server[]
  /** As the last push left them. */
  left: readonly Server[] | undefined
  targets: ReadonlyMap<string, Wanted>
  repaired: number
  lastRepair: string
}

export class Session {
  readonly info: Info
  readonly #world: World
  readonly #client: RuntimeClient
  readonly #at: string
  readonly #known: ReadonlyMap<string, Known>
  #readBackDue = true

  private constructor(world: World, client: RuntimeClient, haproxy: Haproxy, info: Info) {
    this.#world = world
    this.#client = client
    this.info = info
    this.#at = `HAProxy ${runtimeAddressText(haproxy.socket)}`
    this.#known = new Map(haproxy.pools.map((config) => [config.pool, unknown(config)]))
  }

  /** Waits as long as the socket answers somebody else; `onWaiting` is told of it, again and again. */
  static async open(
    world: World,
    socket: RuntimeSocket,
    haproxy: Haproxy,
    onWaiting: () => void = () => {},
  ): Promise<Opened> {
    const at = `HAProxy ${runtimeAddressText(haproxy.socket)}`
    const unusable = (found: Problem): Opened => ({ kind: 'unusable', problem: found })
    const opened = await openRuntime(world, socket, haproxy.socket, firstAnswerMs, onWaiting)
    if (opened.kind === 'failure') return unusable(unreachable(at, opened))
    const { client } = opened
    const refuse = (found: Problem): Opened => {
      client.close()
      return unusable(found)
    }
    // Alone: HAProxy 2.6 goes on with the time-out that it began to count for commands that came together with this one.
    const limited = await client.ask([setIdleTimeout(idleSeconds)], answersMs)
    const asked = limited.kind === 'failure' ? limited : await client.ask([showInfo, showLevel], answersMs)
    if (asked.kind === 'failure') return unusable(unreachable(at, asked))
    const [infoText = '', level = ''] = asked.replies
    const info = parseInfo(infoText)
    if (info === undefined)
      return refuse(
        problem(
          at,
          'the runtime API of HAProxy (show info)',
          JSON.stringify(infoText.slice(0, 80)),
          'name the address of its "stats socket"',
        ),
      )
    const ending = problem(at, 'a process that serves', 'one that only ends what it has begun', 'start HAProxy')
    const wrong = info.stopping ? ending : (versionProblem(at, info.version) ?? levelProblem(at, level))
    if (wrong !== undefined) return refuse(wrong)
    const session = new Session(world, client, haproxy, info)
    const { pools } = haproxy
    const algorithms = await client.ask(
      pools.map(({ backend }) => showBackend(backend)),
      answersMs,
    )
    if (algorithms.kind === 'failure') return unusable(unreachable(at, algorithms))
    for (const [index, { pool, backend }] of pools.entries())
      session.#of(pool).algorithm = algorithmProblem(backend, algorithms.replies[index] ?? '')
    return { kind: 'session', session }
  }

  /** One push of everything; `readBack`: what is there is read first, and repaired where somebody changed it. */
  async tick(vector: Vector | undefined, readBack: boolean, dump: (state: string) => Promise<void>): Promise<Ticked> {
    const began = this.#world.clock.now()
    const reading = readBack || this.#readBackDue
    const read = reading ? await this.#readAll(vector) : await this.#readMarkers(vector)
    if (read !== undefined) return this.#lost(read)

    const pushes: (readonly [Known, Push])[] = []
    for (const known of this.#known.values()) {
      const push = this.#pushFor(known, vector)
      if (push !== undefined) pushes.push([known, push])
    }
    const commands = pushes.flatMap(([, push]) => push.commands)
    if (commands.length > 0 && vector !== undefined) {
      const { generation } = vector
      const asked = await this.#client.ask(commands, answersMs)
      if (asked.kind === 'failure') return this.#lost(asked)
      let from = 0
      for (const [known, push] of pushes) {
        this.#took(known, push, asked.replies.slice(from, from + push.commands.length), generation)
        from += push.commands.length
      }
      const slots = pushes.reduce((sum, [, push]) => sum + push.after.length, 0)
      const ms = Math.round(this.#world.clock.now() - began)
      const structural = pushes.some(([, push]) => push.structural)
      trace(this.#world, { event: 'balance.pushed', generation, slots, commands: commands.length, structural, ms })
    }
    if (reading || pushes.some(([, push]) => push.changed)) {
      const asked = await this.#client.ask([showServersState], answersMs)
      if (asked.kind === 'failure') return this.#lost(asked)
      await dump(asked.replies[0] ?? '')
    }
    const last = await this.#client.ask([showInfo], answersMs)
    if (last.kind === 'failure') return this.#lost(last)
    const info = parseInfo(last.replies[0] ?? '')
    if (info?.stopping !== true) return { kind: 'ticked' }
    this.#client.close()
    trace(this.#world, { event: 'balance.haproxy_reloaded', process: this.info.pid })
    return { kind: 'reloaded' }
  }

  /** By pool. */
  states(): ReadonlyMap<string, BackendState> {
    return new Map([...this.#known].map(([pool, known]) => [pool, stateOf(known)]))
  }

  close(): void {
    this.#client.close()
  }

  #of(pool: string): Known {
    return this.#known.get(pool) as Known
  }

  async #readAll(vector: Vector | undefined): Promise<Failure | undefined> {
    const began = this.#world.clock.now()
    const asked = await this.#client.ask([showServersState], answersMs)
    if (asked.kind === 'failure') return asked
    const servers = parseServersState(asked.replies[0] ?? '')
    if (servers === undefined)
      return { kind: 'failure', reason: 'other', detail: '"show servers state" answers in a format that is not known' }
    this.#readBackDue = false
    let drift = 0
    let slots = 0
    for (const [pool, known] of this.#known) {
      const targets = vector?.pools[pool]?.pool.targets.length ?? 0
      const found = inspectBackend(known.config.backend, targets, servers)
      if (isProblem(found)) {
        known.backend = undefined
        known.left = undefined
        known.slots = []
        known.problem = found
        continue
      }
      known.backend = found
      known.problem = undefined
      known.slots = found.slots
      known.marker = readMarker(found.marker.address, vector?.owner ?? '')
      slots += found.slots.length
      for (const { slot, expected, found: now } of known.left === undefined ? [] : driftOf(known.left, found.slots)) {
        drift++
        known.repaired++
        known.lastRepair = `${slot}: ${now}, left as ${expected}`
        trace(this.#world, { event: 'balance.repaired', pool, slot, expected, found: now })
      }
    }
    const ms = Math.round(this.#world.clock.now() - began)
    trace(this.#world, { event: 'balance.read_back', slots, drift, ms })
    return undefined
  }

  /** Only who pushed last: a newer generation is seen before anything is pushed over it. */
  async #readMarkers(vector: Vector | undefined): Promise<Failure | undefined> {
    const usable = [...this.#known.values()].flatMap((known) =>
      known.backend === undefined ? [] : [{ known, backend: known.backend }],
    )
    if (usable.length === 0) return undefined
    const asked = await this.#client.ask(
      usable.map(({ backend }) => showServer(backend.marker.backend, backend.marker.id)),
      answersMs,
    )
    if (asked.kind === 'failure') return asked
    for (const [index, { known }] of usable.entries()) {
      const row = parseStat(asked.replies[index] ?? '')?.[0]
      if (row === undefined) this.#readBackDue = true
      known.marker = readMarker(parseStatAddress(row?.get('addr') ?? '') ?? null, vector?.owner ?? '')
    }
    return undefined
  }

  #pushFor(known: Known, vector: Vector | undefined): Push | undefined {
    const { config, backend, marker } = known
    known.newer = null
    if (vector === undefined || backend === undefined) return undefined
    const at = `HAProxy backend ${config.backend}`
    const its = vector.pools[config.pool]
    known.problem =
      its === undefined
        ? problem(
            at,
            `pool ${config.pool} in the plan`,
            'none',
            'give an endpoint this pool, or wait for the next plan',
          )
        : undefined
    if (its === undefined) return undefined
    if (marker.kind === 'foreign') {
      known.problem = problem(
        at,
        `a backend of this deployment, ${vector.owner}`,
        'the marker of another one',
        'give each deployment a backend of its own; nothing is pushed',
      )
      return undefined
    }
    if (marker.kind === 'generation' && marker.generation > vector.generation) {
      known.newer = marker.generation
      known.problem = problem(
        at,
        `a generation up to ${vector.generation}, the newest that is known here`,
        `${marker.generation}`,
        'nothing is pushed until that plan, or a newer one, is known',
      )
      const event = { mine: vector.generation, theirs: marker.generation } as const
      trace(this.#world, { event: 'balance.fenced', pool: config.pool, ...event })
      return undefined
    }
    const wanted = wantedOf(its.pool, its.state, config.port, this.#world.clock.wall())
    if (servesNobody(wanted)) {
      known.problem = problem(
        at,
        'a target that gets traffic',
        'a weight of 0 for every one',
        'nothing is pushed: HAProxy would refuse everybody; see "holdfast pool"',
      )
      return undefined
    }
    const placement = assign(wanted, known.slots)
    known.targets = placement.placed
    const address = markerAddress(vector.owner, vector.generation)
    return pushOf(config.backend, { server: backend.marker, address }, known.slots, placement)
  }

  #took(known: Known, push: Push, replies: readonly string[], generation: Generation): void {
    const index = replies.findIndex((reply) => refusalIn(reply) !== undefined)
    known.slots = push.after
    known.left = push.after
    if (known.backend !== undefined) known.backend = { ...known.backend, marker: push.marker }
    known.marker = { kind: 'generation', generation }
    known.refusal = undefined
    if (index < 0) return
    known.left = undefined
    this.#readBackDue = true
    known.refusal = problem(
      `HAProxy backend ${known.config.backend}`,
      `"${push.commands[index]}" to be obeyed`,
      JSON.stringify(refusalIn(replies[index] ?? '')),
      'compare its configuration with "holdfast haproxy config"',
    )
  }

  #lost(failure: Failure): Ticked {
    this.#client.close()
    return { kind: 'lost', problem: unreachable(this.#at, failure) }
  }
}

function unknown(config: HaproxyPool): Known {
  return {
    config,
    backend: undefined,
    algorithm: undefined,
    problem: undefined,
    refusal: undefined,
    marker: { kind: 'none' },
    newer: null,
    slots: [],
    left: undefined,
    targets: new Map(),
    repaired: 0,
    lastRepair: '',
  }
}

function stateOf(known: Known): BackendState {
  const { config, backend, marker, slots, targets, repaired, lastRepair, newer } = known
  const warnings = [known.algorithm, known.refusal, ...(backend?.warnings ?? [])].filter((one) => one !== undefined)
  return {
    backend: config.backend,
    generation: marker.kind === 'generation' ? marker.generation : null,
    slots: slots.map(({ name, address, port, weight, state }) => ({
      slot: name,
      target: targets.get(name)?.target ?? null,
      at: address === null ? '-' : address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
      weight,
      state,
    })),
    foreign: backend?.foreign.slice(0, 100) ?? [],
    repaired,
    lastRepair,
    problem: known.problem ?? null,
    warnings,
    newer,
  }
}

function unreachable(at: string, { reason, detail }: Failure): Problem {
  const todo: Partial<Record<Failure['reason'], string>> = {
    refused: 'start HAProxy, or name the address of its "stats socket"; the last weights stay in it',
    timeout: 'see whether HAProxy hangs',
    'too-large': 'let fewer balancers stand by: the queue of its "stats socket" is full',
    closed: 'see whether HAProxy was restarted, and whether this is its "stats socket"',
  }
  const words = todo[reason] ?? 'see that HAProxy runs and that this user may use its "stats socket"'
  return problem(at, 'an answer of its runtime API', `${reason}: ${detail}`, words)
}

/** All that ails a backend, in sentences. */
export function ailsOf({ problem: found, warnings }: BackendState): readonly string[] {
  return [...(found === null ? [] : [found]), ...warnings].map(describeProblem)
}
