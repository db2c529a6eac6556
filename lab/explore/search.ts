/** Depth first through all states of a world; a state seen before is not entered again. */
import type { Violation } from '../checks/check.ts'
import { Seen } from './seen.ts'
import { type Choice, isUnknown, type State, type World } from './world.ts'

export interface Limits {
  readonly states: number
  readonly ms: number
  /** Of memory for the states seen. */
  readonly bytes: number
}

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
  readonly ms: number
  /** Why it stopped before all was seen. */
  readonly why: string
  readonly bytes: number
  /** Nodes of all programs' automata, edges learned by running production code, and what was checked of them. */
  readonly nodes: number
  readonly edges: number
  readonly mergers: number
  readonly checked: number
}

interface Frame {
  readonly state: State
  readonly choices: readonly Choice[]
  next: number
}

export interface SearchOptions {
  progress?(states: number, transitions: number, depth: number): void
  /** Every state as it is entered first. */
  onState?(state: State): void
}

export async function search(world: World, limits: Limits, options: SearchOptions = {}): Promise<Explored> {
  const started = performance.now()
  const seen = new Seen()
  const frames: Frame[] = []
  let transitions = 0
  let ends = 0
  let depth = 0
  let reached: State | null = null
  const automata = [...new Set(world.members.map(({ automaton }) => automaton))]
  const sum = (of: (automaton: (typeof automata)[number]) => number) => automata.reduce((all, one) => all + of(one), 0)

  const result = (kind: Explored['kind'], violation: Violation | null, why = ''): Explored => ({
    kind,
    violation,
    state: violation === null ? null : reached,
    why,
    story:
      violation === null
        ? []
        : frames.flatMap(({ state, choices, next }) =>
            next === 0 ? [] : [world.tell(state, choices[next - 1] as Choice)],
          ),
    states: seen.size,
    transitions,
    ends,
    depth,
    ms: performance.now() - started,
    bytes: seen.bytes,
    nodes: sum(({ nodes }) => nodes.length),
    edges: sum(({ nodes }) => nodes.reduce((all, { edges }) => all + edges.size, 0)),
    mergers: sum(({ mergers }) => mergers),
    checked: sum(({ checked }) => checked),
  })

  const choices: Choice[] = []
  const enter = (state: State): Violation | null => {
    options.onState?.(state)
    reached = state
    world.choices(state, choices)
    frames.push({ state, choices: choices.slice(), next: 0 })
    depth = Math.max(depth, frames.length)
    if (choices.length > 0) return null
    ends += 1
    return world.atRest(state)
  }

  const start = await world.start()
  seen.add(world.canonical(start))
  let violation = enter(start)
  for (;;) {
    if (violation !== null) return result('violated', violation)
    const frame = frames.at(-1)
    if (frame === undefined) return result('all', null)
    if (frame.next >= frame.choices.length) {
      frames.pop()
      continue
    }
    const choice = frame.choices[frame.next++] as Choice
    const applied = world.apply(frame.state, choice)
    const after = isUnknown(applied) ? await world.follow(frame.state, choice) : applied
    transitions += 1
    reached = after
    violation = world.takeViolation()
    if (violation !== null) continue
    if ((transitions & 0x3fff) === 0) {
      options.progress?.(seen.size, transitions, frames.length)
      if (performance.now() - started > limits.ms)
        return result('stopped', null, `${Math.round(limits.ms / 1000)} s are over`)
    }
    if (seen.isAboutToGrow && seen.bytesToGrow > limits.bytes)
      return result('stopped', null, `the states seen would take more than ${Math.round(limits.bytes / 2 ** 20)} MiB`)
    if (!seen.add(world.canonical(after))) continue
    if (seen.size > limits.states) return result('stopped', null, `${limits.states} states are the limit`)
    violation = enter(after)
  }
}

/** Every state that can follow, as far as `most` of them; null if there are more. */
export async function reachableFrom(world: World, from: State, most: number): Promise<readonly State[] | null> {
  const seen = new Seen()
  const found: State[] = [from]
  const choices: Choice[] = []
  seen.add(from)
  for (let at = 0; at < found.length; at++) {
    const state = found[at] as State
    world.choices(state, choices)
    for (const choice of choices.slice()) {
      const after = await world.follow(state, choice)
      world.takeViolation()
      if (seen.add(after)) found.push(after)
    }
    if (found.length > most) return null
  }
  return found
}
