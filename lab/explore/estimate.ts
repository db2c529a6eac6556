/**
 * How many states a world has, before it is explored.
 *
 * The basis is the same world with fewer enactors, which is explored. Enactors change nothing of each other's and are
 * interchangeable, so with one more of them there are about as many times more states as there were with the
 * one before, less the share that order would make. That was within a tenth for three enactors. For two there is
 * only one to go by: what it can be in each state of what is shared is put together with itself, and since it
 * sees less alone than in company, that is taken 2.2 times; it was right within a factor of two and a half.
 */
import type { Explored } from './search.ts'
import { bytesPerState } from './seen.ts'

export interface Estimate {
  readonly states: number
  readonly bytes: number
  readonly ms: number
  /** In one line. */
  readonly basis: string
}

/** More pairs than one enactor alone gives. */
const inCompany = 2.2

/** `fewer`: the world with one enactor less, and with two less. Null if that is not enough to go by. */
export function estimate(enactors: number, fewer: readonly (Explored | null)[]): Estimate | null {
  const [one, two] = fewer
  if (one == null || one.kind !== 'all') return null
  const number = (value: number) => value.toLocaleString('en')
  const of = (states: number, basis: string): Estimate => ({
    states: Math.round(states),
    bytes: states * bytesPerState,
    ms: (one.ms / one.states) * states * 1.5,
    basis,
  })
  if (enactors === 2) {
    const pairs = one.inCommon.reduce((all, count) => all + (count * (count + 1)) / 2, 0)
    return of(pairs * inCompany, `from ${number(one.states)} states of one enactor, to within a factor of three`)
  }
  if (two == null || two.kind !== 'all') return null
  const grown = (one.states / two.states) * ((enactors - 1) / enactors)
  return of(
    one.states * Math.max(1, grown),
    `from ${number(one.states)} states with ${enactors - 1} enactors and ${number(two.states)} with ${enactors - 2}`,
  )
}
