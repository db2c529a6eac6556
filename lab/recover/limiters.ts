/**
 * How other governors choose the operations at once, each from its published formula and with its
 * published constants. All see what the knee seeker sees: latency and failure of operations.
 */

export interface Limiter {
  /** May another operation of so many units start, with so many in flight? Counts it if so. */
  mayStart(inFlight: number, now: number, units: number): boolean
  ended(latencySeconds: number, isFailure: boolean, inFlight: number, now: number): void
}

/** A number that somebody chose. */
export const fixed = (limit: number): Limiter => ({
  mayStart: (inFlight) => inFlight < limit,
  ended: () => {},
})

/** So many units a second, whatever comes of them; what was not used in a tenth of a second is lost. */
export function tokenBucket(perSecond: number): Limiter {
  const most = Math.max(1, perSecond / 10)
  let tokens = most
  let at = 0
  return {
    mayStart(_inFlight, now, units) {
      tokens = Math.min(most, tokens + (now - at) * perSecond)
      at = now
      if (tokens < units) return false
      tokens -= units
      return true
    },
    ended: () => {},
  }
}

/** Additive increase, multiplicative decrease (Chiu and Jain, 1989): one more a success, a tenth less a failure. */
export function aimd(limitMax = 200, limitMin = 20): Limiter {
  let limit = limitMin
  return {
    mayStart: (inFlight) => inFlight < Math.floor(limit),
    ended(_latency, isFailure, inFlight) {
      if (isFailure) limit *= 0.9
      else if (inFlight * 2 >= limit) limit += 1
      limit = Math.min(limitMax, Math.max(limitMin, limit))
    },
  }
}

/** Mean latency of a hundred samples or a second of them: single ones of a random service say nothing. */
function windowed(decided: (meanSeconds: number, inFlight: number) => void): Limiter['ended'] {
  let sum = 0
  let count = 0
  let openedAt = 0
  let mostInFlight = 0
  return (latency, isFailure, inFlight, now) => {
    if (!isFailure) {
      sum += latency
      count++
    }
    mostInFlight = Math.max(mostInFlight, inFlight)
    if (count === 0 || (count < 100 && now - openedAt < 1)) return
    decided(sum / count, mostInFlight)
    sum = 0
    count = 0
    openedAt = now
    mostInFlight = 0
  }
}

/**
 * TCP Vegas (Brakmo and Peterson, 1994) on a limit instead of a window, with the thresholds that grow with
 * its logarithm: the queue that it believes to have caused is limit * (1 - least latency / latency).
 */
export function vegas(limitMax = 1000): Limiter {
  let limit = 20
  let least = Number.POSITIVE_INFINITY
  const observe = windowed((mean, inFlight) => {
    least = Math.min(least, mean)
    const step = Math.max(1, Math.log10(limit))
    const queue = Math.ceil(limit * (1 - least / mean))
    if (inFlight * 2 < limit) return
    if (queue < 3 * step) limit += step
    else if (queue > 6 * step) limit -= step
    limit = Math.min(limitMax, Math.max(1, limit))
  })
  return {
    mayStart: (inFlight) => inFlight < Math.floor(limit),
    ended(latency, isFailure, inFlight, now) {
      if (isFailure) limit = Math.max(1, limit - Math.max(1, Math.log10(limit)))
      observe(latency, isFailure, inFlight, now)
    },
  }
}

/**
 * Gradient2: the ratio of the latency of long ago to that of now, with a tolerance of half as much again,
 * moves the limit; a queue of four is allowed for; smoothed by a fifth; 20 to 200.
 */
export function gradient2(): Limiter {
  let limit = 20
  let long = 0
  let windows = 0
  const observe = windowed((mean, inFlight) => {
    windows++
    // The mean of what there is, until there are enough windows for an exponential average over 600.
    long += (mean - long) * Math.max(1 / windows, 2 / 601)
    if (long / mean > 2) long *= 0.95
    if (inFlight * 2 < limit) return
    const gradient = Math.min(1, Math.max(0.5, (1.5 * long) / mean))
    limit = 0.8 * limit + 0.2 * (limit * gradient + 4)
    limit = Math.min(200, Math.max(20, limit))
  })
  return { mayStart: (inFlight) => inFlight < Math.floor(limit), ended: observe }
}
