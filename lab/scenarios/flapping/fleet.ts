/**
 * The fleet of both runs: 36 targets that serve all the time, and as many that are started before their
 * network has arrived, with one path on which every check and every change of the routing is carried.
 *
 * - A target whose network has not arrived answers every other check or so: some of its paths are there.
 * - The path carries so much a second and no more. What comes faster waits, and what waits too long has
 *   failed for whoever asked, however well the target is.
 * - A change of the routing has to be carried too, and weighs as much as many checks. That closes the
 *   loop: who removes and adds makes the checks slow, and who believes slow checks removes.
 */
import type { HttpReply } from '../../../src/world/world.ts'
import { type Kernel, type Micros, ms, type Process } from '../../sim/kernel.ts'
import type { Network } from '../../sim/network.ts'
import { type Stream, stream } from '../../sim/random.ts'

export const sites = ['az-1', 'az-2', 'az-3'] as const
export const established = 36
export const arriving = 36
/** How much of the established targets is needed. */
export const demand = 29

/** When the new ones are started, and how their network arrives: one after the other, as from a backlog. */
export const startedMs = 30_000
const firstArrivalMs = 60_000
const arrivalEveryMs = 4_000
export const endMs = 480_000

/** What carrying takes. */
const checkCost = ms(5)
const changeCost = ms(100)
/** Beyond this a check is not taken at all. */
const queueMax = ms(4_000)

export const siteOf = (target: number): string => sites[target % sites.length] as string
export const addressOf = (target: number): string => `10.0.0.${target + 1}`
export const targetOf = (address: string): number => Number(address.split('.')[3]) - 1

export class Fleet {
  readonly #kernel: Kernel
  readonly #random: Stream
  #freeAt: Micros = 0
  changes = 0
  checks = 0

  constructor(kernel: Kernel) {
    this.#kernel = kernel
    this.#random = stream(kernel.seed, 'fleet')
  }

  /** Targets of which there is one by now. */
  get started(): number {
    return this.#kernel.now >= ms(startedMs) ? established + arriving : established
  }

  /** Whether a customer who is sent there is served. */
  isAble(target: number): boolean {
    return target < established || this.#kernel.now >= ms(firstArrivalMs + (target - established) * arrivalEveryMs)
  }

  /** How long something that is carried now takes, beyond its own cost, in ms. */
  get waitMs(): number {
    return Math.max(0, this.#freeAt - this.#kernel.now) / 1000
  }

  /** Targets answer over the path. */
  listen(network: Network, processOf: (target: number) => Process): void {
    for (let target = 0; target < established + arriving; target++) {
      const process = processOf(target)
      const request = (_: unknown, reply: (reply: HttpReply) => void) => {
        this.checks += 1
        if (this.#freeAt - this.#kernel.now > queueMax) return
        const passes = this.isAble(target) || this.#random.chance({ of: 1, in: 2 })
        this.#carry(checkCost, process, () => {
          if (passes) reply({ kind: 'http', status: 200, body: new Uint8Array() })
        })
      }
      network.listen({ host: addressOf(target), port: 80 }, { process, request })
    }
  }

  /** The routing changes at so many targets. */
  changed(targets: number): void {
    this.changes += targets
    this.#freeAt = Math.max(this.#freeAt, this.#kernel.now) + targets * changeCost
  }

  #carry(cost: Micros, to: Process, arrive: () => void): void {
    this.#freeAt = Math.max(this.#freeAt, this.#kernel.now) + cost
    this.#kernel.after(this.#freeAt - this.#kernel.now, to, arrive)
  }
}

/** One second of a run. */
export interface Sample {
  readonly atMs: number
  /** Targets that would serve whoever is sent there. */
  readonly able: number
  /** Of those, how many are in the answer. */
  readonly answering: number
  /** Of the 36 that never failed, how many are in the answer. */
  readonly unharmed: number
  /** Targets in the answer. */
  readonly answered: number
  readonly waitMs: number
}

export function sampleOf(fleet: Fleet, atMs: number, answered: ReadonlySet<number>): Sample {
  let able = 0
  let answering = 0
  let unharmed = 0
  for (let target = 0; target < fleet.started; target++) {
    if (target < established && answered.has(target)) unharmed += 1
    if (!fleet.isAble(target)) continue
    able += 1
    if (answered.has(target)) answering += 1
  }
  return { atMs, able, answering, unharmed, answered: answered.size, waitMs: fleet.waitMs }
}

/** What a run ends with. */
export interface Flapping {
  readonly hash: string
  readonly samples: readonly Sample[]
  /** Targets put into the answer or taken out of it, the first filling not counted. */
  readonly changes: number
  /** The most changes of one of the 36 that never failed. */
  readonly mostOfOne: number
  /** How often a whole site was taken out, and when first. */
  readonly sitesOut: readonly number[]
  readonly checks: number
}

/** Counts who is put in and taken out, once the answer has been filled. */
export class Changes {
  readonly #times = new Map<number, number>()
  total = 0

  note(before: ReadonlySet<number>, after: ReadonlySet<number>): number {
    if (before.size === 0) return 0
    const changed = [...before].filter((target) => !after.has(target))
    changed.push(...[...after].filter((target) => !before.has(target)))
    for (const target of changed) this.#times.set(target, (this.#times.get(target) ?? 0) + 1)
    this.total += changed.length
    return changed.length
  }

  get mostOfOne(): number {
    return Math.max(0, ...[...this.#times].filter(([target]) => target < established).map(([, times]) => times))
  }
}
