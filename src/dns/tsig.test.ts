import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyMessage, anyName } from '../../test/support/dns-arbitraries.ts'
import { decodeMessage, encodeMessage, isMalformed, type Message, messageOf } from './message.ts'
import { nameFromText, type WireName } from './name.ts'
import {
  type Invalid,
  serverTime,
  signError,
  signMessage,
  TsigKey,
  tsigSize,
  type Verdict,
  verifyMessage,
} from './tsig.ts'
import { Class, Opcode, Rcode, Type } from './types.ts'

const name = (text: string) => nameFromText(text) as WireName
const secret = Buffer.from('correct horse battery staple')
const key = new TsigKey({ name: name('Key.Example.'), algorithm: 'hmac-sha256', secret })
const findKey = (wanted: WireName) => (wanted === key.name ? key : undefined)
const now = 1_700_000_000
const query = encodeMessage(
  messageOf({ id: 0x1234, rd: true, questions: [{ name: name('www.example.'), type: Type.A, class: Class.IN }] }),
)

function decoded(bytes: Uint8Array): Message {
  const message = decodeMessage(bytes)
  if (isMalformed(message)) throw new Error(message.reason)
  return message
}

function invalid(verdict: Verdict): Invalid {
  if (verdict.kind !== 'invalid') throw new Error(`expected invalid, found ${verdict.kind}`)
  return verdict
}

describe('the octets of RFC 8945', () => {
  // Section 4.3.3, put together by hand: name, class ANY, TTL 0, algorithm, 48 bits of time, fudge, error, other length.
  const algorithm = `0b${Buffer.from('hmac-sha256').toString('hex')}00`
  const variables = `036b6579076578616d706c6500 00ff 00000000 ${algorithm} 00006553f100 012c 0000 0000`
  const macOf = (...parts: (string | Uint8Array)[]) => {
    const hmac = createHmac('sha256', secret)
    for (const part of parts) hmac.update(typeof part === 'string' ? Buffer.from(part.replace(/ /g, ''), 'hex') : part)
    return hmac.digest('hex')
  }

  test('a request: message and variables', () => {
    const { bytes, mac } = signMessage(query, key, { timeSeconds: now })
    expect(Buffer.from(mac).toString('hex')).toBe(macOf(query, variables))
    const record = `036b6579076578616d706c6500 00fa 00ff 00000000 003d ${algorithm} 00006553f100 012c 0020 ${Buffer.from(mac).toString('hex')} 1234 0000 0000`
    const expected = Buffer.concat([query, Buffer.from(record.replace(/ /g, ''), 'hex')])
    expected[11] = 1
    expect(Buffer.from(bytes).toString('hex')).toBe(expected.toString('hex'))
    expect(bytes.length - query.length).toBe(tsigSize(key))
  })

  test('a reply: the request MAC with its length goes first', () => {
    const request = signMessage(query, key, { timeSeconds: now })
    const { mac } = signMessage(query, key, { timeSeconds: now, requestMac: request.mac })
    expect(Buffer.from(mac).toString('hex')).toBe(macOf('0020', request.mac, query, variables))
  })

  test('HMAC-SHA512', () => {
    const long = new TsigKey({ name: key.name, algorithm: 'hmac-sha512', secret })
    const { bytes, mac } = signMessage(query, long, { timeSeconds: now })
    expect(mac).toHaveLength(64)
    expect(bytes.length - query.length).toBe(tsigSize(long))
    expect(verifyMessage(bytes, () => long, { nowSeconds: now }).kind).toBe('valid')
    expect(invalid(verifyMessage(bytes, findKey, { nowSeconds: now })).error).toBe(Rcode.BADKEY)
  })
})

describe('verification', () => {
  const signed = signMessage(query, key, { timeSeconds: now })

  test('signs and verifies any message with any key name and time', () => {
    const long = fc.integer({ min: 0, max: 2 ** 48 - 1 })
    fc.assert(
      fc.property(
        anyMessage,
        anyName,
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        long,
        fc.option(fc.uint8Array({ maxLength: 64 })),
        (message, keyName, any, time, requestMac) => {
          const own = new TsigKey({ name: keyName, algorithm: 'hmac-sha256', secret: any })
          const options = requestMac === null ? {} : { requestMac }
          const { bytes, mac } = signMessage(encodeMessage(message), own, { timeSeconds: time, ...options })
          expect(verifyMessage(bytes, () => own, { nowSeconds: time, ...options })).toEqual({
            kind: 'valid',
            key: own,
            mac,
          })
          expect({ ...decoded(bytes), tsig: null }).toEqual(message)
        },
      ),
    )
  })

  test('any bit changed is noticed', () => {
    for (let bit = 16; bit < signed.bytes.length * 8; bit++) {
      const bytes = signed.bytes.slice()
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      const verdict = verifyMessage(bytes, findKey, { nowSeconds: now })
      // The case of the key's and the algorithm's name is not signed (they are compared in lower case).
      const letter =
        Buffer.from(bytes).toString('latin1').toLowerCase() ===
        Buffer.from(signed.bytes).toString('latin1').toLowerCase()
      const inTsig = bit >> 3 >= query.length
      if (letter && inTsig) continue
      expect(verdict.kind, `bit ${bit}`).not.toBe('valid')
    }
  })

  test('the id on the way may change, the original one counts', () => {
    const bytes = signed.bytes.slice()
    bytes.set([0xff, 0xff])
    expect(verifyMessage(bytes, findKey, { nowSeconds: now }).kind).toBe('valid')
  })

  test('the octets that were given are left alone, also those of a Buffer', () => {
    const bytes = Buffer.from(signed.bytes)
    expect(verifyMessage(bytes, findKey, { nowSeconds: now }).kind).toBe('valid')
    expect(Buffer.compare(bytes, signed.bytes)).toBe(0)
  })

  test('unsigned', () => {
    expect(verifyMessage(query, findKey, { nowSeconds: now })).toEqual({ kind: 'unsigned' })
  })

  test('no such key, and another secret', () => {
    expect(invalid(verifyMessage(signed.bytes, () => undefined, { nowSeconds: now }))).toMatchObject({
      error: 17,
      detail: expect.stringContaining('key.example.'),
    })
    const other = new TsigKey({ name: key.name, algorithm: 'hmac-sha256', secret: Buffer.from('other') })
    const verdict = invalid(verifyMessage(signed.bytes, () => other, { nowSeconds: now }))
    expect(verdict.error).toBe(16)
    expect(verdict.key).toBeUndefined()
  })

  test('another request, a missing one, and one too many', () => {
    const requestMac = new Uint8Array(32)
    expect(invalid(verifyMessage(signed.bytes, findKey, { nowSeconds: now, requestMac })).error).toBe(16)
    const reply = signMessage(query, key, { timeSeconds: now, requestMac })
    expect(invalid(verifyMessage(reply.bytes, findKey, { nowSeconds: now })).error).toBe(16)
  })

  test.each([
    [300, 'valid'],
    [-300, 'valid'],
    [301, 'invalid'],
    [-301, 'invalid'],
  ])('%i seconds late: %s', (late, kind) => {
    const verdict = verifyMessage(signed.bytes, findKey, { nowSeconds: now + late })
    expect(verdict.kind).toBe(kind)
    if (verdict.kind === 'invalid') expect(verdict).toMatchObject({ error: 18, key, mac: signed.mac })
  })

  test('a wrong MAC is BADSIG even when the time is wrong too', () => {
    const bytes = signed.bytes.slice()
    bytes[13] = 0x41
    expect(invalid(verifyMessage(bytes, findKey, { nowSeconds: now + 9999 })).error).toBe(16)
  })

  test('cut MACs: at least half and ten octets, and only if allowed', () => {
    const cut = (octets: number) => {
      const tsig = decoded(signed.bytes).tsig
      if (tsig === null) throw new Error('unsigned')
      const end = signed.bytes.length - 6
      const bytes = Buffer.concat([signed.bytes.subarray(0, end - 32 + octets), signed.bytes.subarray(end)])
      const sizeAt = end - 34
      bytes.writeUInt16BE(octets, sizeAt)
      bytes.writeUInt16BE(61 - 32 + octets, query.length + 13 + 8)
      return bytes
    }
    const verdict = (octets: number, allowTruncated: boolean) =>
      verifyMessage(cut(octets), findKey, { nowSeconds: now, allowTruncated })
    expect(verdict(32, false).kind).toBe('valid')
    expect(verdict(16, true).kind).toBe('valid')
    expect(invalid(verdict(16, false)).error).toBe(Rcode.BADTRUNC)
    expect(invalid(verdict(15, true)).error).toBe(Rcode.FORMERR)
    expect(invalid(verdict(0, true)).error).toBe(Rcode.BADSIG)
  })

  test('TSIG has to be the last record, of class ANY, and once', () => {
    const twice = signMessage(signed.bytes, key, { timeSeconds: now })
    expect(invalid(verifyMessage(twice.bytes, findKey, { nowSeconds: now })).error).toBe(Rcode.FORMERR)
    const inClass = signed.bytes.slice()
    inClass[query.length + 13 + 3] = 1
    expect(invalid(verifyMessage(inClass, findKey, { nowSeconds: now })).error).toBe(Rcode.FORMERR)
  })

  test('hostile octets give a verdict', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 }),
        fc.nat(200),
        (changes, length) => {
          const bytes = signed.bytes.slice()
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          expect(['unsigned', 'valid', 'invalid']).toContain(verifyMessage(bytes, findKey, { nowSeconds: now }).kind)
          verifyMessage(bytes.subarray(0, length), findKey, { nowSeconds: now })
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('error replies', () => {
  const request = signMessage(query, key, { timeSeconds: now })
  const reply = encodeMessage(messageOf({ id: 0x1234, qr: true, opcode: Opcode.UPDATE, rcode: Rcode.NOTAUTH }))

  test('BADKEY and BADSIG go without a MAC', () => {
    const stranger = new TsigKey({ name: key.name, algorithm: 'hmac-sha256', secret: Buffer.from('other') })
    for (const [find, error] of [
      [() => undefined, 17],
      [() => stranger, 16],
    ] as const) {
      const verdict = invalid(verifyMessage(request.bytes, find, { nowSeconds: now }))
      const { tsig, rcode } = decoded(signError(reply, verdict, now))
      expect(rcode).toBe(Rcode.NOTAUTH)
      expect(tsig).toMatchObject({ key: key.name, error, originalId: 0x1234, time: now })
      expect(tsig?.mac).toHaveLength(0)
    }
  })

  test('BADTIME is signed, with the time of both', () => {
    const verdict = invalid(verifyMessage(request.bytes, findKey, { nowSeconds: now + 4000 }))
    const bytes = signError(reply, verdict, now + 4000)
    expect(bytes.length - reply.length).toBe(tsigSize(key, true))
    expect(verifyMessage(bytes, findKey, { nowSeconds: now, requestMac: request.mac }).kind).toBe('valid')
    const { tsig } = decoded(bytes)
    expect(tsig).toMatchObject({ error: 18, time: now })
    expect(tsig && serverTime(tsig)).toBe(now + 4000)
  })

  test('what could not be read gets none', () => {
    expect(signError(reply, { kind: 'invalid', error: Rcode.FORMERR, detail: '' }, now)).toEqual(reply)
  })
})

test('the secret is in nothing that a key can be turned into', () => {
  const shown = [
    inspect(key, { depth: 9, showHidden: true }),
    JSON.stringify(key),
    String(key),
    `${key}`,
    Object.keys(key).join(),
    JSON.stringify({ ...key }),
  ]
  for (const text of [secret.toString(), secret.toString('base64'), secret.toString('hex'), [...secret].join(',')]) {
    for (const output of shown) expect(output).not.toContain(text)
  }
  expect({ ...key }).toEqual({ name: key.name, algorithm: key.algorithm })
  expect(inspect({ key })).toContain('[secret]')
  expect(() => new TsigKey({ name: key.name, algorithm: 'hmac-sha256', secret: new Uint8Array() })).toThrow('secret')
})
