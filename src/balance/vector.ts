/**
 * What is to be pushed, and what of it is kept over a restart. A pool's state in the plan belongs to
 * the targets of the policy that the plan was made from; while the file is newer than the plan, the
 * pool is taken as it was when the two belonged together.
 */
import { type Digest, fromUtf8, utf8 } from '../base/bytes.ts'
import { type Generation, toGeneration } from '../model/generation.ts'
import type { PlanHead, PoolState } from '../model/plan.ts'
import type { Policy, Pool } from '../model/policy.ts'

export interface Vector {
  readonly owner: string
  readonly generation: Generation
  /** The file that was in force when this was made. */
  readonly policy: Digest
  /** By pool id. */
  readonly pools: Readonly<Record<string, { readonly pool: Pool; readonly state: PoolState }>>
}

/** Of the pools named in `wanted`, those that plan and policy know. Never goes back to an older plan. */
export function vectorOf(
  wanted: readonly string[],
  policy: Policy,
  plan: PlanHead,
  before: Vector | undefined,
): Vector | undefined {
  if (before !== undefined && plan.generation < before.generation) return before
  const pools: Record<string, { pool: Pool; state: PoolState }> = {}
  const together = plan.policy === policy.digest
  for (const id of wanted) {
    const state = plan.pools[id]
    const known = before?.pools[id]
    const pool = together ? policy.pools.get(id) : (known?.pool ?? policy.pools.get(id))
    if (state !== undefined && pool !== undefined) pools[id] = { pool, state }
    else if (known !== undefined) pools[id] = known
  }
  return Object.keys(pools).length === 0
    ? before
    : { owner: policy.owner, generation: plan.generation, policy: policy.digest, pools }
}

export const encodeVector = (vector: Vector): Uint8Array => utf8(JSON.stringify({ version: 1, ...vector }))

/** Undefined for whatever is not such a document, or not of this deployment. */
export function decodeVector(bytes: Uint8Array, owner: string): Vector | undefined {
  try {
    const found = JSON.parse(fromUtf8(bytes)) as Partial<Vector & { version: number }> | null
    if (found?.version !== 1 || found.owner !== owner || typeof found.generation !== 'number') return undefined
    if (typeof found.policy !== 'string') return undefined
    const generation = toGeneration(found.generation)
    if (generation === undefined || typeof found.pools !== 'object' || found.pools === null) return undefined
    const isWhole = Object.values(found.pools).every(
      (one) =>
        Array.isArray(one?.pool?.targets) &&
        one.pool.targets.length > 0 &&
        typeof one.state?.targets === 'object' &&
        one.state.targets !== null,
    )
    return isWhole ? { owner, generation, policy: found.policy, pools: found.pools } : undefined
  } catch {
    return undefined
  }
}
