/**
 * The race of October 2025 under seeded schedules: Holdfast's production enactors, under pauses and worse,
 * lose nothing; and with one of their mechanisms taken away they do. (That night's own protocol is in
 * lab/classic/.) A failing seed is repeated by putting its number into `race` below.
 */
import { describe, expect, test } from 'vitest'
import { allFaults, type Faults, type RaceResult, race, type Sabotage } from './support/race.ts'
import { fenceOnlyAtTheStart, noClaim, noReadBack, sweepByAge } from './support/sabotage.ts'

const seeds = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
const pausesOnly: Faults = { ...zero(allFaults), pause: 0.8 }

function zero(faults: Faults): Faults {
  return Object.fromEntries(Object.keys(faults).map((key) => [key, 0])) as unknown as Faults
}

describe('Holdfast', () => {
  const unharmed = async (count: number, faults: Faults) => {
    const bad = []
    const sum = { writes: 0, swept: 0, plans: 0, crashes: 0 }
    for (const seed of seeds(count)) {
      const result = await race({ seed, faults })
      sum.writes += result.writes
      sum.swept += result.swept
      sum.plans += result.plans
      const { violations, converged, left } = result
      // No claimed plan goes, and nobody thinks that the store has lost history.
      const amiss = result.events.filter((event) => event === 'enact.vanished' || event === 'enact.outrun')
      if (violations.length > 0 || !converged || amiss.length > 0) bad.push({ seed, violations, left, amiss })
    }
    expect(bad).toEqual([])
    return sum
  }

  test('holds under the same pauses', { timeout: 60_000 }, async () => {
    await unharmed(60, pausesOnly)
  })

  test('holds under pauses, crashes, lost, late and lying answers, and hands that edit', {
    timeout: 120_000,
  }, async () => {
    const sum = await unharmed(160, allFaults)
    // What was watched must have happened.
    expect(sum.writes).toBeGreaterThan(1_500)
    expect(sum.swept).toBeGreaterThan(500)
  })
})

describe('a mechanism taken away is noticed', () => {
  const firstHarm = async (sabotage: Sabotage, faults: Faults, isHarm: (result: RaceResult) => boolean) => {
    for (const seed of seeds(60)) {
      const result = await race({ seed, faults, sabotage })
      if (isHarm(result)) return seed
    }
    return null
  }
  const breaks = (rule: string) => (result: RaceResult) => result.violations.some((what) => what.startsWith(rule))

  test('with the fence only at the start, S1 breaks', { timeout: 60_000 }, async () => {
    expect(await firstHarm(fenceOnlyAtTheStart, allFaults, breaks('S1'))).not.toBeNull()
  })

  test('with the fence only at the start, S6 breaks', { timeout: 60_000 }, async () => {
    expect(await firstHarm(fenceOnlyAtTheStart, allFaults, breaks('S6'))).not.toBeNull()
  })

  test('without reading back, S2 breaks', { timeout: 60_000 }, async () => {
    expect(await firstHarm(noReadBack, { ...allFaults, lie: 30 }, breaks('S2'))).not.toBeNull()
  })

  test('without reading back, L1 breaks', { timeout: 60_000 }, async () => {
    expect(await firstHarm(noReadBack, { ...allFaults, lie: 30 }, ({ converged }) => !converged)).not.toBeNull()
  })

  test('with a sweep by age, S4 breaks', { timeout: 60_000 }, async () => {
    expect(await firstHarm(sweepByAge, allFaults, breaks('S4'))).not.toBeNull()
  })

  test('without claims, a plan vanishes from under an enactor', { timeout: 60_000 }, async () => {
    expect(await firstHarm(noClaim, allFaults, ({ events }) => events.includes('enact.vanished'))).not.toBeNull()
  })
})
