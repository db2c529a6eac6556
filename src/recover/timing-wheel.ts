/**
 * When to look at whom: a hashed timing wheel (Varghese and Lauck, 1987) over whole numbers, with links
 * in arrays. The wheel keeps no times. It promises to ask about an item at its tick or, since a slot
 * serves many rounds, earlier; whoever is asked says when to ask again. So to move a time *later* costs
 * nothing here: the item is asked at its old time, and answers with the new one.
 */

/** Nobody has to be asked about it any more. */
export const letGo = -1

const nobody = -1
const unplaced = -2

export class TimingWheel {
  readonly #slots: number
  readonly #after: Int32Array
  /** The item before; for the first of a slot -1 - slot - 2, so that it can be taken out. */
  readonly #before: Int32Array
  readonly #first: Int32Array
  readonly #ask: (item: number, tick: number) => number
  #tick = 0
  #size = 0

  /** `ask(item, tick)` returns the tick at which to be asked again, or `letGo`. It must not call the wheel. */
  constructor(items: number, ask: (item: number, tick: number) => number, slots = 4096) {
    this.#slots = slots
    this.#ask = ask
    this.#after = new Int32Array(items)
    this.#before = new Int32Array(items).fill(unplaced)
    this.#first = new Int32Array(slots).fill(nobody)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#after.byteLength + this.#before.byteLength + this.#first.byteLength
  }

  has(item: number): boolean {
    return this.#before[item] !== unplaced
  }

  /** At `tick`, at the earliest at the next one. Moves who is placed already. */
  place(item: number, tick: number): void {
    this.remove(item)
    const slot = Math.max(tick, this.#tick + 1) % this.#slots
    const first = this.#first[slot] as number
    this.#after[item] = first
    this.#before[item] = -slot - 3
    if (first !== nobody) this.#before[first] = item
    this.#first[slot] = item
    this.#size++
  }

  remove(item: number): void {
    const before = this.#before[item] as number
    if (before === unplaced) return
    const after = this.#after[item] as number
    if (before >= 0) this.#after[before] = after
    else this.#first[-before - 3] = after
    if (after !== nobody) this.#before[after] = before
    this.#before[item] = unplaced
    this.#size--
  }

  /** Asks about everybody whose tick has come. After a long absence each slot is visited once. */
  advance(tick: number): void {
    const from = Math.max(this.#tick + 1, tick - this.#slots + 1)
    // Who answers with a tick in the past is asked again at the tick after this one, not in this call.
    this.#tick = Math.max(this.#tick, tick)
    for (let at = from; at <= tick; at++) this.#visit(at % this.#slots, tick)
  }

  #visit(slot: number, tick: number): void {
    let item = this.#first[slot] as number
    this.#first[slot] = nobody
    while (item !== nobody) {
      const after = this.#after[item] as number
      this.#before[item] = unplaced
      this.#size--
      const again = this.#ask(item, tick)
      if (again !== letGo) this.place(item, again)
      item = after
    }
  }
}
