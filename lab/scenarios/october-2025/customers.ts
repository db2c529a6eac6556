/**
 * Customers, told as one program that asks for the name once a second and connects to what it is told.
 * The service behind the name is healthy all the time: who gets an address is served.
 */
import { type Kernel, ms } from '../../sim/kernel.ts'

/** What a resolver gets, NOERROR in any case. */
export interface Answer {
  readonly addresses: readonly string[]
  readonly plan: number | null
}

export interface Customers {
  readonly asked: number
  readonly served: number
  /** Got NOERROR and no address. */
  readonly turnedAway: number
  /** When that first happened. */
  readonly firstTurnedAwayMs: number | null
}

/** `ask` reads the name as it stands; `told` hears of every answer. They begin once there is one. */
export function customers(kernel: Kernel, ask: () => Answer, told: (answer: Answer) => void): () => Customers {
  const seen = { asked: 0, served: 0, turnedAway: 0, firstTurnedAwayMs: null as number | null }
  const program = kernel.add('customers', async (process) => {
    for (let known = false; ; ) {
      await new Promise<void>((resolve) => kernel.after(ms(1000), process, resolve))
      const answer = ask()
      known ||= answer.addresses.length > 0
      if (!known) continue
      seen.asked += 1
      if (answer.addresses.length > 0) seen.served += 1
      else {
        seen.turnedAway += 1
        seen.firstTurnedAwayMs ??= kernel.now / 1000
      }
      told(answer)
    }
  })
  kernel.start(program)
  return () => ({ ...seen })
}
