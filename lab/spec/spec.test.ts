/** The Promela text says what the tables say, and Spin finds it true; without a mechanism it does not. */
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { describeWith } from '../../test/support/programs.ts'
import { promelaFile, specs } from './files.ts'
import { holdfast } from './holdfast.ts'
import { parseCondition, parseStatement } from './language.ts'
import { promelaOf } from './promela.ts'
import { changed } from './spec.ts'
import { spin, spinPrograms } from './spin.ts'

test.each(specs.map((spec) => [spec.name, spec] as const))('the Promela text of %s is up to date', (_name, spec) => {
  const text = promelaOf(spec)
  // HOLDFAST_WRITE_SPEC=1 vitest run lab/spec
  if (process.env.HOLDFAST_WRITE_SPEC === '1') writeFileSync(promelaFile(spec), text)
  expect(readFileSync(promelaFile(spec), 'utf8')).toBe(text)
})

describe('the language of the tables', () => {
  test.each(['a = ', 'a + 1', 'if (a { }', 'for (e of X) { a = 1 }', 'a[1 = 2', 'a = 1 b = 2', 'a = ?'])(
    'refuses the statement %s',
    (text) => {
      expect(() => parseStatement(text)).toThrow(/expected/)
    },
  )

  test.each(['every e ENDPOINTS: a', 'a == ', '(a', 'a b'])('refuses the condition %s', (text) => {
    expect(() => parseCondition(text)).toThrow(/expected/)
  })
})

describeWith(spinPrograms, 'Spin', () => {
  test.each([
    ['all of it holds', holdfast, { PLANS: 2 }],
    ['all of it holds with a crash and a lost write', holdfast, { PLANS: 2, CRASHES: 1, LOST: 1 }],
    ['all of it holds beside the sweep', holdfast, { PLANS: 2, SWEEP: true }],
    ['all of it holds if hands edit, damage and delete', holdfast, { PLANS: 2, HANDS: 1, ENACTORS: 1 }],
    ['all of it holds if names are read in several questions', holdfast, { PLANS: 2, TORN: 1 }],
    [
      'all of it holds with plans that change some names, and bring new ones',
      holdfast,
      { ENDPOINTS: 2, PLANS: 2, SPARSE: true },
    ],
  ] as const)('%s', { timeout: 120_000 }, (_what, spec, defines) => {
    expect(spin(spec, defines)).toMatchObject({ kind: 'all', violated: null })
  })

  test.each([
    ['the condition', { NO_CONDITION: true }, /sent/],
    ['the fence, where hands put higher markers', { NO_FENCE: true, HANDS: 1, ENACTORS: 1 }, /sent/],
    ['the reading back', { LOST: 1, NO_READBACK: true }, /record\[e\]>=/],
    ['the claims', { SWEEP: true, NO_CLAIMS: true }, /claim/],
    ['what was published, as roots', { SWEEP: true, NO_ROOTS: true, ENACTORS: 1 }, /record\[e\]==0/],
    ['reachability instead of age', { SWEEP: true, BY_AGE: true }, /head/],
  ] as const)('it needs %s', { timeout: 120_000 }, (_what, defines, violated) => {
    const result = spin('holdfast', defines)
    expect(result?.kind).toBe('violated')
    expect(result?.violated).toMatch(violated)
  })

  test('the classic protocol leaves its root without a tree', { timeout: 60_000 }, () => {
    expect(spin('classic', {})).toMatchObject({ kind: 'violated', violated: expect.stringMatching(/tree\[root\]/) })
  })

  test('a rule that is given up is missed', { timeout: 60_000 }, () => {
    const early = changed(holdfast, 'enactor', 'says', { guard: ['g <= loaded'] })
    expect(spin(early, { PLANS: 1 })?.kind).toBe('violated')
    const deaf = changed(holdfast, 'enactor', 'hears', { guard: ['head > 0', 'seen == 0'] })
    expect(spin(deaf, { PLANS: 2 })?.kind).toBe('violated')
  })
})
