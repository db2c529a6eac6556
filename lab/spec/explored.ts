/** Whether every path of the production programs that the explorer learned is one of the model's. */
import { keys } from '../../src/model/keys.ts'
import { shardLines } from '../../src/model/plan.ts'
import type { Reading } from '../../src/providers/provider.ts'
import type { Commit, Entry, Range } from '../../src/store/store.ts'
import type { Automaton } from '../explore/automaton.ts'
import { type HoldfastWorld, keepPlans, nameOf } from '../explore/holdfast.ts'
import type { Asked } from '../explore/ports.ts'
import type { Operation } from '../explore/program.ts'
import type { Event } from './events.ts'
import { Model } from './model.ts'
import { Plans } from './plans.ts'
import type { Spec } from './spec.ts'
import { follow, type Program, type When } from './steps.ts'

export interface Conformance {
  /** Pairs of what a program is and what the model's process knows. */
  readonly pairs: number
  readonly events: number
  /** Of the programs: planner, enactor, sweep. */
  readonly programs: readonly string[]
  /** The first path that the model does not have, step by step; null if there is none. */
  readonly broken: readonly string[] | null
}

interface Path {
  readonly before: Path | null
  readonly text: string
}

/** The world has to be explored before: what was learned on the way is looked at. */
export function explored(spec: Spec, { world, shared, plans }: HoldfastWorld, endpoints: number): Conformance {
  const said = new Plans('lab')
  for (const { head, newShards } of plans)
    said.learn(head.generation, head.parent, [...newShards.values()].flatMap(shardLines))
  const programs = new Map(world.members.map(({ id, automaton }) => [automaton, id]))
  let pairs = 0
  let events = 0
  for (const [automaton, id] of programs) {
    const found = conforms(spec, automaton, id, said, endpoints, (told) => shared.answerOf(told))
    pairs += found.pairs
    events += found.events
    if (found.broken !== null) return { pairs, events, programs: [...programs.values()], broken: found.broken }
  }
  return { pairs, events, programs: [...programs.values()], broken: null }
}

function conforms(
  spec: Spec,
  automaton: Automaton,
  id: string,
  said: Plans,
  endpoints: number,
  answerOf: (told: number) => unknown,
): Pick<Conformance, 'pairs' | 'events' | 'broken'> {
  const names = Array.from({ length: endpoints }, (_, endpoint) => nameOf(endpoint))
  // Which of several like enactors it is, is told from the key of its own documents only.
  const process = id.startsWith('enactor') ? 'enactor' : id === 'planner' ? 'planner' : 'sweep'
  const program: Program = { process, me: id }
  const model = new Model(spec, {
    constants: { ...spec.constants, UNREAD: -1, KEEP: keepPlans },
    functions: { since: (p, e) => said.since(Number(p), String(e)), age: (p, h) => said.age(Number(p), Number(h)) },
    domains: {
      ENDPOINTS: () => names,
      PLANS: () => said.numbers(),
      ENACTORS: () => ['enactor-1', 'enactor-2', 'enactor-3'],
    },
  })
  const seen = new Set<string>()
  const open: { node: number; known: ReadonlyMap<string, number>; path: Path | null }[] = []
  /** Of the shared variables only what nobody but the program itself changes; the rest is in what it is told. */
  const enter = (node: number, path: Path | null) => {
    const known = new Map(
      [...model.save()].filter(([at]) => at.startsWith(`${id}.`) || at === `claim ${id}` || at === `enacted ${id}`),
    )
    const key = `${node} ${JSON.stringify([...known].sort())}`
    if (seen.has(key)) return
    seen.add(key)
    open.push({ node, known, path })
  }
  const world = { names: () => names, earlier: (...of: Parameters<Plans['earlier']>) => said.earlier(...of) }
  let events = 0
  let broken: readonly string[] | null = null
  /** The path behind these events; null, and `broken` is set, if the model has them not. */
  const take = (found: readonly Event[], path: Path | null, when: When): Path | null => {
    for (const event of found) {
      events += 1
      path = { before: path, text: `${when === 'asked' ? 'asks for ' : ''}${JSON.stringify(event)}` }
      if (event.kind === 'publish' || event.kind === 'delete') model.set(event.base, 'head')
      const refusal = follow(model, program, event, world, when)
      if (refusal === null) continue
      broken = [...stepsOf(path), `${refusal.step}: expected ${refusal.condition}`]
      break
    }
    return path
  }
  for (const root of automaton.roots()) {
    model.restore(new Map())
    const asked = automaton.node(root).operations.flatMap((operation) => askedEvents(operation, said))
    enter(root, take(asked, null, 'asked'))
  }
  for (let at = open.pop(); at !== undefined && broken === null; at = open.pop()) {
    const { operations, edges } = automaton.node(at.node)
    for (const [move, to] of edges) {
      model.restore(at.known)
      const index = (move >> 4) & 15
      const told = eventsOf(process, operations[index] as Operation, answerOf(Math.floor(move / 256)), said)
      const path = take(told, at.path, 'landed')
      if (broken !== null) break
      // What it waits for now and did not before, it has just asked, knowing what it has just been told.
      const known = operations.filter((_, place) => place !== index).map(({ text }) => text)
      const fresh = automaton.node(to).operations.filter(({ text }) => {
        const place = known.indexOf(text)
        if (place >= 0) known.splice(place, 1)
        return place < 0
      })
      const asked = fresh.flatMap((operation) => askedEvents(operation, said))
      const after = take(asked, path, 'asked')
      if (broken !== null) break
      enter(to, after)
    }
  }
  return { pairs: seen.size, events, broken }
}

function stepsOf(path: Path): string[] {
  const steps: string[] = []
  for (let at: Path | null = path; at !== null; at = at.before) steps.push(at.text)
  return steps.reverse()
}

/** Questions that the model does not have are no events: shards, waiting. */
function eventsOf(process: Program['process'], { data }: Operation, answer: unknown, said: Plans): readonly Event[] {
  const asked = data as Asked
  switch (asked.kind) {
    case 'get': {
      const entry = answer as Entry | undefined
      if (entry === undefined) return []
      if (asked.key === keys.head.key())
        return [{ kind: 'head', generation: keys.head.decode(entry.value)?.generation ?? 0 }]
      if (asked.key.startsWith(keys.progress.prefix))
        return [{ kind: 'recalls', enacted: keys.progress.decode(entry.value)?.enacted ?? 0 }]
      return asked.key.startsWith(keys.plan.prefix) ? [{ kind: 'plan', generation: numberOf(asked.key) }] : []
    }
    case 'range': {
      const { entries } = answer as Range
      const all = (prefix: string, of: (value: Uint8Array) => number | undefined) =>
        new Map(entries.map(({ key, value }) => [key.slice(prefix.length), of(value) ?? 0]))
      if (process !== 'sweep') return []
      if (asked.prefix === keys.claim.prefix)
        return [{ kind: 'claims', claims: all(asked.prefix, (value) => keys.claim.decode(value)?.generation) }]
      if (asked.prefix === keys.progress.prefix)
        return [{ kind: 'progress', enacted: all(asked.prefix, (value) => keys.progress.decode(value)?.enacted) }]
      return []
    }
    case 'commit':
      return (answer as Commit).kind === 'committed' ? commitEvents(asked) : []
    case 'read':
      return (answer as readonly Reading[]).flatMap((reading): readonly Event[] =>
        reading.kind === 'published'
          ? [
              {
                kind: 'record',
                name: reading.published.name,
                stands: said.stands(reading.published.name, reading.published),
              },
            ]
          : [],
      )
    case 'put':
      return [{ kind: 'other', text: `an unconditional change of ${asked.published.name}` }]
    default:
      return []
  }
}

/** What is decided when it is asked for, on what is known then. */
function askedEvents({ data }: Operation, said: Plans): readonly Event[] {
  const asked = data as Asked
  if (asked.kind === 'commit')
    return commitEvents(asked).filter(({ kind }) => kind === 'claim' || kind === 'says' || kind === 'other')
  if (asked.kind !== 'write') return []
  const { name, expected, marker } = asked.change
  return [{ kind: 'write', name, expected: said.stands(name, expected), generation: marker.generation }]
}

const numberOf = (key: string): number => Number(key.slice(keys.plan.prefix.length))

function commitEvents({ compares, writes }: Extract<Asked, { kind: 'commit' }>): readonly Event[] {
  // The head's revision is the number of its plan in the explored world.
  const base = compares.find(({ key }) => key === keys.head.key())?.revision ?? -1
  const movesHead = writes.some(({ key }) => key === keys.head.key())
  return writes.flatMap((write): readonly Event[] => {
    const { key } = write
    const value = write.kind === 'put' ? write.value : new Uint8Array()
    if (key === keys.head.key())
      return [{ kind: 'publish', base, generation: keys.head.decode(value)?.generation ?? 0 }]
    if (key.startsWith(keys.claim.prefix))
      return [{ kind: 'claim', generation: keys.claim.decode(value)?.generation ?? 0 }]
    if (key.startsWith(keys.progress.prefix)) {
      const progress = keys.progress.decode(value)
      return [
        { kind: 'says', enacted: progress?.enacted ?? 0, excused: (progress?.blocked ?? []).map(({ name }) => name) },
      ]
    }
    if (write.kind === 'delete' && key.startsWith(keys.plan.prefix))
      return [{ kind: 'delete', base, generation: numberOf(key) }]
    // Words to their fellows and to people.
    if (/^(status|policy|override|writer)/.test(key)) return []
    if (movesHead || (write.kind === 'delete' && key.startsWith(keys.shard.prefix))) return []
    return [{ kind: 'other', text: `${write.kind} ${key}` }]
  })
}
