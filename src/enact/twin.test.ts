import { expect, test } from 'vitest'
import type { Generation } from '../model/generation.ts'
import type { Instant } from '../world/world.ts'
import { Twin } from './twin.ts'

const note = (twin: Twin, plan: number, by: number, at: number) =>
  twin.note(plan as Generation, by as Generation, at as Instant)

test('a history that was lost is outrun once, or twice while the planner is away', () => {
  const twin = new Twin()
  for (let at = 0; at < 60_000; at += 1_000) note(twin, 3, 40, at)
  note(twin, 41, 42, 61_000)
  expect(twin.complaint('lab', 62_000 as Instant)).toBeNull()
})

test('plan after plan that is outrun is another deployment, until it stops', () => {
  const twin = new Twin()
  note(twin, 1, 2, 0)
  note(twin, 3, 4, 2_000)
  note(twin, 5, 6, 4_000)
  expect(twin.complaint('lab', 5_000 as Instant)).toMatch(/owner "lab": 3 plans .* plan 5 by generation 6; give each/)
  expect(twin.complaint('lab', 303_000 as Instant)).toBeNull()
})
