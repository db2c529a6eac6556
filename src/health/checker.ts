/**
 * The port that checks are made through: one question to one address, and what came of it. `check-world.ts`
 * knows what the World can ask (and so what the laboratory simulates); `check-node.ts` everything else.
 */
import type { IpAddress } from '../model/address.ts'
import type { Probed } from '../model/check.ts'

export type Look =
  | { readonly kind: 'pass' }
  /** What was expected, and what was found. */
  | { readonly kind: 'fail'; readonly detail: string }
  /** It was this program or its machine that failed: no socket was left, a secret cannot be read. Says nothing about the target. */
  | { readonly kind: 'could-not-look'; readonly why: string }

export interface Subject {
  readonly pool: string
  readonly target: string
  readonly address: IpAddress
}

export interface Checker {
  /** Settles within `timeoutMs`, save when the whole program stands still. Never rejects. */
  check(check: Probed, subject: Subject, timeoutMs: number): Promise<Look>
  /** Looks at what always answers: a prober that cannot see it is blind, and judges nobody. */
  canary(timeoutMs: number): Promise<Look>
}

export const pass: Look = { kind: 'pass' }
export const fail = (detail: string): Look => ({ kind: 'fail', detail })
export const couldNotLook = (why: string): Look => ({ kind: 'could-not-look', why })
