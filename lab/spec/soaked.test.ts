/** Whatever happens in stories of the soak is, step by step, what the model allows. */
import { describe, expect, test } from 'vitest'
import { bugs } from '../bugs/bugs.ts'
import { drawStory, type Story } from '../story.ts'
import { holdfast } from './holdfast.ts'
import { watch } from './soaked.ts'
import { changed, type Spec } from './spec.ts'
import type { Watched } from './witness.ts'

const stories = 200
/** All that befalls the region, in less time. */
const troubleMs = 14_000
const calmMs = 5_000

function shortened(story: Story): Story {
  const share = Math.min(1, troubleMs / story.troubleMs)
  const happenings = story.happenings.map((one) => ({ ...one, at: Math.round(one.at * share) }))
  return { ...story, troubleMs: story.troubleMs * share, happenings }
}

test(`${stories} stories`, { timeout: 120_000 }, async () => {
  const steps = new Map<string, number>()
  const cut = new Set<number>()
  for (let seed = 1; seed <= stories; seed++) {
    const watched = await watch(holdfast, shortened(drawStory(seed)), { calmMs })
    expect(watched.refused, `seed ${seed}`).toBeNull()
    if (watched.cut !== null) cut.add(seed)
    for (const [step, count] of watched.steps) steps.set(step, (steps.get(step) ?? 0) + count)
  }
  // What was watched must have happened.
  for (const step of [
    'planner publish',
    'enactor claim',
    'enactor write',
    'enactor says',
    'authority lands',
    'sweep delete',
  ])
    expect(steps.get(step), step).toBeGreaterThan(20)
  for (const step of ['hand edits', 'hand damages', 'hand forges']) expect(steps.get(step), step).toBeGreaterThan(0)
  expect(cut.size).toBeLessThan(stories / 4)
})

async function firstRefused(spec: Spec, seeds: number, told: (seed: number) => Story, plant = '') {
  const bug = bugs.find(({ name }) => name === plant)
  for (let seed = 1; seed <= seeds; seed++) {
    const watched = await watch(spec, told(seed), { calmMs, ...(bug && { plant: (region) => bug.plant(region) }) })
    if (watched.refused !== null) return watched.refused
  }
  return null
}

describe('a program that does otherwise is found out', () => {
  test.each([
    ['fence-at-the-start', 'sends'],
    ['fence-off', 'sends'],
    ['publish-unconditionally', 'publishes'],
    ['value-only-condition', 'lands'],
    ['address-by-address', 'authority'],
    ['two-transactions', 'authority'],
    ['sweep-by-age', 'deletes'],
    ['sweep-ignores-published', 'deletes'],
    ['sweep-keeps-too-few', 'deletes'],
    ['sweep-without-claims', 'deletes'],
    ['torn-publish', 'publishes'],
    ['enacted-too-early', 'says'],
    ['head-once', 'sends'],
    ['no-read-back', 'says'],
    ['repairs-without-store', 'sends'],
  ])('%s', { timeout: 60_000 }, async (name, step) => {
    const bug = bugs.find((one) => one.name === name)
    expect(bug).toBeDefined()
    const refused = await firstRefused(holdfast, 25, (seed) => bug?.tempt?.(drawStory(seed)) ?? drawStory(seed), name)
    expect(refused?.step).toContain(step)
  })
})

describe('a table that says otherwise is found out', () => {
  test.each([
    ['enactor', 'assumes', { guard: ['p < loaded', 'p > 0'] }],
    ['enactor', 'sends', { guard: ['may[e] > 0', 'found[e] < since(may[e], e)'] }],
    ['enactor', 'claims', { guard: ['g == seen', 'claim[me] == 0'] }],
    ['planner', 'publishes', { guard: ['base == head', 'g == head + 1', 'every e in ENDPOINTS: since(g, e) == g'] }],
    ['sweep', 'deletes', { guard: ['base == head', 'p + KEEP + 1 < base', 'p + 1 < top'] }],
    ['authority', 'lands', { effect: ['sent[i, e] = 0'] }],
  ] as const)('%s %s', { timeout: 60_000 }, async (process, action, drift) => {
    const refused: Watched['refused'] = await firstRefused(changed(holdfast, process, action, drift), 25, drawStory)
    expect(refused?.step).toContain(action)
  })
})
