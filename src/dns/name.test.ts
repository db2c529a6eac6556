import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyName } from '../../test/support/dns-arbitraries.ts'
import {
  fold,
  isBelowOrAt,
  isWildcard,
  labelsOf,
  nameFromText,
  nameInBytes,
  nameToBytes,
  nameToText,
  parentOf,
  root,
  type WireName,
  wildcardBelow,
} from './name.ts'

const name = (text: string) => nameFromText(text) as WireName

test.each([
  ['.', '\0'],
  ['example.test.', '\x07example\x04test\0'],
  ['example.test', '\x07example\x04test\0'],
  ['Ex\\097mple.', '\x07Example\0'],
  ['a\\.b.c.', '\x03a.b\x01c\0'],
  ['\\255\\000.', '\x02\xff\x00\0'],
  ['\\\\.', '\x01\\\0'],
  ['*.a.', '\x01*\x01a\0'],
  [`${'a'.repeat(63)}.`, `\x3f${'a'.repeat(63)}\0`],
])('text %s', (text, wire) => {
  expect(nameFromText(text)).toBe(wire)
})

test.each([
  '',
  '..',
  '.a',
  'a..b',
  'a\\',
  'a\\2',
  'a\\25',
  '\\256',
  'a b',
  'é.',
  `${'a'.repeat(64)}.`,
  `${'a.'.repeat(128)}`,
])('no name: %j', (text) => {
  expect(nameFromText(text)).toBeUndefined()
})

test('a relative name stands below the origin, an absolute one does not', () => {
  const origin = name('example.')
  expect(nameFromText('www', origin)).toBe(name('www.example.'))
  expect(nameFromText('www.', origin)).toBe(name('www.'))
  expect(nameFromText('www\\.', origin)).toBe('\x04www.\x07example\0')
  expect(nameFromText('@', origin)).toBe(origin)
  expect(nameFromText('a.'.repeat(123).slice(0, -1), origin)).toHaveLength(255)
  expect(nameFromText('a.'.repeat(124).slice(0, -1), origin)).toBeUndefined()
})

test('folding touches ASCII letters only, and no length octets', () => {
  expect(fold(`\x03${'W\xc0Z'}\0` as WireName)).toBe('\x03w\xc0z\0')
  for (const edge of ['@', 'A', 'Z', '[']) expect(fold(`\x01${edge}\0` as WireName)).toBe(`\x01${edge.toLowerCase()}\0`)
  fc.assert(
    fc.property(anyName, (any) => {
      const folded = fold(any)
      expect(folded).toHaveLength(any.length)
      expect(fold(folded)).toBe(folded)
      expect(labelsOf(folded).map((label) => label.length)).toEqual(labelsOf(any).map((label) => label.length))
      for (let i = 0; i < any.length; i++) {
        const upper = any[i] as string
        expect(folded[i]).toBe(upper >= 'A' && upper <= 'Z' ? String.fromCharCode(upper.charCodeAt(0) + 32) : upper)
      }
    }),
  )
})

describe('round trips', () => {
  test('wire, text, wire', () => {
    fc.assert(
      fc.property(anyName, (any) => {
        const text = nameToText(any)
        expect(text).toMatch(/^[!-~]+$/)
        expect(nameFromText(text)).toBe(any)
      }),
    )
  })
  test('wire, octets, wire', () => {
    fc.assert(
      fc.property(anyName, fc.uint8Array({ maxLength: 5 }), (any, before) => {
        const bytes = Uint8Array.of(...before, ...nameToBytes(any), 9)
        expect(nameInBytes(bytes, before.length)).toEqual({ name: any, end: before.length + any.length })
        expect(nameInBytes(bytes.subarray(0, before.length + any.length - 1), before.length)).toBeUndefined()
      }),
    )
  })
  test('parents and labels', () => {
    fc.assert(
      fc.property(anyName, (any) => {
        const labels = labelsOf(any)
        expect(labels.map((label) => String.fromCharCode(label.length) + label).join('')).toBe(any.slice(0, -1))
        expect(labelsOf(parentOf(any))).toEqual(labels.slice(1))
        expect(isBelowOrAt(any, parentOf(any))).toBe(true)
        expect(isBelowOrAt(fold(any), any)).toBe(true)
        expect(isBelowOrAt(parentOf(any), any)).toBe(any === root)
      }),
    )
  })
})

test('a suffix of octets that does not begin at a label is not above', () => {
  // One label whose last octets look like the name "\x01a" in wire form.
  expect(isBelowOrAt('\x03x\x01a\0' as WireName, '\x01a\0' as WireName)).toBe(false)
  expect(isBelowOrAt(name('b.EXAMPLE.'), name('example.'))).toBe(true)
  expect(isBelowOrAt(name('bexample.'), name('example.'))).toBe(false)
})

test('octets that are no name', () => {
  expect(nameInBytes(Uint8Array.of(0xc0, 0))).toBeUndefined()
  expect(nameInBytes(Uint8Array.of(64, ...new Array(64).fill(97), 0))).toBeUndefined()
  expect(nameInBytes(new Uint8Array(0))).toBeUndefined()
  const label = [63, ...new Array(63).fill(97)]
  expect(nameInBytes(Uint8Array.of(...label, ...label, ...label, 61, ...new Array(61).fill(98), 0))?.end).toBe(255)
  expect(nameInBytes(Uint8Array.of(...label, ...label, ...label, 62, ...new Array(62).fill(98), 0))).toBeUndefined()
})

test('wildcards', () => {
  expect(isWildcard(wildcardBelow(name('a.')))).toBe(true)
  expect(wildcardBelow(name('a.'))).toBe(name('*.a.'))
  expect(isWildcard(name('a.*.b.'))).toBe(false)
  expect(isWildcard(name('**.b.'))).toBe(false)
})
