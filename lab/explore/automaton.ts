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
  /** What was told last of each topic, by the topic's number; 0 for nothing. */
  readonly memory: readonly number[]
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
  /** Until it begins anew it is remembered in which order it was told what goes into one stream. */
  streamOf(topic: string): string
  /** Whether these are what it waits for when it begins anew, and goes by what it was told last of each topic. */
  isBetween(operations: readonly Operation[]): boolean
  /** Topics of which a program remembers when it was told. */
  isTimeRemembered(topic: string): boolean
  /** Whether it waits for nothing but time and news. */
  isAtRest(operations: readonly Operation[]): boolean
  /** Whether what was told on this topic has been acted on when that one is told of. */
  isSettledBy(topic: string, by: string): boolean
  /** Topics that are forgotten when the program is at rest: what it was told of them it acted on. */
  isForgottenAtRest(topic: string): boolean
}

/** What a program waits for, and what it comes to by which answer. */
export interface Machine {
  readonly id: string
  operationsOf(state: number): readonly Operation[]
  hasEnded(state: number): boolean
  /** Undefined if that answer was not learned. */
  next(state: number, move: Move): number | undefined
  /** The state of a program that is started at this tick, if that was learned. */
  rootAt(tick: number): number | undefined
}

/** The lab took two memories for one, and they are not: nothing that was explored with it counts. */
export class WrongMerger extends Error {
  override readonly name = 'WrongMerger'
}

const othersKept = 2
const checkedSteps = 20
const parkedMost = 500

/** Texts as numbers from 1 up. */
class Texts {
  readonly #numbers = new Map<string, number>()
  readonly texts: string[] = ['']

  number(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const number = this.texts.length
    this.texts.push(text)
    this.#numbers.set(text, number)
    return number
  }
}

export class Automaton implements Machine {
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
  readonly #topics = new Texts()
  readonly #texts = new Texts()
  readonly #waits = new Texts()
  readonly #operations: (readonly Operation[])[] = []

  constructor(id: string, program: Program, remembering: Remembering, answerOf: (told: number) => unknown) {
    this.id = id
    this.#program = program
    this.#remembering = remembering
    this.#answerOf = answerOf
  }

  node(id: number): Node {
    return this.nodes[id] as Node
  }

  operationsOf(id: number): readonly Operation[] {
    return this.node(id).operations
  }

  hasEnded(id: number): boolean {
    return this.node(id).hasEnded
  }

  next(id: number, move: Move): number | undefined {
    return this.node(id).edges.get(move)
  }

  rootAt(tick: number): number | undefined {
    return this.#roots.get(tick)
  }

  /** The nodes that it can start in, by tick. */
  get startedAt(): ReadonlyMap<number, number> {
    return this.#roots
  }

  /** The nodes that it can start in, as far as they were learned. */
  roots(): readonly number[] {
    return [...this.#roots.values()]
  }

  async learnRoot(tick: number): Promise<void> {
    const memory: number[] = []
    memory[this.#topics.number('since start')] = this.#texts.number(String(tick))
    const past: Past = { before: null, move: tick, memory }
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
    if (this.#shared(run) !== to.operations || run.hasEnded !== to.hasEnded)
      throw new WrongMerger(
        `${this.id}: after the same answer to the same operations expected\n${this.#tellKey(to.key)}\nfound\n${this.#tellKey(this.#keyOf(past, run))}\nalong ${told(past)}`,
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
    const { hasEnded } = run
    const operations = this.#shared(run)
    const node: Node = { id: this.nodes.length, key, operations, hasEnded, past, edges: new Map(), others: [] }
    this.nodes.push(node)
    this.#byKey.set(key, node.id)
    return node
  }

  #keyOf(past: Past, run: Run): string {
    if (this.#remembering.memory === 'all') return told(past)
    const waits = run.operations.map(({ text, topic }) => `${text} (${topic})`).join(' | ')
    return `${this.#waits.number(run.hasEnded ? `ended ${waits}` : waits)} ${past.memory.join()}`
  }

  #tellKey(key: string): string {
    if (this.#remembering.memory === 'all') return key
    const [waits, memory = ''] = key.split(' ')
    const knows = memory.split(',').flatMap((text, topic) => {
      const known = this.#texts.texts[Number(text)]
      return text === '' || text === '0' ? [] : [`${this.#topics.texts[topic]}=${known}`]
    })
    return `waits for [${this.#waits.texts[Number(waits)]}] knows ${knows.join(', ')}`
  }

  /** The same list for the same operations. */
  #shared({ operations }: Run): readonly Operation[] {
    const number = this.#waits.number(operations.map(({ text, topic }) => `${text} (${topic})`).join(' | '))
    this.#operations[number] ??= operations
    return this.#operations[number] as readonly Operation[]
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
    before: readonly number[],
    run: Run,
    last: { readonly operation: Operation; readonly text: string; readonly tick: number } | undefined,
  ): readonly number[] {
    const memory = Array.from(before, (text) => text ?? 0)
    const topics = this.#topics
    const put = (topic: string, text: string) => {
      const number = topics.number(topic)
      while (memory.length <= number) memory.push(0)
      memory[number] = text === '' ? 0 : this.#texts.number(text)
    }
    const forget = (isForgotten: (topic: string) => boolean) => {
      for (let topic = 1; topic < memory.length; topic++)
        if (memory[topic] !== 0 && isForgotten(topics.texts[topic] as string)) memory[topic] = 0
    }
    const { streamOf, isSettledBy, isTimeRemembered, isBetween, isAtRest, isForgottenAtRest } = this.#remembering
    if (last !== undefined) {
      const { topic } = last.operation
      forget((known) => isSettledBy(known, topic))
      put(topic, last.text)
      if (isTimeRemembered(topic)) put(`time of ${topic}`, String(last.tick))
      const stream = `since ${streamOf(topic)}`
      const known = this.#texts.texts[memory[topics.number(stream)] ?? 0]
      put(stream, `${known} ${stream.endsWith(topic) ? '' : `${topic}=`}${last.text}`)
    }
    for (const [topic, text] of run.notes) put(topic, text)
    const rests = isAtRest(run.operations)
    if (rests || (last !== undefined && isBetween(run.operations))) forget((topic) => topic.startsWith('since'))
    if (rests) forget(isForgottenAtRest)
    while (memory.length > 0 && memory.at(-1) === 0) memory.pop()
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
