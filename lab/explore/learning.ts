/**
 * Learning what a program can do, whatever the others do.
 *
 * One program is explored with the planner and, in place of all others, everything that they could ever
 * do as it sees it: names go forward, to what some published plan says, at any moment; old plans vanish
 * at any moment. Whatever happens to the program in the real world happens to it here, so afterwards
 * its automaton holds every answer that it can be given, and can be made small (see `quotient.ts`).
 *
 * For enactors this is a proof besides. What is assumed of the others (names only go forward, and to
 * whole plans) is what is checked of the one (S1, S3); none of them can be the first to break it. So
 * where nothing is violated here, S1, S2 and S3 hold for any number of enactors.
 */
import { fromUtf8, utf8 } from '../../src/base/bytes.ts'
import { publishedAs } from '../../src/enact/fence.ts'
import { genesis } from '../../src/model/generation.ts'
import { keys } from '../../src/model/keys.ts'
import { parseEntryLine, shardLines } from '../../src/model/plan.ts'
import type { Publishable } from '../../src/plan/publish.ts'
import { generationAt } from '../checks/check.ts'
import type { Standing } from '../sim/authority.ts'
import { Quotient } from './quotient.ts'
import { type Explored, search } from './search.ts'
import type { HoldfastShared } from './shared.ts'
import {
  type Bounds,
  type Limits,
  type Member,
  type Outside,
  type Preparing,
  type State,
  type Taken,
  World,
} from './world.ts'

export interface Setting {
  readonly members: readonly Member[]
  readonly shared: HoldfastShared
  readonly bounds: Bounds
  readonly taken: Taken
  readonly plans: readonly Publishable[]
  readonly owner: string
  /** Whether plans may be deleted that the sweep would keep. */
  readonly deletesAny: boolean
}

export interface Learned {
  readonly id: string
  readonly explored: Explored
  /** States of the program that nobody can tell apart taken together; null if it was not learned to the end. */
  readonly classes: number | null
}

const unlimited = { states: Number.POSITIVE_INFINITY }
const anyTime: Limits = { ...unlimited, ms: 900_000, bytes: 2 ** 32 }

/** Makes every program of the world small that can be. */
export async function learnAll(world: World, setting: Setting, preparing: Preparing = {}): Promise<readonly Learned[]> {
  const learned: Learned[] = []
  const { allowed = anyTime } = preparing
  const until = performance.now() + allowed.ms
  const quotients = new Map<unknown, Quotient | null>()
  for (const [index, { automaton, isOutside }] of setting.members.entries()) {
    if (isOutside) continue
    let quotient = quotients.get(automaton)
    if (quotient === undefined) {
      const explored = await search(
        aloneWith(setting, index),
        { ...allowed, ...unlimited, ms: until - performance.now() },
        preparing,
      )
      quotient = explored.kind === 'all' ? new Quotient(automaton) : null
      quotients.set(automaton, quotient)
      learned.push({ id: automaton.id, explored, classes: quotient?.size ?? null })
    }
    if (quotient !== null) world.use(index, quotient)
  }
  return learned
}

function aloneWith(setting: Setting, member: number): World {
  const { members, shared, bounds, taken } = setting
  const { id, own } = members[member] as Member
  const outside = own === null ? documentsChange(setting) : recordsChange(setting)
  const world = new World(members, shared, bounds, taken, {
    isPresent: ({ id: other, isOutside }) => isOutside || other === id,
    outside,
  })
  shared.world = world
  return world
}

/** What an enactor may see the others do. */
function recordsChange({ shared, plans, owner, deletesAny, members }: Setting): (state: State) => readonly Outside[] {
  const { layout, authority, documents } = shared
  const isSwept = members.at(-1)?.id === 'sweep'
  const writes = plans.flatMap(({ head, newShards }) =>
    [...newShards.values()].flatMap((text) =>
      shardLines(fromUtf8(utf8(text))).flatMap((line) => {
        const entry = parseEntryLine(line)
        return entry === undefined ? [] : [{ generation: head.generation, ...publishedAs(entry, owner) }]
      }),
    ),
  )
  return (state) => {
    const head = documents.head(state)
    const zone = layout.at(state, layout.zone)
    const found: Outside[] = []
    for (const { name, generation, ...standing } of writes)
      if (
        !shared.foreign.has(name) &&
        generation <= head &&
        (generationAt(authority.standing(zone, name)) ?? 0) < generation
      )
        found.push({
          text: `somebody publishes plan ${generation} at ${name}`,
          change: (state) => layout.put(state, layout.zone, authority.put(zone, name, standing as Standing)),
        })
    if (!isSwept) return found
    for (const { head: plan } of plans) {
      const slots = layout.ofPlan.get(plan.generation) ?? []
      const isOld = plan.generation < head - (deletesAny ? 0 : shared.keepPlans)
      if (!isOld || slots.every((slot) => layout.at(state, slot) === 0)) continue
      found.push({
        text: `somebody deletes plan ${plan.generation}`,
        change: (state) => {
          for (const slot of deletesAny ? slots.slice(0, 1) : slots) layout.put(state, slot, 0)
        },
      })
    }
    return found
  }
}

/** What the sweep may see enactors say when it asks: any of them works from any plan, and has seen any plan published. */
function documentsChange({ shared, plans, members }: Setting): (state: State) => readonly Outside[] {
  const { layout, documents } = shared
  const sweep = members.length - 1
  const generations = plans.map(({ head }) => head.generation)
  const claims = generations.map((generation) => documents.claim(generation))
  const roots = [genesis, ...generations].map((generation) => documents.root(generation))
  const slots = Array.from({ length: layout.enactors }, (_, enactor) => enactor)
  const set = (values: readonly number[], slotOf: (enactor: number) => number, text: string): readonly Outside[] =>
    multisets([0, ...values], layout.enactors).map((chosen) => ({
      text,
      change: (state) => {
        for (const enactor of slots) {
          layout.put(state, layout.claim(enactor), 0)
          layout.put(state, layout.progress(enactor), 0)
        }
        for (const enactor of slots) layout.put(state, slotOf(enactor), chosen[enactor] as number)
      },
    }))
  const asked = new Map([
    [`range ${keys.claim.prefix}`, set(claims, (enactor) => layout.claim(enactor), 'enactors claim plans')],
    [
      `range ${keys.progress.prefix}`,
      set(roots, (enactor) => layout.progress(enactor), 'enactors say how far they are'),
    ],
  ])
  return (state) =>
    (shared.world as World)
      .machine(sweep)
      .operationsOf(state[sweep] as number)
      .flatMap(({ text }) => asked.get(text) ?? [])
}

/** All ways to choose so many of these, the same one several times too; in order. */
function multisets(values: readonly number[], count: number): readonly (readonly number[])[] {
  if (count === 0) return [[]]
  return values.flatMap((value, index) => multisets(values.slice(index), count - 1).map((rest) => [value, ...rest]))
}
