/**
 * A provider: how one kind of authority is read and written. The authority's own copy is the only
 * truth an enactor starts from; a provider must not answer from a cache.
 */
import type { IpAddress } from '../model/address.ts'
import type { Answer, Ttl } from '../model/answer.ts'
import type { Marker } from '../model/marker.ts'
import type { Name } from '../model/name.ts'

/**
 * What one write of one endpoint can promise at this kind of authority:
 * - `atomic-conditional`: records and marker change together, if exactly what was read is still there.
 * - `rrset-conditional`: each record set by itself, if unchanged.
 * - `atomic`: together, unconditionally.
 * - `none`: single calls.
 */
export type Guarantee = 'atomic-conditional' | 'rrset-conditional' | 'atomic' | 'none'

/** What stands at one endpoint now, as far as it concerns Holdfast. */
export interface Published {
  readonly name: Name
  /** The TXT records at the marker's name: character strings as they are (Latin-1), in any order. Usually one record. */
  readonly marker: readonly (readonly string[])[]
  /** Values of A and AAAA together. */
  readonly addresses: readonly IpAddress[]
  readonly alias: Name | null
  /** Of the addresses or the alias; null where there is neither. The greater one if they differ. */
  readonly ttl: Ttl | null
}

export type Reading =
  | { readonly kind: 'published'; readonly published: Published }
  /** No answer, or none to be believed: ask again later. */
  | { readonly kind: 'outage'; readonly reason: string }
  /** This name cannot be read at this authority, such as one that is delegated away; others can. */
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Replace `expected` by `answer` and `marker`, together, if `expected` is exactly what stands there. */
export interface Change {
  readonly name: Name
  readonly expected: Published
  readonly answer: Answer
  readonly marker: Marker
}

export type WriteOutcome =
  /** The authority says so. Not proof: read back. */
  | { readonly kind: 'accepted' }
  /** The condition did not hold; nothing changed. */
  | { readonly kind: 'conflict'; readonly reason: string }
  /** The authority will not do it; trying again will not help by itself. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** No answer, or a failure after which anything may be true: read before you decide. */
  | { readonly kind: 'unknown'; readonly reason: string }

export interface Provider {
  readonly guarantee: Guarantee
  /** The same order as `names`. Concurrency and batching are the provider's business. */
  read(zone: Name, names: readonly Name[]): Promise<readonly Reading[]>
  /**
   * The same order as `changes`. Each change happens whole or not at all, if its own condition holds
   * (as far as `guarantee` goes). Several may share a transaction, if a failure of one does not keep
   * the others from happening. At most one change for each name.
   */
  write(zone: Name, changes: readonly Change[]): Promise<readonly WriteOutcome[]>
  /**
   * The same order as `expected`: true where exactly this stands (times to live are not compared), as
   * the authority itself says now; false where it does not, or where that is not known. Only for
   * authorities that can be asked about many names at once, and for much less than a reading costs.
   */
  confirm?(zone: Name, expected: readonly Published[]): Promise<readonly boolean[]>
}
