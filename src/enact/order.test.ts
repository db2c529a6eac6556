import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Generation } from '../model/generation.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import { liveWaves, retirementWaves, rotated } from './order.ts'

const names = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 20 })
/** Each leads to another of the list, to something outside, or nowhere. */
const graphs = names.chain((list) =>
  fc
    .array(fc.option(fc.integer({ min: 0, max: 30 })), { minLength: list.length, maxLength: list.length })
    .map((targets) =>
      list.map((id, index) => ({
        name: `n${id}.` as Name,
        leadsTo: targets[index] == null ? null : (`n${targets[index]}.` as Name),
      })),
    ),
)

function entryOf({ name, leadsTo }: { name: Name; leadsTo: Name | null }): PlanEntry {
  const answer =
    leadsTo === null
      ? ({ kind: 'addresses', ttl: 1, addresses: [{ address: '192.0.2.1' as never, weight: 1 }] } as const)
      : ({ kind: 'alias', ttl: 1, target: leadsTo } as const)
  return { name, since: 1 as Generation, born: 1 as Generation, answer }
}

/** Whether following `leadsTo` from here ends; in a circle there is no right order. */
function ends(graph: readonly { name: Name; leadsTo: Name | null }[], from: Name): boolean {
  const next = new Map(graph.map((item) => [item.name, item.leadsTo]))
  let at: Name | null | undefined = from
  for (let hops = 0; at; hops++) {
    if (hops > graph.length) return false
    at = next.get(at)
  }
  return true
}

test('a target is written in an earlier wave than its aliases, and everything once', () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const waves = liveWaves(graph.map(entryOf))
      const waveOf = new Map(waves.flatMap((wave, index) => wave.map(({ name }) => [name, index] as const)))
      expect(waves.flat()).toHaveLength(graph.length)
      expect(waveOf.size).toBe(graph.length)
      for (const { name, leadsTo } of graph) {
        const target = leadsTo === null ? undefined : waveOf.get(leadsTo)
        if (target !== undefined && ends(graph, name)) expect(target).toBeLessThan(waveOf.get(name) as number)
      }
    }),
  )
})

test('an alias goes in an earlier wave than what it leads to, and everything once', () => {
  fc.assert(
    fc.property(graphs, (graph) => {
      const waves = retirementWaves(graph)
      const waveOf = new Map(waves.flatMap((wave, index) => wave.map(({ name }) => [name, index] as const)))
      expect(waveOf.size).toBe(graph.length)
      for (const { name, leadsTo } of graph) {
        const target = leadsTo === null ? undefined : waveOf.get(leadsTo)
        if (target !== undefined && ends(graph, name)) expect(target).toBeGreaterThan(waveOf.get(name) as number)
      }
    }),
  )
})

test('retired entries are not in the waves of the living', () => {
  const entry: PlanEntry = {
    name: 'a.' as Name,
    since: 1 as Generation,
    born: 1 as Generation,
    answer: { kind: 'retired' },
  }
  expect(liveWaves([entry]).flat()).toEqual([])
})

test('rotation keeps the circle, and neighbours in name begin far apart', () => {
  fc.assert(
    fc.property(fc.array(fc.integer(), { maxLength: 50 }), fc.string(), (list, worker) => {
      const turned = rotated(list, worker)
      expect(turned).toHaveLength(list.length)
      const start =
        list.length === 0
          ? 0
          : [...list.keys()].find((at) => [...list.slice(at), ...list.slice(0, at)].join() === turned.join())
      expect(start).toBeDefined()
    }),
  )
  const list = Array.from({ length: 900 }, (_, index) => index)
  const starts = ['enactor-1', 'enactor-2', 'enactor-3'].map((worker) => rotated(list, worker)[0] as number)
  const gaps = starts.flatMap((one, i) =>
    starts.slice(i + 1).map((other) => Math.min(Math.abs(one - other), 900 - Math.abs(one - other))),
  )
  expect(Math.min(...gaps)).toBeGreaterThan(90)
})
