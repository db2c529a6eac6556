/**
 * A production program as an automaton, learned by running it.
 *
 * A node is what the program is; an edge is an answer to one of the operations that it waits for. Each
 * edge is learned once, by running the real code from its start along what it was told; from then on
 * it is a look-up, however often the exploration comes by, in however many states of the world.
 *
 * With `memory: 'all'` a node is a whole past: exact, and there are very many. With `memory: 'last'`
 * two pasts are taken to be one node when they wait for the same and were told the same last, topic by
 * topic: an assumption, and every such merger is put to the test: the real code is run along the other
 * past too, for `checkedSteps` further answers, and must come to wait for the same operations each time.
 */
import type { Operation, Program } from './program.ts'
import { Run } from './program.ts'

/** Which answer to which operation, and when: a number, so that it can be looked up fast. */
export type Move = number
export const moveOf = (index: number, told: number, tick: number): Move => (told * 16 + index) * 16 + tick

interface Past {
  readonly before: Past | null
  readonly move: Move
  readonly memory: ReadonlyMap<string, string>
}

export interface Node {
  readonly id: number
  readonly key: string
  readonly operations: readonly Operation[]
  readonly hasEnded: boolean
  readonly past: Past
  readonly edges: Map<Move, number>
  /** Other pasts that were taken to be this node, and how many steps they have been followed since. */
  readonly others: { readonly past: Past; readonly steps: number }[]
}

export interface Remembering {
  readonly memory: 'all' | 'last'
  /** Whether these are what it waits for when it begins anew, and goes by what it was told last of each topic. */
  isBetween(operations: readonly Operation[]): boolean
  /** Topics of which a program remembers when it was told. */
  isTimeRemembered(topic: string): boolean
  /** Whether it waits for nothing but time and news. */
  isAtRest(operations: readonly Operation[]): boolean
  /** Topics that are forgotten when the program is at rest: what it was told of them it acted on. */
  isForgottenAtRest(topic: string): boolean
}

/** The lab took two memories for one, and they are not: nothing that was explored with it counts. */
export class WrongMerger extends Error {
  override readonly name = 'WrongMerger'
}

const othersKept = 3
const checkedSteps = 40
const parkedMost = 500

export class Automaton {
  readonly id: string
  readonly nodes: Node[] = []
  /** Pasts that were found to be like another one, as far as they were followed. */
  mergers = 0
  /** Steps that were run along such a past too. */
  checked = 0
  readonly #program: Program
  readonly #remembering: Remembering
  readonly #answerOf: (told: number) => unknown
  readonly #byKey = new Map<string, number>()
  readonly #roots = new Map<number, number>()
  readonly #parked = new Map<Past, Run>()

  constructor(id: string, program: Program, remembering: Remembering, answerOf: (told: number) => unknown) {
    this.id = id
    this.#program = program
    this.#remembering = remembering
    this.#answerOf = answerOf
  }

  node(id: number): Node {
    return this.nodes[id] as Node
  }

  /** The node of a program that is started at this tick. */
  rootAt(tick: number): number | undefined {
    return this.#roots.get(tick)
  }

  /** The nodes that it can start in, as far as they were learned. */
  roots(): readonly number[] {
    return [...this.#roots.values()]
  }

  async learnRoot(tick: number): Promise<void> {
    const past: Past = { before: null, move: tick, memory: new Map([['since', `start@${tick}`]]) }
    const run = await this.#run(past)
    const started = { ...past, memory: this.#remembered(past.memory, run, undefined) }
    this.#park(started, run)
    this.#roots.set(tick, (await this.#arrive(started, run, 0)).id)
  }

  async learn(from: number, move: Move): Promise<void> {
    const node = this.node(from)
    const { past, run } = await this.#follow(node.past, move)
    const to = await this.#arrive(past, run, 0)
    node.edges.set(move, to.id)
    for (const other of [...node.others]) await this.#check(other, move, to)
  }

  /** The real code once more along another past. */
  async #check(other: Node['others'][number], move: Move, to: Node): Promise<void> {
    if (other.steps >= checkedSteps) return
    const { past, run } = await this.#follow(other.past, move)
    this.checked += 1
    const key = this.#keyOf(past, run)
    if (key !== to.key)
      throw new WrongMerger(
        `${this.id}: after the same answer to the same operations expected\n${to.key}\nfound\n${key}\nalong ${told(past)}`,
      )
    await this.#addOther(to, past, other.steps + 1)
  }

  async #addOther(node: Node, past: Past, steps: number): Promise<void> {
    if (node.others.length >= othersKept || node.past === past) return
    const other = { past, steps }
    node.others.push(other)
    for (const [move, to] of [...node.edges]) await this.#check(other, move, this.node(to))
  }

  async #arrive(past: Past, run: Run, steps: number): Promise<Node> {
    const key = this.#keyOf(past, run)
    const known = this.#byKey.get(key)
    if (known !== undefined) {
      const node = this.node(known)
      this.mergers += 1
      await this.#addOther(node, past, steps)
      return node
    }
    const { operations, hasEnded } = run
    const node: Node = { id: this.nodes.length, key, operations, hasEnded, past, edges: new Map(), others: [] }
    this.nodes.push(node)
    this.#byKey.set(key, node.id)
    return node
  }

  #keyOf(past: Past, run: Run): string {
    if (this.#remembering.memory === 'all') return told(past)
    const memory = [...past.memory].map(([topic, text]) => `${topic}=${text}`).sort()
    const waits = run.operations.map(({ text, topic }) => `${text} (${topic})`)
    return `${run.hasEnded ? 'ended ' : ''}waits for [${waits.join(' | ')}] knows ${memory.join(', ')}`
  }

  async #follow(from: Past, move: Move): Promise<{ past: Past; run: Run }> {
    const run = await this.#run(from)
    const index = (move >> 4) & 15
    const operation = run.operations[index]
    const answer = Math.floor(move / 256)
    await run.answer(index, this.#answerOf(answer), move & 15)
    const last = operation === undefined ? undefined : { operation, text: String(answer), tick: move & 15 }
    const past: Past = { before: from, move, memory: this.#remembered(from.memory, run, last) }
    this.#park(past, run)
    return { past, run }
  }

  /** The program brought along this past: one that was left there, or a new one. */
  async #run(past: Past): Promise<Run> {
    const moves: Move[] = []
    let run: Run | undefined
    let at = past
    for (;;) {
      run = this.#parked.get(at)
      if (run !== undefined) {
        this.#parked.delete(at)
        break
      }
      if (at.before === null) break
      moves.push(at.move)
      at = at.before
    }
    if (run === undefined) {
      run = new Run(this.id, this.#program, at.move)
      await run.settle()
    }
    for (const move of moves.reverse())
      await run.answer((move >> 4) & 15, this.#answerOf(Math.floor(move / 256)), move & 15)
    return run
  }

  #remembered(
    before: ReadonlyMap<string, string>,
    run: Run,
    last: { readonly operation: Operation; readonly text: string; readonly tick: number } | undefined,
  ): ReadonlyMap<string, string> {
    const memory = new Map(before)
    if (last !== undefined) {
      const { topic } = last.operation
      memory.set(topic, last.text)
      memory.set('now', String(last.tick))
      if (this.#remembering.isTimeRemembered(topic)) memory.set(`time of ${topic}`, String(last.tick))
      memory.set('since', `${memory.get('since') ?? ''} ${topic}=${last.text}@${last.tick}`)
    }
    for (const [topic, text] of run.notes) {
      if (text === '') memory.delete(topic)
      else memory.set(topic, text)
    }
    if (last !== undefined && this.#remembering.isBetween(run.operations)) memory.delete('since')
    if (this.#remembering.isAtRest(run.operations)) {
      memory.delete('since')
      for (const topic of memory.keys()) if (this.#remembering.isForgottenAtRest(topic)) memory.delete(topic)
    }
    return memory
  }

  #park(past: Past, run: Run): void {
    this.#parked.set(past, run)
    const [oldest] = this.#parked.keys()
    if (this.#parked.size > parkedMost && oldest !== undefined) this.#parked.delete(oldest)
  }
}

/** Above this many, numbers no longer fit into a move. */
export const toldMost = 2 ** 40

function told(past: Past): string {
  const moves: Move[] = []
  for (let at: Past | null = past; at !== null; at = at.before) moves.push(at.move)
  return moves.reverse().join(' ')
}
