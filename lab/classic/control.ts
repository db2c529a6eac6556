/** The control API of the classic zone, as one process reaches it: every call takes a while, both ways. */
import { type Kernel, type Micros, ms, type Process } from '../sim/kernel.ts'
import { type Stream, stream } from '../sim/random.ts'
import type { BatchResult, ClassicZone, Item } from './zone.ts'

/** All that the classic programs may do to the zone. */
export interface Control {
  /** In the order asked; undefined where nothing stands. */
  read(names: readonly string[]): Promise<readonly (string | undefined)[]>
  /** Names of all records below `endpoint` that are trees of plans. */
  trees(endpoint: string): Promise<readonly string[]>
  batch(items: readonly Item[]): Promise<BatchResult>
}

export interface ControlListener {
  /** At the instant that a batch takes effect, or is refused. */
  batch(by: Process, items: readonly Item[], result: BatchResult): void
}

/** One way, least and greatest. */
const delay: readonly [Micros, Micros] = [ms(8), ms(14)]

export class ControlApi {
  readonly #kernel: Kernel
  readonly #random: Stream
  readonly zone: ClassicZone
  listener: ControlListener = { batch: () => {} }

  constructor(kernel: Kernel, zone: ClassicZone) {
    this.#kernel = kernel
    this.#random = stream(kernel.seed, 'control')
    this.zone = zone
  }

  of(process: Process): Control {
    const call = <T>(work: () => T): Promise<T> => {
      const { incarnation } = process
      return new Promise((resolve) => {
        this.#kernel.after(this.#delay(), null, () => {
          const result = work()
          this.#kernel.after(this.#delay(), process, () => resolve(result), incarnation)
        })
      })
    }
    return {
      read: (names) => call(() => names.map((name) => this.zone.get(name))),
      trees: (endpoint) =>
        call(() => this.zone.names().filter((name) => name.startsWith('plan-') && name.endsWith(`.${endpoint}`))),
      batch: (items) =>
        call(() => {
          const result = this.zone.batch(items)
          if (result.kind === 'done') this.#kernel.noteText(items.map(({ name }) => name).join(' '))
          this.listener.batch(process, items, result)
          return result
        }),
    }
  }

  #delay(): Micros {
    return this.#random.between(delay[0], delay[1])
  }
}
