/** Checks one target through the World, with a bound on how many checks run at once. */
import type { IpAddress } from '../model/address.ts'
import type { Check, Pool, Target } from '../model/policy.ts'
import type { World } from '../world/world.ts'
import { type Checked, judgeReply, worstOf } from './probe.ts'

/** A time-out that comes this late was not kept by a program that ran. */
const stoodStillMs = 1_000

type Probed = Exclude<Check, { kind: 'none' }>

/**
 * Every address of the target. Undefined if a check failed so long after its time-out that it was this
 * program that stood still: that says nothing about the target.
 */
export async function checkTarget(
  world: World,
  gate: Gate,
  pool: Pick<Pool, 'timeoutMs'>,
  check: Probed,
  target: Target,
): Promise<Checked | undefined> {
  const checks = await Promise.all(
    target.addresses.map((address) =>
      gate.pass(async () => {
        const began = world.clock.now()
        const reply = await askOne(world, check, address, pool.timeoutMs)
        const latencyMs = Math.round((world.clock.now() - began) * 10) / 10
        const judged = judgeReply(check, reply)
        if (judged.result === 'fail' && latencyMs > pool.timeoutMs + stoodStillMs) return undefined
        return { address, ...judged, latencyMs, at: world.clock.wall() }
      }),
    ),
  )
  const whole = checks.filter((one) => one !== undefined)
  return whole.length === checks.length ? worstOf(target, whole) : undefined
}

async function askOne(world: World, check: Probed, host: IpAddress, timeoutMs: number) {
  const to = { host, port: check.port }
  if (check.kind === 'tcp') {
    const connected = await world.net.connect(to, timeoutMs)
    if (connected.kind === 'connected') connected.connection.close()
    return connected.kind === 'connected' ? ({ kind: 'connected' } as const) : connected
  }
  const headers = { 'user-agent': 'holdfast-prober', connection: 'close' }
  return await world.net.request(
    { method: 'GET', to, path: check.path, headers: check.host === null ? headers : { ...headers, host: check.host } },
    timeoutMs,
  )
}

/** At most so many at once; the others wait in order. */
export class Gate {
  readonly #width: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(width: number) {
    this.#width = width
  }

  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#inside < this.#width) this.#inside++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // Whoever waits takes over the place of the one that leaves.
      const next = this.#waiting.shift()
      if (next === undefined) this.#inside--
      else next()
    }
  }
}
