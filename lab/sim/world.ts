/** The World of one simulated process: its own clock, its own randomness, the network as it sees it. */
import type { EpochMs, Instant, TraceEvent, World } from '../../src/world/world.ts'
import { type Kernel, ms, type Process } from './kernel.ts'
import type { Network } from './network.ts'

/** Virtual time 0 on a wall clock that is right: 20 October 2025, 06:48 UTC. */
export const epoch = Date.UTC(2025, 9, 20, 6, 48)

export type Listener = (process: Process, event: TraceEvent) => void

/** Who looks at the clock so often between two events waits for something that comes only with another event. */
const looksMost = 10_000

export function simulatedWorld(kernel: Kernel, network: Network, process: Process, listen: Listener): World {
  const { incarnation } = process
  let seen = kernel.events
  let looks = 0
  const now = (): number => {
    looks = kernel.events === seen ? looks + 1 : 0
    seen = kernel.events
    if (looks > looksMost) throw new Error('it goes round and round without ever waiting: nobody else would get on')
    return kernel.now / 1000
  }
  return {
    id: process.id,
    clock: {
      now: () => now() as Instant,
      wall: () => Math.floor(epoch + now() * (1 + process.driftPpm / 1e6) + process.wallOffsetMs) as EpochMs,
      sleep: (milliseconds) =>
        new Promise((resolve) => kernel.after(ms(Math.max(0, milliseconds)), process, resolve, incarnation)),
    },
    random: process.random,
    net: network.of(process),
    trace(event) {
      if (process.incarnation !== incarnation) return
      kernel.noteText(event.event)
      listen(process, event)
    },
  }
}
