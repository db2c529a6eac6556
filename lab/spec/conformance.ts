/** Whether every path of a production enactor that the explorer learned is one of the model's. */
import { keys } from '../../src/model/keys.ts'
import type { Reading } from '../../src/providers/provider.ts'
import type { Entry } from '../../src/store/store.ts'
import { generationAt } from '../checks/check.ts'
import type { Automaton } from '../explore/automaton.ts'
import type { Asked } from '../explore/ports.ts'
import type { Operation } from '../explore/program.ts'
import { type Event, follow, type Known, start } from './rules.ts'

export interface Conformance {
  /** Pairs of what the program is and what the model's enactor knows. */
  readonly pairs: number
  readonly events: number
  /** The first path that the model does not have, step by step; null if there is none. */
  readonly broken: readonly string[] | null
}

export function conforms(
  automaton: Automaton,
  answerOf: (told: number) => unknown,
  names: readonly string[],
): Conformance {
  const seen = new Set<string>()
  const open: { node: number; known: Known; path: Path | null }[] = []
  let events = 0
  const enter = (node: number, known: Known, path: Path | null) => {
    const key = `${node} ${textOf(known)}`
    if (seen.has(key)) return
    seen.add(key)
    open.push({ node, known, path })
  }
  for (const root of automaton.roots()) enter(root, start, null)
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { operations, edges } = automaton.node(at.node)
    for (const [move, to] of edges) {
      const operation = operations[(move >> 4) & 15] as Operation
      let known = at.known
      let path = at.path
      for (const event of eventsOf(operation, answerOf(Math.floor(move / 256)))) {
        events += 1
        path = { before: path, event }
        const after = follow(known, event, names)
        if (typeof after === 'string') return { pairs: seen.size, events, broken: [...stepsOf(path), after] }
        known = after
      }
      enter(to, known, path)
    }
  }
  return { pairs: seen.size, events, broken: null }
}

interface Path {
  readonly before: Path | null
  readonly event: Event
}

function stepsOf(path: Path): string[] {
  const steps: string[] = []
  for (let at: Path | null = path; at !== null; at = at.before) steps.push(JSON.stringify(at.event))
  return steps.reverse()
}

const textOf = ({ found, ever, ...known }: Known): string =>
  JSON.stringify([known, [...found].sort(), [...ever].sort()])

/** Questions that the model does not have are no events: shards, other enactors' progress, waiting. */
function eventsOf({ data }: Operation, answer: unknown): readonly Event[] {
  const asked = data as Asked
  switch (asked.kind) {
    case 'get': {
      const entry = answer as Entry | undefined
      if (asked.key === keys.head.key())
        return entry === undefined ? [] : [{ kind: 'head', generation: keys.head.decode(entry.value)?.generation ?? 0 }]
      if (asked.key.startsWith(keys.claim.prefix))
        return entry === undefined
          ? []
          : [{ kind: 'claimed', generation: keys.claim.decode(entry.value)?.generation ?? 0 }]
      if (asked.key.startsWith(keys.progress.prefix))
        return entry === undefined
          ? []
          : [{ kind: 'recalled', enacted: keys.progress.decode(entry.value)?.enacted ?? 0 }]
      if (asked.key.startsWith(keys.plan.prefix))
        return [
          { kind: 'plan', generation: Number(asked.key.slice(keys.plan.prefix.length)), isThere: entry !== undefined },
        ]
      return []
    }
    case 'commit':
      return asked.writes.map((write): Event => {
        const value = write.kind === 'put' ? write.value : new Uint8Array()
        if (write.key.startsWith(keys.claim.prefix))
          return { kind: 'claim', generation: keys.claim.decode(value)?.generation ?? 0 }
        if (write.key.startsWith(keys.progress.prefix))
          return { kind: 'says', enacted: keys.progress.decode(value)?.enacted ?? 0 }
        return { kind: 'other', text: `${write.kind} ${write.key}` }
      })
    case 'read':
      return (answer as readonly Reading[]).flatMap((reading): readonly Event[] =>
        reading.kind === 'published'
          ? [{ kind: 'record', name: reading.published.name, generation: generationAt({ ...reading.published }) ?? 0 }]
          : [],
      )
    case 'write': {
      const { name, expected, marker } = asked.change
      return [{ kind: 'write', name, from: generationAt({ ...expected }) ?? 0, to: marker.generation }]
    }
    case 'put':
      return [{ kind: 'other', text: `an unconditional change of ${asked.published.name}` }]
    default:
      return []
  }
}
