import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { allReductions, holdfastWorld, nameOf } from '../explore/holdfast.ts'
import { mechanisms } from '../explore/mechanisms.ts'
import { search } from '../explore/search.ts'
import { conforms } from './conformance.ts'
import { rules } from './rules.ts'
import { spin } from './spin.ts'

async function learned(mechanism: string | null, plans: number) {
  const found = mechanisms.find(({ name }) => name === mechanism) ?? null
  const size = { enactors: 2, plans, endpoints: 1, withSweep: false }
  const bounds = { crashes: found === null ? 1 : 0, stalls: 0, ticks: 1, lies: 0 }
  const { world, shared, enactor } = holdfastWorld(size, bounds, { ...allReductions, last: found === null }, found)
  await search(world, { states: 1_000_000, ms: 60_000, bytes: 2 ** 30 })
  return conforms(enactor, (told) => shared.answerOf(told), [nameOf(0)])
}

test('every path of the production enactor is one of the model', async () => {
  const { broken, events } = await learned(null, 2)
  expect(broken).toBeNull()
  expect(events).toBeGreaterThan(1_000)
}, 60_000)

test.each(['newest-again', 'fence-for-every-write', 'one-transaction'])(
  'an enactor without %s is not',
  async (mechanism) => {
    const { broken } = await learned(mechanism, 2)
    expect(broken).not.toBeNull()
  },
  60_000,
)

test('the model has a label for every rule', () => {
  const text = readFileSync(join(import.meta.dirname, 'holdfast.pml'), 'utf8')
  for (const { label } of Object.values(rules)) expect(text).toContain(`\n${label}:`)
})

test.each([
  ['all of it holds, with a crash', 'holdfast', { PLANS: 3, CRASHES: 1 }, 'all'],
  ['all of it holds beside the sweep', 'holdfast', { PLANS: 2, CRASHES: 1, SWEEP: true }, 'all'],
  ['it needs the condition', 'holdfast', { NO_CONDITION: true }, 'violated'],
  ['it needs the reading back', 'holdfast', { LIES: 1, NO_READBACK: true }, 'violated'],
  ['it needs the claims', 'holdfast', { SWEEP: true, NO_CLAIMS: true }, 'violated'],
  ['it needs the roots', 'holdfast', { SWEEP: true, NO_ROOTS: true }, 'violated'],
  ['it needs reachability', 'holdfast', { SWEEP: true, BY_AGE: true }, 'violated'],
  ['the classic protocol leaves its root dangling', 'classic', {}, 'violated'],
] as const)(
  'Spin on the model: %s',
  (_what, model, defines, kind) => {
    const result = spin(model, defines)
    // A machine without Spin is not a failure of the model; the setup names the package.
    if (result !== null) expect(result.kind).toBe(kind)
  },
  60_000,
)
