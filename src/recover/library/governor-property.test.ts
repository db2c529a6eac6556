import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FakePort } from '../../../test/support/fake-port.ts'
import { type ClassName, governor, Shed, TimedOut } from './index.ts'

const classes: readonly ClassName[] = ['fencing', 'renewal', 'running', 'idle', 'interactive', 'background']

/** One call, and what the function does for it if it is the one that begins the execution. */
const calls = fc.record({
  gapMs: fc.constantFrom(0, 0, 0, 5, 40, 700),
  stuckMs: fc.constantFrom(0, 0, 0, 0, 60, 900),
  key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  class: fc.constantFrom(...classes),
  deadlineMs: fc.option(fc.constantFrom(0, 10, 100, 1_000), { nil: undefined }),
  abortAfterMs: fc.option(fc.constantFrom(0, 20, 400), { nil: undefined }),
  takesMs: fc.constantFrom(0, 1, 30, 300, 900),
  ends: fc.constantFrom('well', 'well', 'well', 'badly', 'refused'),
  heeds: fc.boolean(),
})

test('whatever happens: never more at once than allowed, one run a key, every call settles, nothing is left behind', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(calls, { minLength: 1, maxLength: 150, size: 'max' }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat(1_000),
      async (plan, limitMost, seed) => {
        const port = new FakePort(seed)
        const timeoutMs = 500
        let running = 0
        const keys = new Map<string, number>()
        const protect = governor(
          async (call: (typeof plan)[number], { signal, key }) => {
            running++
            // Who is out of time may still run, ignoring its signal: those have a place for as long again.
            expect(protect.snapshot().inFlight).toBeLessThanOrEqual(limitMost)
            expect(running - protect.snapshot().abandoned).toBeLessThanOrEqual(limitMost)
            const isFirst = port.now()
            if (key !== undefined) {
              const before = keys.get(key)
              if (before !== undefined) expect(isFirst - before).toBeGreaterThanOrEqual(timeoutMs)
              keys.set(key, isFirst)
            }
            try {
              await port.sleep(call.takesMs, call.heeds ? signal : undefined)
              if (call.ends === 'badly') throw new Error('badly')
              if (call.ends === 'refused') throw Object.assign(new Error('refused'), { statusCode: 404 })
              return 'well'
            } finally {
              running--
              if (key !== undefined && keys.get(key) === isFirst) keys.delete(key)
            }
          },
          { port, limitMost, timeoutMs, waitingMost: 20 },
        )
        const told: unknown[] = []
        for (const call of plan) {
          const abort = new AbortController()
          const { abortAfterMs } = call
          if (abortAfterMs !== undefined) port.after(abortAfterMs, () => abort.abort('went away'))
          const from = port.now()
          const tell = (what: unknown) => {
            told.push(what)
            if (call.deadlineMs !== undefined && what === 'well')
              expect(port.now() - from).toBeLessThanOrEqual(call.deadlineMs + 900)
          }
          protect(call, { key: call.key, class: call.class, deadlineMs: call.deadlineMs, signal: abort.signal }).then(
            tell,
            tell,
          )
          port.stuck(call.stuckMs)
          await port.advance(call.gapMs)
          const { waiting } = protect.snapshot()
          expect(Object.values(waiting).every((count) => count >= 0 && count <= 20)).toBe(true)
        }
        await port.advance(120_000)
        expect(told).toHaveLength(plan.length)
        const known = (what: unknown) =>
          what === 'well' ||
          what === 'went away' ||
          what instanceof Shed ||
          what instanceof TimedOut ||
          (what instanceof Error && ['badly', 'refused'].includes(what.message))
        expect(told.filter((what) => !known(what))).toEqual([])
        const { inFlight, waiting, abandoned, total } = protect.snapshot()
        expect([inFlight, abandoned, running, ...Object.values(waiting)]).toEqual(Array(9).fill(0))
        expect(total.calls).toBe(plan.length)
        expect(port.timers).toBe(0)
      },
    ),
    { numRuns: 40 },
  ))
