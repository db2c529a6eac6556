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
