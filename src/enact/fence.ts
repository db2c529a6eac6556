/**
 * The fence: may this plan's entry be written over what stands at the name?
 *
 * It compares generations, never clocks and never owners of a lock: in October 2025 the lock was won
 * legitimately, by a writer whose plan was far older than what it replaced. It is asked again for
 * every single write, on the very reading that the write is conditional on.
 *
 * A name that is owned but unmarked, half written, empty or edited by hand can always be written: an
 * update never depends on what it replaces being valid.
 */
import type { Answer } from '../model/answer.ts'
import { answerDigest } from '../model/answer.ts'
import type { Generation } from '../model/generation.ts'
import { type Marker, markerFor, markerStrings, parseMarker } from '../model/marker.ts'
import type { Name } from '../model/name.ts'
import type { PlanEntry } from '../model/plan.ts'
import type { Published } from '../providers/provider.ts'

export interface Ownership {
  /** This deployment's name. */
  readonly owner: string
  /** An enactor is known to have published this name: what stands there without a marker has lost it. */
  readonly ours: boolean
  /** The operator allows taking over what Holdfast did not make. */
  readonly adopt: boolean
}

export type Fence =
  /** Published exactly so: nothing to do. */
  | { readonly kind: 'current' }
  | {
      readonly kind: 'apply'
      readonly why: /** An older generation stands there. */
        | 'newer'
        /** Nothing stands there. */
        | 'create'
        /** This generation stands there, but not its records. */
        | 'drift'
        /** Ours, but the marker is gone or damaged. */
        | 'unmarked'
        /** Not ours, and the operator said to take it. */
        | 'adopt'
    }
  /** A newer generation stands there: this plan is too old for this name. */
  | { readonly kind: 'superseded'; readonly by: Generation }
  /** Somebody else's. Never touched. */
  | { readonly kind: 'foreign'; readonly reason: string }
  /** The same generation with another answer: two histories. Only a plan above both can mend it. */
  | { readonly kind: 'ahead'; readonly generation: Generation }

export function fence(
  entry: Pick<PlanEntry, 'since' | 'answer'>,
  published: Published,
  { owner, ours, adopt }: Ownership,
): Fence {
  const markers = published.marker.map(parseMarker).filter((marker) => marker !== undefined)
  const stranger = markers.find((marker) => marker.owner !== owner)
  if (stranger !== undefined) {
    return {
      kind: 'foreign',
      reason: `expected a name of deployment "${owner}", found a marker of deployment "${stranger.owner}"; give one of them up, or delete the marker`,
    }
  }
  const marker = newestOf(markers)
  if (marker === undefined) return unmarked(published, ours, adopt)
  if (marker.generation > entry.since) return { kind: 'superseded', by: marker.generation }
  if (marker.generation < entry.since) return { kind: 'apply', why: 'newer' }
  if (marker.digest !== answerDigest(entry.answer)) return { kind: 'ahead', generation: marker.generation }
  return isPublished(entry, published, owner) ? { kind: 'current' } : { kind: 'apply', why: 'drift' }
}

function newestOf(markers: readonly Marker[]): Marker | undefined {
  let newest: Marker | undefined
  for (const marker of markers) {
    if (newest === undefined || marker.generation > newest.generation) newest = marker
  }
  return newest
}

/** A damaged marker counts as none: its label is Holdfast's own, so it is not evidence of another owner. */
function unmarked(published: Published, ours: boolean, adopt: boolean): Fence {
  if (published.addresses.length === 0 && published.alias === null) return { kind: 'apply', why: 'create' }
  if (ours) return { kind: 'apply', why: 'unmarked' }
  if (adopt) return { kind: 'apply', why: 'adopt' }
  const found = published.alias === null ? published.addresses.join(', ') : `an alias of ${published.alias}`
  return {
    kind: 'foreign',
    reason: `expected a free name, found ${found} without a marker of ours; delete these records, or set "adopt: true" for the endpoint`,
  }
}

/** True when marker and records are exactly what this entry writes. */
function isPublished(entry: Pick<PlanEntry, 'since' | 'answer'>, published: Published, owner: string): boolean {
  const [strings, ...others] = published.marker
  if (strings === undefined || others.length > 0) return false
  const wanted = markerStrings(markerFor(entry.answer, entry.since, owner))
  return (
    strings.length === wanted.length &&
    strings.every((text, index) => text === wanted[index]) &&
    answersAs(entry.answer, published)
  )
}

/** What stands at the name when exactly this entry is published there. */
export function publishedAs({ name, since, answer }: PlanEntry, owner: string): Published {
  return {
    name,
    marker: [markerStrings(markerFor(answer, since, owner))],
    addresses: answer.kind === 'addresses' ? answer.addresses.map(({ address }) => address) : [],
    alias: answer.kind === 'alias' ? answer.target : null,
    ttl: answer.kind === 'retired' ? null : answer.ttl,
  }
}

/** Nothing at all. */
export function nothingAt(name: Name): Published {
  return { name, marker: [], addresses: [], alias: null, ttl: null }
}

/** True when the records (not the marker) are exactly this answer. */
export function answersAs(answer: Answer, published: Published): boolean {
  switch (answer.kind) {
    case 'retired':
      return published.addresses.length === 0 && published.alias === null
    case 'alias':
      return published.addresses.length === 0 && published.alias === answer.target && published.ttl === answer.ttl
    case 'addresses': {
      if (published.alias !== null || published.ttl !== answer.ttl) return false
      if (published.addresses.length !== answer.addresses.length) return false
      const found = new Set<string>(published.addresses)
      return answer.addresses.every(({ address }) => found.has(address))
    }
  }
}

/** True when a resolver that asks for this name is led on to something. */
export function isLive(published: Published): boolean {
  return published.addresses.length > 0 || published.alias !== null
}
