/**
 * How much may leave, and how fast (S5): a ledger of removals, a budget for the pool and one for each
 * site in any window, and a floor. Additions need nobody's leave.
 */
import { assert } from '../base/assert.ts'
import type { Removal } from '../model/plan.ts'
import type { Limits } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'
import type { Layout } from './layout.ts'

export interface Candidate {
  /** Its place in the pool. */
  readonly target: number
  /** Bad rounds in a row. */
  readonly failures: number
}

export type Gate = 'floor' | 'demand' | 'pool-budget' | 'site-budget'

export interface Held {
  readonly target: number
  readonly by: Gate
  /** When the budget has room for it again; null where only other targets' return can make room. */
  readonly until: EpochMs | null
}

/** Shares are sums of decimal fractions: a hair's breadth over is not over. */
const hair = 1e-9

/**
 * What is younger than `keepMs` at `now`, oldest first. If the last removal lies in the future (a clock was set back, or
 * planners disagree) it counts as made now, and all others as long before it as they were: whoever made it knew of
 * them, and closer together they would be over a budget that was kept.
 */
export function ledgerAt(ledger: readonly Removal[], keepMs: number, now: EpochMs): readonly Removal[] {
  if (ledger.length === 0) return ledger
  const ahead = Math.max(0, ...ledger.map(({ at }) => at - now))
  return ledger
    .map((removal) => (ahead > 0 ? { ...removal, at: (removal.at - ahead) as EpochMs } : removal))
    .filter(({ at }) => now - at < keepMs)
    .sort((a, b) => a.at - b.at)
}

/** As long as a removal may count in a window, or be undone. */
export const keptMs = ({ windowMs, undoMs }: Limits): number => Math.max(windowMs, undoMs)

/**
 * The capacity that answers, kept up to date while targets leave. A target that never passed its checks
 * is no part of any share, nor is one whose site was evacuated: whoever asks leaves them out of `counts`.
 */
export class Answering {
  readonly #layout: Layout
  readonly #counts: Uint8Array
  readonly #shares: Float64Array
  readonly total: number
  /** By site. */
  readonly siteTotals: Float64Array
  #left: number
  #partial: number

  /** `counts`: 1 for targets that count. `shares`: what each answers with, 0 to 1; changed by `remove`. */
  constructor(layout: Layout, counts: Uint8Array, shares: Float64Array) {
    this.#layout = layout
    this.#counts = counts
    this.#shares = shares
    this.siteTotals = new Float64Array(layout.sites.length)
    let total = 0
    let left = 0
    let partial = 0
    for (let i = 0; i < layout.count; i++) {
      if (counts[i] === 0) continue
      const capacity = layout.capacity[i] as number
      const share = shares[i] as number
      const site = layout.siteOf[i] as number
      total += capacity
      left += capacity * share
      if (share < 1) partial++
      this.siteTotals[site] = (this.siteTotals[site] as number) + capacity
    }
    this.total = total
    this.#left = left
    this.#partial = partial
  }

  get left(): number {
    return this.#left
  }

  /** What it answers with now, in units of capacity; 0 for one that does not count. */
  of(target: number): number {
    return this.#counts[target] === 0 ? 0 : (this.#layout.capacity[target] as number) * (this.#shares[target] as number)
  }

  /** Which gate would be in the way if `target` left, budgets aside. `least`: what demand needs. */
  floorGate(target: number, floor: number, least: number): 'floor' | 'demand' | undefined {
    const left = this.#left - this.of(target)
    if (left <= hair) return 'floor'
    if (left < Math.min(least, this.total) - hair) return 'demand'
    if (left >= floor * this.total - hair) return undefined
    // A share alone would never let one of three go.
    const others = this.#partial - ((this.#shares[target] as number) < 1 ? 1 : 0)
    return others === 0 && left >= this.total / 2 - hair ? undefined : 'floor'
  }

  remove(target: number): void {
    this.#left -= this.of(target)
    if (this.#shares[target] === 1) this.#partial++
    this.#shares[target] = 0
  }
}

/**
 * Which of the candidates leave now: most failures first, then in the order of the pool. Nobody overtakes
 * one whom a budget holds, or a large target might wait for ever behind small ones. Removals are to be
 * added to the ledger; the others stay in the answer, each with the gate that holds it. `answering` is
 * left as it is after the removals.
 */
export function admitRemovals(input: {
  readonly layout: Layout
  readonly limits: Limits
  readonly answering: Answering
  readonly candidates: readonly Candidate[]
  readonly ledger: readonly Removal[]
  /** The least capacity that demand needs. */
  readonly least: number
  readonly now: EpochMs
}): { readonly removals: readonly Removal[]; readonly held: readonly Held[] } {
  const { layout, limits, answering, least, now } = input
  const ledger = ledgerAt(input.ledger, limits.windowMs, now)
  const whole = new Budget(ledger, limits.poolBudget * answering.total, limits.windowMs)
  const bySite = new Map<number, Budget>()
  const removals: Removal[] = []
  const held: Held[] = []
  const order = [...input.candidates].sort((a, b) => b.failures - a.failures || a.target - b.target)
  for (const { target } of order) {
    const capacity = answering.of(target)
    if (capacity === 0) continue
    const site = layout.siteOf[target] as number
    const name = layout.sites[site] as string
    let budget = bySite.get(site)
    if (budget === undefined) {
      const here = ledger.filter((removal) => removal.site === name)
      budget = new Budget(here, limits.siteBudget * (answering.siteTotals[site] as number), limits.windowMs)
      bySite.set(site, budget)
    }
    const gate = answering.floorGate(target, limits.floor, least)
    const poolWait = gate === undefined ? whole.waitFor(capacity) : null
    const siteWait = gate === undefined && poolWait === null ? budget.waitFor(capacity) : null
    if (gate !== undefined) held.push({ target, by: gate, until: null })
    else if (poolWait !== null) held.push({ target, by: 'pool-budget', until: poolWait })
    else if (siteWait !== null) held.push({ target, by: 'site-budget', until: siteWait })
    else {
      removals.push({ at: now, target: layout.ids[target] as string, site: name, capacity })
      whole.spend(capacity, now)
      budget.spend(capacity, now)
      answering.remove(target)
    }
  }
  return { removals, held }
}

/** The share of one scope that may go in any window, or one single removal of whatever size. */
class Budget {
  readonly #entries: { readonly at: EpochMs; readonly capacity: number }[]
  readonly #most: number
  readonly #windowMs: number
  #spent = 0
  /** Once somebody waits, everybody after it does. */
  #queue: EpochMs | null = null

  /** @param entries those in the window, oldest first */
  constructor(entries: readonly Removal[], most: number, windowMs: number) {
    this.#entries = [...entries]
    this.#most = most
    this.#windowMs = windowMs
    for (const { capacity } of entries) this.#spent += capacity
  }

  /** Null if there is room for so much now; else when there will be. */
  waitFor(capacity: number): EpochMs | null {
    if (this.#queue !== null) return this.#queue
    if (this.#fits(this.#entries.length, this.#spent, capacity)) return null
    let spent = this.#spent
    for (const [i, entry] of this.#entries.entries()) {
      spent -= entry.capacity
      if (!this.#fits(this.#entries.length - i - 1, spent, capacity)) continue
      this.#queue = (entry.at + this.#windowMs) as EpochMs
      return this.#queue
    }
    assert(false, 'expected room once the ledger is empty, found none')
  }

  spend(capacity: number, now: EpochMs): void {
    this.#spent += capacity
    this.#entries.push({ at: now, capacity })
  }

  #fits(entries: number, spent: number, capacity: number): boolean {
    return entries === 0 || spent + capacity <= this.#most + hair
  }
}
