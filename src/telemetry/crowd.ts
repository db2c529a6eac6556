/**
 * Keeps a crowd of equal events out of the log: of each kind so many a second are written, the rest is
 * counted and said in one line when the second is over. A first plan of a hundred thousand names, or
 * somebody who sends refused updates all day, must not cost a line each. Pure.
 */

export interface Crowd {
  /** Whether this event is to be written; if not, it is counted. `now` in milliseconds, not falling. */
  admits(kind: string, now: number): boolean
  /** What was left out in seconds that are over, by kind; each is told once. */
  leftOut(now: number): readonly { readonly kind: string; readonly count: number }[]
}

const windowMs = 1_000

interface Window {
  since: number
  written: number
  leftOut: number
}

/** The kinds of events are few and known, so the windows are bounded. */
export function crowd(perSecond: number): Crowd {
  const windows = new Map<string, Window>()
  return {
    admits(kind, now) {
      const known = windows.get(kind)
      if (known === undefined || (now - known.since >= windowMs && known.leftOut === 0)) {
        windows.set(kind, { since: now, written: 1, leftOut: 0 })
        return true
      }
      if (known.written < perSecond) {
        known.written += 1
        return true
      }
      known.leftOut += 1
      return false
    },
    leftOut(now) {
      const told: { readonly kind: string; readonly count: number }[] = []
      for (const [kind, window] of windows) {
        if (window.leftOut === 0 || now - window.since < windowMs) continue
        told.push({ kind, count: window.leftOut })
        windows.set(kind, { since: now, written: 0, leftOut: 0 })
      }
      return told
    },
  }
}
