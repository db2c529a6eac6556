/**
 * A world as a product: what all can see is one number, what a program is, with what is its own, is
 * another. What a program can do follows from these two and changes no third, so it is worked out once
 * for each pair and looked up afterwards, whatever the other programs are at.
 */
import type { Violation } from '../checks/check.ts'
import { Pairs, Rows } from './intern.ts'
import { type Choice, is, isUnknown, type State, type Unknown, type World } from './world.ts'

/** What one program can do next. Never changed. */
export interface Steps {
  /** As `memberChoices` says it. */
  readonly is: number
  readonly choices: readonly Choice[]
  /** What all see afterwards, by choice. */
  readonly common: readonly number[]
  /** What it is itself afterwards, by choice. */
  readonly own: readonly number[]
  readonly violations: readonly (Violation | null)[] | null
}

/** What the programs that are part of the common part can do next, and what comes from outside. */
export interface CommonSteps {
  readonly is: number
  readonly busy: number
  /** How many programs may be held up while time passes; negative if it may not pass any more. */
  readonly mayHoldUp: number
  readonly choices: readonly Choice[]
  readonly common: readonly number[]
  /** Slots of each program afterwards, by choice; null where none of them changes. */
  readonly slots: readonly (readonly Int32Array[] | null)[]
  readonly violations: readonly (Violation | null)[] | null
}

export class Product {
  readonly world: World
  readonly programs: number
  /** The edge that has to be learned before what was asked for can be said. */
  unknown: Unknown | null = null
  readonly #remembers: boolean
  readonly #common = new Rows()
  /** One for all if they are interchangeable. */
  readonly #own: readonly Rows[]
  readonly #owned: readonly (readonly number[])[]
  /** Slots that no program owns. */
  readonly #shared: readonly number[]
  readonly #state: State
  readonly #steps: Steps[] = []
  readonly #stepsAt: readonly Pairs[]
  readonly #commonSteps: CommonSteps[] = []
  /** From the common part to a number, along the slots of one program after the other. */
  readonly #chain: readonly Pairs[]
  #chained = 0
  readonly #commonTimes = new Map<string, number>()
  readonly #ownTimes: readonly Pairs[]
  /** A number for what is in the slots of each part of a program. */
  readonly #slotsOf: readonly number[][]
  readonly #slots = new Rows()
  readonly #widely: boolean

  /** Without `remembers` everything is worked out each time, from the whole state. */
  constructor(world: World, remembers = true) {
    this.world = world
    this.#remembers = remembers
    this.programs = world.privates.length
    this.#owned = world.privates.map((member) => world.members[member]?.own ?? [])
    const owned = new Set(this.#owned.flat())
    this.#shared = Array.from({ length: world.length - world.base }, (_, slot) => slot).filter(
      (slot) => !owned.has(slot),
    )
    this.#state = new Int32Array(world.length)
    const perProgram = <T>(make: () => T): readonly T[] => {
      const one = make()
      return world.privates.map((_, index) => (index === 0 || world.taken.twins ? one : make()))
    }
    this.#own = perProgram(() => new Rows())
    this.#stepsAt = perProgram(() => new Pairs())
    this.#ownTimes = perProgram(() => new Pairs())
    this.#slotsOf = perProgram(() => [])
    this.#chain = world.privates.map(() => new Pairs())
    this.#widely = this.#owned.some((slots) => slots.length > 0)
  }

  /** How many different things were met: common parts, programs' parts, steps worked out. */
  get sizes(): { readonly common: number; readonly own: number; readonly steps: number } {
    const own = this.#own.reduce((most, { size }) => Math.max(most, size), 0)
    return { common: this.#common.size, own, steps: this.#steps.length }
  }

  commonOf(state: State): number {
    const { world } = this
    const count = world.members.length
    const row = new Int32Array(world.commons.length + 5 + this.#shared.length)
    let at = 0
    let mask = 0
    for (const member of world.commons) {
      row[at++] = state[member] as number
      mask |= 1 << member
    }
    for (let index = 0; index < 4; index++) row[at++] = state[count + index] as number
    row[at++] = (state[count + 4] as number) & mask
    for (const slot of this.#shared) row[at++] = state[world.base + slot] as number
    return this.#common.number(row)
  }

  ownOf(state: State, program: number): number {
    const { world } = this
    const member = world.privates[program] as number
    const slots = this.#owned[program] as readonly number[]
    const row = new Int32Array(2 + slots.length)
    row[0] = state[member] as number
    row[1] = ((state[world.members.length + 4] as number) >> member) & 1
    for (const [index, slot] of slots.entries()) row[2 + index] = state[world.base + slot] as number
    return (this.#own[program] as Rows).number(row)
  }

  /** The whole state; the caller may change it until the next call. */
  stateOf(common: number, own: ArrayLike<number>): State {
    const { world } = this
    const state = this.#state
    const count = world.members.length
    const row = this.#common.row(common)
    let at = 0
    for (const member of world.commons) state[member] = row[at++] as number
    for (let index = 0; index < 5; index++) state[count + index] = row[at++] as number
    for (const slot of this.#shared) state[world.base + slot] = row[at++] as number
    for (let program = 0; program < this.programs; program++) {
      const member = world.privates[program] as number
      const part = (this.#own[program] as Rows).row(own[program] as number)
      state[member] = part[0] as number
      state[count + 4] = (state[count + 4] as number) | ((part[1] as number) << member)
      for (const [index, slot] of (this.#owned[program] as readonly number[]).entries())
        state[world.base + slot] = part[2 + index] as number
    }
    return state
  }

  /** What this program can do next; undefined if that has to be learned first. */
  steps(common: number, own: Int32Array, program: number): Steps | undefined {
    const pairs = this.#stepsAt[program] as Pairs
    const part = own[program] as number
    const known = pairs.get(common, part)
    if (known !== 0 && this.#remembers) return this.#steps[known - 1]
    const { world } = this
    const state = this.stateOf(common, own).slice()
    const choices: Choice[] = []
    const found = world.memberChoices(state, world.privates[program] as number, choices)
    const result = { is: found, choices, common: [] as number[], own: [] as number[] }
    const violations: (Violation | null)[] = []
    for (const choice of choices) {
      const after = this.#apply(state, choice, violations)
      if (after === undefined) return undefined
      result.common.push(this.commonOf(after))
      result.own.push(this.ownOf(after, program))
    }
    const steps = { ...result, violations: violations.some((one) => one !== null) ? violations : null }
    if (known === 0) {
      this.#steps.push(steps)
      pairs.set(common, part, this.#steps.length)
    }
    return steps
  }

  /** What the common programs can do next, and what comes from outside. */
  commonSteps(common: number, own: Int32Array): CommonSteps | undefined {
    let key = common
    if (this.#widely)
      for (let program = 0; program < this.programs; program++) {
        const chain = this.#chain[program] as Pairs
        const slots = this.#slotsNumber(own[program] as number, program)
        let next = chain.get(key, slots)
        if (next === 0) {
          next = ++this.#chained
          chain.set(key, slots, next)
        }
        key = next
      }
    const known = this.#remembers ? this.#commonSteps[key] : undefined
    if (known !== undefined) return known
    const { world } = this
    const state = this.stateOf(common, own).slice()
    let choices: Choice[] = []
    let all = world.isOpen ? is.timed : 0
    let busy = 0
    for (const member of world.commons) {
      const found = world.memberChoices(state, member, choices)
      if ((found & is.alone) !== 0) choices = choices.slice(-1)
      if ((found & is.busy) !== 0) busy += 1
      all |= found
      if ((found & is.alone) !== 0) break
    }
    if ((all & is.alone) === 0) world.outsideChoices(state, choices)
    const mayHoldUp = world.mayHoldUp(state)
    const result = { is: all, busy, mayHoldUp, choices, common: [] as number[], slots: [] as (Int32Array[] | null)[] }
    const violations: (Violation | null)[] = []
    for (const choice of choices) {
      const after = this.#apply(state, choice, violations)
      if (after === undefined) return undefined
      result.common.push(this.commonOf(after))
      const isChanged = this.#owned.flat().some((slot) => after[world.base + slot] !== state[world.base + slot])
      const slots = this.#owned.map((some) => Int32Array.from(some, (slot) => after[world.base + slot] as number))
      result.slots.push(isChanged ? slots : null)
    }
    const steps = { ...result, violations: violations.some((one) => one !== null) ? violations : null }
    this.#commonSteps[key] = steps
    return steps
  }

  /** A program with these in its slots. */
  withSlots(part: number, program: number, slots: Int32Array): number {
    const rows = this.#own[program] as Rows
    const row = rows.row(part).slice()
    row.set(slots, 2)
    return rows.number(row)
  }

  /** What all see when a time has passed, with so many programs held up; 0 if that has to be learned first. */
  commonInTime(common: number, own: Int32Array, heldUp: number): number {
    const key = `${common} ${heldUp}`
    const known = this.#remembers ? this.#commonTimes.get(key) : undefined
    if (known !== undefined) return known
    const { world } = this
    const state = this.stateOf(common, own).slice()
    for (const member of world.commons)
      if ((world.memberChoices(state, member, []) & is.busy) !== 0) world.holdUp(state, member)
    world.beginTick(state, heldUp)
    for (const member of world.commons) {
      const unknown = world.timeFor(state, member)
      if (unknown !== null) {
        this.unknown = unknown
        return 0
      }
    }
    const after = this.commonOf(state)
    this.#commonTimes.set(key, after)
    return after
  }

  /** What this program is when the time has passed; `after` is what all see now. 0 if that has to be learned first. */
  ownInTime(after: number, own: Int32Array, program: number, isHeldUp: boolean): number {
    const pairs = this.#ownTimes[program] as Pairs
    const part = own[program] as number
    const key = after * 2 + Number(isHeldUp)
    const known = this.#remembers ? pairs.get(key, part) : 0
    if (known !== 0) return known
    const { world } = this
    const member = world.privates[program] as number
    const state = this.stateOf(after, own).slice()
    if (isHeldUp && world.tick(state) < world.bounds.ticks) {
      const at = world.members.length + 4
      state[at] = (state[at] as number) | (1 << member)
    }
    const unknown = world.timeFor(state, member)
    if (unknown !== null) {
      this.unknown = unknown
      return 0
    }
    const found = this.ownOf(state, program)
    if (pairs.get(key, part) === 0) pairs.set(key, part, found)
    return found
  }

  #apply(state: State, choice: Choice, violations: (Violation | null)[]): State | undefined {
    const after = this.world.apply(state, choice)
    if (isUnknown(after)) {
      this.unknown = after
      return undefined
    }
    violations.push(this.world.takeViolation())
    return after
  }

  #slotsNumber(part: number, program: number): number {
    const numbers = this.#slotsOf[program] as number[]
    const known = numbers[part]
    if (known !== undefined) return known
    const number = this.#slots.number((this.#own[program] as Rows).row(part).slice(2))
    numbers[part] = number
    return number
  }
}
