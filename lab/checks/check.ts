/**
 * A check watches one invariant from outside: it sees what stands at the authorities and what was
 * committed to the store, and shares no code with the programs under test. Each says in one line what
 * was violated; it says so at the very event at which it happened.
 */
import type { Name } from '../../src/model/name.ts'
import type { Write } from '../../src/store/store.ts'
import type { Standing } from '../sim/authority.ts'

export type Invariant = 'S1' | 'S2' | 'S3' | 'S4' | 'S5' | 'S6' | 'L1' | 'L2' | 'L4'

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

export interface Check {
  readonly invariant: Invariant
  /** A change at an authority, by a process or by `hand`. */
  onRecords?(name: Name, before: Standing, after: Standing, by: string): Violation | null
  onCommit?(writes: readonly Write[], by: string): Violation | null
  /** After the run was healed and had its time. */
  atEnd?(): Violation | null
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
