import fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyName } from '../../test/support/dns-arbitraries.ts'
import { decodeNode, encodeNode } from './encoding.ts'
import { RRset } from './zone.ts'

const anyRrset = fc
  .tuple(
    fc.integer({ min: 1, max: 65_535 }),
    fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
  )
  .map(([type, ttl, datas]) => new RRset(type, ttl, datas))
const anyNode = fc.tuple(anyName, fc.array(anyRrset, { minLength: 1, maxLength: 4 }))

test('a name comes back as it was written', () => {
  fc.assert(
    fc.property(anyNode, ([name, rrsets]) => {
      const [found, back] = decodeNode(encodeNode(name, rrsets)) ?? []
      expect(found).toBe(name)
      expect(back?.map(({ type, ttl, datas }) => [type, ttl, datas.map((data) => [...data])])).toEqual(
        rrsets.map(({ type, ttl, datas }) => [type, ttl, datas.map((data) => [...data])]),
      )
    }),
  )
})

test('a changed octet, a missing end and octets too many are noticed', () => {
  fc.assert(
    fc.property(anyNode, fc.nat(), fc.integer({ min: 1, max: 255 }), ([name, rrsets], at, change) => {
      const bytes = encodeNode(name, rrsets)
      expect(decodeNode(bytes.slice(0, at % bytes.length))).toBeUndefined()
      expect(decodeNode(Uint8Array.of(...bytes, change))).toBeUndefined()
      const place = at % bytes.length
      bytes[place] = (bytes[place] as number) ^ change
      expect(decodeNode(bytes)).toBeUndefined()
    }),
  )
})
