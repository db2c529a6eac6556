/**
 * A check watches one invariant from outside: it sees what stands at the authorities and what was
 * committed to the store, and shares no code with the programs under test. Each says in one line what
 * was violated; it says so at the very event at which it happened.
 */
import type { Name } from '../../src/model/name.ts'
import type { Write } from '../../src/store/store.ts'
import type { Standing } from '../sim/authority.ts'
import type { Heard } from '../witness.ts'

/** `BUG`: a program threw. */
export type Invariant = 'S1' | 'S2' | 'S3' | 'S4' | 'S5' | 'S6' | 'S8' | 'L1' | 'L2' | 'L4' | 'BUG'

export interface Violation {
  readonly invariant: Invariant
  readonly text: string
}

/** What checks may look at. No method changes anything. */
export interface Scene {
  /** What stands at a name, at the authority of its zone. */
  standing(name: Name): Standing
  /** Every name at which something stands or stood. */
  names(): Iterable<Name>
  /** A document of the store, or undefined. */
  stored(key: string): Uint8Array | undefined
  storedKeys(prefix: string): readonly string[]
  /** Virtual milliseconds since the start. */
  now(): number
}

/** What checks of a whole run may ask besides. */
export interface RunScene extends Scene {
  /** Whether this process was held up within the last so many milliseconds: what it does now it may have decided before. */
  wasHeldUp(process: string, withinMs: number): boolean
  /** For how many milliseconds this process has not been able to reach the store; 0 if it can. */
  cutOffMs(process: string): number
  /** False once anybody's wall clock was set wrong. */
  clocksAreRight(): boolean
  /** Since when nothing is broken any more, or null. */
  healedAt(): number | null
  /** Names that somebody else holds, and that stay as they are. */
  readonly foreign: ReadonlySet<Name>
}

export interface Check {
  readonly invariant: Invariant
  /** A change at an authority, by a process or by `hand` (or as `AuthorityListener` says); `sent`: when it set out. */
  onRecords?(name: Name, before: Standing, after: Standing, by: string, sent?: number): Violation | null
  onCommit?(writes: readonly Write[], by: string): Violation | null
  /** A resolver was told so, to a question that set out at `asked`. */
  onHeard?(name: Name, heard: Heard, asked: number): Violation | null
  /** Twice in a second of virtual time. */
  onTime?(): Violation | null
}

const decoder = new TextDecoder()

/** A document of the store as JSON; null if there is none or it is damaged. */
export function json<T>(value: Uint8Array | undefined): T | null {
  if (value === undefined) return null
  try {
    return JSON.parse(decoder.decode(value)) as T
  } catch {
    return null
  }
}

/** A plan as the checks read it. */
export interface PlanDocument {
  readonly generation: number
  readonly parent: number
  readonly at: number
  readonly author: string
  readonly policy: string
  readonly rolledBackTo?: number
  readonly pinned?: readonly string[]
  readonly shards: readonly string[]
  readonly pools: Readonly<Record<string, PoolDocument>>
}

export interface PoolDocument {
  readonly targets: Readonly<Record<string, { readonly kind: string; readonly percent?: number }>>
  readonly failOpenSince: number | null
}

export const planKey = (generation: number): string => `plan/${String(generation).padStart(16, '0')}`

/** One endpoint's line in a shard, split: name, since, born, time to live, kind, and the rest. */
export interface Line {
  readonly name: Name
  readonly since: number
  readonly text: string
}

export function linesOf(shard: Uint8Array): readonly Line[] {
  const lines: Line[] = []
  for (const text of decoder.decode(shard).split('\n')) {
    const [name, since] = text.split(' ', 2)
    if (name !== undefined && since !== undefined) lines.push({ name: name as Name, since: Number(since), text })
  }
  return lines
}

/** The generation in a marker as it stands in DNS, read by a rule of the checks' own; null where there is no whole marker. */
export function generationAt(standing: Standing): number | null {
  let newest: number | null = null
  for (const strings of standing.marker) {
    const [version, generation, digest, owner] = strings
    const digits = /^g=([0-9]{1,15})$/.exec(generation ?? '')?.[1]
    if (version !== 'v=holdfast1' || digits === undefined || !/^d=/.test(digest ?? '') || !/^o=/.test(owner ?? ''))
      continue
    if (newest === null || Number(digits) > newest) newest = Number(digits)
  }
  return newest
}

export function isTombstone(standing: Standing): boolean {
  return standing.marker.some((strings) => strings.includes('k=retired'))
}
