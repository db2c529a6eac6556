import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Combined, combine, down, opinionOf, runAtEnd, type Seen, unknown, up } from './quorum.ts'

/** One history a prober, oldest first, as in observations. */
function seenAs(histories: readonly string[]): Seen {
  const bits = histories.map((history) => [...history].reduce((all, one) => (all << 1) | (one === 'f' ? 1 : 0), 0))
  return {
    count: histories.length,
    fails: Uint32Array.from(bits.map((one) => one >>> 0)),
    length: Uint8Array.from(histories.map(({ length }) => length)),
  }
}

function together(histories: readonly string[]): Combined {
  const into = { bad: 0, good: 0 }
  combine(seenAs(histories), into)
  return into
}

const opinion = (histories: readonly string[]) => opinionOf(together(histories), 3, 2)

describe('one prober decides alone', () => {
  test.each([
    ['pp', up],
    ['p', unknown],
    ['', unknown],
    ['ppf', up],
    ['ppff', up],
    ['ppfff', down],
    ['fff', down],
    ['fffp', down],
    ['fffpf', down],
    ['fffpp', up],
    ['pfpfpf', unknown],
    ['f'.repeat(32), down],
    ['p'.repeat(32), up],
  ])('%j', (history, expected) => {
    expect(opinion([history])).toBe(expected)
  })
})

describe('several probers', () => {
  test.each([
    [['fff', 'pp', 'pp'], up],
    [['fff', 'fff', 'ppp'], down],
    [['fff', 'fff'], down],
    [['fff', 'ppp'], unknown],
    // One that has just begun does not make an old word stronger.
    [['fff', 'f'], unknown],
    [['ffff', 'ppfff'], down],
    // In each round another one fails.
    [['fpp', 'pfp', 'ppf'], up],
    // Two of five are not more than three.
    [['fff', 'fff', 'ppp', 'ppp', 'ppp'], up],
    [['fff', 'fff', 'fff', 'ppp', 'ppp'], down],
    [['fff', 'fff', 'ppp', 'ppp'], unknown],
  ])('%j', (histories, expected) => {
    expect(opinion(histories)).toBe(expected)
  })
})

test('rounds are counted as the rule says, however many probers there are', () => {
  const history = fc.string({ unit: fc.constantFrom('p', 'f'), maxLength: 32 })
  fc.assert(
    fc.property(fc.array(history, { minLength: 1, maxLength: 6 }), (histories) => {
      const { bad, good } = together(histories)
      for (let k = 0; k < 32; k++) {
        const round = histories.flatMap((one) => one.at(-1 - k) ?? [])
        const fails = round.filter((one) => one === 'f').length
        const passes = round.length - fails
        const isBad = histories.length === 1 ? fails === 1 : fails >= 2 && fails > passes
        expect((bad >>> k) & 1).toBe(isBad ? 1 : 0)
        expect((good >>> k) & 1).toBe(passes > fails ? 1 : 0)
      }
    }),
  )
})

test('the last long enough run decides, for any fall and rise', () => {
  const history = fc.string({ unit: fc.constantFrom('p', 'f'), maxLength: 32 })
  const count = fc.integer({ min: 1, max: 32 })
  fc.assert(
    fc.property(history, count, count, (one, fall, rise) => {
      let expected = unknown
      let run = 0
      for (let i = 0; i < one.length; i++) {
        run = one[i] === one[i - 1] ? run + 1 : 1
        if (one[i] === 'f' && run >= fall) expected = down
        if (one[i] === 'p' && run >= rise) expected = up
      }
      expect(opinionOf(together([one]), fall, rise)).toBe(expected)
    }),
    { numRuns: 500 },
  )
})

test('failures at the end are counted', () => {
  for (const [history, count] of [
    ['', 0],
    ['pf', 1],
    ['fffp', 0],
    ['pfff', 3],
    ['f'.repeat(32), 32],
  ] as const)
    expect(runAtEnd(together([history]).bad)).toBe(count)
})
