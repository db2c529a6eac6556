/**
 * How much may leave, and how fast (S5): a ledger of removals, a budget for the pool and one for each
 * site in any window, and a floor. Additions need nobody's leave.
 */
import { assert } from '../base/assert.ts'
import type { Removal } from '../model/plan.ts'
import type { Limits } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'

/** A target of the pool that counts: one that never passed its checks is no part of any share. */
export interface Member {
  readonly target: string
  readonly site: string
  readonly capacity: number
  /** How much of its capacity answers now, 0 to 1. */
  readonly answering: number
}

export interface Candidate {
  readonly target: string
  /** Failed checks in a row. */
  readonly failures: number
}

export type Gate = 'floor' | 'pool-budget' | 'site-budget'

export interface Held {
  readonly target: string
  readonly by: Gate
  /** When the budget has room for it again; null where only other targets' return can make room. */
  readonly until: EpochMs | null
}

/** Shares are sums of decimal fractions: a hair's breadth over is not over. */
const hair = 1e-9

/** What still counts at `now`, oldest first. A removal from the future (the clock was set back) counts as made now. */
export function ledgerAt(ledger: readonly Removal[], windowMs: number, now: EpochMs): readonly Removal[] {
  return ledger
    .map((removal) => (removal.at > now ? { ...removal, at: now } : removal))
    .filter(({ at }) => now - at < windowMs)
    .sort((a, b) => a.at - b.at)
}

/** Whether `target` may go without the rest falling under the floor, budgets aside. */
export function floorAllows(members: readonly Member[], target: string, floor: number): boolean {
  const total = sum(members.map(({ capacity }) => capacity))
  const rest = members.filter((member) => member.target !== target)
  const left = sum(rest.map(({ capacity, answering }) => capacity * answering))
  if (left <= 0) return false
  if (left >= floor * total - hair) return true
  // A share alone would never let one of three go.
  return rest.every(({ answering }) => answering === 1) && left >= total / 2 - hair
}

/**
 * Which of the candidates leave now: most failures first, then by id. Nobody overtakes one whom a
 * budget holds, or a large target might wait for ever behind small ones. Removals are to be added to
 * the ledger; the others stay in the answer, each with the gate that holds it.
 */
export function admitRemovals(input: {
  readonly limits: Limits
  readonly members: readonly Member[]
  readonly candidates: readonly Candidate[]
  readonly ledger: readonly Removal[]
  readonly now: EpochMs
}): { readonly removals: readonly Removal[]; readonly held: readonly Held[] } {
  const { limits, now } = input
  const ledger = [...ledgerAt(input.ledger, limits.windowMs, now)]
  let members = input.members
  const poolBudget = limits.poolBudget * sum(members.map(({ capacity }) => capacity))
  const removals: Removal[] = []
  const held: Held[] = []
  /** Budgets that somebody waits for: by site, and under the empty name for the pool. */
  const queues = new Map<string, EpochMs>()
  const order = [...input.candidates].sort((a, b) => b.failures - a.failures || (a.target < b.target ? -1 : 1))
  for (const { target } of order) {
    const member = members.find((one) => one.target === target)
    if (member === undefined || member.answering === 0) continue
    const { site } = member
    const capacity = member.capacity * member.answering
    const siteBudget = limits.siteBudget * sum(members.filter((one) => one.site === site).map((one) => one.capacity))
    const ofSite = ledger.filter((removal) => removal.site === site)
    const poolWait =
      queues.get('') ??
      (fits(ledger, capacity, poolBudget) ? undefined : roomAt(ledger, capacity, poolBudget, limits.windowMs))
    const siteWait =
      queues.get(site) ??
      (fits(ofSite, capacity, siteBudget) ? undefined : roomAt(ofSite, capacity, siteBudget, limits.windowMs))
    if (!floorAllows(members, target, limits.floor)) held.push({ target, by: 'floor', until: null })
    else if (poolWait !== undefined) {
      queues.set('', poolWait)
      held.push({ target, by: 'pool-budget', until: poolWait })
    } else if (siteWait !== undefined) {
      queues.set(site, siteWait)
      held.push({ target, by: 'site-budget', until: siteWait })
    } else {
      const removal: Removal = { at: now, target, site, capacity }
      removals.push(removal)
      ledger.push(removal)
      members = members.map((one) => (one === member ? { ...one, answering: 0 } : one))
    }
  }
  return { removals, held }
}

/** The share, or one single removal of whatever size. */
function fits(ledger: readonly Removal[], capacity: number, budget: number): boolean {
  return ledger.length === 0 || sum(ledger.map((removal) => removal.capacity)) + capacity <= budget + hair
}

/** When enough of a full ledger will have passed out of the window. */
function roomAt(ledger: readonly Removal[], capacity: number, budget: number, windowMs: number): EpochMs {
  const last = ledger.find((_, i) => fits(ledger.slice(i + 1), capacity, budget))
  assert(last !== undefined, 'expected room once the ledger is empty, found none')
  return (last.at + windowMs) as EpochMs
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0)
