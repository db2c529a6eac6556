import { describe, expect, test } from 'vitest'
import { describeProblem } from '../base/problem.ts'
import type { Path } from './problems.ts'
import { readYaml, type YamlText } from './yaml.ts'

function read(text: string): YamlText {
  const yaml = readYaml('f', text)
  if (!('kind' in yaml)) throw new Error(`expected YAML, found ${yaml.map(describeProblem).join('\n')}`)
  return yaml
}
function refused(text: string): string[] {
  const yaml = readYaml('f', text)
  return ('kind' in yaml ? yaml.problems : yaml).map(describeProblem)
}
const at = (yaml: YamlText, path: Path, part: 'key' | 'value' = 'value') => {
  const { line, column } = yaml.place(path, part)
  return `${line}:${column}`
}

test('values are those of the core schema, keys are text as written', () => {
  expect(read('a: 1\nb: [true, ~, 1.5, no, 0x10]\n10: x\nnull: y\n"q": z\n').value).toEqual({
    a: 1,
    b: [true, null, 1.5, 'no', 16],
    10: 'x',
    null: 'y',
    q: 'z',
  })
})

test('places of keys and values, and of the nearest thing where there is none', () => {
  const yaml = read('# c\na:\n  b: [x, {c: 1}]\n  d:\n')
  expect(at(yaml, ['a', 'b'])).toBe('3:6')
  expect(at(yaml, ['a', 'b'], 'key')).toBe('3:3')
  expect(at(yaml, ['a', 'b', 1, 'c'])).toBe('3:14')
  expect(at(yaml, ['a', 'b', 1, 'z'], 'key')).toBe('3:10')
  expect(at(yaml, ['a', 'b', 7])).toBe('3:6')
  expect(at(yaml, ['a', 'z'], 'key')).toBe('2:1')
  expect(at(yaml, [])).toBe('2:1')
})

test('lines within text', () => {
  const yaml = read('a: |\n  one\n  two\nb: one\n')
  expect(yaml.placeInText(['a'], 2)).toEqual({ file: 'f', line: 3, column: 1 })
  expect(yaml.placeInText(['b'], 1)).toEqual({ file: 'f', line: 4, column: 4 })
})

describe('merges', () => {
  test('what stands beside << wins, then the first source', () => {
    const text = 'x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 0}\n'
    const yaml = read(text)
    expect((yaml.value as { z: unknown }).z).toEqual({ a: 0, b: 1, c: 2 })
    expect([at(yaml, ['z', 'a']), at(yaml, ['z', 'b']), at(yaml, ['z', 'c'])]).toEqual(['3:22', '1:17', '2:17'])
  })
  test('of something else are refused', () => {
    expect(refused('a: {<<: 1}\n')).toEqual([
      'f:1:9: a: expected a table, or a list of tables, to merge, found something else; point << at a table',
    ])
  })
  test('a quoted << is a key', () => {
    expect(read('"<<": 1\n').value).toEqual({ '<<': 1 })
  })
})

describe('refused, with the place', () => {
  test.each([
    [
      'a: 1\na: 2\na: 3\n',
      ['f:2:1: a: expected "a" once, found it again;', 'f:3:1: a: expected "a" once, found it again;'],
    ],
    ['? [a]\n: 1\n', ['f:1:3: expected plain text as a key, found a key of another kind;']],
    ['__proto__: {a: 1}\n', ['f:1:1: expected plain text as a key, found __proto__;']],
    ['a: *b\n', ['f:1:4: a: expected an alias to a value that ended before, found an alias to no anchor, *b;']],
    [
      'a: &a [*a]\n',
      ['f:1:8: a[0]: expected an alias to a value that ended before, found an alias to a value that contains it, *a;'],
    ],
    ['a: !x 1\n', ['f:1:4: expected YAML 1.2, found Unresolved tag: !x;']],
    ['a: !!set {b}\n', ['found the tag "tag:yaml.org,2002:set";']],
    ['a: "b\n', ['expected YAML 1.2, found Missing closing "quote;']],
    ['a: {b: 1\n', ['expected YAML 1.2, found']],
    ['a: b: 2\n', ['f:1:4: expected YAML 1.2, found Nested mappings']],
  ])('%j', (text, says) => {
    const all = refused(text)
    expect(all).toHaveLength(says.length)
    for (const [index, words] of says.entries()) expect(all[index]).toContain(words)
  })

  test('a few lines that would grow beyond any memory', () => {
    const lines = ['l0: &l0 [x, x, x, x, x, x, x, x, x]']
    for (let n = 1; n < 30; n++)
      lines.push(
        `l${n}: &l${n} [${Array(9)
          .fill(`*l${n - 1}`)
          .join(', ')}]`,
      )
    const all = refused(`${lines.join('\n')}\n`)
    expect(all).toHaveLength(1)
    expect(all[0]).toMatch(/expected aliases that add at most 1000000 values, found more; write the file without them$/)
  })

  test('the same by merges', () => {
    const wide = Array.from({ length: 2_000 }, (_, n) => `k${n}: 1`).join(', ')
    const rows = Array.from({ length: 1_000 }, (_, n) => `r${n}: {<<: *w}`).join('\n')
    expect(refused(`w: &w {${wide}}\n${rows}\n`)[0]).toContain('expected aliases that add at most 1000000 values')
  })

  test('a thousand uses of a small anchor are fine', () => {
    const rows = Array.from({ length: 1_000 }, (_, n) => `r${n}: {<<: *w, b: 2}`).join('\n')
    expect((read(`w: &w {a: 1}\n${rows}\n`).value as Record<string, unknown>).r999).toEqual({ a: 1, b: 2 })
  })

  test.each([
    ['[', ']'],
    ['{a: ', '}'],
  ])('thousands of levels of %s', (open, close) => {
    for (const levels of [102, 2_000]) {
      const all = refused(open.repeat(levels) + close.repeat(levels))
      expect(all.length).toBeGreaterThan(0)
      expect(all[0]).toContain('f:1:')
    }
  })
})
