/** Drills of a simulated dependency: what is taken away comes back, and the report says what happened. */
import { expect, test } from 'vitest'
import type { Work } from '../leases/work.ts'
import { type DrillPorts, drill } from './drill.ts'
import { DrillFleet } from './fleet.ts'
import { governed } from './governed.ts'
import { plotOf } from './plot.ts'
import { bestOf, reportText } from './report.ts'

interface Stage {
  readonly ports: DrillPorts
  readonly calls: string[]
  readonly stop: AbortController
}

interface Troubles {
  /** How often the command fails. */
  readonly takeAway?: number
  readonly bringBack?: number
  /** While it is away nothing ends, until the time is up, in place of failing at once. */
  readonly hangs?: boolean
}

/** Virtual time; a dependency that does 400 operations a second, each alone, and fails at once while it is away. */
function stage(hosts: number, { hangs = false, ...broken }: Troubles = {}): Stage {
  let time = 0
  let isAway = false
  let busyUntil = 0
  const timers: { readonly at: number; readonly wake: () => void }[] = []
  const calls: string[] = []
  const stop = new AbortController()
  const failing = { takeAway: 0, bringBack: 0, ...broken }
  const work: Work = {
    atOnce: 64,
    async grant() {
      if (isAway && hangs) {
        const until = time + 2_000
        while (isAway && time < until) await new Promise<void>((wake) => timers.push({ at: time + 20, wake }))
        if (time >= until) return { kind: 'timeout', why: 'away' }
      } else if (isAway) return { kind: 'failed', why: 'away' }
      busyUntil = Math.max(busyUntil, time) + 2.5
      await new Promise<void>((wake) => timers.push({ at: busyUntil, wake }))
      return isAway ? { kind: 'failed', why: 'away' } : { kind: 'done' }
    },
    async close() {
      calls.push('closed')
    },
  }
  const random = () => 0.37
  const now = () => time
  const ports: DrillPorts = {
    service: governed({ hosts, work, timeoutMs: 2_000, idOf: String, epochAbove: 0, now, random: Math.random }),
    async takeAway() {
      calls.push('take away')
      if (failing.takeAway-- > 0) throw new Error('cannot take away')
      isAway = true
    },
    async bringBack() {
      calls.push('bring back')
      if (failing.bringBack-- > 0) throw new Error('cannot bring back')
      isAway = false
    },
    now,
    async sleep(ms) {
      time += ms
      for (const due of timers.splice(0)) {
        if (due.at <= time) due.wake()
        else timers.push(due)
      }
      await new Promise((done) => setImmediate(done))
    },
    random,
    progress: () => {},
    signal: stop.signal,
  }
  return { ports, calls, stop }
}

const plan = { hosts: 500, dependency: 'simulated', awayMs: 5_000, atMostMs: 60_000 }

test('a fleet returns, and the report says when', async () => {
  const { ports, calls } = stage(500)
  const report = await drill(plan, ports)
  expect(calls).toEqual(['take away', 'bring back', 'closed'])
  expect(report).toMatchObject({ leased: 500, isInterrupted: false, leasedWhileAway: 0 })
  expect(report.backAt - report.takenAwayAt).toBeCloseTo(5, 0)
  expect(report.t50 ?? 0).toBeGreaterThan(0)
  expect(report.t99 ?? 0).toBeGreaterThanOrEqual(report.t50 ?? 0)
  expect(report.t100 ?? 0).toBeLessThan(30)
  expect(report.work?.operations ?? 0).toBeGreaterThanOrEqual(500)
  expect(report.wastedShare ?? 0).toBeGreaterThan(0)
  // The second in which it ended is not over.
  expect(report.seconds.reduce((sum, { goodput }) => sum + goodput, 0)).toBeGreaterThan(400)
  expect(reportText(report)).toMatch(/^recovered: 500 of 500/)
  expect(plotOf(report)).toMatch(/^<svg[\s\S]*500 hosts[\s\S]*<\/svg>\n$/)
})

test('whoever asks in the moment when a dependency that stood still is back is not sent away for long', async () => {
  const { ports } = stage(2_000, { hangs: true })
  let random = 0
  const spread = () => (random = (random + 0.618) % 1)
  const report = await drill({ ...plan, hosts: 2_000, awayMs: 3_000 }, { ...ports, random: spread })
  expect(report.t100 ?? 99).toBeLessThan(15)
})

test('an interrupted drill brings the dependency back', async () => {
  const { ports, calls, stop } = stage(500)
  const report = await drill(plan, { ...ports, progress: (seconds) => seconds === 2 && stop.abort() })
  expect(calls).toEqual(['take away', 'bring back', 'closed'])
  expect(report).toMatchObject({ isInterrupted: true, t99: null, t100: null })
  expect(reportText(report)).toMatch(/^INTERRUPTED/)
})

test('a dependency that was perhaps taken away is brought back', async () => {
  const { ports, calls } = stage(10, { takeAway: 1 })
  await expect(drill(plan, ports)).rejects.toThrow('cannot take away')
  expect(calls).toEqual(['take away', 'bring back', 'closed'])
})

test('bringing it back is tried three times, and then said', async () => {
  const twice = stage(500, { bringBack: 2 })
  expect((await drill(plan, twice.ports)).leased).toBe(500)
  const never = stage(10, { bringBack: 9 })
  await expect(drill(plan, never.ports)).rejects.toThrow('cannot bring back')
  expect(never.calls.filter((call) => call === 'bring back')).toHaveLength(3)
})

test('a dependency that was not away is told apart from a recovery', async () => {
  const { ports } = stage(5_000)
  const report = await drill({ ...plan, hosts: 5_000, awayMs: 8_000 }, { ...ports, takeAway: async () => {} })
  expect(report.leasedWhileAway).toBeGreaterThan(0)
  expect(reportText(report)).toContain('WARNING')
})

test('a drill that does not recover ends in time', async () => {
  const { ports } = stage(500)
  const report = await drill({ ...plan, atMostMs: 3_000 }, { ...ports, bringBack: async () => {} })
  expect(report).toMatchObject({ t50: null, leased: 0 })
  expect(ports.now()).toBeLessThan(10_000)
  expect(reportText(report)).toMatch(/^NOT RECOVERED/)
})

test('hosts that are not answered back off, and one whose lease is gone counts no more', () => {
  const fleet = new DrillFleet(1, () => 0.5)
  const dueAt: number[] = []
  for (let now = 0; now < 200_000 && dueAt.length < 5; now += 10)
    for (const host of fleet.step(now)) {
      dueAt.push(now)
      fleet.answered(host, 'lost', 0, now)
    }
  const waits = dueAt.slice(1).map((at, index) => at - (dueAt[index] as number))
  expect(waits).toEqual([500, 1_000, 2_000, 4_000])
  fleet.answered(0, 'leased', 1_000, 200_000)
  fleet.answered(0, 'leased', 1_000, 201_000)
  expect(fleet.leased).toBe(1)
  fleet.answered(0, 'pending', 1_000, 202_000)
  expect(fleet.leased).toBe(0)
})

test('hosts that were turned away come when they were told to, each a little later, and hosts that moved as they are told', () => {
  const fleet = new DrillFleet(1, () => 0.5)
  const dueAt: number[] = []
  for (let now = 0; now < 60_000 && dueAt.length < 4; now += 10)
    for (const host of fleet.step(now)) {
      dueAt.push(now)
      fleet.answered(host, dueAt.length < 3 ? 'later' : 'moved', 4_000, now)
    }
  expect(dueAt.slice(1).map((at, index) => at - (dueAt[index] as number))).toEqual([5_000, 5_000, 4_000])
  expect([fleet.lost, fleet.messages, fleet.leased]).toEqual([2, 4, 0])
})

test('the best five seconds', () => {
  expect(bestOf([])).toBe(0)
  expect(bestOf([0, 10, 10, 10, 10, 10, 0])).toBe(10)
  expect(bestOf([50])).toBe(10)
})
