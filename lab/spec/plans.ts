/** What plans say, and what stands in DNS, as the model has it: since which generation, and whether exactly that. */

import { markerFor, markerStrings } from '../../src/model/marker.ts'
import { parseEntryLine } from '../../src/model/plan.ts'
import { generationAt } from '../checks/check.ts'
import type { Standing } from '../sim/authority.ts'
import type { Stands } from './events.ts'
import type { World } from './steps.ts'

const textOf = ({ marker, addresses, alias, ttl }: Standing): string =>
  JSON.stringify([marker.map((strings) => JSON.stringify(strings)).sort(), [...addresses].sort(), alias, ttl])

export class Plans implements Pick<World, 'earlier'> {
  readonly #owner: string
  /** By plan: names, and since when their answer is what it is. */
  readonly #since = new Map<number, ReadonlyMap<string, number>>()
  readonly #parents = new Map<number, number>()
  /** `name generation` to what it looks like in DNS. */
  readonly #looks = new Map<string, string>()
  /** What no plan says, numbered from 1. */
  readonly #others = new Map<string, number>()

  constructor(owner: string) {
    this.#owner = owner
  }

  learn(generation: number, parent: number, lines: Iterable<string>): void {
    const since = new Map<string, number>()
    for (const line of lines) {
      const entry = parseEntryLine(line)
      if (entry === undefined) continue
      const { name, answer } = entry
      since.set(name, entry.since)
      this.#looks.set(
        `${name} ${entry.since}`,
        textOf({
          marker: [markerStrings(markerFor(answer, entry.since, this.#owner))],
          addresses: answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address) : [],
          alias: answer.kind === 'alias' ? answer.target : null,
          ttl: answer.kind === 'retired' ? null : answer.ttl,
        }),
      )
    }
    this.#since.set(generation, since)
    this.#parents.set(generation, parent)
  }

  numbers(): Iterable<number> {
    return this.#since.keys()
  }

  names(generation: number): Iterable<string> {
    return this.#since.get(generation)?.keys() ?? []
  }

  since(generation: number, name: string): number {
    return this.#since.get(generation)?.get(name) ?? 0
  }

  /** How many parents lie between `from` and its ancestor `generation`; Infinity if it is none. */
  age(generation: number, from: number): number {
    let steps = 0
    for (let at = from; at > 0; at = this.#parents.get(at) ?? 0, steps++) if (at === generation) return steps
    return Number.POSITIVE_INFINITY
  }

  earlier(name: string, generation: number, loaded: number): number | null {
    if (generation === 0) return 0
    for (const [plan, since] of this.#since) if (plan < loaded && since.get(name) === generation) return plan
    return null
  }

  stands(name: string, standing: Standing): Stands {
    const record = generationAt(standing) ?? 0
    const text = textOf(standing)
    const isNothing = standing.marker.length === 0 && standing.addresses.length === 0 && standing.alias === null
    if (record === 0 ? isNothing : this.#looks.get(`${name} ${record}`) === text) return { record, wrong: 0 }
    const known = this.#others.get(text) ?? this.#others.size + 1
    this.#others.set(text, known)
    return { record, wrong: known }
  }
}
