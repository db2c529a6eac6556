/**
 * From a pool's state in the plan to what HAProxy must do with each target now. The plan decided; this
 * only says it in HAProxy's numbers.
 */
import { weightsAt } from '../health/weights.ts'
import type { IpAddress } from '../model/address.ts'
import type { PoolState } from '../model/plan.ts'
import type { Pool } from '../model/policy.ts'
import type { EpochMs } from '../world/world.ts'

export interface Wanted {
  readonly target: string
  /** The first address of the target: one target, one slot, one share of the traffic. */
  readonly address: IpAddress
  readonly port: number
  /** 0 to 256; the greatest target has 256 at full share, none that answers has less than 1. */
  readonly weight: number
  /** An operator took it out: shown as DRAIN in HAProxy, not only as weight 0. */
  readonly drained: boolean
}

/** HAProxy's greatest weight. */
export const weightMax = 256

/** Every target of the pool, in the order of the policy. */
export function wantedOf(pool: Pool, state: PoolState, port: number, now: EpochMs): readonly Wanted[] {
  const shares = weightsAt(pool, state, now)
  const greatest = Math.max(...pool.targets.map(({ capacity }) => capacity))
  return pool.targets.map(({ id, addresses, capacity }) => {
    const share = shares.get(id) ?? 0
    const full = Math.max(1, Math.round((weightMax * capacity) / greatest))
    const weight = share > 0 ? Math.max(1, Math.round(full * share)) : 0
    return { target: id, address: addresses[0], port, weight, drained: state.targets[id]?.kind === 'drained' }
  })
}

/** HAProxy fails closed: with every weight at 0 it serves nobody. Such a vector is never pushed. */
export const servesNobody = (wanted: readonly Wanted[]): boolean => wanted.every(({ weight }) => weight === 0)
