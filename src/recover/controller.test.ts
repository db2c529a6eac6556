import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allowed, decide, mayClose, mayLeap, type Seeking, startFrom } from './controller.ts'
import { defaults } from './parameters.ts'
import type { Window } from './window.ts'

const window = (what: Partial<Window> = {}): Window => ({
  seconds: 1,
  ended: 400,
  failed: 0,
  units: 400,
  strictUnits: 0,
  saturation: 1,
  silentSeconds: 0,
  meanLatencyMs: 10,
  ...what,
})

/** A window of one second with this throughput. */
const at = (x: number): Window => window({ ended: x, units: x })
const decided = (seeking: Seeking, ...windows: readonly Window[]) =>
  windows.reduce((state, one) => decide(state, one, defaults), seeking)
const cruising = (base: number): Seeking => ({ ...startFrom(base, defaults), mode: 'cruise' })

describe('start', () => {
  test('doubles while it brings a tenth more', () => {
    const seeking = decided(startFrom(4, defaults), at(400), at(700), at(1200))
    expect(seeking).toMatchObject({ mode: 'start', limit: 32, bestLimit: 16, best: 1200 })
  })

  test('after two windows that bring nothing goes back to the best', () => {
    const seeking = decided(startFrom(4, defaults), at(400), at(700), at(500), at(500))
    expect(seeking).toMatchObject({ mode: 'cruise', phase: 'base', limit: 8, base: 8 })
  })

  test('goes half-way back if twice as many did hardly worse', () => {
    const seeking = decided(startFrom(4, defaults), at(400), at(700), at(680), at(690))
    expect(seeking.limit).toBeCloseTo(8 * Math.SQRT2)
  })
})

describe('start, faster', () => {
  test('by four while throughput grows as fast as the limit, by two when it does not', () => {
    const linear = decided(startFrom(4, defaults), at(400), at(800))
    expect(linear).toMatchObject({ limit: 32, bestLimit: 8 })
    expect(decided(linear, at(3_000))).toMatchObject({ limit: 64, bestLimit: 32 })
  })

  // 64 at once did 1,000 a second, and with few at once an operation took 30 ms.
  const hint = { throughput: 1_000, limit: 64, aloneMs: 30 }
  const first = (meanLatencyMs: number) => window({ ended: 70, units: 70, meanLatencyMs })

  test('ends where the knee was in better times', () => {
    const climbing = decided(startFrom(16, defaults, hint), first(30))
    expect(climbing).toMatchObject({ mode: 'start', limit: 64, expected: 64 })
    // It need not be better at once: where every place is new, the first of them take long.
    const settling = decided(climbing, at(65))
    expect(settling).toMatchObject({ mode: 'cruise', phase: 'settling', limit: 64, base: 64 })
    expect(decided(settling, at(600), at(900))).toMatchObject({ phase: 'settling', limit: 64 })
    expect(decided(settling, at(600), at(900), at(950))).toMatchObject({ phase: 'up', reference: 950 })
    // No better, and clearly worse than what the climb saw before: back to that.
    expect(decided(settling, at(65), at(50))).toMatchObject({ phase: 'base', base: 16 })
  })

  test('as many more as operations take longer now, by the law of Little', () => {
    const climbing = decided(startFrom(16, defaults, hint), first(230), window({ ended: 270, units: 270 }))
    expect(climbing).toMatchObject({ mode: 'start', expected: 264, limit: 256 })
    expect(decided(climbing, at(900))).toMatchObject({ mode: 'start', limit: 264 })
    const cruise = decided(climbing, at(900), at(950), at(950), at(960))
    expect(cruise).toMatchObject({ mode: 'cruise', base: 264, away: 192, phase: 'up' })
    // 192 of them are on their way only: a step changes the other 72.
    expect(cruise.limit).toBeCloseTo(192 + 1.4 * 72)
    const down = decided(cruise, at(960), at(960))
    expect(down.limit).toBeCloseTo(192 + 72 / 1.4)
    const moved = decided(down, at(800))
    expect(moved.base).toBeGreaterThan(264)
    expect(moved.base).toBeLessThanOrEqual(192 + 1.25 * 72 + 1e-9)
  })

  test('however long the way, a step changes a quarter of them', () => {
    const far = { ...cruising(400), detourMs: 10_000 }
    expect(decided(far, at(1_000)).limit).toBeCloseTo(300 + 1.4 * 100)
  })

  test('what was expected holds no longer when much more than that is good', () => {
    const there = decided(startFrom(16, defaults, hint), first(30), at(1_000), at(1_000), at(1_000))
    expect(there).toMatchObject({ mode: 'cruise', phase: 'up', base: 64 })
    const again = decided(there, at(1_300))
    expect(again).toMatchObject({ mode: 'start', expected: Number.POSITIVE_INFINITY })
    expect(decided(again, at(3_000)).limit).toBeGreaterThan(again.limit)
  })

  test('a hint that does not say how long operations took ends no climb', () => {
    const climbing = decided(startFrom(16, defaults, { throughput: 1_000, limit: 64 }), first(30))
    expect(climbing.expected).toBe(Number.POSITIVE_INFINITY)
    expect(decided(climbing, at(500), at(2_000))).toMatchObject({ mode: 'start', limit: 512 })
  })
})

describe('when a window may close', () => {
  const sofar = (elapsedMs: number, ended: number) => ({ elapsedMs, ended, units: ended })
  const climbing: Seeking = { ...startFrom(32, defaults), best: 100, bestLimit: 16 }

  test('with enough samples, or when its time is over; never too soon', () => {
    expect(mayClose(sofar(90, 5_000), climbing, defaults)).toBe(false)
    expect(mayClose(sofar(900, 100), climbing, defaults)).toBe(true)
    expect(mayClose(sofar(1_999, 20), climbing, defaults)).toBe(false)
    expect(mayClose(sofar(2_000, 20), climbing, defaults)).toBe(true)
    expect(mayClose(sofar(900, 399), cruising(32), defaults)).toBe(false)
    expect(mayClose(sofar(900, 400), cruising(32), defaults)).toBe(true)
  })

  test('in a climb with fewer, if they show clearly more and every place had four turns', () => {
    const few: Seeking = { ...climbing, limit: 8, base: 8 }
    expect(mayClose(sofar(200, 31), few, defaults)).toBe(false)
    expect(mayClose(sofar(200, 32), few, defaults)).toBe(true)
    expect(mayClose(sofar(220, 32), few, defaults)).toBe(false)
  })

  test('before the limit has settled after one turn, but only if a climb raised it', () => {
    expect(mayLeap(sofar(200, 31), climbing, defaults)).toBe(false)
    expect(mayLeap(sofar(200, 32), climbing, defaults)).toBe(true)
    expect(mayLeap(sofar(220, 32), climbing, defaults)).toBe(false)
    // Begun anew, after a stall: what ends now was begun under a higher limit.
    expect(mayLeap(sofar(200, 500), startFrom(32, defaults), defaults)).toBe(false)
    expect(mayLeap(sofar(200, 500), cruising(32), defaults)).toBe(false)
  })
})

describe('cruise', () => {
  test('moves up in proportion to what a step up brings', () => {
    const up = decided(cruising(64), at(2000), at(2200), at(2000), at(1800))
    const less = decided(cruising(64), at(2000), at(2040), at(2000), at(1960))
    expect(up.base).toBeGreaterThan(less.base)
    expect(less.base).toBeGreaterThan(64)
    expect(up.base).toBeLessThanOrEqual(64 * 1.25 + 1e-9)
    expect(up.limit).toBe(up.base)
  })

  test('moves down when more brings nothing', () => {
    expect(decided(cruising(64), at(2000), at(2000), at(2000), at(2000)).base).toBeLessThan(64)
    expect(decided(cruising(64), at(2000), at(1800), at(2000), at(2200)).base).toBeLessThan(60)
  })

  test('capacity that rises by itself is no reason to move up', () => {
    // A fifth more with each window, whatever the limit.
    const seeking = decided(cruising(64), at(1000), at(1050), at(1102), at(1157))
    expect(seeking.base).toBeLessThan(64)
  })

  test('capacity that comes back ends a hold', () => {
    const held = { ...cruising(3), hold: 5 }
    const seeking = decided(held, at(14), at(14), at(58))
    expect(seeking).toMatchObject({ mode: 'start', bestLimit: 3, limit: 6, hold: 0 })
  })

  test('from one, tries two: a quarter more of one would be nothing', () => {
    expect(allowed(decided(cruising(1), at(200)))).toBe(2)
  })

  test('starts to double again when the knee turns out to be far away, as after a hang', () => {
    const seeking = decided(cruising(1), at(200), at(390))
    expect(seeking).toMatchObject({ mode: 'start', bestLimit: 2, limit: 4 })
    let climbing: Seeking = seeking
    let windows = 0
    while (climbing.limit < 64 && windows < 20) {
      climbing = decide(climbing, at(200 * Math.min(64, allowed(climbing))), defaults)
      windows++
    }
    expect(windows).toBeLessThan(8)
  })
})

describe('the other rules', () => {
  test('a stall halves and starts anew; what only just began is no stall', () => {
    const silence = window({ ended: 0, units: 0, silentSeconds: 2, saturation: 0.5 })
    expect(decided(cruising(64), silence)).toMatchObject({ mode: 'start', limit: 32, best: 0 })
    const began = window({ ended: 0, units: 0, silentSeconds: 0.1, saturation: 0.5 })
    expect(decided(cruising(64), began)).toEqual(cruising(64))
  })

  test('a saturated stall goes to one at once: the deadline clamp', () => {
    expect(decided(cruising(64), window({ ended: 0, units: 0, silentSeconds: 2 })).limit).toBe(1)
  })

  test('too many failures: seven tenths, and nothing higher for five windows', () => {
    const failing = decided(cruising(100), window({ ended: 400, failed: 20, units: 380 }))
    expect(failing).toMatchObject({ mode: 'cruise', phase: 'base', limit: 70, hold: 5 })
    let seeking: Seeking = failing
    for (let i = 0; i < 5; i++) {
      seeking = decide(seeking, at(400), defaults)
      expect(seeking.limit).toBeLessThanOrEqual(70)
    }
    for (let i = 0; i < 4; i++) seeking = decide(seeking, at(400), defaults)
    expect(seeking.limit).toBeGreaterThan(seeking.base)
  })

  test('a few failures are no reason', () => {
    expect(decided(cruising(100), window({ ended: 400, failed: 8, units: 392 })).hold).toBe(0)
  })

  test('learns nothing while there is little to do, and forgets nothing', () => {
    const quiet = window({ ended: 5, units: 5, saturation: 0.3 })
    expect(decided(cruising(64), quiet, quiet, quiet)).toEqual(cruising(64))
  })

  test('no more at once than half of the time-out allows', () => {
    // 50/s and 2 s: 50 in flight take one second each.
    expect(decided(cruising(400), at(50)).limit).toBe(50)
    // Renewals are small: the law counts operations, not their work.
    expect(decided(cruising(400), window({ ended: 400, units: 100 })).base).toBe(400)
  })
})

test('whatever happens, the limit is from 1 to the most, and whole operations are allowed', () => {
  const any = fc.record({
    seconds: fc.double({ min: 0.1, max: 2, noNaN: true }),
    ended: fc.nat({ max: 5000 }),
    failed: fc.nat({ max: 5000 }),
    saturation: fc.constantFrom(0, 0.5, 0.8, 1),
    silentSeconds: fc.constantFrom(0, 0.5, 2),
  })
  fc.assert(
    fc.property(
      fc.array(any, { maxLength: 60, size: 'max' }),
      fc.double({ min: 0.01, max: 1e6, noNaN: true }),
      (windows, first) => {
        let seeking = startFrom(first, defaults)
        for (const { ended, failed, ...rest } of windows) {
          const bad = Math.min(ended, failed)
          seeking = decide(seeking, window({ ...rest, ended, failed: bad, units: ended - bad }), defaults)
          expect(seeking.limit).toBeGreaterThanOrEqual(1)
          expect(seeking.limit).toBeLessThanOrEqual(defaults.limitMax)
          expect(seeking.base).toBeGreaterThanOrEqual(1)
          expect(seeking.base).toBeLessThanOrEqual(defaults.limitMax)
          expect(Number.isInteger(allowed(seeking))).toBe(true)
        }
      },
    ),
  )
})

test('without noise it finds the knee, wherever it is, and stays near its throughput', () => {
  const beta = (knee: number) => 0.95 / knee ** 2
  const x = (n: number, knee: number) => (n * 200) / (1 + 0.05 * (n - 1) + beta(knee) * n * (n - 1))
  for (const knee of [8, 64, 400]) {
    let seeking = startFrom(4, defaults)
    let worst = 1
    for (let i = 0; i < 120; i++) {
      const now = x(allowed(seeking), knee)
      if (i > 40) worst = Math.min(worst, now / x(knee, knee))
      seeking = decide(seeking, at(now), defaults)
    }
    expect(worst, `knee ${knee}`).toBeGreaterThan(0.9)
  }
})
