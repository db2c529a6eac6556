/**
 * Several probers, one opinion: which rounds were bad, and what the rounds say together.
 *
 * A round is bad if at least two probers saw it fail and more failed than passed; where only one prober
 * looks, it decides alone. A round is good if more passed than failed. Everything else is neither: what
 * nobody saw, or what they disagree about, is no evidence.
 */
import { known } from './rounds.ts'

export const unknown = 0
export const up = 1
export const down = 2

/** What probers saw of one target: bit k is the round k before the latest. */
export interface Seen {
  /** As many of these as probers were fresh. */
  count: number
  readonly fails: Uint32Array
  readonly length: Uint8Array
}

export interface Combined {
  bad: number
  good: number
  /** Rounds that only one of several probers knows, and that failed: not enough to be bad, and too much to be forgotten. */
  doubt?: number
}

/** Rounds of all probers together. Written into `into`, so that ten thousand targets need no ten thousand objects. */
export function combine({ count, fails, length }: Seen, into: Combined): void {
  let anyFail = 0
  let anyPass = 0
  let twoFail = 0
  let twoPass = 0
  let anyKnown = 0
  let twoKnown = 0
  for (let p = 0; p < count; p++) {
    const mask = known(length[p] as number)
    const fail = (fails[p] as number) & mask
    const pass = ~fail & mask
    twoFail |= anyFail & fail
    twoPass |= anyPass & pass
    anyFail |= fail
    anyPass |= pass
    twoKnown |= anyKnown & mask
    anyKnown |= mask
  }
  into.doubt = count <= 1 ? 0 : anyFail & ~twoKnown
  if (count <= 1) {
    into.bad = anyFail
    into.good = anyPass
  } else if (count <= 3) {
    // Of three at most one passed where two failed, and the other way round.
    into.bad = twoFail
    into.good = twoPass | (anyPass & ~anyFail)
  } else countRounds({ count, fails, length }, into)
}

function countRounds({ count, fails, length }: Seen, into: Combined): void {
  let bad = 0
  let good = 0
  for (let k = 0; k < 32; k++) {
    let failed = 0
    let passed = 0
    for (let p = 0; p < count; p++) {
      if (k >= (length[p] as number)) continue
      if ((((fails[p] as number) >>> k) & 1) === 1) failed++
      else passed++
    }
    if (failed >= 2 && failed > passed) bad |= 1 << k
    else if (passed > failed) good |= 1 << k
  }
  into.bad = bad
  into.good = good
}

/**
 * Down after `fall` bad rounds in a row, up after `rise` good ones, whichever was last; else unknown. What
 * passed before a prober that looked alone saw `fall` failures says nothing about now.
 */
export function opinionOf({ bad, good, doubt = 0 }: Combined, fall: number, rise: number): number {
  const downs = runsOf(bad, fall)
  const ups = runsOf(good, rise)
  const doubts = doubt === 0 ? 0 : runsOf(bad | doubt, fall)
  if (doubts !== 0 && ups !== 0 && lowestBit(doubts) < lowestBit(ups))
    return downs !== 0 && lowestBit(downs) < lowestBit(ups) ? down : unknown
  if (downs === 0) return ups === 0 ? unknown : up
  if (ups === 0) return down
  return lowestBit(downs) < lowestBit(ups) ? down : up
}

/** The bits at which a run of at least so many ones ends, seen from the latest. */
function runsOf(bits: number, atLeast: number): number {
  let runs = bits
  for (let k = 1; k < atLeast && runs !== 0; k++) runs &= bits >>> k
  return runs
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits)

/** Ones in a row at the end. */
export const runAtEnd = (bits: number): number => (bits === -1 ? 32 : lowestBit(~bits))
