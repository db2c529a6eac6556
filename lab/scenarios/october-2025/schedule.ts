/**
 * What befell the region that night, for whichever protocol runs: when the load balancers' capacity
 * shifted, which is a plan each time, and how one enactor was held up. The delays of that enactor are
 * known, not their cause; here they are given, and the same for both protocols.
 */
import { type Kernel, ms, type Process } from '../../sim/kernel.ts'

export const zone = 'us-east-1.example'
export const services = ['dynamodb', 'streams', 'dax', 'backup', 'tables', 'exports'] as const
/** The one that the story is about. */
export const hero = services[0]

/** Addresses of the load balancers of all services, and what each can take. */
export const balancers = [1, 2, 3, 4].map((index) => ({ id: `lb-${index}`, address: `10.0.0.${index}` }))

/** The enactor that is starved, and all of them. */
export const starved = 'enactor-2'
export const enactors = ['enactor-1', 'enactor-2', 'enactor-3'] as const

export interface Shift {
  readonly atMs: number
  /** One for each load balancer, above 0. */
  readonly weights: readonly number[]
}

/** How many plans the storm ends with. */
export const lastOfStorm = 20
const spacingMs = 1_200

/** Quiet, then sixteen routine shifts in twenty seconds, then one more; for an hour after that, one every minute. */
export const shifts: readonly Shift[] = [
  ...[1_000, 4_000, 8_000].map((atMs, index) => shift(atMs, index)),
  ...Array.from({ length: lastOfStorm - 4 }, (_, index) => shift(12_000 + index * spacingMs, index + 3)),
  shift(33_000, lastOfStorm - 1),
  ...Array.from({ length: 60 }, (_, index) => shift(50_000 + index * 60_000, lastOfStorm + index)),
]

function shift(atMs: number, index: number): Shift {
  return { atMs, weights: balancers.map((_, balancer) => 60 + ((index * 7 + balancer * 13) % 40)) }
}

/** Look at this part of the story; the rest is an hour in which nothing changes any more. */
export const tellUntilMs = 60_000
export const endMs = tellUntilMs + 3_600_000

/** Plan 3 is the one that the starved enactor sets out with. */
export const heldFromMs = 7_500
const looks = 'look'
const writes = 'write'
export type Step = typeof looks | typeof writes

interface Hold {
  readonly step: Step
  /** Two newer plans have been published at the name since; or the clean-up after the last plan has begun. */
  readonly until: 'overtaken' | 'clean-up'
}

/** In this order, each at the next such step that the starved enactor takes at the name. */
const holds: readonly Hold[] = [
  { step: looks, until: 'overtaken' },
  ...Array.from({ length: 6 }, (): Hold => ({ step: writes, until: 'overtaken' })),
  { step: looks, until: 'clean-up' },
]

/** Holds the starved enactor's calls back as the schedule says. What it asks for arrives late; it is never lost. */
export class Gate {
  /** Told when a hold begins and when it ends. */
  onHold: (what: 'held' | 'let go', step: Step) => void = () => {}
  readonly #kernel: Kernel
  readonly #process: () => Process
  #next = 0
  #standing = 0
  #lastCleaned = false
  #waiting: { readonly isOver: () => boolean; readonly go: () => void } | null = null

  constructor(kernel: Kernel, process: () => Process) {
    this.#kernel = kernel
    this.#process = process
  }

  /** Resolves when the starved enactor's next `step` at the name may set out. */
  pass(step: Step): Promise<void> {
    const hold = holds[this.#next]
    if (this.#waiting !== null || hold === undefined || hold.step !== step || this.#kernel.now < ms(heldFromMs))
      return Promise.resolve()
    this.#next += 1
    const newest = this.#standing + 2
    const isOver = hold.until === 'overtaken' ? () => this.#standing >= newest : () => this.#lastCleaned
    this.onHold('held', step)
    return new Promise((resolve) => {
      const go = () => {
        this.onHold('let go', step)
        resolve()
      }
      this.#waiting = { isOver, go }
      this.#look()
    })
  }

  /** This plan has been published at the name. */
  stands(plan: number): void {
    this.#standing = Math.max(this.#standing, plan)
    this.#look()
  }

  /** Old plans are being cleaned up after this one. */
  cleaning(plan: number): void {
    if (plan >= lastOfStorm) this.#lastCleaned = true
    this.#look()
  }

  #look(): void {
    const waiting = this.#waiting
    if (waiting === null || !waiting.isOver()) return
    this.#waiting = null
    this.#kernel.after(ms(5), this.#process(), waiting.go)
  }
}
