/** Depth first through all states of a world; a state seen before is not entered again. */
import type { Violation } from '../checks/check.ts'
import { type CommonSteps, Product, type Steps } from './product.ts'
import { Seen, statesIn, widthsFor } from './seen.ts'
import {
  type Choice,
  doneBy,
  is,
  isUnknown,
  type Limits,
  type Preparing,
  type State,
  timePasses,
  type World,
} from './world.ts'

export interface Explored {
  readonly kind: 'all' | 'violated' | 'stopped'
  readonly violation: Violation | null
  /** The state that was violated in. */
  readonly state: State | null
  /** The choices that lead to the violation, told. */
  readonly story: readonly string[]
  readonly states: number
  readonly transitions: number
  /** States in which nothing can happen any more; in each, all was as it should be. */
  readonly ends: number
  readonly depth: number
  /** Choices that were not followed yet when it stopped. */
  readonly left: number
  readonly ms: number
  /** Why it stopped before all was seen. */
  readonly why: string
  /** Of the states seen. */
  readonly bytes: number
  /** Whether the states seen are kept whole; otherwise as 64 bits of hash. */
  readonly isExact: boolean
  /** How many states there are in each that is the same in all that is shared. */
  readonly inCommon: readonly number[]
  /** Different common parts, parts of programs, and steps of programs that were worked out. */
  readonly parts: { readonly common: number; readonly own: number; readonly steps: number }
  /** Nodes of all programs' automata, edges learned by running production code, and what was checked of them. */
  readonly nodes: number
  readonly edges: number
  readonly mergers: number
  readonly checked: number
}

export interface SearchOptions extends Preparing {
  /** Every state as it is entered first. */
  onState?(state: State): void
  /** Works out every step anew. */
  readonly plain?: boolean
  /** Keeps hashes even if whole states would fit. */
  readonly hashed?: boolean
}

interface Frame {
  readonly common: number
  readonly own: Int32Array
  /** Of each program; then of the common ones. */
  readonly steps: readonly Steps[]
  readonly others: CommonSteps
  /** If a program can do something alone, that program (the number of programs for common ones); else -1. */
  readonly alone: number
  readonly canTimePass: boolean
  readonly low: number
  readonly high: number
  program: number
  next: number
  choice: Choice
}

/** Between looks at the clock and at the memory: transitions; milliseconds while production code is run. */
const lookEvery = 0x3fff
const lookMs = 250

export async function search(world: World, limits: Limits, options: SearchOptions = {}): Promise<Explored> {
  const begin = await world.start({ ...options, allowed: limits })
  const started = performance.now()
  const programs = world.privates.length
  try {
    return await explore(world, begin, limits, options, started, options.hashed === true ? [] : widthsFor(programs))
  } catch (error) {
    if (!(error instanceof TooWide)) throw error
    // More different parts than 64 bits can tell: again, with hashes.
    return await explore(world, begin, limits, options, started, [])
  }
}

class TooWide extends Error {
  override readonly name = 'TooWide'
}

async function explore(
  world: World,
  begin: State,
  limits: Limits,
  options: SearchOptions,
  started: number,
  widths: readonly number[],
): Promise<Explored> {
  const product = new Product(world, options.plain !== true)
  const { programs } = product
  const mostStates = statesIn(limits.bytes)
  const isHashed = widths.length === 0
  const seen = new Seen(isHashed ? [64, 64] : widths)
  const frames: Frame[] = []
  const onStack = new Uint16Array(1 << 16)
  const twins = world.taken.twins
  const sorted = new Int32Array(programs)
  const inCommon: number[] = []
  let transitions = 0
  let lookedAt = started
  let isLookDue = false
  let looks = 0
  let ends = 0
  let depth = 0
  let last: { readonly common: number; readonly own: Int32Array } | null = null

  const result = (kind: Explored['kind'], violation: Violation | null, why = ''): Explored => {
    const automata = [...new Set(world.members.map(({ automaton }) => automaton))]
    const sum = (of: (automaton: (typeof automata)[number]) => number) =>
      automata.reduce((all, one) => all + of(one), 0)
    const blamed = (): Violation | null => {
      const frame = frames.at(-1)
      if (violation === null || frame === undefined || frame.choice < 0 || frame.program >= programs) return violation
      const after = world.apply(
        product.stateOf(frame.common, frame.own).slice(),
        doneBy(frame.choice, world.privates[frame.program] as number),
      )
      return (isUnknown(after) ? null : world.takeViolation()) ?? violation
    }
    const story = () =>
      frames.flatMap(({ common, own, choice, program }) => {
        if (choice < 0) return []
        // What was worked out for one of several like programs is looked up for the others too.
        const done = program < programs ? doneBy(choice, world.privates[program] as number) : choice
        return [world.tell(product.stateOf(common, own).slice(), done)]
      })
    return {
      kind,
      violation: blamed(),
      state: violation === null || last === null ? null : product.stateOf(last.common, last.own).slice(),
      why,
      story: violation === null ? [] : story(),
      states: seen.size,
      transitions,
      ends,
      depth,
      left: frames.reduce((all, frame) => all + leftOf(frame, programs), 0),
      ms: performance.now() - started,
      bytes: seen.bytes,
      isExact: seen.isExact,
      inCommon: inCommon.filter((count) => count > 0),
      parts: product.sizes,
      nodes: sum(({ nodes }) => nodes.length),
      edges: sum(({ nodes }) => nodes.reduce((all, { edges }) => all + edges.size, 0)),
      mergers: sum(({ mergers }) => mergers),
      checked: sum(({ checked }) => checked),
    }
  }

  const learn = async (): Promise<void> => {
    const { unknown } = product
    if (unknown === null) throw new Error('expected something to learn, found nothing')
    product.unknown = null
    await world.learn(unknown)
    isLookDue ||= performance.now() > lookedAt + lookMs
  }

  /** True if it was not seen before. */
  const isNew = (common: number, own: Int32Array): boolean => {
    sorted.set(own)
    if (twins && programs > 1) sort(sorted)
    return seen.add(common, sorted)
  }

  const enter = async (common: number, own: Int32Array): Promise<Violation | null> => {
    if (!isHashed && !seen.fits([common, ...own])) throw new TooWide()
    const { low, high } = seen
    inCommon[common] = (inCommon[common] ?? 0) + 1
    last = { common, own }
    options.onState?.(product.stateOf(common, own))
    const steps: Steps[] = []
    let alone = -1
    let found = 0
    let busy = 0
    let count = 0
    for (let program = 0; program < programs; program++) {
      let one = product.steps(common, own, program)
      while (one === undefined) {
        await learn()
        one = product.steps(common, own, program)
      }
      steps.push(one)
      if (alone < 0 && (one.is & is.alone) !== 0) alone = program
      found |= one.is
      if ((one.is & is.busy) !== 0) busy += 1
      count += one.choices.length
    }
    let others = product.commonSteps(common, own)
    while (others === undefined) {
      await learn()
      others = product.commonSteps(common, own)
    }
    if (alone < 0 && (others.is & is.alone) !== 0) alone = programs
    const isTimed = ((found | others.is) & is.timed) !== 0
    const canTimePass = alone < 0 && isTimed && busy + others.busy <= others.mayHoldUp
    const program = alone < 0 ? 0 : alone
    frames.push({ common, own, steps, others, alone, canTimePass, low, high, program, next: 0, choice: -1 })
    onStack[low & 0xffff] = (onStack[low & 0xffff] as number) + 1
    depth = Math.max(depth, frames.length)
    if (canTimePass || count + others.choices.length > 0) return null
    ends += 1
    // Where others are free to do what they like, nothing is ever at rest.
    return world.isOpen ? null : world.atRest(product.stateOf(common, own).slice())
  }

  const isEntered = (): boolean => {
    const { low, high } = seen
    if (onStack[low & 0xffff] === 0) return false
    return frames.some((frame) => frame.low === low && frame.high === high)
  }

  const firstOwn = Int32Array.from({ length: programs }, (_, program) => product.ownOf(begin, program))
  const firstCommon = product.commonOf(begin)
  isNew(firstCommon, firstOwn)
  let violation = await enter(firstCommon, firstOwn)
  const own = new Int32Array(programs)
  for (;;) {
    if (violation !== null) return result('violated', violation)
    const frame = frames.at(-1)
    if (frame === undefined) return result('all', null)
    // The next choice: of each program, then of the common ones, then time.
    let common = 0
    while (common === 0) {
      const { program } = frame
      if (program > programs + 1) break
      if (program === programs + 1) {
        frame.program += 1
        if (!frame.canTimePass) break
        frame.choice = timePasses
        common = await inTime(frame)
        break
      }
      const some = program === programs ? frame.others : (frame.steps[program] as Steps)
      if (frame.next >= some.choices.length) {
        frame.program = frame.alone < 0 ? program + 1 : programs + 2
        frame.next = 0
        continue
      }
      const index = frame.next++
      frame.choice = some.choices[index] as Choice
      common = some.common[index] as number
      own.set(frame.own)
      if (program < programs) own[program] = (some as Steps).own[index] as number
      else {
        const slots = (some as CommonSteps).slots[index]
        if (slots != null)
          for (let other = 0; other < programs; other++)
            own[other] = product.withSlots(own[other] as number, other, slots[other] as Int32Array)
      }
      if (some.violations !== null) violation = some.violations[index] ?? null
    }
    if (common === 0) {
      frames.pop()
      onStack[frame.low & 0xffff] = (onStack[frame.low & 0xffff] as number) - 1
      continue
    }
    transitions += 1
    if (violation !== null) {
      last = { common, own: own.slice() }
      continue
    }
    if (isLookDue || (transitions & lookEvery) === 0) {
      isLookDue = false
      lookedAt = performance.now()
      options.progress?.(seen.size, transitions, frames.length)
      const why = await whyToStop()
      if (why !== null) return result('stopped', null, why)
    }
    if (!isNew(common, own)) {
      if (world.mustEnd && isEntered())
        violation = { invariant: 'L2', text: 'from here the programs can go round for ever, and nobody gets on' }
      continue
    }
    if (seen.size > limits.states) return result('stopped', null, `${limits.states} states are the limit`)
    violation = await enter(common, own.slice())
  }

  async function inTime(frame: Frame): Promise<number> {
    const { common, steps } = frame
    const isHeldUp = (program: number) => ((steps[program] as Steps).is & is.busy) !== 0
    const busy = steps.filter((one) => (one.is & is.busy) !== 0).length + frame.others.busy
    let after = product.commonInTime(common, frame.own, busy)
    while (after === 0) {
      await learn()
      after = product.commonInTime(common, frame.own, busy)
    }
    for (let program = 0; program < programs; program++) {
      let part = product.ownInTime(after, frame.own, program, isHeldUp(program))
      while (part === 0) {
        await learn()
        part = product.ownInTime(after, frame.own, program, isHeldUp(program))
      }
      own[program] = part
    }
    return after
  }

  async function whyToStop(): Promise<string | null> {
    if (performance.now() - started > limits.ms) return 'the time that was allowed is over'
    if (seen.size > mostStates) return `the states seen would take more than ${Math.round(limits.bytes / 2 ** 20)} MiB`
    if ((++looks & 63) === 0 && process.memoryUsage().heapUsed + seen.bytes > limits.bytes)
      return `it takes more than ${Math.round(limits.bytes / 2 ** 20)} MiB`
    if (options.signal === undefined) return null
    // An interruption is only heard of when the event loop comes round.
    await new Promise((resolve) => void setImmediate(resolve))
    return options.signal.aborted ? 'interrupted' : null
  }
}

/** Choices of a frame that were not followed yet. */
function leftOf({ steps, others, alone, canTimePass, program, next }: Frame, programs: number): number {
  if (alone >= 0) return program === alone && next === 0 ? 1 : 0
  let left = canTimePass && program <= programs + 1 ? 1 : 0
  for (let index = program; index <= programs; index++)
    left += (index === programs ? others : (steps[index] as Steps)).choices.length - (index === program ? next : 0)
  return left
}

/** Few numbers: by insertion. */
function sort(numbers: Int32Array): void {
  for (let index = 1; index < numbers.length; index++) {
    const number = numbers[index] as number
    let place = index
    for (; place > 0 && (numbers[place - 1] as number) > number; place--) numbers[place] = numbers[place - 1] as number
    numbers[place] = number
  }
}

/** Every state that can follow, as far as `most` of them; null if there are more. */
export async function reachableFrom(world: World, from: State, most: number): Promise<readonly State[] | null> {
  const seen = new Set([from.join()])
  const found: State[] = [from]
  const choices: Choice[] = []
  for (let at = 0; at < found.length; at++) {
    const state = found[at] as State
    world.choices(state, choices)
    for (const choice of choices.slice()) {
      const after = await world.follow(state, choice)
      world.takeViolation()
      if (seen.size === seen.add(after.join()).size) continue
      found.push(after)
    }
    if (found.length > most) return null
  }
  return found
}
