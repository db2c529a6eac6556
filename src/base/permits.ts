/** At most so many of something at once; the others wait, first come, first served. */
export interface Permits {
  /** Waits for a permit, runs the work, gives the permit back whatever comes of it. */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** Waiting costs one small object each, so whoever queues without end bounds the queue itself. */
export function permits(count: number): Permits {
  let free = count
  const waiting: (() => void)[] = []
  let first = 0
  return {
    async run(work) {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
      try {
        return await work()
      } finally {
        const next = waiting[first]
        if (next === undefined) {
          waiting.length = 0
          first = 0
          free++
        } else {
          first++
          next()
        }
      }
    },
  }
}
