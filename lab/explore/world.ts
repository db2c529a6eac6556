/**
 * A world to explore: programs as automata, what they share as a row of numbers, and what can happen.
 *
 * A state is an Int32Array: the node of each program, what is left of the bounds, and the shared slots
 * (documents of the store, records at the authority), each a number of an interned value. Everything
 * that can happen is a choice; a choice leads from one state to exactly one other.
 */
import type { Violation } from '../checks/check.ts'
import type { Automaton, Move } from './automaton.ts'
import { moveOf } from './automaton.ts'
import type { Operation } from './program.ts'

export type State = Int32Array

export interface Bounds {
  readonly crashes: number
  /** How many times a program may be held up while time passes for the others. */
  readonly stalls: number
  /** How often time may pass. */
  readonly ticks: number
  /** How many writes the authority may accept and not carry out. */
  readonly lies: number
}

/** What a program waits for, in terms of the state. */
export interface Action {
  readonly text: string
  readonly isTimed: boolean
  /** Whether it may change what is shared. */
  readonly isWrite: boolean
  /** Whether it is a write that the authority can lie about. */
  readonly canLie: boolean
  isReady(state: State): boolean
  /** Nobody else can ever tell when it was done: it is done at once, no choice. */
  isAlone(state: State): boolean
  /** Changes the state; what the program is told. */
  run(state: State, isLie: boolean): number
}

export interface Member {
  readonly id: string
  readonly automaton: Automaton
  readonly isCrashable: boolean
  /** Time does not wait for it: what it does comes from outside. */
  readonly isOutside: boolean
}

export interface Shared {
  readonly slots: number
  compile(operation: Operation, member: number): Action
  /** What the checks found at the latest action, or null. */
  takeViolation(): Violation | null
  /** Whether everything is as it should be when nothing can happen any more; null if so. */
  atRest(state: State): Violation | null
  tell(told: number): string
}

const kindStep = 0
const kindLie = 1
const kindCrash = 2
const kindTime = 3
/** kind, member, index of the operation. */
export type Choice = number
const choiceOf = (kind: number, member: number, index: number): Choice => (index * 16 + member) * 4 + kind

/** An edge that has to be learned first. */
export interface Unknown {
  readonly automaton: Automaton
  readonly node: number
  readonly move: Move
}

/** Alone actions of one program in a row, after which it is taken to be in a circle. */
const aloneMost = 1_000

export class World {
  readonly members: readonly Member[]
  readonly #shared: Shared
  readonly #bounds: Bounds
  /** Interchangeable members, each with its own slots; empty if there are none. */
  readonly #twins: readonly { readonly member: number; readonly slots: readonly number[] }[]
  readonly #actions: (readonly Action[])[][]
  readonly #reduced: boolean
  readonly #calm: boolean
  readonly base: number

  constructor(
    members: readonly Member[],
    shared: Shared,
    bounds: Bounds,
    twins: readonly { readonly member: number; readonly slots: readonly number[] }[],
    reduced: boolean,
    calm: boolean,
  ) {
    this.members = members
    this.#shared = shared
    this.#bounds = bounds
    this.#twins = twins
    this.#reduced = reduced
    this.#calm = calm
    this.#actions = members.map(() => [])
    this.base = World.baseOf(members.length)
  }

  static baseOf(members: number): number {
    return members + 5
  }

  get length(): number {
    return this.base + this.#shared.slots
  }

  async start(): Promise<State> {
    const state = new Int32Array(this.length)
    const count = this.members.length
    for (const [index, { automaton }] of this.members.entries()) {
      if (automaton.rootAt(0) === undefined) await automaton.learnRoot(0)
      state[index] = automaton.rootAt(0) as number
    }
    state[count] = this.#bounds.crashes
    state[count + 1] = this.#bounds.stalls
    state[count + 2] = 0
    state[count + 3] = this.#bounds.lies
    return state
  }

  tick(state: State): number {
    return state[this.members.length + 2] as number
  }

  #actionsOf(state: State, member: number): readonly Action[] {
    const node = state[member] as number
    const known = this.#actions[member]?.[node]
    if (known !== undefined) return known
    const { operations } = (this.members[member] as Member).automaton.node(node)
    const actions = operations.map((operation) => this.#shared.compile(operation, member))
    ;(this.#actions[member] as (readonly Action[])[])[node] = actions
    return actions
  }

  hasEnded(state: State, member: number): boolean {
    return (this.members[member] as Member).automaton.node(state[member] as number).hasEnded
  }

  /** Whether it waits for nothing but time and news, and there is no news. */
  isIdle(state: State, member: number): boolean {
    return this.#actionsOf(state, member).every((action) => action.isTimed && !action.isReady(state))
  }

  /** What can happen next; empty when nothing can, for ever. */
  choices(state: State, into: Choice[]): void {
    into.length = 0
    const count = this.members.length
    const crashes = state[count] as number
    const stalls = state[count + 1] as number
    const stalled = state[count + 4] as number
    let held = 0
    let isTimed = false
    for (let member = 0; member < count; member++) {
      const actions = this.#actionsOf(state, member)
      const { isCrashable, isOutside } = this.members[member] as Member
      let isBusy = false
      let writes = false
      for (let index = 0; index < actions.length; index++) {
        const action = actions[index] as Action
        isTimed ||= action.isTimed && !isOutside
        writes ||= action.isWrite
        if (!action.isReady(state)) continue
        if (this.#calm && action.isTimed && actions.some(({ isTimed }) => !isTimed)) continue
        if (this.#reduced && action.isAlone(state)) {
          into.length = 0
          into.push(choiceOf(kindStep, member, index))
          return
        }
        isBusy = true
        into.push(choiceOf(kindStep, member, index))
        if (action.canLie && (state[count + 3] as number) > 0) into.push(choiceOf(kindLie, member, index))
      }
      if (isBusy && !isOutside && (stalled & (1 << member)) === 0) held += 1
      // What a program has not yet written dies with it: to die before a question is to die after the answer.
      if (isCrashable && crashes > 0 && actions.length > 0 && (!this.#reduced || writes || !isBusy))
        into.push(choiceOf(kindCrash, member, 0))
    }
    if (isTimed && this.tick(state) < this.#bounds.ticks && held <= stalls) into.push(choiceOf(kindTime, 0, 0))
  }

  /** The state that a choice leads to, or what has to be learned before that can be said. */
  apply(before: State, choice: Choice): State | Unknown {
    const state = before.slice()
    const kind = choice & 3
    const member = (choice >> 2) & 15
    const index = choice >> 6
    const count = this.members.length
    if (kind === kindTime) return this.#passTime(state)
    if (kind === kindCrash) {
      const { automaton } = this.members[member] as Member
      const root = automaton.rootAt(this.tick(state))
      if (root === undefined) return { automaton, node: -1, move: this.tick(state) }
      state[member] = root
      state[count] = (state[count] as number) - 1
      state[count + 4] = (state[count + 4] as number) & ~(1 << member)
    } else {
      const unknown = this.#step(state, member, index, kind === kindLie)
      if (unknown !== null) return unknown
      if (kind === kindLie) state[count + 3] = (state[count + 3] as number) - 1
      state[count + 4] = (state[count + 4] as number) & ~(1 << member)
    }
    return this.#runAlone(state, member) ?? state
  }

  /** The same, learning what has to be learned. */
  async follow(before: State, choice: Choice): Promise<State> {
    for (;;) {
      const after = this.apply(before, choice)
      if (!isUnknown(after)) return after
      this.takeViolation()
      const { automaton, node, move } = after
      if (node < 0) await automaton.learnRoot(move)
      else await automaton.learn(node, move)
    }
  }

  #step(state: State, member: number, index: number, isLie: boolean): Unknown | null {
    const action = this.#actionsOf(state, member)[index] as Action
    const told = action.run(state, isLie)
    return this.#answer(state, member, index, told)
  }

  #answer(state: State, member: number, index: number, told: number): Unknown | null {
    const { automaton } = this.members[member] as Member
    const node = state[member] as number
    const move = moveOf(index, told, this.tick(state))
    const to = automaton.node(node).edges.get(move)
    if (to === undefined) return { automaton, node, move }
    state[member] = to
    return null
  }

  #runAlone(state: State, member: number): Unknown | null {
    if (!this.#reduced) return null
    for (let count = 0; count < aloneMost; count++) {
      const actions = this.#actionsOf(state, member)
      const index = actions.findIndex((action) => action.isReady(state) && action.isAlone(state))
      if (index < 0) return null
      const unknown = this.#step(state, member, index, false)
      if (unknown !== null) return unknown
    }
    throw new Error(`expected ${this.members[member]?.id} to come to a shared operation, found ${aloneMost} others`)
  }

  /** Programs that have something to do are held up: their timers end too, and are heard of first. */
  #passTime(state: State): State | Unknown {
    const count = this.members.length
    let stalled = state[count + 4] as number
    const timed: [member: number, index: number][] = []
    for (let member = 0; member < count; member++) {
      if ((this.members[member] as Member).isOutside) continue
      const actions = this.#actionsOf(state, member)
      if (actions.some((action) => action.isReady(state)) && (stalled & (1 << member)) === 0) {
        stalled |= 1 << member
        state[count + 1] = (state[count + 1] as number) - 1
      }
      // From the last to the first, so that places stay.
      for (let index = actions.length - 1; index >= 0; index--)
        if ((actions[index] as Action).isTimed) timed.push([member, index])
    }
    state[count + 2] = this.tick(state) + 1
    state[count + 4] = stalled
    for (const [member, index] of timed) {
      const unknown = this.#step(state, member, index, false)
      if (unknown !== null) return unknown
    }
    for (let member = 0; member < count; member++) {
      const unknown = this.#runAlone(state, member)
      if (unknown !== null) return unknown
    }
    return state
  }

  /** The same for states that differ only in which of several like programs is which. */
  canonical(state: State): State {
    const twins = this.#twins
    if (twins.length < 2) return state
    const stalled = state[this.members.length + 4] as number
    const rows = twins.map(({ member, slots }) => [
      state[member] as number,
      (stalled >> member) & 1,
      ...slots.map((slot) => state[this.base + slot] as number),
    ])
    let isSorted = true
    for (let index = 1; index < rows.length; index++)
      if (compared(rows[index - 1] as number[], rows[index] as number[]) > 0) isSorted = false
    if (isSorted) return state
    rows.sort(compared)
    const sorted = state.slice()
    let mask = stalled
    for (const [index, { member, slots }] of twins.entries()) {
      const row = rows[index] as number[]
      sorted[member] = row[0] as number
      mask = row[1] === 1 ? mask | (1 << member) : mask & ~(1 << member)
      for (const [place, slot] of slots.entries()) sorted[this.base + slot] = row[2 + place] as number
    }
    sorted[this.members.length + 4] = mask
    return sorted
  }

  /** In words, from the state before it. */
  tell(state: State, choice: Choice): string {
    const kind = choice & 3
    const member = (choice >> 2) & 15
    const id = this.members[member]?.id ?? '?'
    if (kind === kindTime) {
      const busy = this.members.flatMap(({ id, isOutside }, index) =>
        !isOutside && this.#actionsOf(state, index).some((action) => action.isReady(state)) ? [id] : [],
      )
      return busy.length === 0 ? 'time passes' : `time passes, ${busy.join(' and ')} held up`
    }
    if (kind === kindCrash) return `${id} crashes and starts again`
    const action = this.#actionsOf(state, member)[choice >> 6] as Action
    const told = this.#shared.tell(action.run(state.slice(), kind === kindLie))
    this.#shared.takeViolation()
    const lie = kind === kindLie ? ' (not carried out)' : ''
    return told === '' ? `${id} ${action.text}${lie}` : `${id} ${action.text}: ${told}${lie}`
  }

  takeViolation(): Violation | null {
    return this.#shared.takeViolation()
  }

  atRest(state: State): Violation | null {
    return this.#shared.atRest(state)
  }
}

function compared(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < a.length; index++) {
    const difference = (a[index] as number) - (b[index] as number)
    if (difference !== 0) return difference
  }
  return 0
}

export const isUnknown = (value: State | Unknown): value is Unknown => !(value instanceof Int32Array)
