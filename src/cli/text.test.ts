import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  bar,
  closest,
  durationText,
  fitted,
  padEnd,
  parseDuration,
  percentText,
  shellWord,
  someOf,
  table,
  widthOf,
} from './text.ts'

test('times are read as people write them', () => {
  expect(parseDuration('90s')).toBe(90_000)
  expect(parseDuration('1h30m')).toBe(5_400_000)
  expect(parseDuration('1.5s')).toBe(1500)
  for (const wrong of ['', '10', 's', '-1s', '1 h', '1y', '1h,2m']) expect(parseDuration(wrong)).toBeUndefined()
})

test('times are told in their two largest units', () => {
  expect([0, 999, 1000, 59_999, 60_000, 3_599_999, 3_600_000, 90_000_000].map(durationText)).toEqual([
    '0 ms',
    '999 ms',
    '1 s',
    '59 s',
    '1 m 00 s',
    '59 m 59 s',
    '1 h 00 m',
    '1 d 1 h',
  ])
})

test('what is cut to a width has at most that width, and its styles are closed', () => {
  const piece = fc.constantFrom('a', 'bc', '\x1b[31m', '\x1b[0m', ' ', 'é')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), fc.integer({ min: 0, max: 50 }), (pieces, width) => {
      const text = pieces.join('')
      const cut = fitted(text, width)
      expect(widthOf(cut)).toBeLessThanOrEqual(width)
      if (widthOf(text) <= width && width > 0) expect(cut).toBe(text)
      else if (cut.includes('\x1b')) expect(cut.endsWith('\x1b[0m')).toBe(true)
    }),
  )
})

test('a bar has its width, whatever the share', () => {
  fc.assert(
    fc.property(fc.double({ min: -1, max: 2, noNaN: true }), fc.integer({ min: 1, max: 40 }), (share, width) => {
      expect(bar(share, width)).toHaveLength(width)
    }),
  )
  expect(bar(0, 4)).toBe('····')
  expect(bar(0.5, 4)).toBe('██··')
  expect(bar(1, 4)).toBe('████')
})

test('columns of a table line up whatever colours they have', () => {
  const lines = table([
    ['a', '\x1b[31mred\x1b[39m', 'x'],
    ['long', 'b', 'y'],
  ]).split('\n')
  expect(lines.map((line) => widthOf(line))).toEqual([12, 12])
  expect(padEnd('\x1b[31mred\x1b[39m', 5)).toBe('\x1b[31mred\x1b[39m  ')
})

test('what was meant is suggested only when it is close', () => {
  expect(closest('web/esat', ['web/east', 'web/west'])).toBe('web/east')
  expect(closest('totally-else', ['web/east', 'web/west'])).toBeUndefined()
})

test('words for a shell, shares and lists', () => {
  expect(shellWord('web/east')).toBe('web/east')
  expect(shellWord("it's")).toBe(`'it'\\''s'`)
  expect([0, 0.001, 0.055, 0.5, 1].map(percentText)).toEqual(['0 %', '0.1 %', '5.5 %', '50 %', '100 %'])
  expect(someOf(['a', 'b', 'c'], 2)).toBe('a, b and 1 more')
})
