/**
 * A learned automaton with as few states as nobody can tell from the whole of it.
 *
 * Two of a program's pasts are one state when, as far as both were ever given the same answer, they go
 * on to wait for the same, for ever. An answer that only one of them was given does not part them:
 * the answers were learned with everything around the program left free (see `learning.ts`), so
 * an answer that was not learned after a past is one that cannot come after it. So whoever follows the
 * states of this automaton finds, at every step, exactly the operations of the program itself.
 */
import { assert } from '../../src/base/assert.ts'
import type { Automaton, Machine, Move } from './automaton.ts'
import type { Operation } from './program.ts'

interface Class {
  readonly operations: readonly Operation[]
  readonly hasEnded: boolean
  readonly edges: ReadonlyMap<Move, number>
}

export class Quotient implements Machine {
  readonly id: string
  readonly #classes: Class[] = []
  readonly #roots: ReadonlyMap<number, number>

  constructor({ id, nodes, startedAt }: Automaton) {
    this.id = id
    const folding = new Folding(
      nodes.map(({ operations, hasEnded }) => `${hasEnded} ${operations.map(({ text }) => text).join('|')}`),
      nodes.map(({ edges }) => edges),
    )
    const classOf = new Map<number, number>()
    for (const [index, { operations, hasEnded }] of nodes.entries()) {
      if (folding.find(index) !== index) continue
      classOf.set(index, this.#classes.length)
      this.#classes.push({ operations, hasEnded, edges: new Map() })
    }
    const target = (node: number) => classOf.get(folding.find(node)) as number
    for (const [index, own] of classOf) {
      const edges = (this.#classes[own] as Class).edges as Map<Move, number>
      for (const [move, to] of folding.edgesOf(index)) edges.set(move, target(to))
    }
    this.#roots = new Map([...startedAt].map(([tick, node]) => [tick, target(node)]))
  }

  get size(): number {
    return this.#classes.length
  }

  operationsOf(state: number): readonly Operation[] {
    return (this.#classes[state] as Class).operations
  }

  hasEnded(state: number): boolean {
    return (this.#classes[state] as Class).hasEnded
  }

  next(state: number, move: Move): number | undefined {
    return (this.#classes[state] as Class).edges.get(move)
  }

  rootAt(tick: number): number | undefined {
    return this.#roots.get(tick)
  }

  /** By state, whether the program may still come to ask this before it is started anew. */
  canStillAsk(isAsked: (operation: Operation) => boolean): Uint8Array {
    const can = Uint8Array.from(this.#classes, ({ operations }) => Number(operations.some(isAsked)))
    for (let isChanged = true; isChanged; ) {
      isChanged = false
      for (let state = this.#classes.length - 1; state >= 0; state--) {
        if (can[state] === 1) continue
        for (const to of (this.#classes[state] as Class).edges.values())
          if (can[to] === 1) {
            can[state] = 1
            isChanged = true
            break
          }
      }
    }
    return can
  }
}

/** Merges states that wait for the same, with all that must follow from it, or not at all. */
class Folding {
  readonly #parent: Int32Array
  readonly #waits: readonly string[]
  readonly #edges: Map<Move, number>[]

  constructor(waits: readonly string[], edges: readonly ReadonlyMap<Move, number>[]) {
    this.#waits = waits
    this.#edges = edges.map((some) => new Map(some))
    this.#parent = Int32Array.from(waits, (_, index) => index)
    const kept = new Map<string, number[]>()
    for (const [index, wait] of waits.entries()) {
      if (this.find(index) !== index) continue
      const alike = kept.get(wait) ?? []
      kept.set(wait, alike)
      if (!alike.some((other) => this.find(other) === this.find(index) || this.#merged(other, index))) alike.push(index)
    }
  }

  find(index: number): number {
    let at = index
    while (this.#parent[at] !== at) at = this.#parent[at] as number
    return at
  }

  edgesOf(index: number): ReadonlyMap<Move, number> {
    return this.#edges[index] as Map<Move, number>
  }

  #merged(first: number, second: number): boolean {
    const undo: (() => void)[] = []
    const open: (readonly [number, number])[] = [[first, second]]
    for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
      let into = this.find(pair[0])
      let from = this.find(pair[1])
      if (into === from) continue
      if (this.#waits[into] !== this.#waits[from]) {
        for (const step of undo.reverse()) step()
        return false
      }
      const edgesOf = (index: number) => this.#edges[index] as Map<Move, number>
      if (edgesOf(into).size < edgesOf(from).size) [into, from] = [from, into]
      const gone = from
      assert(this.#parent[gone] === gone, 'expected a representative')
      this.#parent[gone] = into
      undo.push(() => {
        this.#parent[gone] = gone
      })
      const edges = edgesOf(into)
      for (const [move, to] of edgesOf(from)) {
        const known = edges.get(move)
        if (known !== undefined) open.push([known, to])
        else {
          edges.set(move, to)
          undo.push(() => edges.delete(move))
        }
      }
    }
    return true
  }
}
