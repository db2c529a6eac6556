/**
 * What one prober saw, as bits: the histories of an observation, read once for each document. A document
 * that has not changed since the last step costs nothing in the next.
 */
import type { Observation } from '../model/observation.ts'
import type { Pool } from '../model/policy.ts'
import { entryOf, layoutOf } from './layout.ts'

export interface Rounds {
  readonly observation: Observation
  readonly prober: string
  /** Null: not said. */
  readonly site: string | null
  /** By target, in the order of the pool: bit k is the round k before the latest, 1 for one that failed. */
  readonly fails: Uint32Array
  /** How many rounds are known, at most 32. */
  readonly length: Uint8Array
  /** When the latest result came in; never, where nothing is known. */
  readonly at: Float64Array
}

const read = new WeakMap<Observation, { readonly targets: Pool['targets']; readonly rounds: Rounds }>()

export function roundsOf(pool: Pick<Pool, 'targets'>, observation: Observation): Rounds {
  const known = read.get(observation)
  if (known !== undefined && known.targets === pool.targets) return known.rounds
  const { ids, count } = layoutOf(pool)
  const fails = new Uint32Array(count)
  const length = new Uint8Array(count)
  const at = new Float64Array(count).fill(Number.NEGATIVE_INFINITY)
  for (let i = 0; i < count; i++) {
    const seen = entryOf(observation.targets, ids[i] as string)
    if (seen === undefined || seen.history === '') continue
    const { history } = seen
    let bits = 0
    for (let k = Math.max(0, history.length - 32); k < history.length; k++)
      bits = (bits << 1) | (history.charCodeAt(k) === 0x66 ? 1 : 0)
    fails[i] = bits
    length[i] = Math.min(32, history.length)
    at[i] = seen.at
  }
  const { prober, site } = observation
  const rounds: Rounds = { observation, prober, site: site ?? null, fails, length, at }
  read.set(observation, { targets: pool.targets, rounds })
  return rounds
}

/** As many ones as rounds are known. */
export const known = (length: number): number => (length === 0 ? 0 : 0xffffffff >>> (32 - length))
