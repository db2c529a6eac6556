import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Governor, type GovernorOptions } from './governor.ts'
import { defaults } from './parameters.ts'
import { none, Pump } from './pump.ts'

const chance = () => 0.5

function governed(options: Partial<GovernorOptions> = {}) {
  const expired: number[] = []
  const shed: number[] = []
  const governor = new Governor({
    hosts: 100,
    sites: 4,
    now: 0,
    random: chance,
    frontDoorPerSecond: 1000,
    renewals: 'memory',
    ttlMs: 60_000,
    graceMs: 0,
    onExpired: (host) => expired.push(host),
    onShed: (item) => shed.push(item),
    ...options,
  })
  const report = (host: number, now: number) => {
    const standing = governor.report(host, 2, host % 4, now)
    governor.pollAfter(host, now)
    return standing
  }
  /** Everything that may be started ends well after 10 ms, again and again. */
  const serve = (from: number, to: number) => {
    for (let now = from; now < to; now += 10) {
      const started: number[] = []
      for (let item = governor.next(now); item !== none; item = governor.next(now)) started.push(item)
      for (const item of started) governor.done(item, 'ok', 10, now + 10)
      governor.tick(now + 10)
    }
  }
  return { governor, report, serve, expired, shed }
}

describe('the governor', () => {
  test('grants whoever reports, once, however often they ask', () => {
    const { governor, report, serve } = governed()
    for (let again = 0; again < 5; again++)
      for (let host = 0; host < 100; host++) expect(report(host, again)).toBe('pending')
    expect(governor.waiting).toBe(100)
    serve(10, 2500)
    expect(governor.snapshot()).toMatchObject({
      leased: 100,
      waiting: [0, 0, 0, 0, 0, 0],
      inFlight: 0,
      dependency: 'up',
    })
    expect(report(7, 2600)).toBe('leased')
    expect(governor.epochOf(7)).toBe(1)
  })

  test('sends nobody away for long by what the dependency did before anybody knew what it can do', () => {
    const { governor, report } = governed({ hosts: 2000, frontDoorPerSecond: 1000, parameters: { limitFirst: 1 } })
    for (let host = 0; host < 2000; host++) report(host, 0)
    // One operation at once that takes a tenth of a second: the climb has only just begun.
    for (let now = 0; now < 3000; now += 100) {
      const host = governor.next(now)
      if (host !== none) governor.done(host, 'ok', 100, now + 100)
      governor.tick(now + 100)
    }
    expect(governor.snapshot()).toMatchObject({ mode: 'start' })
    expect(governor.snapshot().throughput).toBeLessThan(20)
    // By that: two minutes. By a tenth of the front door: 2,000 hosts, 100 reports a second.
    expect(governor.pollAfter(1999, 3100)).toBeLessThan(21_000)
  })

  test('nor by what it does while it hardly does anything', () => {
    const { governor, report } = governed({ hosts: 30_000, frontDoorPerSecond: 20_000 })
    for (let host = 0; host < 30_000; host++) report(host, 0)
    const work = (from: number, to: number, every: number) => {
      for (let now = from; now < to; now += every) {
        const host = governor.next(now)
        if (host !== none) governor.done(host, 'ok', every, now + every)
        governor.tick(now + every)
      }
    }
    // 1,000 a second, one at a time whatever is allowed; then 20 a second.
    work(0, 3_000, 1)
    expect(governor.snapshot()).toMatchObject({ mode: 'cruise' })
    const before = governor.pollAfter(29_999, 3_000)
    work(3_000, 9_000, 50)
    expect(governor.snapshot().throughput).toBeLessThan(30)
    expect(governor.pollAfter(29_999, 9_000)).toBeLessThan(2.6 * before)
  })

  test('takes a lease away when its host is silent, and not before', () => {
    const { governor, report, serve, expired } = governed()
    for (let host = 0; host < 100; host++) report(host, 0)
    serve(10, 2500)
    for (let now = 3_000; now < 400_000; now += 10_000) {
      for (let host = 1; host < 100; host++) report(host, now)
      governor.tick(now)
    }
    expect(expired).toEqual([0])
    expect(report(0, 401_000)).toBe('pending')
  })

  test('takes nothing away while the dependency is down, and lets every clock begin anew when it is back', () => {
    const { governor, report, serve, expired } = governed({ renewals: { units: 0.25 } })
    for (let host = 0; host < 100; host++) report(host, 0)
    serve(10, 2500)
    // Renewals are tried and fail for ten minutes.
    let now = 40_000
    for (; now < 640_000; now += 100) {
      // Forty hosts are silent from now on.
      if (now % 10_000 === 0) for (let host = 40; host < 100; host++) report(host, now)
      for (let item = governor.next(now); item !== none; item = governor.next(now))
        governor.done(item, 'failed', 1, now)
      governor.tick(now)
    }
    expect(governor.snapshot()).toMatchObject({ dependency: 'down', leased: 100, isExpirySuspended: true })
    for (let host = 40; host < 100; host++) report(host, now)
    serve(now, now + 10_000)
    expect(governor.snapshot()).toMatchObject({ dependency: 'up', leased: 100, isExpirySuspended: false })
    expect(expired).toEqual([])
    // The silent ones: 2 % a site and minute, at least one, and none within the time to live.
    const goOn = (from: number, to: number) => {
      for (let later = from; later < to; later += 100) {
        if (later % 10_000 === 0) for (let host = 40; host < 100; host++) report(host, later)
        serve(later, later + 100)
      }
    }
    goOn(now + 10_000, now + 55_000)
    expect(expired).toEqual([])
    goOn(now + 55_000, now + 240_000)
    expect(expired.length).toBeGreaterThan(0)
    expect(expired.length).toBeLessThanOrEqual(4 * 4)
    expect(Math.max(...expired)).toBeLessThan(40)
  })

  test('cannot hear: nothing expires though everybody is silent', () => {
    const { governor, report, serve, expired } = governed({ ttlMs: 12_000 })
    for (let now = 0; now < 30_000; now += 1000) {
      for (let host = 0; host < 100; host++) report(host, now)
      serve(now, now + 1000)
    }
    for (let now = 30_000; now < 600_000; now += 100) governor.tick(now)
    expect(governor.snapshot().isExpirySuspended).toBe(true)
    expect(expired).toEqual([])
  })

  test('does not serve who has gone silent', () => {
    const { governor, report } = governed()
    report(1, 0)
    report(2, 0)
    // Told to be back in 2 s; three times that, and a bit.
    report(2, 6_300)
    expect(governor.next(6_300)).toBe(2)
    expect(governor.next(6_300)).toBe(none)
    expect(governor.snapshot().gone).toBe(1)
    expect(report(1, 7_000)).toBe('pending')
    expect(governor.next(7_000)).toBe(1)
  })

  test('tries a failed host again once, then leaves it alone until it reports', () => {
    const { governor, report, serve } = governed()
    report(2, 0)
    serve(0, 2500)
    expect(governor.snapshot().dependency).toBe('up')
    report(1, 3000)
    expect(governor.next(3000)).toBe(1)
    expect(governor.done(1, 'timeout', 2000, 3010)).toBe('again')
    expect(governor.next(3010)).toBe(1)
    expect(governor.done(1, 'failed', 5, 3020)).toBe('dropped')
    expect(governor.next(3020)).toBe(none)
    report(1, 3030)
    expect(governor.next(3030)).toBe(1)
    expect(governor.done(1, 'refused', 5, 3040)).toBe('refused')
    expect(governor.standing(1)).toBe('pending')
    expect(governor.next(3040)).toBe(none)
  })

  test('a host that fails again and again costs at most seven operations in ten seconds, and is never forgotten', () => {
    const { governor, report, serve } = governed()
    report(2, 0)
    serve(0, 2500)
    governor.offer(1, 2, 1, 2500)
    let tries = 0
    for (let now = 2500; now < 102_500; now += 100) {
      if (now % 10_000 === 0) report(2, now)
      while (governor.next(now) !== none) {
        tries++
        governor.done(1, 'failed', 1, now)
      }
      governor.tick(now)
    }
    expect(tries).toBeGreaterThan(16)
    expect(tries).toBeLessThanOrEqual(77)
    expect(governor.snapshot().leased).toBe(1)
  })

  test('is more patient with it while the dependency is not up, and not for ever', () => {
    const { governor, report } = governed()
    report(1, 0)
    let tries = 0
    while (governor.next(tries) === 1) {
      tries++
      governor.done(1, 'failed', 1, tries)
      if (tries > 20) break
    }
    expect(tries).toBe(7)
  })

  test('starts renewals before grants, and does not renew a young lease', () => {
    const { governor, report, serve } = governed({ renewals: { units: 0.25 } })
    report(9, 0)
    serve(0, 500)
    report(9, 600)
    expect(governor.waiting).toBe(0)
    for (let host = 10; host < 40; host++) report(host, 19_000)
    report(9, 19_000)
    expect(governor.next(19_000)).toBe(9)
    expect(governor.classOf(9)).toBe(1)
  })

  test('takes up leases of another manager without an operation', () => {
    const { governor, report, expired } = governed()
    expect(governor.adopt(3, 2, 3, 17, 0)).toBe(true)
    expect(governor.adopt(3, 2, 3, 18, 0)).toBe(false)
    expect(governor.epochToWrite(3)).toBe(18)
    expect(governor.remainingMs(3, 1000)).toBe(59_000)
    expect(report(3, 10)).toBe('leased')
    expect(governor.next(10)).toBe(none)
    expect(expired).toEqual([])
  })

  test('refuses a clock that is not its own', () => {
    expect(() => governed({ now: Date.UTC(2025, 9, 20) })).toThrow(/monotonic/)
  })

  test('a million hosts fit in 64 MiB', () => {
    const { governor } = governed({ hosts: 1_000_000, sites: 1000, renewals: { units: 0.25 } })
    for (let host = 0; host < 1_000_000; host++) governor.offer(host, 2, host % 1000, 0)
    expect(governor.waiting).toBe(1_000_000)
    expect(governor.bytes).toBeLessThanOrEqual(64 * 2 ** 20)
  })
})

describe('interactive calls', () => {
  test('are refused at once if they cannot be done in time, and shed if that turns out later', () => {
    const { governor, report, serve, shed } = governed({ hosts: 1000, parameters: { limitMax: 1, limitFirst: 1 } })
    for (let host = 0; host < 300; host++) report(host, 0)
    serve(0, 1500)
    // About 100 operations a second, and a tenth of them for calls while hosts wait.
    expect(governor.admit(60, 1500)).toMatchObject({ kind: 'refused' })
    const admitted = governor.admit(5_000, 1500)
    expect(admitted.kind).toBe('admitted')
    if (admitted.kind !== 'admitted') return
    // Nothing moves for six seconds.
    let next = governor.next(7_500)
    while (next !== none && next < 1000) {
      governor.done(next, 'ok', 10, 7_500)
      next = governor.next(7_500)
    }
    expect(next).toBe(none)
    expect(shed).toEqual([admitted.item])
  })
})

describe('a dependency that refuses at once', () => {
  test('does not use up the need-set', () => {
    const { governor, report } = governed({ hosts: 5000 })
    for (let host = 0; host < 5000; host++) report(host, 0)
    let tried = 0
    for (let now = 0; now < 1_500; now += 1) {
      for (let item = governor.next(now); item !== none; item = governor.next(now)) {
        governor.done(item, 'failed', 0, now)
        tried++
      }
      governor.tick(now)
    }
    expect(governor.snapshot().dependency).toBe('down')
    expect(governor.waiting).toBe(5000)
    expect(tried).toBeLessThan(50)
  })
})

describe('a stage behind another', () => {
  test('is fed by grants, and does again what changed while it ran', () => {
    const first = governed().governor
    const second = new Pump({ hosts: 100, sites: 4, now: 0, random: chance, repeats: true })
    first.report(5, 2, 1, 0)
    const host = first.next(0)
    if (first.done(host, 'ok', 5, 5) === 'done') second.offer(host, 2, 1, 5)
    expect(second.next(5)).toBe(5)
    expect(second.offer(5, 2, 1, 6)).toBe('in flight')
    expect(second.done(5, 'ok', 3, 8)).toBe('done')
    expect(second.next(8)).toBe(5)
    expect(second.done(5, 'ok', 3, 11)).toBe('done')
    expect(second.next(11)).toBe(none)
  })
})

test('S7: never more in flight than allowed, each item once, the queue within the fleet, no call beyond its time', () => {
  const hosts = 20
  const step = fc.oneof(
    fc.record({ do: fc.constant('report' as const), host: fc.nat({ max: hosts - 1 }) }),
    fc.record({ do: fc.constant('admit' as const), ms: fc.integer({ min: 1, max: 4000 }) }),
    fc.record({ do: fc.constant('next' as const) }),
    fc.record({
      do: fc.constant('done' as const),
      pick: fc.nat(),
      outcome: fc.constantFrom('ok', 'ok', 'failed', 'timeout', 'refused'),
    }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3000 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), fc.boolean(), (steps, inMemory) => {
      const { governor, expired } = governed({
        hosts,
        renewals: inMemory ? 'memory' : { units: 0.25 },
        parameters: { limitFirst: 2 },
      })
      const flying = new Set<number>()
      const deadlines = new Map<number, number>()
      let now = 0
      for (const one of steps) {
        if (one.do === 'report') {
          governor.report(one.host, 2, one.host % 4, now)
          governor.pollAfter(one.host, now)
        } else if (one.do === 'admit') {
          const admission = governor.admit(one.ms, now)
          if (admission.kind === 'admitted') deadlines.set(admission.item, now + one.ms)
        } else if (one.do === 'next') {
          const { limit } = governor.snapshot()
          const before = governor.inFlight
          const item = governor.next(now)
          if (item !== none) {
            expect(flying.has(item)).toBe(false)
            flying.add(item)
            expect(before).toBeLessThan(limit)
            if (item >= hosts) expect(deadlines.get(item)).toBeGreaterThan(now)
          }
        } else if (one.do === 'done') {
          const item = [...flying][one.pick % Math.max(1, flying.size)]
          if (item === undefined) continue
          flying.delete(item)
          governor.done(item, one.outcome as 'ok', 10, now)
        } else {
          now += one.ms
          governor.tick(now)
        }
        expect(governor.inFlight).toBe(flying.size)
        expect(governor.waiting).toBeLessThanOrEqual(hosts)
        expect(governor.snapshot().limit).toBeLessThanOrEqual(defaults.limitMax)
        expect(governor.snapshot().leased).toBe(
          Array.from({ length: hosts }, (_, host) => governor.standing(host)).filter((one) => one === 'leased').length,
        )
      }
      if (governor.snapshot().isExpirySuspended) expect(expired.length).toBeLessThanOrEqual(hosts)
    }),
    { numRuns: 300 },
  )
})
