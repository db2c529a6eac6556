/**
 * The states that were seen, 64 bits each.
 *
 * Where a state fits into 64 bits (the number of what all share, and of each program) that is the state
 * itself, and nothing is left to chance. Where it does not, it is two independent 32-bit hashes of it:
 * two different states share both with odds of about n^2 / 2^65 for n states, one in 10^4 for a
 * hundred million; `isExact` says which.
 */
const segments = 256
const firstPlaces = 1 << 8
const loadMost = 0.75
const bytesPerPlace = 8

/** With the table half full, as it is in the middle between two doublings. */
export const bytesPerState = bytesPerPlace / 0.55

export class Seen {
  readonly isExact: boolean
  readonly #widths: readonly number[]
  readonly #tables: Int32Array[] = Array.from({ length: segments }, () => new Int32Array(firstPlaces * 2))
  readonly #sizes = new Int32Array(segments)
  size = 0
  /** Of the state that was added last: the same for the same state. */
  low = 0
  high = 0

  /** Bits of each number of a state, the first one first; hashes are kept if they are more than 64 together. */
  constructor(widths: readonly number[]) {
    this.#widths = widths
    this.isExact = widths.reduce((all, width) => all + width, 0) <= 64
  }

  get bytes(): number {
    return this.#tables.reduce((all, { byteLength }) => all + byteLength, 0)
  }

  /** Whether these numbers fit into their widths. */
  fits(numbers: readonly number[]): boolean {
    return !this.isExact || numbers.every((number, index) => number < 2 ** (this.#widths[index] as number))
  }

  /** True if it was not there before. The first number is never 0. */
  add(first: number, others: Int32Array): boolean {
    if (this.isExact) this.#pack(first, others)
    else this.#hash(first, others)
    return this.#put(this.low, this.high)
  }

  #pack(first: number, others: Int32Array): void {
    let low = first
    let high = 0
    for (let index = 0; index < others.length; index++) {
      const width = this.#widths[index + 1] as number
      high = (high << width) | (low >>> (32 - width))
      low = (low << width) | (others[index] as number)
    }
    this.low = low | 0
    this.high = high | 0
  }

  #hash(first: number, others: Int32Array): void {
    let a = Math.imul(0x9e3779b9 ^ first, 0x85ebca77)
    let b = Math.imul(0x85ebca6b ^ first, 0xc2b2ae3d)
    for (let index = 0; index < others.length; index++) {
      const value = others[index] as number
      a ^= a >>> 15
      a = Math.imul(a ^ value, 0x85ebca77)
      b ^= b >>> 13
      b = Math.imul(b ^ value, 0xc2b2ae3d) + 0x27d4eb2f
    }
    a = Math.imul(a ^ (a >>> 16), 0x7feb352d)
    b = Math.imul(b ^ (b >>> 15), 0x846ca68b)
    this.low = a ^ (a >>> 15)
    this.high = b ^ (b >>> 16)
    // All zero stands for an empty place.
    if (this.low === 0 && this.high === 0) this.low = 1
  }

  #put(low: number, high: number): boolean {
    let mixed = Math.imul(low ^ Math.imul(high ^ (high >>> 16), 0x9e3779b1), 0x85ebca77)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed ^ high, 0xc2b2ae3d)
    mixed ^= mixed >>> 16
    const segment = mixed & (segments - 1)
    let table = this.#tables[segment] as Int32Array
    const places = table.length >> 1
    if ((this.#sizes[segment] as number) + 1 > places * loadMost) table = this.#grow(segment)
    if (!insert(table, mixed >>> 8, low, high)) return false
    this.#sizes[segment] = (this.#sizes[segment] as number) + 1
    this.size += 1
    return true
  }

  #grow(segment: number): Int32Array {
    const old = this.#tables[segment] as Int32Array
    const table = new Int32Array(old.length * 2)
    for (let at = 0; at < old.length; at += 2) {
      const low = old[at] as number
      const high = old[at + 1] as number
      if (low === 0 && high === 0) continue
      let mixed = Math.imul(low ^ Math.imul(high ^ (high >>> 16), 0x9e3779b1), 0x85ebca77)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed ^ high, 0xc2b2ae3d)
      mixed ^= mixed >>> 16
      insert(table, mixed >>> 8, low, high)
    }
    this.#tables[segment] = table
    return table
  }
}

/** True if it was not there. */
function insert(table: Int32Array, start: number, low: number, high: number): boolean {
  const mask = (table.length >> 1) - 1
  for (let place = start & mask; ; place = (place + 1) & mask) {
    const at = place * 2
    const foundLow = table[at] as number
    const foundHigh = table[at + 1] as number
    if (foundLow === 0 && foundHigh === 0) {
      table[at] = low
      table[at + 1] = high
      return true
    }
    if (foundLow === low && foundHigh === high) return false
  }
}

/** So many states fit into this many bytes; the table doubles, so what is no power of two is not used up. */
export const statesIn = (bytes: number): number =>
  (2 ** Math.floor(Math.log2(bytes)) / bytesPerPlace) * (loadMost - 0.02)

/** Bits for what all share, then for each of so many programs, 64 together. */
export function widthsFor(programs: number): readonly number[] {
  const each = [28, 20, 14, 11, 9, 8][Math.max(0, programs - 1)] ?? 7
  const first = Math.min(31, 64 - programs * each)
  return [first, ...Array.from({ length: programs }, () => each)]
}
