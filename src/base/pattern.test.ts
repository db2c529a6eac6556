import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { patternOf } from './pattern.ts'
import { isProblem } from './problem.ts'

const matches = (source: string, text: string): boolean => {
  const pattern = patternOf(source)
  if (isProblem(pattern)) throw new Error(`expected ${source} to be understood, found ${pattern.expected}`)
  return pattern.test(text)
}

describe('a pattern', () => {
  test.each([
    ['"status":\\s*"ok"', '{"status":  "ok"}', true],
    ['"status":\\s*"ok"', '{"status":"no"}', false],
    ['^ready$', 'ready', true],
    ['^ready$', 'ready\n', false],
    ['^$', '', true],
    ['$^', '', true],
    ['$^', 'a', false],
    ['(?i)healthy', 'All HEALTHY', true],
    ['(?i)[^a]', 'A', false],
    ['v[0-9]{1,3}\\.[0-9]+', 'v12.7', true],
    ['a{2,3}b', 'ab', false],
    ['(?:up|ok)+!', 'upokup!', true],
    ['[\\w-]+@\\x41', 'a-b@A', true],
    ['ä.', 'äx', true],
    ['[]', 'a', false],
    ['[^]', '\n', true],
    ['', '', true],
  ])('%s in %j: %s', (source, text, expected) => {
    expect(matches(source, text)).toBe(expected)
    if (!source.startsWith('(?i)')) expect(new RegExp(source).test(text)).toBe(expected)
  })

  test.each([
    ['(a', 'a ) for each ('],
    ['a)', 'groups that are opened'],
    ['[a', 'a ] for each ['],
    ['(?=a)', 'a group ( ) or (?: )'],
    ['(a)\\1', 'an escape that this matcher knows'],
    ['\\b', 'an escape that this matcher knows'],
    ['*', 'something before *'],
    ['a**', 'one count after each part'],
    ['^*', 'something to repeat'],
    ['a{3,2}', 'counts in order'],
    ['(?:a{100}){100}', 'a pattern of at most 500 steps'],
    ['a\\', 'a character after the last \\'],
    ['[z-a]', 'a range of characters in order'],
    ['('.repeat(60), 'at most 50 groups in each other'],
  ])('%s is refused: %s', (source, expected) => {
    expect(patternOf(source)).toMatchObject({ kind: 'problem', expected })
  })

  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '1', ' ', '\n', 'é'), maxLength: 12 })
  const leaf = fc.constantFrom('a', 'b', 'A', '1', '.', '[ab]', '[^a1]', '\\d', '\\W', '\\s', '\\S', 'é', '^', '$')
  const source = fc.letrec<{ whole: string; part: string }>((tie) => ({
    whole: fc.array(tie('part'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
    part: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc
        .tuple(tie('whole'), fc.constantFrom('', '*', '+', '?', '{2}', '{1,}', '{0,2}', '*?'))
        .map(([a, n]) => `(${a})${n}`),
      fc.tuple(tie('whole'), tie('whole')).map(([a, b]) => `(?:${a}|${b})`),
    ),
  })).whole

  test('says what RegExp says', () => {
    fc.assert(
      fc.property(source, text, (pattern, body) => {
        // RegExp itself must not take for ever here.
        fc.pre(pattern.length < 40)
        expect(matches(pattern, body)).toBe(new RegExp(pattern).test(body))
      }),
      { numRuns: 2_000 },
    )
  })

  test('whatever is written is understood or refused', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ab()[]{}|*+?\\^$.,-19x:='), maxLength: 20 }),
        text,
        (any, body) => {
          const pattern = patternOf(any)
          if (isProblem(pattern)) return
          expect(pattern.test(body)).toBe(new RegExp(any).test(body))
        },
      ),
      { numRuns: 3_000 },
    )
  })

  test('takes no longer for what makes RegExp hang', () => {
    const body = `${'a'.repeat(65_536)}!`
    for (const evil of ['(a+)+$', '(a|aa)*b', '(.*a){12}b', '([a-z]+)*\\d', '^(a?){30}a{30}$']) {
      const began = performance.now()
      expect(matches(evil, body), evil).toBe(false)
      expect(performance.now() - began, evil).toBeLessThan(2_000)
    }
  })
})
