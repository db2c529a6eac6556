/** Checks one target: every address of it, through the port for checks. */
import type { Permits } from '../base/permits.ts'
import type { Probed } from '../model/check.ts'
import type { Pool, Target } from '../model/policy.ts'
import type { World } from '../world/world.ts'
import type { Checker } from './checker.ts'
import { type Checked, worstOf } from './probe.ts'

/** A time-out that comes this late was not kept by a program that ran: the answer may have been here in time. */
const stoodStillMs = 200

/** Nothing was learnt of the target, because of this program or its machine. */
export interface Unseen {
  readonly unseen: string
}

export interface Looking {
  readonly world: World
  readonly checker: Checker
  /** Checks in progress, of all pools together. */
  readonly places: Permits
}

export async function checkTarget(
  { world, checker, places }: Looking,
  pool: Pick<Pool, 'id'>,
  check: Probed,
  target: Target,
  timeoutMs: number,
): Promise<Checked | Unseen> {
  const checks = await Promise.all(
    target.addresses.map((address) =>
      places.run(async (): Promise<Unseen | (Checked & { readonly address: string })> => {
        const began = world.clock.now()
        const look = await checker.check(check, { pool: pool.id, target: target.id, address }, timeoutMs)
        const latencyMs = Math.round((world.clock.now() - began) * 10) / 10
        if (look.kind === 'could-not-look') return { unseen: look.why }
        if (look.kind === 'fail' && latencyMs > timeoutMs + stoodStillMs) return { unseen: 'this program stood still' }
        const detail = look.kind === 'pass' ? 'ok' : look.detail
        return { address, result: look.kind, detail, latencyMs, at: world.clock.wall() }
      }),
    ),
  )
  const whole = checks.flatMap((one) => ('unseen' in one ? [] : [one]))
  return checks.find((one) => 'unseen' in one) ?? worstOf(target, whole)
}
