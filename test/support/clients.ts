/** Many clients in one process: each asks, waits, and asks again, as clients do that have to get through. */
import { Agent, request } from 'node:http'

export interface Tally {
  /** Answered well, in time. */
  readonly good: number
  readonly refused: number
  readonly late: number
}

export interface Clients {
  tally(): Tally
  stop(): void
}

/**
 * Nobody waits longer than `patienceMs`, and says so; who waited in vain asks again within half a second, who
 * was refused when it was told to. They all come within `withinMs`.
 */
export function clients(count: number, port: number, patienceMs: number, withinMs: number): Clients {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  const timers = new Set<NodeJS.Timeout>()
  let [good, refused, late, isOver] = [0, 0, 0, false]
  const after = (ms: number, then: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      then()
    }, ms)
    timers.add(timer)
    return timer
  }
  function ask(): void {
    if (isOver) return
    const headers = { 'deadline-ms': `${patienceMs}`, 'content-length': '0' }
    let isSettled = false
    const sent = request({ agent, host: '127.0.0.1', port, method: 'POST', path: '/', headers }, (response) => {
      response.resume()
      response.on('end', () => {
        const status = response.statusCode ?? 0
        if (status < 300) {
          good++
          settle(0)
        } else {
          refused++
          settle(Number(response.headers['retry-after-ms'] ?? 0))
        }
      })
    })
    const timer = after(patienceMs, () => {
      late++
      sent.destroy()
      settle(Math.random() * 500)
    })
    function settle(waitMs: number): void {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      timers.delete(timer)
      after(waitMs, ask)
    }
    sent.on('error', () => settle(10))
    sent.end()
  }
  for (let i = 0; i < count; i++) after((i / count) * withinMs, ask)
  return {
    tally: () => ({ good, refused, late }),
    stop() {
      isOver = true
      for (const timer of timers) clearTimeout(timer)
      agent.destroy()
    },
  }
}
