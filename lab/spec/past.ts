/** What was so when: of everything that programs share, for readings that are under way. */
import { nothing, type Standing } from '../sim/authority.ts'
import { cell } from './model.ts'

export class Past {
  /** Counts instants at which anything shared changed. */
  #now = 0
  /** By variable: what it became, and at which instant. */
  readonly #values = new Map<string, { readonly at: number; readonly value: number }[]>()
  /** By name: what stood there, and since when. */
  readonly #standings = new Map<string, { readonly at: number; readonly standing: Standing }[]>()

  get now(): number {
    return this.#now
  }

  /** Something changes: what is noted from here on is of another instant. */
  tick(): void {
    this.#now += 1
  }

  note(value: number, name: string, ...indices: readonly (string | number)[]): void {
    const at = cell(name, ...indices)
    const values = this.#values.get(at) ?? [{ at: -1, value: 0 }]
    if (values.at(-1)?.value !== value) values.push({ at: this.#now, value })
    this.#values.set(at, values)
  }

  stands(name: string, standing: Standing): void {
    const standings = this.#standings.get(name) ?? [{ at: -1, standing: nothing }]
    standings.push({ at: this.#now, standing })
    this.#standings.set(name, standings)
  }

  /** Whether all of these were so at one instant since then. */
  was(since: number, told: readonly (readonly [at: string, value: number])[]): boolean {
    const moments = new Set([since])
    for (const [at] of told) for (const one of this.#values.get(at) ?? []) if (one.at > since) moments.add(one.at)
    return [...moments].some((moment) => told.every(([at, value]) => this.#valueAt(at, moment) === value))
  }

  /** What stood at a name at any instant from then on. */
  stoodAt(name: string, since: number): readonly Standing[] {
    const standings = this.#standings.get(name) ?? [{ at: -1, standing: nothing }]
    const from = standings.findLastIndex(({ at }) => at <= since)
    return standings.slice(Math.max(0, from)).map(({ standing }) => standing)
  }

  #valueAt(at: string, moment: number): number {
    return this.#values.get(at)?.findLast((one) => one.at <= moment)?.value ?? 0
  }
}
