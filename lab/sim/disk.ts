/**
 * A simulated disk with one file on it. What a program writes is in the page cache at once, and survives
 * the death of the program; on the disk itself it is only after a sync that said so. When the power goes,
 * of everything that was not synced some sectors are there and some are not, in any order, and one may be
 * torn at any byte.
 */
import { type Kernel, type Micros, ms, type Process } from './kernel.ts'
import { type Ratio, type Stream, stream } from './random.ts'

export interface DiskWeather {
  /** Of a sync. */
  readonly delay: readonly [Micros, Micros]
  /** A sync that fails: what was written may or may not be there. */
  readonly failing: Ratio
  /** Nothing that makes the file longer is taken. */
  readonly full: boolean
}

export const calmDisk: DiskWeather = { delay: [ms(0.2), ms(2)], failing: { of: 0, in: 1 }, full: false }

const sector = 512

interface Unsynced {
  readonly order: number
  readonly at: number
  readonly bytes: Uint8Array
}

export class SimulatedDisk {
  weather: DiskWeather = calmDisk
  /** False: it says yes to every sync and does nothing, as some do. */
  syncs = true
  readonly #kernel: Kernel
  readonly #random: Stream
  #cache: Uint8Array = new Uint8Array(4096)
  #length = 0
  #durable: Uint8Array = new Uint8Array(4096)
  #durableLength = 0
  #unsynced: Unsynced[] = []
  #writes = 0
  /** Counts losses of power: a sync that was under way then never ends well. */
  #powerLosses = 0

  constructor(kernel: Kernel, id: string) {
    this.#kernel = kernel
    this.#random = stream(kernel.seed, `disk ${id}`)
  }

  /** As the program sees it. */
  read(): Uint8Array {
    return this.#cache.subarray(0, this.#length)
  }

  write(at: number, bytes: Uint8Array): 'written' | 'full' {
    if (this.weather.full && at + bytes.length > this.#length) return 'full'
    this.#cache = put(this.#cache, at, bytes)
    this.#length = Math.max(this.#length, at + bytes.length)
    this.#unsynced.push({ order: this.#writes++, at, bytes })
    return 'written'
  }

  /** All that was written before this call, on the disk. */
  sync(process: Process): Promise<'synced' | 'failed'> {
    const { incarnation } = process
    const upTo = this.#writes
    const before = this.#powerLosses
    const fails = this.#random.chance(this.weather.failing)
    const delay = this.#random.between(this.weather.delay[0], this.weather.delay[1])
    return new Promise((resolve) => {
      // The disk works on when the program dies, and stops with the power.
      this.#kernel.arrive(delay, null, () => {
        if (before === this.#powerLosses && !fails && this.syncs) this.#settle(upTo)
      })
      this.#kernel.after(delay, process, () => resolve(fails ? 'failed' : 'synced'), incarnation)
    })
  }

  /** Of what was not synced, some is there and some is not. */
  losePower(): void {
    this.#powerLosses += 1
    const keeps: Ratio = { of: this.#random.below(5), in: 4 }
    for (const { at, bytes } of this.#unsynced) {
      for (let from = 0; from < bytes.length; ) {
        const to = Math.min(bytes.length, from + sector - ((at + from) % sector))
        if (this.#random.chance(keeps)) this.#keep(at + from, bytes.subarray(from, to))
        else if (this.#random.chance({ of: 1, in: 4 }))
          this.#keep(at + from, bytes.subarray(from, from + this.#random.below(to - from + 1)))
        from = to
      }
    }
    this.#unsynced = []
    this.#cache = this.#durable.slice()
    this.#length = this.#durableLength
  }

  /** A new disk in place of this one, with this on it. */
  replace(bytes: Uint8Array): void {
    this.#powerLosses += 1
    this.#unsynced = []
    this.#cache = bytes.slice()
    this.#length = bytes.length
    this.#durable = bytes.slice()
    this.#durableLength = bytes.length
  }

  #settle(upTo: number): void {
    for (const { order, at, bytes } of this.#unsynced) if (order < upTo) this.#keep(at, bytes)
    this.#unsynced = this.#unsynced.filter(({ order }) => order >= upTo)
  }

  #keep(at: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#durable = put(this.#durable, at, bytes)
    this.#durableLength = Math.max(this.#durableLength, at + bytes.length)
  }
}

function put(into: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  let room = into
  if (at + bytes.length > room.length) {
    room = new Uint8Array(Math.max(2 * room.length, at + bytes.length))
    room.set(into)
  }
  room.set(bytes, at)
  return room
}
