import { describe, expect, test } from 'vitest'
import { FakePort } from '../../../test/support/fake-port.ts'
import { type Call, type GovernorOptions, governor, Shed, TimedOut } from './index.ts'

/** What became of a promise, without waiting for it. */
function watch<Output>(promise: Promise<Output>): { output?: Output; error?: unknown } {
  const seen: { output?: Output; error?: unknown } = {}
  promise.then(
    (output) => {
      seen.output = output
    },
    (error: unknown) => {
      seen.error = error
    },
  )
  return seen
}

/** A function that takes so long, and tells how often and in which order it was called. */
function slow(port: FakePort, ms: number, options: Omit<GovernorOptions<string>, 'port'> = {}) {
  const started: string[] = []
  const protect = governor(
    async (input: string, { signal }) => {
      started.push(input)
      await port.sleep(ms, signal)
      return input.toUpperCase()
    },
    { ...options, port },
  )
  return { protect, started, go: (input: string, call?: Call) => watch(protect(input, call)) }
}

describe('calls', () => {
  test('get what the function returns or throws', async () => {
    const port = new FakePort()
    const protect = governor((n: number) => (n > 1 ? Promise.reject(new Error('two')) : `${n}`), { port })
    await expect(protect(1)).resolves.toBe('1')
    await expect(protect(2)).rejects.toThrow('two')
    expect(protect.snapshot().total).toMatchObject({ calls: 2, done: 1, failed: 1, shed: 0 })
  })

  test('of a function without an argument need none', async () => {
    const protect = governor(async () => 'pong', { port: new FakePort() })
    await expect(protect()).resolves.toBe('pong')
  })

  test('that throw at once are told like all others', async () => {
    const protect = governor(
      () => {
        throw new Error('at once')
      },
      { port: new FakePort() },
    )
    await expect(protect()).rejects.toThrow('at once')
    expect(protect.snapshot().inFlight).toBe(0)
  })

  test('leave no timer behind', async () => {
    const port = new FakePort()
    const { go } = slow(port, 10)
    const calls = Array.from({ length: 50 }, (_, i) => go(`${i}`))
    await port.advance(1_000)
    expect(calls.every(({ output }) => output !== undefined)).toBe(true)
    expect(port.timers).toBe(0)
  })

  test('that are wrong are faults of the program', async () => {
    const port = new FakePort()
    const { protect } = slow(port, 10)
    await expect(protect('a', { deadlineMs: Number.NaN })).rejects.toThrow(TypeError)
    await expect(protect('a', { class: 'vip' as 'idle' })).rejects.toThrow('found vip')
    expect(() => slow(port, 1, { timeoutMs: -1 })).toThrow('option timeoutMs: expected a number from 1')
    expect(() => slow(port, 1, { hint: { throughput: 0, limit: 4 } })).toThrow('option hint')
  })
})

describe('one key', () => {
  test('is one execution, waiting or running', async () => {
    const port = new FakePort()
    const { go, started, protect } = slow(port, 100, { limitFirst: 1, limitMost: 1 })
    const first = go('a', { key: 'a' })
    const running = go('a again', { key: 'a' })
    const waiting = [go('b', { key: 'b' }), go('b again', { key: 'b' })]
    await port.advance(250)
    expect(started).toEqual(['a', 'b'])
    expect([first, running, ...waiting].map(({ output }) => output)).toEqual(['A', 'A', 'B', 'B'])
    const afterwards = go('a', { key: 'a' })
    await port.advance(250)
    expect(afterwards.output).toBe('A')
    expect(started).toEqual(['a', 'b', 'a'])
    expect(protect.snapshot().total).toMatchObject({ calls: 5, coalesced: 2, done: 3 })
  })

  test('moves up when somebody of a class that goes first wants it', async () => {
    const port = new FakePort()
    const { go, started } = slow(port, 10, { limitFirst: 1, limitMost: 1 })
    go('busy')
    go('x', { key: 'x', class: 'interactive' })
    go('y', { key: 'y', class: 'background' })
    go('z', { key: 'z', class: 'background' })
    go('', { key: 'z', class: 'renewal' })
    const sooner = go('', { key: 'x', class: 'fencing' })
    await port.advance(100)
    expect(started).toEqual(['busy', 'x', 'z', 'y'])
    expect(sooner.output).toBe('X')
  })

  test('runs on while one of its callers is left', async () => {
    const port = new FakePort()
    const { go, started, protect } = slow(port, 100, { limitFirst: 1, limitMost: 1 })
    go('busy')
    const gone = new AbortController()
    const [impatient, patient] = [go('a', { key: 'a', signal: gone.signal }), go('a', { key: 'a' })]
    const nobodys = go('b', { key: 'b', signal: gone.signal })
    gone.abort('went away')
    await port.advance(500)
    expect(impatient.error).toBe('went away')
    expect(patient.output).toBe('A')
    expect(nobodys.error).toBe('went away')
    expect(started).toEqual(['busy', 'a'])
    expect(protect.snapshot()).toMatchObject({ inFlight: 0, waiting: { interactive: 0 } })
  })
})

describe('time', () => {
  test('that is up fires the signal and counts', async () => {
    const port = new FakePort()
    const { protect, go } = slow(port, 60_000, { timeoutMs: 500 })
    const late: TimedOut[] = []
    protect.on('timeout', (error) => late.push(error))
    const call = go('a')
    await port.advance(499)
    expect(call.error).toBeUndefined()
    await port.advance(11)
    expect(call.error).toBeInstanceOf(TimedOut)
    expect(late).toHaveLength(1)
    expect(protect.snapshot()).toMatchObject({ inFlight: 0, abandoned: 0, total: { timedOut: 1, failed: 0, done: 0 } })
  })

  test('that is up twice over frees the place of what does not heed its signal', async () => {
    const port = new FakePort()
    const protect = governor((ms: number) => port.sleep(ms), { port, timeoutMs: 500 })
    const call = watch(protect(5_000))
    await port.advance(600)
    expect(call.error).toBeInstanceOf(TimedOut)
    expect(protect.snapshot()).toMatchObject({ inFlight: 1, abandoned: 0 })
    await port.advance(500)
    expect(protect.snapshot()).toMatchObject({ inFlight: 0, abandoned: 1 })
    await port.advance(5_000)
    expect(protect.snapshot()).toMatchObject({ inFlight: 0, abandoned: 0, total: { timedOut: 1, done: 0 } })
  })

  test('that a caller has left ends its waiting, and the run goes on for others', async () => {
    const port = new FakePort()
    const { go } = slow(port, 300, { limitFirst: 1, limitMost: 1 })
    const [hurried, calm] = [go('a', { key: 'a', deadlineMs: 100 }), go('a', { key: 'a' })]
    const [waiting, zero] = [go('b', { class: 'running', deadlineMs: 200 }), go('c', { deadlineMs: 0 })]
    await port.advance(250)
    expect(hurried.error).toBeInstanceOf(TimedOut)
    expect(waiting.error).toBeInstanceOf(Shed)
    expect(zero.error).toBeInstanceOf(Shed)
    await port.advance(100)
    expect(calm.output).toBe('A')
  })

  test("that passed while the process was stuck is the caller's, too", async () => {
    const port = new FakePort()
    const { go } = slow(port, 10, { limitFirst: 1, limitMost: 1 })
    go('a')
    port.stuck(400)
    const [lost, fine] = [go('b', { deadlineMs: 370 }), go('c', { deadlineMs: 1_000 })]
    await port.advance(100)
    expect(lost.error).toBeInstanceOf(Shed)
    expect(fine.output).toBe('C')
  })

  test('a signal that is asked for when time is up already has fired', async () => {
    const port = new FakePort()
    let seen: unknown
    const protect = governor(
      async (_: string, run) => {
        await port.sleep(700)
        seen = run.signal.reason
      },
      { port, timeoutMs: 500 },
    )
    watch(protect('a'))
    await port.advance(1_000)
    expect(seen).toBeInstanceOf(TimedOut)
  })
})

describe('too many', () => {
  test('a service that just started takes its first handful', async () => {
    const port = new FakePort()
    const { go } = slow(port, 20)
    const calls = Array.from({ length: 200 }, (_, i) => go(`${i}`))
    await port.advance(5_000)
    expect(calls.filter(({ output }) => output !== undefined)).toHaveLength(200)
  })

  test('are refused at once when they cannot be done in the time they have, each with a time of its own', async () => {
    const port = new FakePort()
    const { go, protect } = slow(port, 100, { limitFirst: 2, limitMost: 2, waitingMost: 1_000 })
    // 20 a second; this shows it.
    for (let i = 0; i < 100; i++) go(`${i}`)
    await port.advance(4_000)
    const calls = Array.from({ length: 100 }, (_, i) => go(`late ${i}`, { deadlineMs: 1_000 }))
    await port.advance(0)
    const refused = calls.flatMap(({ error }) => (error instanceof Shed ? [error] : []))
    expect(refused.length).toBeGreaterThan(80)
    expect(new Set(refused.map(({ reason }) => reason))).toEqual(new Set(['overload']))
    const seconds = new Set(refused.map(({ headers }) => headers['retry-after']))
    expect(seconds.size).toBeGreaterThan(3)
    expect(new Set(refused.map(({ retryAfterMs }) => retryAfterMs)).size).toBeGreaterThan(70)
    await port.advance(20_000)
    expect(calls.every(({ output, error }) => output !== undefined || error instanceof Shed)).toBe(true)
    expect(protect.snapshot()).toMatchObject({ inFlight: 0, waiting: { interactive: 0 } })
  })

  test('are bounded in every class', async () => {
    const port = new FakePort()
    const { go } = slow(port, 1_000, { limitFirst: 1, limitMost: 1, waitingMost: 3 })
    const outcomes = (['running', 'interactive'] as const).map((klass) =>
      Array.from({ length: 10 }, (_, i) => go(`${i}`, { class: klass })),
    )
    await port.advance(0)
    expect(outcomes.map((calls) => calls.filter(({ error }) => error instanceof Shed).length)).toEqual([6, 7])
  })

  test('of a lower class let the strict ones by', async () => {
    const port = new FakePort()
    const { go, started } = slow(port, 10, { limitFirst: 1, limitMost: 1 })
    for (let i = 0; i < 20; i++) go('background', { class: 'background' })
    go('renewal', { class: 'renewal', deadlineMs: 900 })
    go('sooner renewal', { class: 'renewal', deadlineMs: 800 })
    go('fencing', { class: 'fencing' })
    await port.advance(1_000)
    expect(started.slice(0, 4)).toEqual(['background', 'fencing', 'sooner renewal', 'renewal'])
  })
})

describe('a dependency that fails', () => {
  test('is left alone but for a probe, and taken up again', async () => {
    const port = new FakePort()
    let isWell = false
    const states: string[] = []
    const protect = governor(
      async (input: string) => {
        await port.sleep(5)
        if (!isWell) throw new Error('refused')
        return input
      },
      { port },
    )
    protect.on('dependency', (now, before) => states.push(`${before} to ${now}`))
    const calls: ReturnType<typeof watch<string>>[] = []
    for (let i = 0; i < 200; i++) {
      calls.push(watch(protect(`${i}`)))
      await port.advance(10)
    }
    const tried = calls.filter(({ error }) => error instanceof Error && error.message === 'refused').length
    const shed = calls.filter(({ error }) => error instanceof Shed && error.reason === 'down').length
    expect(states[0]).toBe('recovering to down')
    expect(tried + shed).toBe(200)
    expect(tried).toBeLessThan(40)
    isWell = true
    const before = protect.snapshot().total.done
    for (let i = 0; i < 1_000; i++) {
      watch(protect(`${i}`))
      await port.advance(10)
    }
    expect(protect.snapshot().total.done - before).toBeGreaterThan(400)
    expect(protect.snapshot().dependency).toBe('up')
  })

  test('keeps work that may wait, and does it when it is back', async () => {
    const port = new FakePort()
    let isWell = true
    const protect = governor(
      async (input: string) => {
        await port.sleep(5)
        if (!isWell) throw new Error('refused')
        return input
      },
      { port },
    )
    isWell = false
    for (let i = 0; i < 60; i++) watch(protect('', { class: 'running' }))
    await port.advance(1_000)
    const later = Array.from({ length: 30 }, (_, i) => watch(protect(`${i}`, { class: 'running' })))
    isWell = true
    await port.advance(20_000)
    expect(later.filter(({ output }) => output !== undefined)).toHaveLength(30)
  })

  test('is not what says no to one', async () => {
    const port = new FakePort()
    const protect = governor(() => Promise.reject(Object.assign(new Error('no such host'), { statusCode: 404 })), {
      port,
    })
    for (let i = 0; i < 100; i++) await expect(protect()).rejects.toThrow('no such host')
    expect(protect.snapshot()).toMatchObject({ total: { failed: 0, done: 100 } })
    expect(protect.snapshot().dependency).not.toBe('down')
  })

  test('and had been slow does not keep quick callers out for ever', async () => {
    const port = new FakePort()
    let ms = 1_500
    const protect = governor((input: string) => port.sleep(ms).then(() => input), { port })
    for (let i = 0; i < 200; i++) watch(protect(`${i}`))
    await port.advance(30_000)
    ms = 5
    const calls: ReturnType<typeof watch<string>>[] = []
    for (let i = 0; i < 50; i++) {
      calls.push(watch(protect(`${i}`, { deadlineMs: 200 })))
      await port.advance(100)
    }
    expect(calls.filter(({ output }) => output !== undefined).length).toBeGreaterThan(45)
  })
})

describe('concurrency', () => {
  /** A dependency with its knee at `knee`: beyond it everybody is slower than by sharing alone. */
  async function settle(knee: number, serviceMs: number): Promise<{ limit: number; share: number }> {
    const port = new FakePort()
    let inFlight = 0
    const protect = governor(
      async () => {
        inFlight++
        const crowd = Math.max(1, inFlight / knee)
        await port.sleep(serviceMs * crowd * crowd * (0.5 + port.random()))
        inFlight--
      },
      { port },
    )
    let calls = 0
    const offer = () => {
      calls++
      protect(undefined, { class: 'running' }).then(offer, offer)
    }
    for (let i = 0; i < 300; i++) offer()
    await port.advance(20_000)
    const before = protect.snapshot().total.done
    await port.advance(5_000)
    const perSecond = (protect.snapshot().total.done - before) / 5
    expect(calls).toBeGreaterThan(300)
    return { limit: protect.snapshot().knee, share: perSecond / (knee / (serviceMs / 1000)) }
  }

  test('seeks the knee', async () => {
    for (const knee of [8, 40]) {
      const { limit, share } = await settle(knee, 20)
      expect(limit).toBeGreaterThan(knee / 2)
      expect(limit).toBeLessThan(knee * 2)
      // All 300 at once would do 0.03 to 0.14 of it.
      expect(share).toBeGreaterThan(0.7)
    }
  })
})

test('closing refuses who waits and who comes, and lets what runs end', async () => {
  const port = new FakePort()
  const { go, protect } = slow(port, 100, { limitFirst: 1, limitMost: 1 })
  const [running, waiting] = [go('a'), go('b')]
  const closed = watch(protect.close().then(() => 'closed'))
  const late = go('c')
  await port.advance(50)
  expect([waiting, late].map(({ error }) => (error as Shed).reason)).toEqual(['closed', 'closed'])
  expect(closed.output).toBeUndefined()
  await port.advance(100)
  expect([running.output, closed.output]).toEqual(['A', 'closed'])
  expect(port.timers).toBe(0)
})

test('a listener that was taken away hears nothing', async () => {
  const port = new FakePort()
  const { go, protect } = slow(port, 1)
  let heard = 0
  const off = protect.on('shed', () => heard++)
  go('a', { deadlineMs: 0 })
  off()
  go('b', { deadlineMs: 0 })
  await port.advance(10)
  expect(heard).toBe(1)
})
