/**
 * Transaction signatures (RFC 8945) with HMAC-SHA256 and HMAC-SHA512, over messages as octets.
 *
 * Pure: the time is an argument. A verdict says what is wrong and carries what the reply needs.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'
import { assert } from '../base/assert.ts'
import { decodeMessage, isMalformed, type Message, type TsigRecord } from './message.ts'
import { fold, nameFromText, nameToBytes, nameToText, type WireName } from './name.ts'
import { Class, Rcode, Type } from './types.ts'

export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha512'

const algorithms: Readonly<Record<TsigAlgorithm, { hash: string; wire: WireName; octets: number }>> = {
  'hmac-sha256': { hash: 'sha256', wire: nameFromText('hmac-sha256.') as WireName, octets: 32 },
  'hmac-sha512': { hash: 'sha512', wire: nameFromText('hmac-sha512.') as WireName, octets: 64 },
}

/** A shared key. It can make MACs, and shows its secret to nobody: not to JSON, not to a log, not to a debugger's print. */
export class TsigKey {
  /** In lower case. */
  readonly name: WireName
  readonly algorithm: TsigAlgorithm
  /** As Node keeps keys: given as octets, they would be looked over for every message, which takes longer than its MAC. */
  readonly #secret: KeyObject

  constructor({
    name,
    algorithm,
    secret,
  }: { readonly name: WireName; readonly algorithm: TsigAlgorithm; readonly secret: Uint8Array }) {
    assert(secret.length > 0, 'expected a TSIG secret of at least one octet, found none')
    this.name = fold(name)
    this.algorithm = algorithm
    this.#secret = createSecretKey(secret)
  }

  mac(parts: readonly Uint8Array[]): Uint8Array {
    const hmac = createHmac(algorithms[this.algorithm].hash, this.#secret)
    for (const part of parts) hmac.update(part)
    return new Uint8Array(hmac.digest())
  }

  toJSON(): { name: string; algorithm: TsigAlgorithm; secret: string } {
    return { name: nameToText(this.name), algorithm: this.algorithm, secret: '[secret]' }
  }

  toString(): string {
    return `${this.algorithm}:${nameToText(this.name)}:[secret]`
  }

  [inspect.custom](): string {
    return `TsigKey(${this.toString()})`
  }
}

export interface SignOptions {
  /** Seconds since 1970. */
  readonly timeSeconds: number
  /** Seconds that the clocks may differ; 300 when absent (RFC 8945 section 10). */
  readonly fudge?: number
  /** For a reply: the MAC of its request. */
  readonly requestMac?: Uint8Array
  /** A TSIG error, such as `Rcode.BADTIME`; 0 when absent. */
  readonly error?: number
  /** With BADTIME: the signer's own time, in seconds since 1970. */
  readonly otherTime?: number
  /** A later message of a reply that has several, such as a transfer: `requestMac` is the previous one's (RFC 8945 section 5.3.1). */
  readonly continues?: boolean
}

/** How many octets `signMessage` adds, so that a reply can be cut to leave room for them. */
export function tsigSize(key: TsigKey, otherTime = false): number {
  const { wire, octets } = algorithms[key.algorithm]
  return key.name.length + 10 + wire.length + 16 + octets + (otherTime ? 6 : 0)
}

/** Appends the TSIG record. `bytes` is a whole message without one. */
export function signMessage(
  bytes: Uint8Array,
  key: TsigKey,
  options: SignOptions,
): { bytes: Uint8Array; mac: Uint8Array } {
  const fields: TsigRecord = {
    offset: bytes.length,
    key: key.name,
    algorithm: algorithms[key.algorithm].wire,
    time: options.timeSeconds,
    fudge: options.fudge ?? 300,
    mac: new Uint8Array(),
    originalId: idOf(bytes),
    error: options.error ?? 0,
    other: options.otherTime === undefined ? new Uint8Array() : uint48(options.otherTime),
  }
  const mac = key.mac(digestParts(bytes, fields, options.requestMac, options.continues))
  return { bytes: append(bytes, { ...fields, mac }), mac }
}

export type Verdict =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'valid'; readonly key: TsigKey; readonly mac: Uint8Array }
  | Invalid

export interface Invalid {
  readonly kind: 'invalid'
  /** What the reply's TSIG record says: BADSIG 16, BADKEY 17, BADTIME 18, BADTRUNC 22; or FORMERR 1, as an RCODE. */
  readonly error: number
  /** One phrase for a log: expected and found, without secrets. */
  readonly detail: string
  /** With BADTIME and BADTRUNC, whose MAC was right. */
  readonly key?: TsigKey
  readonly mac?: Uint8Array
  /** The record as it came; absent when the message could not be read. */
  readonly record?: TsigRecord
}

export interface VerifyOptions {
  readonly nowSeconds: number
  /** When verifying a reply: the MAC of the request. */
  readonly requestMac?: Uint8Array
  /** Take MACs cut to no less than half and ten octets (RFC 8945 section 5.2.2.1). */
  readonly allowTruncated?: boolean
  /** What `decodeMessage(bytes)` said, to save doing it again. */
  readonly message?: Message
}

/** Checks in the order of RFC 8945 section 5.2: form, key, MAC, time, length of the MAC. `findKey` is given the name in lower case. */
export function verifyMessage(
  bytes: Uint8Array,
  findKey: (name: WireName) => TsigKey | undefined,
  { nowSeconds, requestMac, allowTruncated = false, message: decoded }: VerifyOptions,
): Verdict {
  const message = decoded ?? decodeMessage(bytes)
  if (isMalformed(message)) return { kind: 'invalid', error: Rcode.FORMERR, detail: message.reason }
  const record = message.tsig
  if (record === null) return { kind: 'unsigned' }
  const invalid = (error: number, detail: string): Invalid => ({ kind: 'invalid', error, detail, record })

  const key = findKey(fold(record.key))
  if (key === undefined) return invalid(Rcode.BADKEY, `no key is called ${nameToText(record.key)}`)
  const { wire, octets } = algorithms[key.algorithm]
  if (fold(record.algorithm) !== wire) {
    return invalid(
      Rcode.BADKEY,
      `expected algorithm ${key.algorithm} with key ${nameToText(record.key)}, found ${nameToText(record.algorithm)}`,
    )
  }
  const { mac } = record
  if (mac.length > octets || (mac.length > 0 && mac.length < Math.max(10, octets / 2))) {
    return invalid(Rcode.FORMERR, `expected a MAC of ${octets} octets, found ${mac.length}`)
  }
  const expected = key.mac(digestParts(withoutTsig(bytes, record), record, requestMac))
  if (mac.length === 0 || !timingSafeEqual(expected.subarray(0, mac.length), mac)) {
    return invalid(Rcode.BADSIG, `the MAC does not fit the message and key ${nameToText(record.key)}`)
  }
  if (Math.abs(nowSeconds - record.time) > record.fudge) {
    const detail = `signed at ${record.time}, received at ${nowSeconds} (seconds since 1970), allowed difference ${record.fudge}`
    return { ...invalid(Rcode.BADTIME, detail), key, mac }
  }
  if (mac.length < octets && !allowTruncated) {
    return { ...invalid(Rcode.BADTRUNC, `expected a MAC of ${octets} octets, found ${mac.length}`), key, mac }
  }
  return { kind: 'valid', key, mac }
}

/**
 * Finishes the reply to a request that did not verify: `reply` is the encoded reply (RCODE NOTAUTH, or FORMERR) without
 * TSIG. BADKEY and BADSIG get a TSIG record without MAC; BADTIME and BADTRUNC one signed with the request's key, BADTIME
 * with `nowSeconds` as other data and the request's own time (RFC 8945 section 5.2.3); FORMERR none.
 */
export function signError(reply: Uint8Array, invalid: Invalid, nowSeconds: number): Uint8Array {
  const { error, record, key, mac } = invalid
  if (record === undefined || error === Rcode.FORMERR) return reply
  if (key === undefined || mac === undefined) {
    return append(reply, { ...record, mac: new Uint8Array(), error, other: new Uint8Array(), originalId: idOf(reply) })
  }
  const time =
    error === Rcode.BADTIME ? { timeSeconds: record.time, otherTime: nowSeconds } : { timeSeconds: nowSeconds }
  return signMessage(reply, key, { ...time, fudge: record.fudge, requestMac: mac, error }).bytes
}

/** What a BADTIME record says of the signer's clock, in seconds since 1970. */
export function serverTime({ other }: TsigRecord): number | undefined {
  if (other.length !== 6) return undefined
  const view = new DataView(other.buffer, other.byteOffset, 6)
  return view.getUint16(0) * 2 ** 32 + view.getUint32(2)
}

const idOf = (bytes: Uint8Array): number => ((bytes[0] as number) << 8) | (bytes[1] as number)

/** What the MAC is made over (RFC 8945 section 4.3); `message` has no TSIG record, and its original id. */
function digestParts(
  message: Uint8Array,
  tsig: TsigRecord,
  requestMac: Uint8Array | undefined,
  continues = false,
): Uint8Array[] {
  const parts: Uint8Array[] = []
  if (requestMac !== undefined) parts.push(uint16(requestMac.length), requestMac)
  if (continues) return [...parts, message, uint48(tsig.time), uint16(tsig.fudge)]
  const variables = [nameToBytes(fold(tsig.key)), uint16(Class.ANY), uint32(0), nameToBytes(fold(tsig.algorithm))]
  variables.push(uint48(tsig.time), uint16(tsig.fudge), uint16(tsig.error), uint16(tsig.other.length), tsig.other)
  parts.push(message, ...variables)
  return parts
}

function withoutTsig(bytes: Uint8Array, { offset, originalId }: TsigRecord): Uint8Array {
  const message = Uint8Array.from(bytes.subarray(0, offset))
  message.set(uint16(originalId), 0)
  message.set(uint16(additionalCount(message) - 1), 10)
  return message
}

const additionalCount = (message: Uint8Array): number => ((message[10] as number) << 8) | (message[11] as number)

function append(message: Uint8Array, tsig: TsigRecord): Uint8Array {
  const algorithm = nameToBytes(tsig.algorithm)
  const dataLength = algorithm.length + 16 + tsig.mac.length + tsig.other.length
  const record = [
    nameToBytes(tsig.key),
    uint16(Type.TSIG),
    uint16(Class.ANY),
    uint32(0),
    uint16(dataLength),
    algorithm,
    uint48(tsig.time),
  ]
  record.push(uint16(tsig.fudge), uint16(tsig.mac.length), tsig.mac, uint16(tsig.originalId), uint16(tsig.error))
  record.push(uint16(tsig.other.length), tsig.other)
  const bytes = concat([message, ...record])
  bytes.set(uint16(additionalCount(message) + 1), 10)
  return bytes
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

const uint16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255)
const uint32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255)

function uint48(value: number): Uint8Array {
  const bytes = new Uint8Array(6)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, Math.floor(value / 2 ** 32))
  view.setUint32(2, value >>> 0)
  return bytes
}
