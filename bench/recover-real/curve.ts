/** X(n): operations a second with n at once, measured. Runs as a program of its own, so that it can be pinned. */

import { operationTimeoutMs, workOn } from './database.ts'

export interface Point {
  readonly inFlight: number
  readonly perSecond: number
  /** Operations that took longer than their time-out. */
  readonly timeouts: number
}

export async function measure(url: string, hosts: number, inFlight: number, seconds: number): Promise<Point> {
  const work = workOn(url, inFlight)
  let host = 0
  let done = 0
  let timeouts = 0
  let running = 0
  let isCounting = false
  let isOver = false
  await new Promise<void>((resolve) => {
    const next = () => {
      if (isOver) {
        if (running === 0) resolve()
        return
      }
      running++
      host = Math.floor(Math.random() * hosts)
      void work.grant({ id: String(host), site: '' }, 1, operationTimeoutMs).then(({ kind }) => {
        running--
        if (isCounting && kind === 'done') done++
        if (isCounting && kind === 'timeout') timeouts++
        next()
      })
    }
    for (let i = 0; i < inFlight; i++) next()
    setTimeout(
      () => {
        isCounting = true
      },
      700 + 3 * inFlight,
    )
    setTimeout(
      () => {
        isCounting = false
        isOver = true
      },
      700 + 3 * inFlight + seconds * 1000,
    )
  })
  await work.close()
  return { inFlight, perSecond: done / seconds, timeouts }
}

if (import.meta.main) {
  const [url = '', hosts = '', seconds = '', ...counts] = process.argv.slice(2)
  for (const n of counts) console.log(JSON.stringify(await measure(url, Number(hosts), Number(n), Number(seconds))))
}
