/**
 * What an endpoint must answer. There is no value for "nothing": a live endpoint has at least one
 * address or is an alias, and only a confirmed retirement makes it `retired`.
 */
import { type Digest, digestOf } from '../base/bytes.ts'
import type { NonEmpty } from '../base/nonempty.ts'
import type { IpAddress } from './address.ts'
import type { Name } from './name.ts'

/** Seconds; 31 bits (RFC 2181, section 8). */
export type Ttl = number

export interface WeightedAddress {
  readonly address: IpAddress
  /** 1 to 65,535, relative to the others of the same record set. */
  readonly weight: number
}

export type Addresses = { readonly kind: 'addresses'; readonly ttl: Ttl; readonly addresses: NonEmpty<WeightedAddress> }
export type Alias = { readonly kind: 'alias'; readonly ttl: Ttl; readonly target: Name }
/** The name has been given up on purpose. Its marker stays, as a tombstone, so that no stale plan revives it. */
export type Retired = { readonly kind: 'retired' }

export type Answer = Addresses | Alias | Retired
export type LiveAnswer = Addresses | Alias

/**
 * Canonical text, one line, addresses in order of their text:
 * `60 addresses 192.0.2.1*100 192.0.2.2*100`, `60 alias db.example.test.`, `0 retired`.
 */
export function answerText(answer: Answer): string {
  if (answer.kind === 'retired') return '0 retired'
  if (answer.kind === 'alias') return `${answer.ttl} alias ${answer.target}`
  return `${answer.ttl} addresses ${weightedText(answer.addresses)}`
}

function weightedText(addresses: readonly WeightedAddress[]): string {
  if (addresses.length === 1) return `${addresses[0]?.address}*${addresses[0]?.weight}`
  return addresses
    .map(({ address, weight }) => `${address}*${weight}`)
    .sort()
    .join(' ')
}

export function parseAnswerText(text: string): Answer | undefined {
  const [ttlText, kind, ...rest] = text.split(' ')
  const ttl = Number(ttlText)
  if (!Number.isInteger(ttl) || ttl < 0 || ttl >= 2 ** 31) return undefined
  if (kind === 'retired' && rest.length === 0) return { kind: 'retired' }
  if (kind === 'alias' && rest.length === 1) return { kind: 'alias', ttl, target: rest[0] as Name }
  if (kind !== 'addresses') return undefined
  const addresses: WeightedAddress[] = []
  for (const item of rest) {
    const star = item.lastIndexOf('*')
    const weight = Number(item.slice(star + 1))
    if (star <= 0 || !Number.isInteger(weight) || weight < 1 || weight > 65_535) return undefined
    addresses.push({ address: item.slice(0, star) as IpAddress, weight })
  }
  return addresses.length === 0
    ? undefined
    : { kind: 'addresses', ttl, addresses: addresses as unknown as NonEmpty<WeightedAddress> }
}

/** Equal digests, equal answers. 64 bits suffice in a marker, which compares two versions of one name. */
export function answerDigest(answer: Answer): Digest {
  return digestOf(answerText(answer)).slice(0, 16) as Digest
}
