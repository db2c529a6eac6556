import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Ambient, lower, raise } from './guard.ts'
import { Kernel, ms } from './kernel.ts'

afterEach(lower)

const leaks: readonly (readonly [string, () => unknown])[] = [
  ['Date.now', () => Date.now()],
  ['new Date', () => new Date()],
  ['Date', () => Date()],
  ['Math.random', () => Math.random()],
  ['performance.now', () => performance.now()],
  ['process.hrtime', () => process.hrtime()],
  ['setTimeout', () => setTimeout(() => {}, 1)],
  ['setInterval', () => setInterval(() => {}, 1)],
  ['setImmediate', () => setImmediate(() => {})],
  ['crypto.randomUUID', () => crypto.randomUUID()],
  ['fs.readFileSync', () => readFileSync(import.meta.filename)],
  ['net.connect', () => connect(1)],
  ['fetch', () => fetch('http://127.0.0.1:1/')],
]

describe('the guard', () => {
  test.each(leaks)('stops %s', (_name, leak) => {
    raise()
    expect(leak).toThrow(Ambient)
  })

  test('lets pass what needs no machine', () => {
    raise()
    expect(new Date(0).toISOString()).toBe('1970-01-01T00:00:00.000Z')
    expect(new Date(0)).toBeInstanceOf(Date)
    expect(Date.UTC(1970, 0)).toBe(0)
  })

  test('is down where no simulated code runs', () => {
    raise()
    lower()
    expect(Date.now()).toBeGreaterThan(0)
    expect(readFileSync(import.meta.filename, 'utf8')).toContain('the guard')
  })

  test('makes a program that looks at the real clock a finding', async () => {
    const kernel = new Kernel({ seed: 1 })
    const program = kernel.add('leaky', async () => {
      await new Promise<void>((resolve) => kernel.after(ms(1), program, resolve))
      return Date.now()
    })
    kernel.start(program)
    await expect(kernel.run(ms(10))).rejects.toThrow(/leaky threw: .*World.* Date\.now\(\)/)
    expect(Date.now()).toBeGreaterThan(0)
  })
})
