/** What is wrong with a lease manager, in sentences for `holdfast status` and `holdfast fleet`. Pure. */
import type { FleetPart } from '../model/lease.ts'
import type { TokenTrouble } from './doorkeeper.ts'

export interface Ailing {
  readonly token: TokenTrouble | undefined
  readonly dependency: FleetPart['dependency']
  readonly waiting: number
  readonly overdue: number
  /** Of those that say so themselves; empty: nothing. */
  readonly others: readonly string[]
}

export function ailsOf({ token, dependency, waiting, overdue, others }: Ailing): readonly string[] {
  const found = [
    token === undefined ? '' : tokenAil(token),
    dependency === 'down' ? `the dependency does not answer: ${waiting} hosts wait, none is dropped` : '',
    overdue > 0 ? `${overdue} leases ran out faster than they may be taken away: look at who went silent` : '',
    ...others,
  ]
  return found.filter((one) => one !== '')
}

export const tokenAil = ({ why, isKept }: TokenTrouble): string =>
  `the token of the fleet (leases.token) cannot be used, ${isKept ? 'the one before still counts until a restart' : 'so no host is let in'}: ${why}`
