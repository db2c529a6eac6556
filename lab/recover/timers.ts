/** Earliest first: times and what they are for, in a binary heap of two arrays that grow by doubling. */
export class Timers {
  #at = new Float64Array(1024)
  #what = new Int32Array(1024)
  #size = 0

  /** Infinity if there is none. */
  get nextAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#at[0] as number)
  }

  add(at: number, what: number): void {
    if (this.#size === this.#at.length) this.#grow()
    let place = this.#size++
    while (place > 0) {
      const parent = (place - 1) >> 1
      if ((this.#at[parent] as number) <= at) break
      this.#at[place] = this.#at[parent] as number
      this.#what[place] = this.#what[parent] as number
      place = parent
    }
    this.#at[place] = at
    this.#what[place] = what
  }

  /** Only if there is one. */
  take(): number {
    const what = this.#what[0] as number
    const size = --this.#size
    const at = this.#at[size] as number
    const moved = this.#what[size] as number
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= size) break
      if (child + 1 < size && (this.#at[child + 1] as number) < (this.#at[child] as number)) child++
      if ((this.#at[child] as number) >= at) break
      this.#at[place] = this.#at[child] as number
      this.#what[place] = this.#what[child] as number
      place = child
    }
    this.#at[place] = at
    this.#what[place] = moved
    return what
  }

  #grow(): void {
    const at = new Float64Array(this.#at.length * 2)
    const what = new Int32Array(this.#what.length * 2)
    at.set(this.#at)
    what.set(this.#what)
    this.#at = at
    this.#what = what
  }
}
