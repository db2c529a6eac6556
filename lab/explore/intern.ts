/** Values as small numbers: equal texts, equal numbers. 0 is "nothing there". */
export class Interned<T> {
  readonly #numbers = new Map<string, number>()
  readonly #values: (T | undefined)[] = [undefined]
  readonly #texts: string[] = ['-']

  number(text: string, make: () => T): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const number = this.#values.length
    this.#values.push(make())
    this.#texts.push(text)
    this.#numbers.set(text, number)
    return number
  }

  value(number: number): T | undefined {
    return this.#values[number]
  }

  text(number: number): string {
    return this.#texts[number] as string
  }
}

/** Rows of whole numbers as numbers from 1 up: equal rows, equal numbers. */
export class Rows {
  readonly #numbers = new Map<string, number>()
  readonly #rows: Int32Array[] = [new Int32Array(0)]

  get size(): number {
    return this.#rows.length - 1
  }

  number(row: Int32Array): number {
    const key = row.join()
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#rows.length
    this.#rows.push(row)
    this.#numbers.set(key, number)
    return number
  }

  row(number: number): Int32Array {
    return this.#rows[number] as Int32Array
  }
}

/** A number for each pair of numbers; both from 1 up. */
export class Pairs {
  #table = new Int32Array(3 << 10)
  #mask = (1 << 10) - 1
  size = 0

  /** 0 if there is none. */
  get(a: number, b: number): number {
    const table = this.#table
    for (let place = placeOf(a, b) & this.#mask; ; place = (place + 1) & this.#mask) {
      const at = place * 3
      const found = table[at] as number
      if (found === 0) return 0
      if (found === a && table[at + 1] === b) return table[at + 2] as number
    }
  }

  set(a: number, b: number, value: number): void {
    if (this.size * 2 > this.#mask) this.#grow()
    this.#put(a, b, value)
    this.size += 1
  }

  #put(a: number, b: number, value: number): void {
    let place = placeOf(a, b) & this.#mask
    while (this.#table[place * 3] !== 0) place = (place + 1) & this.#mask
    this.#table[place * 3] = a
    this.#table[place * 3 + 1] = b
    this.#table[place * 3 + 2] = value
  }

  #grow(): void {
    const old = this.#table
    this.#mask = this.#mask * 2 + 1
    this.#table = new Int32Array((this.#mask + 1) * 3)
    for (let at = 0; at < old.length; at += 3)
      if (old[at] !== 0) this.#put(old[at] as number, old[at + 1] as number, old[at + 2] as number)
  }
}

function placeOf(a: number, b: number): number {
  const mixed = Math.imul(a ^ Math.imul(b, 0x85ebca77), 0xc2b2ae3d)
  return mixed ^ (mixed >>> 15)
}
