/** The night ends as history says with its own protocol, and without harm with Holdfast's. `REWRITE=1` draws and writes docs/october-2025* anew. */
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { classicNight } from './classic.ts'
import { isLostForGood, october2025 } from './october-2025.ts'

async function replay(protocol: string, seed?: number) {
  const lines: string[] = []
  const told = await october2025.run({
    protocol,
    tell: (line) => lines.push(line),
    ...(seed === undefined ? {} : { seed }),
  })
  return { ...told, lines, text: lines.join('\n') }
}

/** The picture of the documentation shows the same; that of the classic protocol exactly, as nothing changes there. */
function expectDrawn(protocol: string, svg: string | undefined): void {
  const file = new URL(`../../../docs/october-2025-${protocol}.svg`, import.meta.url)
  if (process.env.REWRITE === '1') writeFileSync(file, svg ?? '')
  const kept = readFileSync(file, 'utf8')
  const titleOf = (text: string) => /<title id="title">(.*)<\/title>/.exec(text)?.[1]
  expect(titleOf(svg ?? '')).toBe(titleOf(kept))
  if (protocol === 'classic') expect(svg === kept, `${file.pathname} is another picture: run with REWRITE=1`).toBe(true)
}

/** So does its text. */
function expectTold(lines: readonly string[]): void {
  const file = new URL('../../../docs/october-2025.md', import.meta.url)
  const page = readFileSync(file, 'utf8')
  const told = page.replace(
    /(```transcript\n)[\s\S]*?(```)/,
    (_, open, close) => `${open}${lines.join('\n')}\n${close}`,
  )
  if (process.env.REWRITE === '1') writeFileSync(file, told)
  else expect(told === page, `${file.pathname} tells something else: run with REWRITE=1`).toBe(true)
}

describe('with the protocol of that night', () => {
  test('the name answers no address, and nobody can mend it', async () => {
    const told = await replay('classic')
    expect(told.asExpected).toBe(true)
    expect(told.facts).toMatchObject({ protocol: 'classic', answer: { addresses: [], plan: 3 }, backward: 1 })
    expect(told.text).toContain('wins the lock, fairly, and puts plan 3 over plan 20')
    expect(told.text).toContain('deletes the tree of plan 3')
    expect(told.text).toContain('the target was not found')
    expect(told.lines.length).toBeLessThan(40)
    expectDrawn('classic', told.svg)
    expectTold(told.lines)
  })

  test('whatever the seed', { timeout: 30_000 }, async () => {
    for (let seed = 2; seed <= 8; seed++) {
      const { night } = await classicNight({ seed, tell: () => {} })
      expect(isLostForGood(night), `seed ${seed}`).toBe(true)
      expect(night.customers.turnedAway).toBeGreaterThan(3_500)
    }
  })

  test('the same seed tells the same story', async () => {
    expect((await replay('classic', 7)).hash).toBe((await replay('classic', 7)).hash)
  })
})

describe('with Holdfast', () => {
  test('nothing is lost, and the late writer is held back', { timeout: 60_000 }, async () => {
    const told = await replay('holdfast')
    expect(told.asExpected).toBe(true)
    expect(told.facts).toMatchObject({ backward: 0, emptySinceMs: null, customers: { turnedAway: 0 } })
    expect(told.text).toContain('Refused, and nothing was changed')
    expect(told.text).toContain('drops its plan')
    expect(told.lines.length).toBeLessThan(40)
    expectDrawn('holdfast', told.svg)
  })
})
