/**
 * Planners that see differently (the clock of one is wrong, or only one of them hears a prober) undo each
 * other's pools in turn, as fast as the store takes plans, and no enactor keeps up with that. So whoever finds
 * that another has changed a pool since it changed it itself waits before it changes it again, and longer
 * each time. Planners that agree never wait: what one of them has published leaves the other nothing to do.
 */
import { sameState } from '../health/step.ts'
import type { PoolState } from '../model/plan.ts'
import type { Instant } from '../world/world.ts'

type Pools = Readonly<Record<string, PoolState>>

/** Long enough for a pass of an enactor, and short beside what it takes to see that a target is down. */
const firstMs = 200
const mostMs = 3_200
/** After so long without a contradiction it is none any more. */
const forgetMs = 10_000

interface Mine {
  readonly state: PoolState
  readonly at: Instant
  /** Contradictions in a row. */
  readonly turns: number
}

export class Contention {
  readonly #mine = new Map<string, Mine>()

  /** How long this change has to wait, in milliseconds, and for which pool; null: not at all. */
  wait(before: Pools, next: Pools, now: Instant): { readonly pool: string; readonly ms: number } | null {
    let longest: { readonly pool: string; readonly ms: number } | null = null
    for (const [pool, mine] of this.#mine) {
      if (!isContested(mine, before[pool], next[pool])) continue
      const ms = mine.at + Math.min(mostMs, firstMs * 2 ** mine.turns) - now
      if (ms > (longest?.ms ?? 0)) longest = { pool, ms }
    }
    return longest
  }

  /** This planner has published `next` after `before`. */
  published(before: Pools, next: Pools, now: Instant): void {
    for (const pool of this.#mine.keys()) if (next[pool] === undefined) this.#mine.delete(pool)
    for (const [pool, state] of Object.entries(next)) {
      const old = before[pool]
      if (old !== undefined && sameState(state, old)) continue
      const mine = this.#mine.get(pool)
      const isTurn = mine !== undefined && now - mine.at < forgetMs && isContested(mine, old, state)
      this.#mine.set(pool, { state, at: now, turns: isTurn ? mine.turns + 1 : 0 })
    }
  }
}

/** Somebody else has changed the pool since, and now it would be changed again. */
const isContested = ({ state }: Mine, before: PoolState | undefined, next: PoolState | undefined): boolean =>
  before !== undefined && next !== undefined && !sameState(next, before) && !sameState(state, before)
