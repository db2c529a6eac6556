/**
 * A world to explore: programs as automata, what they share as a row of numbers, and what can happen.
 *
 * A state is an Int32Array: the state of each program, what is left of the bounds, and the slots
 * (documents of the store, the zone at the authority), each a number of an interned value. Everything
 * that can happen is a choice; a choice leads from one state to exactly one other.
 *
 * Slots are common or a program's own. What a program does depends on the common part and on what is its
 * own, and changes nothing else; only programs that are common themselves may look at everything.
 */
import type { Violation } from '../checks/check.ts'
import type { Automaton, Machine, Move } from './automaton.ts'
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
  /**
   * Nobody else can ever tell when it was done: it is done at once, no choice. `isLate`: if those who look at what
   * programs say of themselves have looked for the last time.
   */
  isAlone(state: State, isLate: boolean): boolean
  /** Changes the state; what the program is told. */
  run(state: State, isLie: boolean): number
}

export interface Member {
  readonly id: string
  readonly automaton: Automaton
  readonly isCrashable: boolean
  /** Time does not wait for it: what it does comes from outside. */
  readonly isOutside: boolean
  /** Its own slots; null for a program that is part of what all can see. */
  readonly own: readonly number[] | null
}

export interface Shared {
  /** Whether all that these programs do must come to an end, if nothing comes from outside (L2). */
  readonly mustEnd: boolean
  readonly slots: number
  compile(operation: Operation, member: number): Action
  /** What the checks found at the latest action, or null. */
  takeViolation(): Violation | null
  /** Whether everything is as it should be when nothing can happen any more; null if so. */
  atRest(state: State): Violation | null
  tell(told: number): string
  /** What stands there before anything happens. */
  begin?(state: State): void
  /** Forgets what nobody will ask for again. */
  tidy?(state: State, member: number): void
}

/** What can happen that no program of this world does. */
export interface Outside {
  readonly text: string
  change(state: State): void
}

export interface Limits {
  readonly states: number
  readonly ms: number
  /** Of memory: the states seen, and what was worked out about the programs. */
  readonly bytes: number
}

/** While a world makes itself ready to be explored. */
export interface Preparing {
  readonly signal?: AbortSignal | undefined
  /** For everything before the exploration itself. */
  readonly allowed?: Limits | undefined
  progress?(states: number, transitions: number, depth: number): void
}

const kinds = { step: 0, lie: 1, crash: 2, time: 3, outside: 4 } as const
/** kind, member, index of the operation. */
export type Choice = number
const choiceOf = (kind: number, member: number, index: number): Choice => (index * 16 + member) * 8 + kind
export const timePasses: Choice = choiceOf(kinds.time, 0, 0)

/** The same done by another program that is like it. */
export const doneBy = (choice: Choice, member: number): Choice =>
  choiceOf(choice & 7, choice === timePasses ? 0 : member, choice >> 7)

/** What `memberChoices` says of a program. */
export const is = { alone: 1, busy: 2, timed: 4 } as const

/** An edge that has to be learned first. */
export interface Unknown {
  readonly machine: Machine
  readonly node: number
  readonly move: Move
}

/** A program was told what it was never told while it was learned: what it would do is not known. */
export class NeverLearned extends Error {
  override readonly name = 'NeverLearned'
}

/** Alone actions of one program in a row, after which it is taken to be in a circle. */
const aloneMost = 1_000

export interface Taken {
  /** What nobody else notices is done at once. */
  readonly reduced: boolean
  /** News reaches a program when it rests. */
  readonly calm: boolean
  /** Programs with slots of their own are interchangeable. */
  readonly twins: boolean
}

export class World {
  readonly members: readonly Member[]
  readonly bounds: Bounds
  readonly taken: Taken
  readonly base: number
  /** Indexes of members that are part of what all can see, and of the others. */
  readonly commons: readonly number[]
  readonly privates: readonly number[]
  readonly #shared: Shared
  readonly #machines: Machine[]
  readonly #actions: (readonly Action[])[][]
  readonly #compiled: readonly Map<Operation, Action>[]
  /** Whether things happen that no program of this world does; then time passes for others too. */
  readonly isOpen: boolean
  readonly #outside: (state: State) => readonly Outside[]
  readonly #prepare: (world: World, preparing: Preparing) => Promise<void>

  /** `present`: members that are there; all unless some are left out. */
  constructor(
    members: readonly Member[],
    shared: Shared,
    bounds: Bounds,
    taken: Taken,
    {
      isPresent = () => true,
      outside,
      prepare = async () => {},
    }: {
      isPresent?: (member: Member) => boolean
      outside?: (state: State) => readonly Outside[]
      prepare?: (world: World, preparing: Preparing) => Promise<void>
    } = {},
  ) {
    this.members = members
    this.bounds = bounds
    this.taken = taken
    this.#shared = shared
    this.#outside = outside ?? (() => [])
    this.isOpen = outside !== undefined
    this.#prepare = prepare
    this.#machines = members.map(({ automaton }) => automaton)
    this.#actions = members.map(() => [])
    this.#compiled = members.map(() => new Map())
    this.base = World.baseOf(members.length)
    const present = members.flatMap((member, index) => (isPresent(member) ? [index] : []))
    this.commons = present.filter((index) => members[index]?.own === null)
    this.privates = present.filter((index) => members[index]?.own !== null)
  }

  get mustEnd(): boolean {
    return this.#shared.mustEnd && !this.isOpen
  }

  static baseOf(members: number): number {
    return members + 5
  }

  get length(): number {
    return this.base + this.#shared.slots
  }

  machine(member: number): Machine {
    return this.#machines[member] as Machine
  }

  /** From now on this program's states are those of another machine for the same program. */
  use(member: number, machine: Machine): void {
    this.#machines[member] = machine
    this.#actions[member] = []
  }

  async start(preparing: Preparing = {}): Promise<State> {
    await this.#prepare(this, preparing)
    const state = new Int32Array(this.length)
    const count = this.members.length
    for (const [index, { automaton }] of this.members.entries()) {
      if (automaton.rootAt(0) === undefined) await automaton.learnRoot(0)
      state[index] = this.machine(index).rootAt(0) as number
    }
    state[count] = this.bounds.crashes
    state[count + 1] = this.bounds.stalls
    state[count + 2] = 0
    state[count + 3] = this.bounds.lies
    this.#shared.begin?.(state)
    return state
  }

  crashesLeft(state: State): number {
    return state[this.members.length] as number
  }

  tick(state: State): number {
    return state[this.members.length + 2] as number
  }

  #actionsOf(state: State, member: number): readonly Action[] {
    const node = state[member] as number
    const known = this.#actions[member]?.[node]
    if (known !== undefined) return known
    const compiled = this.#compiled[member] as Map<Operation, Action>
    const actions = this.machine(member)
      .operationsOf(node)
      .map((operation) => {
        const action = compiled.get(operation) ?? this.#shared.compile(operation, member)
        compiled.set(operation, action)
        return action
      })
    ;(this.#actions[member] as (readonly Action[])[])[node] = actions
    return actions
  }

  hasEnded(state: State, member: number): boolean {
    return this.machine(member).hasEnded(state[member] as number)
  }

  /** Whether it waits for nothing but time and news, and there is no news. */
  isIdle(state: State, member: number): boolean {
    return this.#actionsOf(state, member).every((action) => action.isTimed && !action.isReady(state))
  }

  /** What one program can do next, appended; says what it is. If it does something alone, that is all that can happen. */
  memberChoices(state: State, member: number, into: Choice[]): number {
    const actions = this.#actionsOf(state, member)
    const { isCrashable, isOutside } = this.members[member] as Member
    const count = this.members.length
    const start = into.length
    let found = 0
    let writes = false
    let isReady = false
    const alone = this.#aloneAmong(state, actions)
    for (let index = 0; index < actions.length; index++) {
      const action = actions[index] as Action
      if (action.isTimed && !isOutside) found |= is.timed
      writes ||= action.isWrite
      if (!action.isReady(state)) continue
      if (this.taken.calm && action.isTimed && actions.some(({ isTimed }) => !isTimed)) continue
      if (alone === index) {
        into.length = start
        into.push(choiceOf(kinds.step, member, index))
        const late = this.#lateAmong(state, actions)
        if (late !== index) into.push(choiceOf(kinds.step, member, late))
        return found | is.alone
      }
      isReady = true
      into.push(choiceOf(kinds.step, member, index))
      if (action.canLie && (state[count + 3] as number) > 0) into.push(choiceOf(kinds.lie, member, index))
    }
    if (isReady && !isOutside && ((state[count + 4] as number) & (1 << member)) === 0) found |= is.busy
    // What a program has not yet written dies with it: to die before a question is to die after the answer.
    if (isCrashable && this.crashesLeft(state) > 0 && actions.length > 0 && (!this.taken.reduced || writes || !isReady))
      into.push(choiceOf(kinds.crash, member, 0))
    return found
  }

  outsideChoices(state: State, into: Choice[]): void {
    for (const [index] of this.#outside(state).entries()) into.push(choiceOf(kinds.outside, 0, index))
  }

  /** How many programs may be held up while time passes; negative if it may not pass any more. */
  mayHoldUp(state: State): number {
    return this.tick(state) < this.bounds.ticks ? (state[this.members.length + 1] as number) : -1
  }

  /** What can happen next; empty when nothing can, for ever. */
  choices(state: State, into: Choice[]): void {
    into.length = 0
    let found = 0
    let busy = 0
    for (const member of [...this.privates, ...this.commons]) {
      const start = into.length
      const one = this.memberChoices(state, member, into)
      if ((one & is.alone) !== 0) {
        into.splice(0, start)
        return
      }
      found |= one
      if ((one & is.busy) !== 0) busy += 1
    }
    this.outsideChoices(state, into)
    if ((this.isOpen || (found & is.timed) !== 0) && busy <= this.mayHoldUp(state)) into.push(timePasses)
  }

  /** The state that a choice leads to, or what has to be learned before that can be said. */
  apply(before: State, choice: Choice): State | Unknown {
    const state = before.slice()
    const kind = choice & 7
    const member = (choice >> 3) & 15
    const index = choice >> 7
    if (kind === kinds.time) return this.#passTime(state)
    if (kind === kinds.outside) {
      this.#outside(state)[index]?.change(state)
      return state
    }
    const count = this.members.length
    if (kind === kinds.crash) {
      const machine = this.machine(member)
      const root = machine.rootAt(this.tick(state))
      if (root === undefined) return { machine, node: -1, move: this.tick(state) }
      state[member] = root
      state[count] = this.crashesLeft(state) - 1
    } else {
      const unknown = this.#step(state, member, index, kind === kinds.lie)
      if (unknown !== null) return unknown
      if (kind === kinds.lie) state[count + 3] = (state[count + 3] as number) - 1
    }
    state[count + 4] = (state[count + 4] as number) & ~(1 << member)
    return this.#runAlone(state, member) ?? state
  }

  async learn({ machine, node, move }: Unknown): Promise<void> {
    this.takeViolation()
    const automaton = this.members.find(({ automaton }) => automaton === machine)?.automaton
    if (automaton === undefined) {
      const operation = machine.operationsOf(Math.max(0, node))[(move >> 4) & 15]?.text
      const answer = node < 0 ? 'a start' : `${operation}: ${this.#shared.tell(Math.floor(move / 256))}`
      throw new NeverLearned(`${machine.id}: ${answer} in time ${move & 15}: not met while it was learned`)
    }
    if (node < 0) await automaton.learnRoot(move)
    else await automaton.learn(node, move)
  }

  /** The same, learning what has to be learned. */
  async follow(before: State, choice: Choice): Promise<State> {
    for (;;) {
      const after = this.apply(before, choice)
      if (!isUnknown(after)) return after
      await this.learn(after)
    }
  }

  #step(state: State, member: number, index: number, isLie: boolean): Unknown | null {
    const action = this.#actionsOf(state, member)[index] as Action
    const told = action.run(state, isLie)
    const machine = this.machine(member)
    const node = state[member] as number
    const move = moveOf(index, told, this.tick(state))
    const to = machine.next(node, move)
    if (to === undefined) return { machine, node, move }
    state[member] = to
    return null
  }

  /** The first that is to be done at once; -1 if there is none. */
  #aloneAmong(state: State, actions: readonly Action[], isLate = false): number {
    if (!this.taken.reduced) return -1
    for (let index = 0; index < actions.length; index++) {
      const action = actions[index] as Action
      if (action.isReady(state) && action.isAlone(state, isLate)) return index
    }
    return -1
  }

  /** In a world that is open nobody knows who is still to look, so what would be done at once if nobody does is a choice too. */
  #lateAmong(state: State, actions: readonly Action[]): number {
    return this.#aloneAmong(state, actions, this.isOpen)
  }

  #runAlone(state: State, member: number): Unknown | null {
    if (this.taken.reduced)
      for (let count = 0; ; count++) {
        const actions = this.#actionsOf(state, member)
        const index = this.#aloneAmong(state, actions)
        if (index < 0 || this.#lateAmong(state, actions) !== index) break
        if (count > aloneMost)
          throw new Error(`expected ${this.members[member]?.id} to come to a shared operation, found ${count} others`)
        const unknown = this.#step(state, member, index, false)
        if (unknown !== null) return unknown
      }
    this.#shared.tidy?.(state, member)
    return null
  }

  /** Programs that have something to do are held up: their timers end too, and are heard of first. */
  #passTime(state: State): State | Unknown {
    const choices: Choice[] = []
    const members = [...this.commons, ...this.privates]
    let busy = 0
    for (const member of members) {
      if ((this.memberChoices(state, member, choices) & is.busy) === 0) continue
      busy += 1
      this.holdUp(state, member)
    }
    this.beginTick(state, busy)
    for (const member of members) {
      const unknown = this.timeFor(state, member)
      if (unknown !== null) return unknown
    }
    return state
  }

  /** To be noted only as long as time may pass again. */
  holdUp(state: State, member: number): void {
    if (this.tick(state) + 1 >= this.bounds.ticks) return
    const at = this.members.length + 4
    state[at] = (state[at] as number) | (1 << member)
  }

  beginTick(state: State, heldUp: number): void {
    const count = this.members.length
    state[count + 2] = this.tick(state) + 1
    const isLast = this.tick(state) >= this.bounds.ticks
    state[count + 1] = isLast ? 0 : (state[count + 1] as number) - heldUp
    if (isLast) state[count + 4] = 0
  }

  /** All that one program has waited for a time for, in the new tick. */
  timeFor(state: State, member: number): Unknown | null {
    if ((this.members[member] as Member).isOutside) return null
    const timed = this.#actionsOf(state, member).flatMap(({ isTimed }, index) => (isTimed ? [index] : []))
    // From the last to the first, so that places stay.
    for (const index of timed.reverse()) {
      const unknown = this.#step(state, member, index, false)
      if (unknown !== null) return unknown
    }
    return this.#runAlone(state, member)
  }

  /** In words, from the state before it. */
  tell(state: State, choice: Choice): string {
    const kind = choice & 7
    const member = (choice >> 3) & 15
    const id = this.members[member]?.id ?? '?'
    if (kind === kinds.time) {
      const busy = [...this.privates, ...this.commons].filter(
        (index) => (this.memberChoices(state, index, []) & is.busy) !== 0,
      )
      const ids = busy.map((index) => this.members[index]?.id)
      return ids.length === 0 ? 'time passes' : `time passes, ${ids.join(' and ')} held up`
    }
    if (kind === kinds.outside) return this.#outside(state)[choice >> 7]?.text ?? '?'
    if (kind === kinds.crash) return `${id} crashes and starts again`
    const action = this.#actionsOf(state, member)[choice >> 7] as Action
    const told = this.#shared.tell(action.run(state.slice(), kind === kinds.lie))
    this.#shared.takeViolation()
    const lie = kind === kinds.lie ? ' (not carried out)' : ''
    const [text] = action.text.split('\n', 1)
    return told === '' ? `${id} ${text}${lie}` : `${id} ${text}: ${told}${lie}`
  }

  takeViolation(): Violation | null {
    return this.#shared.takeViolation()
  }

  atRest(state: State): Violation | null {
    return this.#shared.atRest(state)
  }
}

export const isUnknown = (value: State | Unknown): value is Unknown => !(value instanceof Int32Array)
