/** The windows that a pump measures its dependency by, and what it remembers of it. */
import { expect, test } from 'vitest'
import { running } from './classes.ts'
import { none, Pump, type PumpOptions } from './pump.ts'

/** A dependency in which every operation takes so many ms, as many at once as there are places; the rest wait. */
function behind(latencyMs: () => number, places: number, options: Partial<PumpOptions> = {}) {
  const hosts = 100_000
  const pump = new Pump({ hosts, sites: 1, now: 0, random: () => 0.5, ...options })
  for (let host = 0; host < hosts; host++) pump.offer(host, running, 0, 0)
  const inFlight: { readonly host: number; readonly began: number; left: number }[] = []
  let now = 0
  const limits: [now: number, limit: number][] = [[0, pump.limit]]
  const run = (until: number) => {
    for (; now < until; now += 5) {
      for (let host = pump.next(now); host !== none; host = pump.next(now))
        inFlight.push({ host, began: now, left: latencyMs() })
      for (const one of inFlight.slice(0, places)) one.left -= 5
      const ended = inFlight.filter(({ left }) => left <= 0)
      for (const one of ended) {
        inFlight.splice(inFlight.indexOf(one), 1)
        pump.done(one.host, 'ok', now + 5 - one.began, now + 5)
      }
      pump.tick(now + 5)
      if (pump.limit !== limits.at(-1)?.[1]) limits.push([now + 5, pump.limit])
    }
  }
  return { pump, run, limits }
}

test('a limit counts when what was begun under the one before has ended', () => {
  // A step down shows at once what a step up shows only a latency later: four places are enough for all of it.
  const { pump, run } = behind(() => 200, 4)
  run(30_000)
  // 20 a second. Windows that began with the change would have taken the old limit's throughput for the new one's.
  expect(pump.snapshot().throughput).toBeCloseTo(20, 0)
  expect(pump.limit).toBeLessThan(20)
})

test('with a slow dependency the climb takes a turn for each step, not a window of many samples', () => {
  const hint = { throughput: 1_000, limit: 64, aloneMs: 20 }
  const { run, limits } = behind(() => 220, 512, { hint })
  run(3_000)
  // 64 and 1,000/s x 0.2 s: where as much is done as in better times.
  expect(limits.map(([, limit]) => limit).slice(0, 4)).toEqual([16, 64, 256, 264])
  expect(limits[3]?.[0]).toBeLessThan(800)
})

test('what it remembers is the knee, what was done there, and how long an operation took alone', () => {
  const { pump, run } = behind(() => 20, 32)
  run(20_000)
  const { throughput = 0, limit = 0, aloneMs = 0 } = pump.hint ?? {}
  expect(throughput).toBeGreaterThan(1_300)
  expect(throughput).toBeLessThan(1_700)
  expect(limit).toBeGreaterThan(20)
  expect(limit).toBeLessThan(64)
  expect(aloneMs).toBe(20)
})
