/**
 * Earliest deadline first over whole numbers (host indexes), for the strict classes: a binary heap that
 * knows where each member stands, so that one can be taken out of the middle. Grows by doubling.
 */
import { assert } from '../base/assert.ts'

export class DeadlineQueue {
  #items: Int32Array
  #keys: Float64Array
  /** By item, where it stands. Lent by the owner, who uses it otherwise for items that are not in here. */
  readonly #place: Int32Array
  #size = 0

  constructor(place: Int32Array) {
    this.#place = place
    this.#items = new Int32Array(64)
    this.#keys = new Float64Array(64)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#items.byteLength + this.#keys.byteLength
  }

  /** `item` must not be in here. The smallest key leaves first. */
  add(item: number, key: number): void {
    if (this.#size === this.#items.length) this.#grow()
    this.#rise(this.#size++, item, key)
  }

  /** -1 if empty. */
  take(): number {
    if (this.#size === 0) return -1
    const item = this.#items[0] as number
    this.remove(item)
    return item
  }

  /** `item` must be in here. */
  remove(item: number): void {
    const at = this.#place[item] as number
    assert(this.#items[at] === item, `expected item ${item} at place ${at} of the queue, found ${this.#items[at]}`)
    const last = --this.#size
    if (at === last) return
    const moved = this.#items[last] as number
    const key = this.#keys[last] as number
    if (at > 0 && key < (this.#keys[(at - 1) >> 1] as number)) this.#rise(at, moved, key)
    else this.#sink(at, moved, key)
  }

  #rise(from: number, item: number, key: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((this.#keys[parent] as number) <= key) break
      this.#put(at, this.#items[parent] as number, this.#keys[parent] as number)
      at = parent
    }
    this.#put(at, item, key)
  }

  #sink(from: number, item: number, key: number): void {
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      if (child + 1 < this.#size && (this.#keys[child + 1] as number) < (this.#keys[child] as number)) child++
      if ((this.#keys[child] as number) >= key) break
      this.#put(at, this.#items[child] as number, this.#keys[child] as number)
      at = child
    }
    this.#put(at, item, key)
  }

  #put(at: number, item: number, key: number): void {
    this.#items[at] = item
    this.#keys[at] = key
    this.#place[item] = at
  }

  #grow(): void {
    const items = new Int32Array(this.#items.length * 2)
    const keys = new Float64Array(this.#keys.length * 2)
    items.set(this.#items)
    keys.set(this.#keys)
    this.#items = items
    this.#keys = keys
  }
}
