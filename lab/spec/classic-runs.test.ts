import { expect, test } from 'vitest'
import { classic } from './classic.ts'
import { runClassic } from './classic-runs.ts'
import { changed, type Spec } from './spec.ts'

const seeds = 60
const forMs = 30_000

async function firstRefused(spec: Spec) {
  for (let seed = 1; seed <= seeds; seed++) {
    const { refused } = await runClassic(spec, seed, forMs)
    if (refused !== null) return refused
  }
  return null
}

test('what the classic programs do is what their table allows', { timeout: 60_000 }, async () => {
  const steps = new Map<string, number>()
  let unanswered = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const run = await runClassic(classic, seed, forMs)
    expect(run.refused, `seed ${seed}`).toBeNull()
    for (const [step, count] of run.steps) steps.set(step, (steps.get(step) ?? 0) + count)
    if (!run.isAnswered) unanswered += 1
  }
  // What was watched must have happened, up to the end of that night.
  for (const step of ['files', 'looks', 'judges', 'builds', 'reads', 'loses', 'breaks', 'moves', 'cleans', 'finishes'])
    expect(steps.get(step), step).toBeGreaterThan(0)
  expect(unanswered).toBeGreaterThan(0)
})

test.each([
  ['moves', { guard: ['at == MOVES', 'lock == held', 'root == live', 'mine > root'] }],
  ['cleans', { guard: ['at == CLEANS', 'p + KEEP < mine', 'p != root'] }],
  ['loses', { guard: ['at == MOVES', 'lock != held'], effect: ['at = LOOKS'] }],
] as const)('a table that says otherwise of %s is found out', { timeout: 60_000 }, async (action, drift) => {
  expect(await firstRefused(changed(classic, 'enactor', action, drift))).not.toBeNull()
})
